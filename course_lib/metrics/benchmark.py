"""Does it draw what it is told, or what it has seen? Questions about pictures never trained on.

A caption is drawn. Of 100 pictures, the true one and the 99 hardest to tell from it (another tone,
gender, role or colour; look-alikes), is the true one nearest to the drawing, at 16x16 pixels?
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.datasets import emoji, registry
from course_lib.datasets.emoji import Emoji
from course_lib.text_to_image import TextToImage

NOTHING = -1  # in a list of picture numbers: there is nothing to copy


@dataclass(frozen=True)
class Settings:
    """How captions are drawn: steps, guidance scale, and the seed of the first caption."""

    num_inference_steps: int
    guidance_scale: float
    seed: int


def default_settings() -> Settings:
    """The settings of the benchmark, chosen on validation and kept in data/splits.json."""
    chosen = registry.splits("emoji")["measure"]
    return Settings(chosen["steps"], chosen["scale"], chosen["seed"])


@dataclass(frozen=True)
class Proportion:
    """How many of n were right; as text, the share, its 95 % interval, and n."""

    right: int
    n: int

    def interval(self) -> tuple[float, float]:
        """Wilson 1927: the shares from which a result like this is not a surprise, at 95 %."""
        z = 1.959964
        p, shrink = self.right / self.n, 1 + z**2 / self.n
        middle = p + z**2 / (2 * self.n)
        half = z * (p * (1 - p) / self.n + z**2 / (4 * self.n**2)) ** 0.5
        return max(0.0, (middle - half) / shrink), min(1.0, (middle + half) / shrink)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.right / self.n:.2f} ({low:.2f}-{high:.2f}) of {self.n}"


def proportions(right: Bool[Tensor, " n"], styles: Sequence[str]) -> dict[str, Proportion]:
    """The share of all, and of each style that occurs."""
    found = {"all": Proportion(int(right.sum()), len(right))}
    for style in dict.fromkeys(styles):
        of_style = right[torch.tensor([s == style for s in styles])]
        found[style] = Proportion(int(of_style.sum()), len(of_style))
    return found


def shrunk(pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
    """Pictures as they are compared: 16x16 averages in a row of 768 numbers."""
    return F.adaptive_avg_pool2d(pictures, 16).flatten(1)


class Benchmark:
    """The questions of one name (`emoji.questions`), and who answers them how well.

    `small` are all pictures of all styles, shrunk; an answer is a picture shrunk likewise, one for
    each question, in their order.
    """

    def __init__(
        self, every: Emoji, small: Float[Tensor, "m d"], name: str, questions: Int[Tensor, "n 100"]
    ) -> None:
        self.every, self.small, self.name, self.questions = every, small, name, questions
        self.true = self.questions[:, 0].tolist()
        self.styles = [every.styles[i] for i in self.true]
        self.captions = [emoji.caption(every.labels[i], every.styles[i]) for i in self.true]

    def right(self, answers: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        """Whether the true picture is nearer to each answer than any of the 99 others."""
        found = []
        for answer, row in zip(answers, self.questions, strict=True):
            distance = (self.small[row] - answer).square().sum(dim=1)  # (100,)
            found.append(distance[0] < distance[1:].min())
        return torch.stack(found)

    def drawn(self, model: TextToImage, settings: Settings) -> Float[Tensor, "n d"]:
        """What a model draws for the captions, each with a seed of its own."""
        answers = []
        for rows in torch.arange(len(self.captions)).split(100):
            captions = [self.captions[i] for i in rows.tolist()]
            seeds = (rows + settings.seed).tolist()
            pictures = model.draw(
                captions,
                seeds,
                num_inference_steps=settings.num_inference_steps,
                guidance_scale=settings.guidance_scale,
            )
            answers.append(shrunk(pictures).cpu())
        return torch.cat(answers)

    def decoded(self, model: TextToImage) -> Float[Tensor, "n d"]:
        """The true pictures through the autoencoder and back: the most that can be reached."""
        parts = torch.tensor(self.true).split(100)
        return torch.cat(
            [shrunk(model.decode(model.encode(self.every.pictures[part]))).cpu() for part in parts]
        )

    def best_sibling(self) -> list[int]:
        """For each question the trained-on one of the 99 others that is nearest to the truth."""
        return [self._nearest(row[0], row[1:]) for row in self.questions.tolist()]

    def another_style(self) -> list[int]:
        """For each question the nearest trained-on picture of the same thing in another style."""
        of_code: dict[str, list[int]] = {}
        for i, code in enumerate(self.every.codes):
            of_code.setdefault(code, []).append(i)
        others = [[j for j in of_code[self.every.codes[i]] if j != i] for i in self.true]
        return [self._nearest(i, rows) for i, rows in zip(self.true, others, strict=True)]

    def copied(self, numbers: Sequence[int]) -> dict[str, Proportion]:
        """The shares of right answers if these pictures are handed in, where there are any."""
        there = [i for i, number in enumerate(numbers) if number != NOTHING]
        if not there:
            return {}
        answers = torch.zeros(len(numbers), self.small.shape[1])
        answers[there] = self.small[[numbers[i] for i in there]]
        return proportions(self.right(answers)[there], [self.styles[i] for i in there])

    def _nearest(self, true: int, others: Sequence[int]) -> int:
        known = [i for i in others if self.every.kinds[i] == "train"]
        if not known:
            return NOTHING
        distance = (self.small[known] - self.small[true]).square().sum(dim=1)
        return known[int(distance.argmin())]


def measures(names: Sequence[str], step: int = 1) -> list[Benchmark]:
    """The questions of these names, around one copy of all pictures; every `step`-th of them."""
    every = emoji.load(split="all")
    rows: Sequence[Int[Tensor, " n"]] = torch.arange(len(every)).split(500)
    small = torch.cat([shrunk(every.pictures[part]) for part in rows])
    return [Benchmark(every, small, name, emoji.questions(name)[::step]) for name in names]


def question_names(split: str) -> list[str]:
    """The names of the questions of a split ("validation" or "test")."""
    return [f"{split}_combinations", f"{split}_style_pairs", "train_seen"]


def quality(model: TextToImage, split: str) -> dict[str, str]:
    """How often the model is right on a split ("validation" or "test"), for its card."""
    return {
        m.name: str(proportions(m.right(m.drawn(model, default_settings())), m.styles)["all"])
        for m in measures(question_names(split))
    }


def compare(
    measure: Benchmark, model: TextToImage, settings: Settings
) -> dict[str, dict[str, Proportion]]:
    """The shares, per style and for all, of the model and of what to compare it with."""
    return {
        "model": proportions(measure.right(measure.drawn(model, settings)), measure.styles),
        "copying the best sibling": measure.copied(measure.best_sibling()),
        "copying another style": measure.copied(measure.another_style()),
        "decoded true latent": proportions(measure.right(measure.decoded(model)), measure.styles),
    }
