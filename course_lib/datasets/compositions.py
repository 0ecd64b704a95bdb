"""Pictures that teach composition, made by code from the training pictures: other colours, two
things in their places, one to three of a kind, small ones in a corner; and captions to match.

Held-out colours, pairs and counts stand in data/splits.json and never come out of `Sampler`.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from course_lib.datasets import captions, emoji, registry
from course_lib.datasets.captions import COLOURS, Phrase, Thing, plural, sentence, with_article
from course_lib.datasets.emoji import SIZE, Emoji

HALF = SIZE // 2
PAINT = {  # the colours of Twemoji, nearly
    "red": (221, 46, 68),
    "orange": (244, 144, 12),
    "yellow": (253, 203, 78),
    "green": (105, 177, 79),
    "blue": (75, 160, 238),
    "purple": (160, 112, 224),
    "pink": (250, 140, 190),
    "brown": (150, 88, 60),
    "black": (49, 52, 58),
}
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
OTHER_WORDS = {
    "on the left": ("left", "on the left side", "to the left"),
    "on the right": ("right", "on the right side", "to the right"),
    "at the top": ("top", "on top", "up at the top"),
    "at the bottom": ("bottom", "down at the bottom"),
    "in the top left corner": ("top left", "in the upper left"),
    "in the top right corner": ("top right", "in the upper right"),
    "in the bottom left corner": ("bottom left", "in the lower left"),
    "in the bottom right corner": ("bottom right", "in the lower right"),
}
LAYOUTS = {"beside": ((16, 0), (16, 32)), "above": ((0, 16), (32, 16))}
COUNTS = {2: ((16, 0), (16, 32)), 3: ((0, 16), (32, 0), (32, 32))}
KINDS = ("colour", "pair", "count", "place")

Pixels = NDArray[np.uint8]  # (64, 64, 3), on white


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


def _hue_and_chroma(picture: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hue in 0 ... 360 and chroma (largest less smallest channel) in 0 ... 1, of each pixel."""
    rgb = picture.astype(np.float32) / 255
    top, low = rgb.max(axis=-1), rgb.min(axis=-1)
    chroma = top - low
    safe = np.where(chroma > 0, chroma, 1)
    r, g, b = np.moveaxis(rgb, -1, 0)
    hue = np.select(
        [top == r, top == g], [(g - b) / safe % 6, (b - r) / safe + 2], (r - g) / safe + 4
    )
    return (hue * 60 % 360).astype(np.float32), chroma


def _far(hue: NDArray[np.float32], main: float) -> NDArray[np.float32]:
    return np.asarray(abs((hue - main + 180) % 360 - 180), dtype=np.float32)


def main_hue(picture: Pixels) -> float | None:
    """The one hue of a drawing, or None where it has several, or hardly any colour."""
    hue, chroma = _hue_and_chroma(picture)
    ink = (picture < 245).any(axis=-1)
    coloured = ink & (chroma > 0.2)
    if ink.sum() < 200 or coloured.sum() < 0.5 * ink.sum():
        return None
    votes, _ = np.histogram(hue[coloured], bins=72, range=(0, 360), weights=chroma[coloured])
    near = sum(np.roll(votes, k) for k in range(-4, 5))
    main = float(near.argmax() * 5 + 2.5)
    return main if votes[_bins(main)].sum() > 0.75 * votes.sum() else None


def _bins(main: float) -> NDArray[np.bool_]:
    return _far((np.arange(72) * 5 + 2.5).astype(np.float32), main) < 30


def _main_part(picture: Pixels, main: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much each pixel belongs to the part of the main hue (0 ... 1), and its luminance."""
    hue, chroma = _hue_and_chroma(picture)
    near = np.clip((45 - _far(hue, main)) / 15, 0, 1) * np.clip((chroma - 0.06) / 0.12, 0, 1)
    luminance = (picture.astype(np.float32) @ np.array([0.3, 0.59, 0.11], np.float32)) / 255
    return near.astype(np.float32), luminance.astype(np.float32)


def own_colour(picture: Pixels, main: float) -> str:
    """The colour word for the main part of a drawing."""
    near, _ = _main_part(picture, main)
    middle = np.median(picture[near > 0.9].astype(np.float32), axis=0)
    return min(PAINT, key=lambda c: float(((np.array(PAINT[c]) - middle) ** 2).sum()))


def recoloured(picture: Pixels, main: float, colour: str) -> Pixels:
    """The part of the main hue in another colour, its lights and shadows kept."""
    near, luminance = _main_part(picture, main)
    middle = float(np.median(luminance[near > 0.9]))
    light = luminance / middle  # 1 where the drawing has its usual brightness
    target = np.array(PAINT[colour], np.float32)
    up = np.clip((light - 1) / max(1 / middle - 1, 0.15), 0, 1)[..., None]
    dark = np.clip(light, 0, 1)[..., None]
    new = target * dark + (255 - target) * up * 0.8
    share = near[..., None]
    return np.asarray((share * new + (1 - share) * picture).round().clip(0, 255), dtype=np.uint8)


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
    return frozenset(thing.label for thing in captions.things().values())


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
    things = captions.things()
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
    """How one composed picture is made, and so what may be said of it: enough to name it anew.

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


def _noun(part: Drawn, colour: str, draw: random.Random) -> str:
    if colour:
        names = [n for n in part.thing.names if n == without_colour(n)]
        label = without_colour(part.thing.label)
        return f"{colour} {draw.choice(names) if names and draw.random() < 0.25 else label}"
    return captions.name(part.thing, draw)


def pair_phrases(a: str, b: str, layout: str) -> list[str]:
    """Ways to say where two things are; a and b with their articles. The first is the measure's."""
    if layout == "beside":
        return [
            f"{a} and {b}",
            f"{a} and {b}",
            f"{a} to the left of {b}",
            f"{b} to the right of {a}",
            f"{a} next to {b}",
            f"{a} beside {b}",
            f"{a} on the left and {b} on the right",
            f"{a} left, {b} right",
            f"{b} on the right, {a} on the left",
            f"{a}, {b}",
            f"{a} with {b}",
            f"{a} & {b}",
            f"{a} and {b} side by side",
        ]
    return [
        f"{a} above {b}",
        f"{a} above {b}",
        f"{b} below {a}",
        f"{a} over {b}",
        f"{b} under {a}",
        f"{a} on top of {b}",
        f"{a} at the top and {b} at the bottom",
        f"{b} at the bottom, {a} at the top",
        f"{b} beneath {a}",
    ]


def of_composed(recipe: Recipe, draw: random.Random) -> str:
    """A training caption of a composed picture, made anew each time."""
    style = recipe.parts[0].style
    nouns = [_noun(p, c, draw) for p, c in zip(recipe.parts, recipe.colours, strict=True)]
    forms = [with_article(n) for n in nouns]
    if draw.random() < 0.1:
        forms = [f"the {n}" for n in nouns]
    elif draw.random() < 0.15:
        forms = nouns
    if recipe.kind == "colour":
        return sentence(Phrase.of(nouns[0]), style, draw, exact=0.15)
    if recipe.kind == "pair":
        way = draw.randrange(len(pair_phrases("", "", recipe.detail)))
        text, plain = (pair_phrases(*f, recipe.detail)[way] for f in (forms, nouns))
        return sentence(Phrase.fixed(text, plain), style, draw, exact=0.15)
    if recipe.kind == "count":
        words = {"2": ("two", "two", "two", "2", "a pair of"), "3": ("three", "three", "3")}
        text = f"{draw.choice(words[recipe.detail])} {plural(nouns[0])}"
        return sentence(Phrase.fixed(text), style, draw, exact=0.15)
    small = draw.choice(("small", "small", "small", "tiny", "little"))
    if recipe.detail == "small":
        return sentence(Phrase.of(f"{small} {nouns[0]}"), style, draw, exact=0.15)
    where = recipe.detail if draw.random() < 0.6 else draw.choice(OTHER_WORDS[recipe.detail])
    noun = f"{small} {nouns[0]}" if draw.random() < 0.7 else nouns[0]
    phrase = Phrase.fixed(f"{with_article(noun)} {where}", f"{noun} {where}")
    return sentence(phrase, style, draw, exact=0.15)


def recipes(sampler: Sampler, numbers: dict[str, int], seed: int) -> list[Recipe]:
    """So many recipes of each kind, the same for a seed."""
    draw = random.Random(seed)
    return [sampler.draw(kind, draw) for kind, n in numbers.items() for _ in range(n)]


def pictures(made: Sequence[Recipe]) -> emoji.Pictures:
    """The pictures of recipes, as bytes."""
    return emoji.Pictures(torch.from_numpy(np.stack([picture(r) for r in made])))
