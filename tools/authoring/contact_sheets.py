"""docs/DATA.md, with a contact sheet of every set: contact_sheets.py [SET ...].

Everything is drawn through the loaders of course_lib.datasets, so what is seen is what is learned
from. With names of sets only their sheets are drawn again; the page is always written whole.
"""

import argparse
import random
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from course_lib.datasets import corpus, digits, emoji, fashion, fish, glove, photographs, vocabulary

DOCS = Path(__file__).resolve().parents[2] / "docs"
GAP = 2
PARTS = ("train", "validation", "test")


def sheet(rows: list[Tensor]) -> Image.Image:
    """Rows of pictures (n, 3 or 1, h, w) in [-1, 1] as one, white lines between."""
    h, w = rows[0].shape[2:]
    width = max(len(row) for row in rows) * (w + GAP) + GAP
    page = torch.full((3, len(rows) * (h + GAP) + GAP, width), 255, dtype=torch.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            top, left = GAP + y * (h + GAP), GAP + x * (w + GAP)
            page[:, top : top + h, left : left + w] = ((picture + 1) * 127.5).round().byte()
    return Image.fromarray(page.permute(1, 2, 0).numpy())


def photograph_sheet() -> Image.Image:
    """All ten, cut to their middle square."""
    squares = []
    for name in photographs.NAMES:
        picture = photographs.load(name)
        h, w = picture.shape[1:]
        side = min(h, w)
        top, left = (h - side) // 2, (w - side) // 2
        square = picture[None, :, top : top + side, left : left + side]
        squares.append(F.interpolate(square, size=(160, 160), mode="area")[0])
    return sheet([torch.stack(squares[:5]), torch.stack(squares[5:])])


def fish_sheet() -> Image.Image:
    """Each row of scenes over the row of its masks; the last two rows are scenes of the test."""
    rows: list[Tensor] = []
    for n, split in ((30, "train"), (15, "test")):
        pictures, masks = fish.scenes(n, seed=1, split=split)
        for some, their_masks in zip(pictures.split(15), masks.split(15), strict=True):
            rows += [some, (their_masks * 2 - 1).expand(-1, 3, -1, -1)]
    return sheet(rows)


def uncut_fish_sheet() -> Image.Image:
    """The photographs of fish that were never cut out."""
    return sheet(list(fish.photographs().split(10)))


def digit_sheet() -> Image.Image:
    """Thirty of each digit, from the training set."""
    pictures, labels = digits.load("train")
    return sheet([pictures[labels == digit][:30] for digit in range(10)])


def fashion_sheet() -> Image.Image:
    """The first 240 of the training set, the first 30 of validation and of test."""
    held_out = [fashion.load(split)[:30] for split in ("validation", "test")]
    return sheet([*fashion.load("train")[:240].split(30), *held_out])


def emoji_rows(codes: list[str]) -> Image.Image:
    """These emoji, one below the other in the five styles; a grey field where a style has none."""
    known = emoji.load(split="all")
    at = {(s, c): i for i, (s, c) in enumerate(zip(known.styles, known.codes, strict=True))}
    grey = torch.full((3, 64, 64), 0.8)
    return sheet(
        [
            torch.stack([known.pictures[at[s, c]] if (s, c) in at else grey for c in codes])
            for s in emoji.STYLES
        ]
    )


def emoji_sheet() -> Image.Image:
    """Twenty emoji without skin tones, drawn at random; grey where a style has none."""
    codes = [e["code"] for e in emoji.table() if not e["tone"]]
    return emoji_rows(random.Random(3).sample(codes, 20))


def tones_sheet() -> Image.Image:
    """Three roles in yellow and in the five tones, from light to dark: the order must be the same
    in every style (Fluent 3D's own files have the second and the third swapped)."""
    by_base: dict[str, list[tuple[int, str]]] = {}
    for e in emoji.table():
        by_base.setdefault(e["base"], []).append((e["tone"], e["code"]))
    of_six = [[code for _, code in sorted(group)] for group in by_base.values() if len(group) == 6]
    return emoji_rows([code for six in random.Random(0).sample(of_six, 3) for code in six])


def colours_sheet() -> Image.Image:
    """Nine colours, in the order of Unicode's hearts, as heart, circle and square. Fluent
    Flat's squares and OpenMoji's blues differ from their hearts, so the test of a colour in a new
    shape is for Noto and Twemoji."""
    cells = {(e["shape"], e["colour"]): e["code"] for e in emoji.table() if "shape" in e}
    colours = [colour for shape, colour in cells if shape == "heart"]
    return emoji_rows([cells[s, c] for s in ("heart", "circle", "square") for c in colours])


def held_out_sheet() -> Image.Image:
    """Twenty of the combinations of the test: no training of the course has seen them."""
    test = emoji.load(split="test")
    codes = [c for c, k in zip(test.codes, test.kinds, strict=True) if k == "combination"]
    return emoji_rows(random.Random(0).sample(sorted(set(codes)), 20))


SHEETS: dict[str, Callable[[], Image.Image]] = {
    "photographs": photograph_sheet,
    "fish": fish_sheet,
    "fish_uncut": uncut_fish_sheet,
    "digits": digit_sheet,
    "fashion": fashion_sheet,
    "emoji": emoji_sheet,
    "emoji_tones": tones_sheet,
    "emoji_colours": colours_sheet,
    "emoji_held_out": held_out_sheet,
}


def draw(name: str) -> str:
    """The paragraph of the page with this sheet, which says what it shows."""
    says = " ".join((SHEETS[name].__doc__ or "").split())
    return f"![contact sheet: {name.replace('_', ' ')}](data/{name}.webp)\n\n*{says}*\n"


def words_of_each_part() -> str:
    """How much there is of each part of the corpus, with a sentence of it."""
    lines = ["| part | sentences | words | one of them |", "|---|---:|---:|---|"]
    for part in corpus.PARTS:
        found = corpus.sentences(part)
        one = random.Random(1).choice([s for s in found if 8 < len(s) < 16])
        lines.append(f"| {part} | {len(found):,} | {sum(map(len, found)):,} | {' '.join(one)} |")
    return "\n".join(lines) + "\n"


def nearest_words() -> str:
    """The nearest words of a few, by the angle between GloVe's vectors."""
    words, vectors = glove.load()
    unit = F.normalize(vectors, dim=1)
    lines = ["| word | nearest |", "|---|---|"]
    for word in ("king", "tokyo", "red", "building"):
        near = (unit @ unit[words.index(word)]).topk(7).indices.tolist()[1:]
        lines.append(f"| {word} | {', '.join(words[i] for i in near)} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The text of docs/DATA.md."""
    n = {split: len(digits.load(split)[0]) for split in PARTS}
    boots = {split: len(fashion.load(split)) for split in PARTS}
    faces = {split: emoji.load(split=split) for split in PARTS}
    merges = vocabulary.merges()
    joined = ", ".join(f"{a}+{b}" for a, b in merges[1000:1006])

    def counts(of: dict[str, int]) -> str:
        return ", ".join(f"{count:,} for {split}" for split, count in of.items())

    return f"""# The data, looked at

Written by `python tools/authoring/contact_sheets.py`; do not edit it by hand. Where each file
comes from and its licence: [data/README.md](../data/README.md). What is for training and what is
held out: [data/splits.json](../data/splits.json). These pictures carry the licences of the data
they show.

## Photographs (`photographs.load`)

{draw("photographs")}
## Fish (`fish.scenes`, `fish.fixed_500`)

Composed by code from a seed, not photographed: cut-out fish, and things that are not fish, on
photographs. Kinds of fish: {counts({s: len(fish.kinds(s)) for s in PARTS})}.
Backgrounds: {counts({s: len(fish.places(s)) for s in PARTS})}.

{draw("fish")}
{draw("fish_uncut")}
## Digits (`digits.load`)

{sum(n.values()):,} of MNIST: {counts(n)}.

{draw("digits")}
## Ankle boots (`fashion.load`)

{sum(boots.values()):,} of Fashion-MNIST, padded to 32x32: {counts(boots)}.

{draw("fashion")}
## Emoji (`emoji.load`)

{counts({s: len(f) for s, f in faces.items()})}. From the top: {", ".join(emoji.STYLES)}.

{draw("emoji")}
{draw("emoji_tones")}
{draw("emoji_colours")}
{draw("emoji_held_out")}
## Words (`corpus.sentences`, `glove.load`, `vocabulary.merges`)

{words_of_each_part()}
{nearest_words()}
CLIP's vocabulary: {len(merges):,} merges; from the 1,001st on: {joined}, ...
"""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Draw the contact sheets and write docs/DATA.md.")
    parser.add_argument("sets", nargs="*", metavar="SET", help="all, or some")
    (DOCS / "data").mkdir(exist_ok=True)
    for name in parser.parse_args().sets or SHEETS:
        SHEETS[name]().save(DOCS / "data" / f"{name}.webp", quality=85, method=6)
        print(f"docs/data/{name}.webp")
    (DOCS / "DATA.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
