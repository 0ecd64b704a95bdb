"""Emoji in five drawing styles with their English names, 64x64 on white.

What is held out, and why, stands in data/splits.json and tools/data/emoji_splits.py.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from course_lib.datasets import registry

STYLES = ("noto", "twemoji", "fluent 3d", "fluent flat", "openmoji")
SPLITS = ("train", "validation", "test", "all")
SIZE = 64
QUESTIONS = (
    "train_seen",
    "validation_combinations",
    "validation_style_pairs",
    "validation_search",
    "test_combinations",
    "test_style_pairs",
    "test_search",
)


def caption(label: str, style: str) -> str:
    """The one form of caption that everything is trained on: "red apple, noto style"."""
    return f"{label}, {style} style"


class Pictures:
    """Pictures kept as bytes; `pictures[rows]` gives float32 (n, 3, 64, 64) in [-1, 1].

    As floats all 16,000 would fill 790 MB, as bytes they fill 197. `rows` is what indexes a
    tensor: a number, a slice, a list or tensor of numbers.
    """

    def __init__(self, pixels: UInt8[Tensor, "n 64 64 3"]) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: int | slice | list[int] | Tensor) -> Float[Tensor, "*n 3 64 64"]:
        return (self.pixels[rows].float() / 127.5 - 1).movedim(-1, -3).contiguous()


class _Entry(NamedTuple):
    """One picture: its number among all, where it is, what it is, and what it is for."""

    number: int
    style: str
    place: int
    code: str
    label: str
    part: str
    kind: str


@dataclass(frozen=True, eq=False)
class Emoji:
    """Pictures, and for each its label, style, code, kind and number.

    A code is like "1F34E"; a kind is "train", "combination", "style pair", or "twin" (held out
    because it nearly equals a style pair). `numbers` count all pictures of all styles: the rows of
    `load(split="all")`, and what the questions of the measure speak of.
    """

    pictures: Pictures
    labels: tuple[str, ...]
    styles: tuple[str, ...]
    codes: tuple[str, ...]
    kinds: tuple[str, ...]
    numbers: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def captions(self) -> tuple[str, ...]:
        """The caption of each picture, label and style in one."""
        return tuple(caption(la, s) for la, s in zip(self.labels, self.styles, strict=True))


def load(styles: Sequence[str] = STYLES, split: str = "train") -> Emoji:
    """The pictures of these styles and this split, style by style, in Unicode's order.

    `split` is "train", "validation", "test", or "all" (to measure with, never to train on). Raises
    ValueError for an unknown style or split, and what `registry.path` raises.
    """
    registry.pick("emoji", split, SPLITS)
    for style in styles:
        if style not in STYLES:
            raise ValueError(f"emoji: there is no style {style!r}; there are {', '.join(STYLES)}")
    chosen = [e for e in _every() if e.style in styles and split in (e.part, "all")]
    pixels = np.empty((len(chosen), SIZE, SIZE, 3), np.uint8)

    def fill(style: str) -> None:
        rows = [i for i, e in enumerate(chosen) if e.style == style]
        _cut(style, [chosen[i].place for i in rows], pixels[rows[0] : rows[-1] + 1])

    with ThreadPoolExecutor(2) as threads:  # decoding WebP leaves the interpreter free
        list(threads.map(fill, dict.fromkeys(styles)))
    return Emoji(
        Pictures(torch.from_numpy(pixels)),
        tuple(e.label for e in chosen),
        tuple(e.style for e in chosen),
        tuple(e.code for e in chosen),
        tuple(e.kind for e in chosen),
        torch.tensor([e.number for e in chosen]),
    )


def captions(split: str = "train") -> tuple[str, ...]:
    """The captions of `load(split=split)`, without its pictures: quick."""
    registry.pick("emoji", split, SPLITS)
    return tuple(caption(e.label, e.style) for e in _every() if split in (e.part, "all"))


def table() -> list[dict[str, Any]]:
    """What each emoji is: code, label, base, tone, group, tags, and its cell if it has one.

    A cell is role and gender (with the tone), or colour and shape. `base` is the code without skin
    tone; tones go from 1, light, to 5, dark, and 0 is Unicode's yellow.
    """
    return list(_table()["emoji"])


def questions(name: str) -> Int[Tensor, "n 100"]:
    """The frozen questions of the measure, as numbers of pictures (rows of `load(split="all")`).

    In each row of *_combinations, *_style_pairs and train_seen the right picture stands first, then
    99 others of the same style, the hardest first; a row of *_search is 100 held-out pictures to
    search among. Raises ValueError for a name that is not in QUESTIONS.
    """
    if name not in QUESTIONS:
        raise ValueError(f"emoji: no questions {name!r}; there are {', '.join(QUESTIONS)}")
    with np.load(registry.path("emoji/measure.npz")) as arrays:
        return torch.from_numpy(arrays[name].astype(np.int64))


@cache
def _table() -> dict[str, Any]:
    return dict(json.loads(registry.path("emoji/table.json").read_text(encoding="utf-8")))


def _held_out() -> dict[tuple[str, str], tuple[str, str]]:
    """For style and code of what is held out: its part and kind."""
    split = registry.splits("emoji")
    found = {
        (style, code): (part, "combination")
        for part, codes in split["combinations"].items()
        for code in codes
        for style in STYLES
    }
    for key, kind in (("style_pairs", "style pair"), ("twins", "twin")):
        for group, parts in split[key].items():
            for part, codes in parts.items():
                for style in (s for s in STYLES if s.split()[0] == group):
                    found.update({(style, code): (part, kind) for code in codes})
    return found


def _every() -> list[_Entry]:
    """All pictures of all styles, in the order of the atlases."""
    emoji, held_out = table(), _held_out()
    found: list[_Entry] = []
    for style in STYLES:
        for place, row in enumerate(_table()["atlas"][style]):
            code, label = emoji[row]["code"], emoji[row]["label"]
            part, kind = held_out.get((style, code), ("train", "train"))
            found.append(_Entry(len(found), style, place, code, label, part, kind))
    return found


def _cut(style: str, places: list[int], out: NDArray[np.uint8]) -> None:
    """Copy the pictures at these places of an atlas into `out` (n, 64, 64, 3), one by one.

    All at once, with an array of places, takes five times as long.
    """
    with Image.open(registry.path(f"emoji/{style.replace(' ', '_')}.webp")) as picture:
        sheet = np.asarray(picture)
    grid = sheet.reshape(sheet.shape[0] // SIZE, SIZE, sheet.shape[1] // SIZE, SIZE, 3)
    for picture_out, place in zip(out, places, strict=True):
        row, column = divmod(place, grid.shape[2])
        picture_out[:] = grid[row, :, column]
