"""Emoji in five drawing styles with their English names, 64x64 on white.

What is held out, and why, stands in data/splits.json and tools/data/emoji_splits.py.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
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
    emoji, atlas = table(), _table()["atlas"]
    kind_of = _held_out()
    pixels, labels, names, codes, kinds, numbers = [], [], [], [], [], []
    first = 0
    for style in STYLES:
        held_out = [
            kind_of.get((style, emoji[e]["code"]), ("train", "train")) for e in atlas[style]
        ]
        rows = [i for i, (part, _) in enumerate(held_out) if split in (part, "all")]
        if style in styles:
            pixels.append(_tiles(style)[torch.tensor(rows)])
            labels += [emoji[atlas[style][i]]["label"] for i in rows]
            codes += [emoji[atlas[style][i]]["code"] for i in rows]
            kinds += [held_out[i][1] for i in rows]
            names += [style] * len(rows)
            numbers += [first + i for i in rows]
        first += len(held_out)
    return Emoji(
        Pictures(torch.cat(pixels)),
        tuple(labels),
        tuple(names),
        tuple(codes),
        tuple(kinds),
        torch.tensor(numbers),
    )


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


def _tiles(style: str) -> UInt8[Tensor, "n 64 64 3"]:
    """An atlas cut into its pictures, the white ones at its end included."""
    with Image.open(registry.path(f"emoji/{style.replace(' ', '_')}.webp")) as picture:
        sheet = torch.from_numpy(np.array(picture.convert("RGB")))
    rows, columns = sheet.shape[0] // SIZE, sheet.shape[1] // SIZE
    tiles = sheet.reshape(rows, SIZE, columns, SIZE, 3).transpose(1, 2)
    return tiles.reshape(rows * columns, SIZE, SIZE, 3)
