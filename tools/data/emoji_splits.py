"""What of the emoji is held out: combinations in all styles, and style pairs; never half a cluster.

A *combination* is a cell of role x gender x skin tone, or of colour x shape: its words are all
known, its picture is known in no style. A *style pair* is an emoji that is known in other styles,
but not in this one; the two Fluent styles count as one, as each nearly is a copy of the other.
"""

import random
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Rows = list[dict[str, Any]]
Pictures = dict[str, NDArray[np.uint8]]
Limits = dict[tuple[str, ...], int]

SEED = 0
TWINS = 0.015  # RMS; the usual threshold of 0.01, and room for what WebP changes
PARTS = ("test", "validation")
ROLE_CELLS = {"test": 60, "validation": 54}
COLOUR_CELLS = {"test": 6, "validation": 3}  # the same number of each shape
PAIRS = {"test": 160, "validation": 90}  # in each group of styles
GROUPS = {
    "noto": ("noto",),
    "twemoji": ("twemoji",),
    "fluent": ("fluent 3d", "fluent flat"),
    "openmoji": ("openmoji",),
}
LARGEST = 4  # a style pair drawn from a larger cluster would take too much with it
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white")
SHAPES = ("circle", "square", "heart")


def with_cells(rows: Rows) -> Rows:
    """The rows, with role and gender, or colour and shape, where an emoji has them.

    A role is there when Unicode has a person, a man and a woman of it; it is named after the
    person's emoji.
    """
    label = {r["code"]: r["label"] for r in rows}
    place = {}
    for base in {r["base"] for r in rows}:
        genders = _genders(base)
        if all(g in label for g in genders.values()):
            for gender, member in genders.items():
                place[member] = {"role": label[base], "gender": gender}
    found = []
    for row in rows:
        cell = dict(place.get(row["base"], {}))
        colour, _, shape = row["label"].replace(" large ", " ").partition(" ")
        if colour in COLOURS and shape in SHAPES:
            cell = {"colour": colour, "shape": shape}
        found.append({**row, **cell})
    return found


def _genders(base: str) -> dict[str, str]:
    """The codes of the person, man and woman of which `base` would be the person."""
    first, *rest = base.split("-200D-")
    if first == "1F9D1" and len(rest) < 2:
        tail = "".join(f"-200D-{r}" for r in rest)
        return {"person": base, "man": "1F468" + tail, "woman": "1F469" + tail}
    return {"person": base, "man": base + "-200D-2642", "woman": base + "-200D-2640"}


def stem(label: str) -> str:
    """The label without its size and direction: such emoji are one thing, and stay together."""
    label = re.sub(r"(:|,)? facing right", "", label)
    return re.sub(r"\b(large|medium-small|medium|small) (?=(\w+ )?(square|diamond))", "", label)


def near_pairs(straight: NDArray[np.uint8], rms: float) -> list[tuple[int, int]]:
    """The pairs of pictures (n, 64, 64, 3) nearer than `rms`, one of them mirrored or not.

    Averaging never widens a distance: only what is near at 16x16 needs comparing whole.
    """
    mirrored = straight[:, :, ::-1]
    a, b = _small(straight), _small(mirrored)
    squares = (a**2).sum(axis=1)  # of b too
    found = []
    for left, right, other in ((a, a, straight), (a, b, mirrored)):
        distance = squares[:, None] + squares[None] - 2 * left @ right.T  # (n, n)
        for i, j in np.argwhere(
            distance < a.shape[1] * rms**2 + 0.01
        ).tolist():  # room for rounding
            gap = (straight[i].astype(np.float32) - other[j]) / 255
            if i < j and np.sqrt((gap**2).mean()) < rms:
                found.append((i, j))
    return found


def _small(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """16x16 averages in [0, 1], flat."""
    blocks = pictures.reshape(len(pictures), 16, 4, 16, 4, 3)
    return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(pictures), -1) / 255


def clusters(rows: Rows, pictures: dict[str, Pictures]) -> dict[str, dict[str, list[str]]]:
    """For each style and code the codes of its cluster, itself included.

    Two are in one cluster when their pictures are nearer than TWINS, one of them mirrored or not,
    when their labels differ in size or direction only, or when both are with a third.
    """
    label = {r["code"]: r["label"] for r in rows}
    found = {}
    for style, of_style in pictures.items():
        codes = list(of_style)
        edges = near_pairs(np.stack(list(of_style.values())), TWINS)
        first: dict[str, int] = {}
        edges += [(first.setdefault(stem(label[c]), i), i) for i, c in enumerate(codes)]
        ends = np.array(edges).T
        graph = coo_array((np.ones(len(edges)), (ends[0], ends[1])), shape=(len(codes),) * 2)
        _, numbers = connected_components(graph, directed=False)
        members: dict[int, list[str]] = {}
        for number, c in zip(numbers.tolist(), codes, strict=True):
            members.setdefault(number, []).append(c)
        found[style] = {c: group for group in members.values() for c in group}
    return found


def complete_roles(rows: Rows, pictures: dict[str, Pictures]) -> set[str]:
    """The roles with all 3 x 6 cells in all five styles."""
    count = Counter(
        r["role"] for r in rows if "role" in r and all(r["code"] in p for p in pictures.values())
    )
    return {role for role, n in count.items() if n == 18}


def combinations(rows: Rows, alone: set[str], roles: set[str]) -> dict[str, list[str]]:
    """Codes of cells to hold out, drawn evenly: of no row or column more than it can spare.

    Of a role at most one cell for the test and one for validation, of other gender and tone; of
    each gender and tone about the same number; of a colour one cell.
    """
    draw = random.Random(SEED)
    used: Counter[tuple[str, ...]] = Counter()
    role_cells = [r for r in rows if r.get("role") in roles and r["code"] in alone]
    colour_cells = [r for r in rows if "shape" in r and r["code"] in alone]

    def of_role(r: dict[str, Any], part: str) -> Limits:
        return {
            (part, r["role"]): 1,
            (r["role"], r["gender"]): 1,
            (r["role"], str(r["tone"])): 1,
            (part, r["gender"], str(r["tone"])): ROLE_CELLS[part] // 18 + 2,
        }

    def of_colour(r: dict[str, Any], part: str) -> Limits:
        return {(r["colour"],): 1, (part, r["shape"]): COLOUR_CELLS[part] // 3}

    return {
        part: sorted(
            _drawn(role_cells, ROLE_CELLS[part], partial(of_role, part=part), used, draw)
            + _drawn(colour_cells, COLOUR_CELLS[part], partial(of_colour, part=part), used, draw)
        )
        for part in PARTS
    }


def _drawn(
    rows: Rows,
    wanted: int,
    limits_of: Callable[[dict[str, Any]], Limits],
    used: Counter[tuple[str, ...]],
    draw: random.Random,
) -> list[str]:
    """The codes of `wanted` rows that stay within their limits, which `used` counts up to."""
    for _ in range(100):  # an order may run into a dead end; then another is tried
        codes, count = [], used.copy()
        for r in draw.sample(rows, len(rows)):
            limits = limits_of(r)
            if len(codes) < wanted and all(count[k] < n for k, n in limits.items()):
                codes.append(r["code"])
                count.update(limits.keys())
        if len(codes) == wanted:
            used.update(count - used)
            return codes
    raise ValueError(f"no {wanted} cells found within the limits; hold out fewer")


def style_pairs(
    rows: Rows, groups: dict[str, dict[str, list[str]]], taboo: set[str], everywhere: set[str]
) -> tuple[dict[str, dict[str, list[str]]], dict[str, dict[str, list[str]]]]:
    """For each group of styles the codes to hold out there, and the twins that must go with them.

    Drawn by emoji first and skin tone second, so that the many tones of people do not crowd the
    things out; an emoji is held out in one group of styles at most, and known in the others.
    """
    draw = random.Random(SEED + 1)
    by_base: dict[str, list[str]] = {}
    for r in rows:
        if r["code"] in everywhere and r["code"] not in taboo:
            by_base.setdefault(r["base"], []).append(r["code"])
    waiting = sorted(by_base)
    draw.shuffle(waiting)
    pairs: dict[str, dict[str, list[str]]] = {}
    twins: dict[str, dict[str, list[str]]] = {}
    for group, members in GROUPS.items():
        gone: set[str] = set()
        pairs[group], twins[group] = {}, {}
        for part in PARTS:
            drawn, along = [], []
            while len(drawn) < PAIRS[part]:
                code = draw.choice(by_base[waiting.pop()])
                cluster = {c for style in members for c in groups[style][code]}
                if len(cluster) <= LARGEST and not cluster & (gone | taboo):
                    drawn.append(code)
                    along.extend(cluster - {code})
                    gone |= cluster
            pairs[group][part], twins[group][part] = sorted(drawn), sorted(along)
    return pairs, twins


def split(rows: Rows, pictures: dict[str, Pictures]) -> dict[str, Any]:
    """What is held out, by code; all the rest is for training."""
    groups = clusters(rows, pictures)
    everywhere = {r["code"] for r in rows if all(r["code"] in p for p in pictures.values())}
    alone = {c for c in everywhere if all(groups[s][c] == [c] for s in groups)}
    cells = combinations(rows, alone, complete_roles(rows, pictures))
    shapes = {r["code"] for r in rows if "shape" in r}
    taboo = shapes.union(*cells.values())
    pairs, twins = style_pairs(rows, groups, taboo, everywhere)
    return {
        "seed": SEED,
        "twins_rms": TWINS,
        "combinations": cells,
        "style_pairs": pairs,
        "twins": twins,
        "clusters": {
            style: sorted({tuple(sorted(g)) for g in of.values() if len(g) > 1})
            for style, of in groups.items()
        },
    }
