"""Which colours of things, pairs and numbers of things, and ways to ask, are held out.

Fixed before the first training on composed pictures. Parts come from training pictures only; each
entry names the style that it is asked in. Of a thing at most one colour and one number is held out,
so that training shows it in other colours and numbers.
"""

import random
from collections import Counter
from pathlib import Path
from typing import Any

from course_lib.datasets import compositions, emoji
from course_lib.datasets.compositions import Drawn
from tools.data.sources import Made, Source

SOURCES: tuple[Source, ...] = ()
FILES: dict[str, Made] = {}
SEED = 3
PARTS = ("test", "validation")
COLOURS = {"test": 150, "validation": 75}
PAIRS = {"test": 150, "validation": 75}
COUNTS = {"test": 150, "validation": 75}


FRAMES = {
    "validation": (
        "my {n} - {s} style",
        "could we see {a} in {s} style?",
        "{n} as a {s} emoji",
        "i would love {a}, {s} style",
        "the {s} version of {a}",
        "{a}! {s} style",
        "let us have {the}, done in {s} style",
        "a photo of {a}, {s} style",
    ),
    "test": (
        "sketch {a} for me, {s} style",
        "i need {a} in {s} style.",
        "our {n} [{s} style]",
        "a lovely {n}, {s} style",
        "what does {a} look like in {s} style?",
        "an icon of {a} - {s} style",
        "{n}... {s} style...",
        "{s} style would suit {the}",
        "may i have {a} ({s} style), thank you",
        "do {the} the {s} way",
    ),
}


def split(parts: list[Drawn]) -> dict[str, Any]:
    """Entries by part: colour, code, style; code, code, layout, style; number, code, style."""
    draw = random.Random(SEED)
    by_code: dict[str, list[Drawn]] = {}
    for part in parts:
        by_code.setdefault(part.code, []).append(part)
    plain = [c for c in sorted(by_code) if by_code[c][0].thing.row["group"] != "smileys-emotion"]
    colours: dict[str, list[list[Any]]] = {}
    waiting = [c for c in plain if any(p.paints() for p in by_code[c])]
    draw.shuffle(waiting)
    used: Counter[str] = Counter()
    for name in PARTS:
        colours[name] = []
        while len(colours[name]) < COLOURS[name]:
            part = draw.choice([p for p in by_code[waiting.pop()] if p.paints()])
            colour = min(part.paints(), key=lambda c: (used[c], draw.random()))
            used[colour] += 1
            colours[name].append([colour, part.code, part.style])
    counts: dict[str, list[list[Any]]] = {}
    waiting = draw.sample(plain, len(plain))
    for name in PARTS:
        counts[name] = []
        while len(counts[name]) < COUNTS[name]:
            part = draw.choice(by_code[waiting.pop()])
            counts[name].append([2 + len(counts[name]) % 2, part.code, part.style])
    pairs: dict[str, list[list[Any]]] = {}
    seen: set[frozenset[str]] = set()
    for name in PARTS:
        pairs[name] = []
        while len(pairs[name]) < PAIRS[name]:
            first, second = draw.sample(plain, 2)
            styles = sorted({p.style for p in by_code[first]} & {p.style for p in by_code[second]})
            if styles and frozenset((first, second)) not in seen:
                seen.add(frozenset((first, second)))
                layout = "above" if len(pairs[name]) % 3 == 2 else "beside"
                pairs[name].append([first, second, layout, draw.choice(styles)])
    return {"seed": SEED, "colours": colours, "pairs": pairs, "counts": counts}


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """No file of its own: the split, and the held-out frames of captions with it."""
    frames = {part: list(of_part) for part, of_part in FRAMES.items()}
    return {**split(compositions.drawn(emoji.load(split="train"))), "frames": frames}
