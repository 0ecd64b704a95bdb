"""Pictures that teach composition, made by code from the training pictures: other colours, two
things in their places, one to three of a kind, small ones in a corner; and captions to match.

Held-out colours, pairs and counts stand in data/splits.json and never come out of `Sampler`.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from course_lib.datasets import emoji, nouns, registry
from course_lib.datasets.emoji import SIZE, Emoji
from course_lib.datasets.nouns import COLOURS, Thing
from course_lib.datasets.recolouring import Pixels, main_hue, own_colour, recoloured

HALF = SIZE // 2
PLACES = {  # what a caption calls a place: the upper left corner there of a picture of half size
    "on the left": (16, 0),
    "on the right": (16, 32),
    "at the top": (0, 16),
    "at the bottom": (32, 16),
    "in the top left corner": (0, 0),
    "in the top right corner": (0, 32),
    "in the bottom left corner": (32, 0),
    "in the bottom right corner": (32, 32),
}
LAYOUTS = {"beside": ((16, 0), (16, 32)), "above": ((0, 16), (32, 16))}
COUNTS = {2: ((16, 0), (16, 32)), 3: ((0, 16), (32, 0), (32, 32))}
KINDS = ("colour", "pair", "count", "place")


def halved(picture: Pixels) -> Pixels:
    """The picture at half its size, each pixel the mean of four."""
    blocks = picture.reshape(HALF, 2, HALF, 2, 3).astype(np.float32)
    return np.asarray(blocks.mean(axis=(1, 3)).round(), dtype=np.uint8)


def arranged(pictures: Sequence[Pixels], corners: Sequence[tuple[int, int]]) -> Pixels:
    """Pictures at half their size on white paper, each with its upper left corner as given."""
    paper = np.full((SIZE, SIZE, 3), 255, np.uint8)
    for picture, (y, x) in zip(pictures, corners, strict=True):
        paper[y : y + HALF, x : x + HALF] = halved(picture)
    return paper


@dataclass(frozen=True, eq=False)
class Drawn:
    """One training picture that compositions are made of."""

    thing: Thing
    style: str
    pixels: Pixels
    main: float | None
    colour: str  # its own, "" where it has no main hue

    @property
    def code(self) -> str:
        return str(self.thing.row["code"])

    def paints(self) -> list[str]:
        """The colours that it may be given: not its own, no name that another emoji has."""
        row = self.thing.row
        if self.main is None or "shape" in row or row["group"] == "people-body":
            return []
        near = {"brown": "orange", "orange": "brown", "red": "pink", "pink": "red"}
        skip = {self.colour, near.get(self.colour, "")}
        noun = without_colour(self.thing.label)
        return [c for c in COLOURS if c not in skip and f"{c} {noun}" not in _labels()]


@cache
def _labels() -> frozenset[str]:
    return frozenset(thing.label for thing in nouns.things().values())


def without_colour(label: str) -> str:
    """ "red apple" gives "apple"."""
    return re.sub(rf"^({'|'.join(COLOURS)}|white|grey) ", "", label)


_PEOPLE = ("person", "man", "woman", "boy", "girl", "child", "baby", "old man", "old woman")


def can_compose(thing: Thing) -> bool:
    """Things and animals, faces, hearts, coloured shapes, a few people; no signs, no directions."""
    row, label = thing.row, thing.label
    if row["tone"] or re.search(r"[:#*\d]|\b(left|right|facing|and)\b|-thirty|o'clock", label):
        return False
    if row["group"] in ("symbols", "people-body"):
        return "shape" in row or label in _PEOPLE
    return len(label.split()) <= 4


@dataclass(frozen=True)
class HeldOut:
    """What training never draws: colours of things, pairs of things, numbers of things."""

    colours: frozenset[tuple[str, str]]  # colour, code
    pairs: frozenset[frozenset[str]]  # two codes
    counts: frozenset[tuple[int, str]]  # number, code


@cache
def held_out() -> HeldOut:
    """Of validation and test together, from data/splits.json."""
    split = registry.splits("compositions")
    parts = ("validation", "test")
    return HeldOut(
        frozenset((c, code) for p in parts for c, code, _ in split["colours"][p]),
        frozenset(frozenset((a, b)) for p in parts for a, b, _, _ in split["pairs"][p]),
        frozenset((n, code) for p in parts for n, code, _ in split["counts"][p]),
    )


def drawn(pictures: Emoji) -> list[Drawn]:
    """The pictures that compositions can be made of."""
    things = nouns.things()
    found = []
    for i, code in enumerate(pictures.codes):
        if can_compose(things[code]):
            pixels = pictures.pictures.pixels[i].numpy()
            main = main_hue(pixels)
            colour = "" if main is None else own_colour(pixels, main)
            found.append(Drawn(things[code], pictures.styles[i], pixels, main, colour))
    return found


@dataclass(frozen=True)
class Recipe:
    """How one composed picture is made, and so what may be said of it: enough to name it again.

    `kind` is one of KINDS; `detail` a colour, a layout, a number or a place.
    """

    kind: str
    parts: tuple[Drawn, ...]
    colours: tuple[str, ...]  # for each part the colour that is said of it, or ""
    detail: str


def picture(recipe: Recipe) -> Pixels:
    """The picture of a recipe."""
    painted = [
        part.pixels
        if part.main is None or colour in ("", part.colour)
        else recoloured(part.pixels, part.main, colour)
        for part, colour in zip(recipe.parts, recipe.colours, strict=True)
    ]
    if recipe.kind == "colour":
        return painted[0]
    if recipe.kind == "pair":
        return arranged(painted, LAYOUTS[recipe.detail])
    if recipe.kind == "count":
        corners = COUNTS[int(recipe.detail)]
        return arranged(painted * len(corners), corners)
    corner = (16, 16) if recipe.detail == "small" else PLACES[recipe.detail]
    return arranged(painted, [corner])


class Sampler:
    """Draws recipes for training from training pictures; refuses what is held out."""

    def __init__(self, parts: Sequence[Drawn], out: HeldOut) -> None:
        self.parts, self.out = parts, out
        self.of_style: dict[str, list[Drawn]] = {}
        self.paintable = [p for p in parts if p.paints()]
        for part in parts:
            self.of_style.setdefault(part.style, []).append(part)

    def draw(self, kind: str, draw: random.Random) -> Recipe:
        """One recipe of a kind."""
        while True:
            recipe = self._any(kind, draw)
            if not is_held_out(recipe, self.out):
                return recipe

    def _any(self, kind: str, draw: random.Random) -> Recipe:
        if kind == "colour":
            part = draw.choice(self.paintable)
            own = draw.random() < 0.15  # nothing is painted, but the colour is said
            return Recipe(kind, (part,), (part.colour if own else draw.choice(part.paints()),), "")
        first = draw.choice(self.parts)
        if kind == "pair":
            second = draw.choice(self.of_style[first.style])
            while second.code == first.code:
                second = draw.choice(self.of_style[first.style])
            layout = "beside" if draw.random() < 0.65 else "above"
            return Recipe(
                kind, (first, second), (_paint(first, draw), _paint(second, draw)), layout
            )
        detail = (
            draw.choice(("2", "2", "3")) if kind == "count" else draw.choice((*PLACES, "small"))
        )
        return Recipe(kind, (first,), (_paint(first, draw),), detail)


def _paint(part: Drawn, draw: random.Random) -> str:
    paints = part.paints()
    return draw.choice(paints) if paints and draw.random() < 0.15 else ""


def is_held_out(recipe: Recipe, out: HeldOut) -> bool:
    """Whether any of what a recipe shows is kept back: a colour, a pair, or a number."""
    codes = [part.code for part in recipe.parts]
    if any((c, code) in out.colours for c, code in zip(recipe.colours, codes, strict=True)):
        return True
    if recipe.kind == "pair":
        return frozenset(codes) in out.pairs
    return recipe.kind == "count" and (int(recipe.detail), codes[0]) in out.counts


def recipes(sampler: Sampler, numbers: dict[str, int], seed: int) -> list[Recipe]:
    """So many recipes of each kind, the same for a seed."""
    draw = random.Random(seed)
    return [sampler.draw(kind, draw) for kind, n in numbers.items() for _ in range(n)]


def pictures(made: Sequence[Recipe]) -> emoji.Pictures:
    """The pictures of recipes, as bytes."""
    return emoji.Pictures(torch.from_numpy(np.stack([picture(r) for r in made])))
