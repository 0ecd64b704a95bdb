"""Does the seed matter, and are drawings copies? Two questions that no single drawing answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.datasets import emoji, nouns
from course_lib.datasets.emoji import Emoji
from course_lib.metrics.benchmark import Proportion, Settings, shrunk
from course_lib.metrics.composed import drawings
from course_lib.text_to_image import TextToImage

LEAST = 10  # different things that a group must have to be asked for


@dataclass(frozen=True)
class Open:
    """A caption that leaves something open, and the rows of the training pictures that fit it."""

    caption: str
    rows: tuple[int, ...]


def open_captions(train: Emoji, groups: int = 10) -> list[Open]:
    """The largest groups ("animal", "fruit"), each asked of all styles and of one."""
    things = nouns.things()
    members: dict[str, set[str]] = {}
    for code, thing in things.items():
        for group in thing.groups:
            if not thing.row["tone"]:
                members.setdefault(group, set()).add(code)
    known = [g for g in members if len(members[g]) >= LEAST and members[g] & set(train.codes)]
    largest = sorted(known, key=lambda g: (-len(members[g]), g))[:groups]
    found = []
    for i, group in enumerate(largest):
        rows = [r for r, code in enumerate(train.codes) if code in members[group]]
        style = emoji.STYLES[i % len(emoji.STYLES)]
        noun = nouns.with_article(group)
        found.append(Open(noun, tuple(rows)))
        of_style = tuple(r for r in rows if train.styles[r] == style)
        found.append(Open(emoji.caption(noun, style), of_style))
    return found


def spread(pictures: Float[Tensor, "n 3 h w"]) -> float:
    """The mean distance between two of the pictures at 16x16: RMS, pixels from -1 to 1."""
    small = shrunk(pictures)
    n = len(small)
    return float(torch.cdist(small, small).sum() / (n * (n - 1)) / small.shape[1] ** 0.5)


@dataclass(frozen=True)
class Spread:
    """The spread between seeds for each caption, and that of true pictures which fit."""

    captions: tuple[str, ...]
    drawn: tuple[float, ...]
    true: tuple[float, ...]

    def __str__(self) -> str:
        share = torch.tensor([d / t for d, t in zip(self.drawn, self.true, strict=True)])
        half = 1.96 * float(share.std()) / len(share) ** 0.5
        mean = float(share.mean())
        return f"{mean:.2f} ({mean - half:.2f}-{mean + half:.2f}) of {len(share)} captions"


def seed_spread(
    model: TextToImage, asked: Sequence[Open], train: Emoji, settings: Settings, seeds: int = 12
) -> Spread:
    """Draw each caption with so many seeds; beside it, true pictures that fit."""
    texts = [question.caption for question in asked for _ in range(seeds)]
    numbers = [s for _ in asked for s in range(seeds)]
    pictures = drawings(model, texts, numbers, settings).split(seeds)
    generator = torch.Generator().manual_seed(settings.seed)
    true = []
    for question in asked:
        rows = torch.tensor(question.rows)
        some = rows[torch.randperm(len(rows), generator=generator)[: 4 * seeds]]
        true.append(spread(train.pictures[some]))
    return Spread(
        tuple(question.caption for question in asked),
        tuple(spread(p) for p in pictures),
        tuple(true),
    )


def copies(
    model: TextToImage, train: Emoji, settings: Settings, n: int = 200
) -> dict[str, Proportion]:
    """Of drawings of training captions: how many are their own picture again?

    A drawing cannot be nearer to a picture than the autoencoder's own copy of it, so distances
    (RMS over all pixels) count in units of that copy's error.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    rows = torch.randperm(len(train), generator=generator)[:n]
    texts = [train.captions[i] for i in rows.tolist()]
    pictures = drawings(model, texts, range(n), settings)
    own = train.pictures[rows]
    back = torch.cat([model.decode(model.encode(x)).cpu() for x in own.split(64)])

    def rms(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().mean(dim=(1, 2, 3)).sqrt()

    error, distance = rms(back, own), rms(pictures, own)
    return {
        f"within {times:g} x the autoencoder's error": Proportion(
            int((distance < times * error).sum()), n
        )
        for times in (1.25, 2, 4)
    }
