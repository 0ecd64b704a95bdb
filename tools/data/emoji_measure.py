"""The questions of the text-to-image measure: a picture that is asked for, and 99 others.

The others are of the same style, and the hardest come first; a twin of the right picture is never
among them. Pictures are numbered style by style, in the order of the atlases.
"""

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = list[dict[str, Any]]
Pictures = dict[str, NDArray[np.uint8]]

SETTINGS = {"steps": 20, "scale": 2.0, "seed": 0}  # how captions are drawn; chosen on validation
SEED = 2
OTHERS = 99
SEEN = 60  # captions a style, of those seen in training
SETS = {"test": 5, "validation": 3}  # of 100 pictures each, to search among
PARTS = ("test", "validation")


def questions(
    rows: Rows, pictures: dict[str, Pictures], split: dict[str, Any]
) -> dict[str, NDArray[np.int16]]:
    """Arrays of picture numbers, by name.

    NAME is PART_combinations, PART_style_pairs or train_seen: an array (n, 100), the right picture
    first, then the others. PART_search (sets, 100) are held-out pictures to search among.
    """
    row_of = {r["code"]: r for r in rows}
    every = [(style, code) for style, of_style in pictures.items() for code in of_style]
    number = {pair: i for i, pair in enumerate(every)}
    twins = {(s, c): set(g) for s, groups in split["clusters"].items() for g in groups for c in g}
    small = {style: _small(of_style) for style, of_style in pictures.items()}

    def ask(style: str, code: str) -> list[int]:
        own = twins.get((style, code), {code})
        siblings = [c for c in _siblings(row_of[code], rows) if c in pictures[style]]
        alike = _alike(code, small[style])
        order = [*_hardest_first(siblings, row_of[code], row_of, alike), *alike]
        others = [c for c in dict.fromkeys(order) if c not in own][:OTHERS]
        return [number[style, c] for c in (code, *others)]

    found, held_out = {}, set()
    draw = random.Random(SEED)
    for part in PARTS:
        asked = {
            "combinations": [(s, c) for s in pictures for c in split["combinations"][part]],
            "style_pairs": [
                (s, c)
                for group, parts in split["style_pairs"].items()
                for s in pictures
                if s.split()[0] == group
                for c in parts[part]
            ],
        }
        for kind, pairs in asked.items():
            found[f"{part}_{kind}"] = [ask(s, c) for s, c in pairs]
        pairs = sorted(p for pairs in asked.values() for p in pairs)
        picked = draw.sample(pairs, 100 * SETS[part])
        found[f"{part}_search"] = [
            [number[p] for p in picked[i : i + 100]] for i in range(0, len(picked), 100)
        ]
        held_out.update(pairs)
        for group, parts in split["twins"].items():
            held_out.update((s, c) for s in pictures if s.split()[0] == group for c in parts[part])
    found["train_seen"] = [
        ask(s, c)
        for s in pictures
        for c in draw.sample([c for c in pictures[s] if (s, c) not in held_out], SEEN)
    ]
    return {name: np.array(lists, dtype=np.int16) for name, lists in found.items()}


def _small(pictures: Pictures) -> dict[str, NDArray[np.float32]]:
    """Each picture as 16x16x3 averages, flat."""
    return {
        code: p.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3), dtype=np.float32).ravel()
        for code, p in pictures.items()
    }


def _alike(code: str, small: dict[str, NDArray[np.float32]]) -> list[str]:
    """All other codes of the style, the nearest picture first (L2 at 16x16)."""
    codes = list(small)
    distance = ((np.stack(list(small.values())) - small[code]) ** 2).sum(axis=1)
    return [codes[i] for i in np.argsort(distance, kind="stable") if codes[i] != code]


def _siblings(row: dict[str, Any], rows: Rows) -> list[str]:
    """The cells of the same role, or of the same gender and tone; of the same colour or shape."""
    if "role" in row:
        return [
            r["code"]
            for r in rows
            if r["code"] != row["code"]
            and "role" in r
            and (
                r["role"] == row["role"]
                or (r["gender"] == row["gender"] and r["tone"] == row["tone"])
            )
        ]
    if "shape" in row:
        return [
            r["code"]
            for r in rows
            if r["code"] != row["code"]
            and "shape" in r
            and (r["shape"] == row["shape"] or r["colour"] == row["colour"])
        ]
    return []


def _hardest_first(
    siblings: list[str], row: dict[str, Any], row_of: dict[str, dict[str, Any]], alike: list[str]
) -> list[str]:
    """Siblings of the same role first, then those that share more, then the nearest pictures."""
    axes = ("role", "gender", "tone") if "role" in row else ("colour", "shape")
    nearness = {code: i for i, code in enumerate(alike)}

    def key(code: str) -> tuple[bool, int, int]:
        other = row_of[code]
        shared = sum(row.get(a) == other.get(a) for a in axes)
        return other.get("role") != row.get("role"), -shared, nearness[code]

    return sorted(siblings, key=key)
