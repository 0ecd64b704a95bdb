"""Questions about compositions that training never drew: new colours, pairs, and numbers of things.

As in `benchmark`: a caption is drawn; of 100 pictures, the true one and the 99 hardest, is the true
one nearest to the drawing, at 16x16 pixels? The true picture is made by code from training pictures
(`datasets.compositions`). Among the 99 are: the thing in all its other colours; the pair swapped,
turned, and with one thing alone; the other numbers; then the look-alikes of each thing.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.datasets import captions, composed_captions, compositions, emoji, nouns, registry
from course_lib.datasets.compositions import COUNTS, LAYOUTS, Drawn, Recipe
from course_lib.metrics.benchmark import Benchmark, Proportion, Settings, proportions, shrunk
from course_lib.text_to_image import TextToImage

KINDS = ("colours", "pairs", "counts")
OTHERS = 99


def reworded(questions: Benchmark, split: str) -> Benchmark:
    """The same questions, each asked in one of the ways of asking that are held out for `split`."""
    frames = registry.splits("compositions")["frames"][split]
    asked = copy.copy(questions)
    asked.name = f"{questions.name}, {split} wordings"
    asked.captions = [
        captions.asked(frames[i % len(frames)], questions.every.labels[row], style)
        for i, (row, style) in enumerate(zip(questions.true, questions.styles, strict=True))
    ]
    return asked


@dataclass(frozen=True)
class Question:
    """A caption, the recipe of its true picture, and the recipes of the 99 others."""

    caption: str
    true: Recipe
    others: tuple[Recipe, ...]

    @property
    def style(self) -> str:
        return self.true.parts[0].style


class Shelf:
    """The parts of compositions, by style and code, and what looks alike."""

    def __init__(self, parts: Sequence[Drawn]) -> None:
        self.parts = {(p.style, p.code): p for p in parts}
        self.of_style: dict[str, list[Drawn]] = {}
        for part in parts:
            self.of_style.setdefault(part.style, []).append(part)
        self._small = {
            style: shrunk(emoji.Pictures(torch.from_numpy(np.stack([p.pixels for p in of])))[:])
            for style, of in self.of_style.items()
        }

    def alike(self, part: Drawn) -> list[Drawn]:
        """The other parts of the style, the one that looks most like this first."""
        of = self.of_style[part.style]
        small = self._small[part.style]
        distance = (small - small[of.index(part)]).square().sum(dim=1)
        return [of[i] for i in distance.argsort().tolist() if of[i] is not part]


def questions(kind: str, split: str, shelf: Shelf) -> list[Question]:
    """The held-out questions of a kind ("colours", "pairs", "counts") and a split.

    Raises ValueError for a kind or a split that there is not.
    """
    if kind not in KINDS or split not in ("validation", "test"):
        raise ValueError(
            f"wanted one of {', '.join(KINDS)} of validation or test, got {kind!r}, {split!r}"
        )
    ask: dict[str, Callable[..., Question]] = {"colours": _colour, "pairs": _pair, "counts": _count}
    return [ask[kind](shelf, *entry) for entry in registry.splits("compositions")[kind][split]]


def _colour(shelf: Shelf, colour: str, code: str, style: str) -> Question:
    part = shelf.parts[style, code]
    label = compositions.without_colour(part.thing.label)
    others = [Recipe("colour", (part,), (c,), "") for c in (*part.paints(), part.colour)]
    for other in shelf.alike(part):
        if colour in other.paints():
            others.append(Recipe("colour", (other,), (colour,), ""))
    caption = emoji.caption(f"{colour} {label}", style)
    return _asked(caption, Recipe("colour", (part,), (colour,), ""), others)


def _pair(shelf: Shelf, first: str, second: str, layout: str, style: str) -> Question:
    a, b = shelf.parts[style, first], shelf.parts[style, second]
    (turned,) = (other for other in LAYOUTS if other != layout)
    plain = ("", "")
    others = [Recipe("pair", (b, a), plain, layout)]
    others += [Recipe("pair", pair, plain, turned) for pair in ((a, b), (b, a))]
    others += [Recipe("pair", (x, x), plain, layout) for x in (a, b)]
    for like_a, like_b in zip(shelf.alike(a), shelf.alike(b), strict=True):
        others.append(Recipe("pair", (a, like_b), plain, layout))
        others.append(Recipe("pair", (like_a, b), plain, layout))
    left, right = (nouns.with_article(p.thing.label) for p in (a, b))
    caption = emoji.caption(composed_captions.pair_phrases(left, right, layout)[0], style)
    return _asked(caption, Recipe("pair", (a, b), plain, layout), others)


def _count(shelf: Shelf, number: int, code: str, style: str) -> Question:
    part = shelf.parts[style, code]
    others = [Recipe("count", (part,), ("",), str(n)) for n in COUNTS]
    others += [Recipe("place", (part,), ("",), "small"), Recipe("colour", (part,), ("",), "")]
    others += [Recipe("count", (x,), ("",), str(number)) for x in shelf.alike(part)]
    words = {2: "two", 3: "three"}
    caption = emoji.caption(f"{words[number]} {nouns.plural(part.thing.label)}", style)
    return _asked(caption, Recipe("count", (part,), ("",), str(number)), others)


def _asked(caption: str, true: Recipe, others: Sequence[Recipe]) -> Question:
    kept = [other for other in dict.fromkeys(others) if other != true]
    return Question(caption, true, tuple(kept[:OTHERS]))


class Composed:
    """The questions of a kind and a split, and who answers them how well."""

    def __init__(self, kind: str, split: str, shelf: Shelf, step: int = 1) -> None:
        self.name = f"{split}_{kind}"
        self.asked = questions(kind, split, shelf)[::step]
        self.shelf = shelf
        self.styles = [q.style for q in self.asked]

    def right(self, answers: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        """Whether the true picture is nearer to each answer than any of the 99 others."""
        found = []
        for answer, question in zip(answers, self.asked, strict=True):
            made = compositions.pictures([question.true, *question.others])
            distance = (shrunk(made[:]) - answer).square().sum(dim=1)  # (100,)
            found.append(distance[0] < distance[1:].min())
        return torch.stack(found)

    def drawn(self, model: TextToImage, settings: Settings) -> Float[Tensor, "n d"]:
        """What a model draws for the captions, each with a seed of its own."""
        texts = [q.caption for q in self.asked]
        return shrunk(drawings(model, texts, range(len(texts)), settings))

    def true(self) -> Float[Tensor, "n 3 h w"]:
        """The true pictures."""
        return compositions.pictures([q.true for q in self.asked])[:]

    def decoded(self, model: TextToImage) -> Float[Tensor, "n d"]:
        """The true pictures through the autoencoder and back: the most that can be reached."""
        return torch.cat(
            [shrunk(model.decode(model.encode(x))).cpu() for x in self.true().split(64)]
        )

    def another_style(self) -> dict[str, Proportion]:
        """The same composition in another style handed in, where there is one: the nearest."""
        answers, rows = [], []
        for i, question in enumerate(self.asked):
            recipe, found = question.true, []
            for style in emoji.STYLES:
                keys = [(style, part.code) for part in recipe.parts]
                if style != question.style and all(key in self.shelf.parts for key in keys):
                    parts = tuple(self.shelf.parts[key] for key in keys)
                    paintable = all(
                        not c or c in part.paints() or c == part.colour
                        for c, part in zip(recipe.colours, parts, strict=True)
                    )
                    if paintable:
                        found.append(Recipe(recipe.kind, parts, recipe.colours, recipe.detail))
            if found:
                small = shrunk(compositions.pictures(found)[:])
                own = shrunk(compositions.pictures([recipe])[:])
                answers.append(small[(small - own).square().sum(dim=1).argmin()])
                rows.append(i)
        handed = copy.copy(self)
        handed.asked = [self.asked[i] for i in rows]
        right = handed.right(torch.stack(answers))
        return proportions(right, [self.styles[i] for i in rows])


def drawings(
    model: TextToImage, texts: Sequence[str], seeds: Sequence[int], settings: Settings
) -> Float[Tensor, "n 3 h w"]:
    """What a model draws for texts, a hundred at a time; seeds count from the settings' one."""
    found = []
    for rows in torch.arange(len(texts)).split(100):
        pictures = model.draw(
            [texts[i] for i in rows.tolist()],
            [settings.seed + seeds[i] for i in rows.tolist()],
            num_inference_steps=settings.num_inference_steps,
            guidance_scale=settings.guidance_scale,
        )
        found.append(pictures.cpu())
    return torch.cat(found)


def compare(
    measure: Composed, model: TextToImage, settings: Settings
) -> dict[str, dict[str, Proportion]]:
    """The shares, per style and for all, of the model and of what to compare it with."""
    return {
        "model": proportions(measure.right(measure.drawn(model, settings)), measure.styles),
        "copying another style": measure.another_style(),
        "decoded true latent": proportions(measure.right(measure.decoded(model)), measure.styles),
    }
