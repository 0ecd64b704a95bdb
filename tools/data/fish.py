"""Fish: cut-outs, things that are not fish, backgrounds, whole photographs; lessons 02 and 03.

Everything is small, because scenes are 64x64: a cut-out fits a cell of 64x64, a background 160x208.
The fish of GCompris have edges of one bit; they are only ever made smaller, which softens them.
"""

import io
import random
import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from tools.data.archives import contents
from tools.data.sources import Made, Source

SOURCES = (
    Source(
        "debian",
        "gcompris-qt-data",
        "3.1-2",
        "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
        "public domain and CC0",
        "fish of xfishtank by Jonathan Greenblatt, Dave Lemke and Eric Bina; underwater "
        "photographs by Ruthven, SolarSurfer, Pseudopanax, Rita Segantini, U.S. Fish and Wildlife "
        "Service; photographs of fish by Karelj, Stefano Guerrieri, Paolo Neo, USDA, Bernard "
        "Spragg, Florin Dumitrescu, NOAA, Jan Derk, Alan Slater, Jon Sullivan, Pierluigi Angioi, "
        "Alessandro Duci, Roberto Pillon and Necrophorus, from Wikimedia Commons, as the README "
        "files inside say",
    ),
    Source(
        "debian",
        "tuxpaint-stamps-default",
        "2022.06.04-1",
        "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
        "GPL-2",
        "Bill Kendrick and the contributors to Tux Paint Stamps",
    ),
    Source(
        "debian",
        "tuxpaint-data",
        "1:0.9.28-sdl2-1",
        "f5d0de8f9a70d2efc1241d19f26168cb8bf279f1b77abd3631e7a1a55c40e5e5",
        "GPL-2+",
        "Bill Kendrick and the contributors to Tux Paint",
    ),
    Source(
        "debian",
        "mate-backgrounds",
        "1.26.0-1",
        "7bf4c2209f34b4f61ba6d24c8b58c28b361e82e4b943aae6d42c030169af9e04",
        "GPL-2+",
        "Charles Barbin, Lennart Poettering, Andrea Cimitan, Marco Cogoni, Hylke Bons, "
        "Jens Ansorg, Timothy Schellhase, Lapo Calamandrei, blackcombwhistler07, Sergey Nazarov "
        "and Jean-François Fortin Tam",
    ),
    Source(
        "pypi",
        "scikit-image",
        "0.26.0",
        "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        "CC0 / public domain",
        "Rachel Michetti (coffee), Stéfan van der Walt (chelsea), SpaceX (rocket), and textures of "
        "CC0Textures (brick, grass, gravel)",
    ),
)

CUT_OUTS = ("gcompris-qt-data", "tuxpaint-stamps-default")
PHOTOGRAPHS = ("gcompris-qt-data", "tuxpaint-data", "mate-backgrounds", "scikit-image")
FILES = {
    "fish/cut_outs.webp": Made("31 kinds of fish and 204 things that are not fish", CUT_OUTS),
    "fish/backgrounds.webp": Made("44 photographs to paste them on", PHOTOGRAPHS),
    "fish/photographs.webp": Made("28 photographs of fish, never cut out", ("gcompris-qt-data",)),
}
CELL = 64  # a cut-out with a margin of one clear pixel
BACKGROUND = (208, 160)  # width, height
PHOTOGRAPH = (144, 96)
COLUMNS = 16

# Named alike or looking alike: a group never crosses a border of the split.
FISH_ALIKE = (
    ("discus2", "discus3"),
    ("butfish", "butterflyfish"),
    ("cichlid1", "cichlid4"),
    ("f05", "f06"),
    ("f07", "f08"),
)
BACKGROUNDS_ALIKE = (
    ("sea1", "sea2"),
    ("ocean_splash", "ocean_waves"),
    ("redwoods_above", "trees_above"),
    ("mossy_bark", "burnt_bark"),
    ("grass", "GreenMeadow"),
    ("Blinds", "RainDrops"),
    ("FreshFlower", "Garden", "YellowFlower"),
    ("gravel", "rocks"),
)
UNDERWATER = ("sea1", "sea2", "sea3", "sea4", "sea5", "sea6", "reef", "jellyfish")
FISH_STAMPS = (
    *("bluegroper", "butterflyfish", "clownfish", "coraltrout"),
    *("dolphinfish", "lionfish", "moonwrasse", "stripedfish"),
)
# A seahorse is a fish that looks like none; the next four are drawings or silhouettes; much of the
# last three is narrower than a pixel at this size.
LEFT_OUT = (
    *("seahorse", "teeth", "hedgehog", "pizza", "echidna"),
    *("manta", "shark1", "lionfish"),
)


def resources(rcc: bytes) -> dict[str, bytes]:
    """The files inside a Qt resource file (format 2 or 3), by their path."""
    _, version, tree, data, names = struct.unpack(">4s4I", rcc[:20])
    if rcc[:4] != b"qres" or version not in (2, 3):
        raise ValueError("wanted a Qt resource file of format 2 or 3: the package has changed")
    files: dict[str, bytes] = {}

    def walk(node: int, folder: str) -> None:
        at = tree + 22 * node
        name_at, flags = struct.unpack(">IH", rcc[at : at + 6])
        name_at += names
        (length,) = struct.unpack(">H", rcc[name_at : name_at + 2])
        name = rcc[name_at + 6 : name_at + 6 + 2 * length].decode("utf-16-be") if node else ""
        if flags & 2:
            count, first = struct.unpack(">II", rcc[at + 6 : at + 14])
            for child in range(first, first + count):
                walk(child, f"{folder}{name}/")
            return
        (start,) = struct.unpack(">I", rcc[at + 10 : at + 14])
        (size,) = struct.unpack(">I", rcc[data + start : data + start + 4])
        body = rcc[data + start + 4 : data + start + 4 + size]
        files[folder + name] = zlib.decompress(body[4:]) if flags & 1 else body

    walk(0, "")
    return files


def pictures(files: dict[str, bytes], endings: Iterable[str]) -> dict[str, Image.Image]:
    """Decode the files with these endings, by the stem of their name."""
    return {
        Path(path).stem: Image.open(io.BytesIO(body))
        for path, body in sorted(files.items())
        if path.endswith(tuple(endings))
    }


def cell(picture: Image.Image) -> Image.Image:
    """Cut to what can be seen, shrink (never enlarge) to fit, and centre on a clear cell."""
    picture = picture.convert("RGBA")
    opaque = picture.getchannel("A").point(lambda a: 255 if a >= 128 else 0)
    picture = picture.crop(opaque.getbbox())
    picture.thumbnail((CELL - 2, CELL - 2), Image.Resampling.BOX, reducing_gap=None)
    clear = Image.new("RGBA", (CELL, CELL))
    clear.paste(picture, ((CELL - picture.width) // 2, (CELL - picture.height) // 2))
    return clear


def filled(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The largest middle piece of the picture with the shape of `size`, at that size."""
    picture = picture.convert("RGB")
    width, height = picture.size
    scale = min(width / size[0], height / size[1])
    w, h = size[0] * scale, size[1] * scale
    box = ((width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2)
    return picture.resize(size, Image.Resampling.LANCZOS, box=box)


def sheet(cells: list[Image.Image], columns: int) -> Image.Image:
    """All cells in rows, left to right."""
    w, h = cells[0].size
    rows = -(-len(cells) // columns)
    out = Image.new(cells[0].mode, (columns * w, rows * h))
    for i, picture in enumerate(cells):
        out.paste(picture, (i % columns * w, i // columns * h))
    return out


def divided(
    names: Iterable[str], alike: Iterable[tuple[str, ...]], shares: dict[str, int], seed: int
) -> dict[str, list[str]]:
    """Shuffle groups of look-alikes and deal them out until each split has its share.

    "train" takes what is left.
    """
    left = set(names)
    groups = [g for g in alike if left.issuperset(g)]
    groups += [(name,) for name in sorted(left.difference(*groups))]
    random.Random(seed).shuffle(groups)
    splits: dict[str, list[str]] = {"train": [], **{split: [] for split in shares}}
    for group in groups:
        split = next((s for s, n in shares.items() if len(splits[s]) + len(group) <= n), "train")
        splits[split].extend(group)
    return {split: sorted(found) for split, found in splits.items()}


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of one kind: "food/apple_red" goes with "food/apple_green"."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(re.split(r"[-_\d]", name.casefold())[0], []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """Make the three pictures in `out`; give back the names of their cells and the split."""
    fish, decoys = cut_outs(taken)
    backgrounds = {k: filled(v, BACKGROUND) for k, v in sorted(photographs(taken).items())}
    whole = pictures(gcompris(taken, "categorization", "/images/fishes/"), [".webp"])
    (out / "fish").mkdir()
    cells = [cell(p) for p in (*fish.values(), *decoys.values())]
    sheet(cells, COLUMNS).save(out / "fish/cut_outs.webp", lossless=True, method=6, quality=100)
    lossy = {"quality": 85, "method": 6}
    sheet(list(backgrounds.values()), 8).save(out / "fish/backgrounds.webp", **lossy)
    real = [filled(p, PHOTOGRAPH) for p in whole.values()]
    sheet(real, 7).save(out / "fish/photographs.webp", **lossy)
    species = dict.fromkeys(name.partition("/")[0] for name in fish)
    water = divided(UNDERWATER, BACKGROUNDS_ALIKE, {"test": 2, "validation": 1}, seed=0)
    land = [name for name in backgrounds if name not in UNDERWATER]
    other = divided(land, BACKGROUNDS_ALIKE, {"test": 7, "validation": 4}, seed=0)
    kinds = divided(species, FISH_ALIKE, {"test": 6, "validation": 4}, seed=0)
    things = divided(decoys, alike(decoys), {"test": 40, "validation": 25}, seed=0)
    return {
        "seed": 0,
        "cells": {"fish": [*fish], "decoys": [*decoys], "backgrounds": [*backgrounds]},
        **{
            split: {
                "fish": kinds[split],
                "decoys": things[split],
                "backgrounds": sorted(water[split] + other[split]),
            }
            for split in ("train", "validation", "test")
        },
    }


def gcompris(taken: dict[str, Path], activity: str, folder: str) -> dict[str, bytes]:
    """The files of one folder of one activity of GCompris."""
    name = f"usr/share/gcompris-qt/rcc/{activity}.rcc"
    files = resources(contents(taken["gcompris-qt-data"], name)[name])
    return {path: body for path, body in files.items() if folder in path}


def cut_outs(taken: dict[str, Path]) -> tuple[dict[str, Image.Image], dict[str, Image.Image]]:
    """Fish as "species/frame", and things that are not fish, each by name."""
    fish = {}
    for name, picture in pictures(gcompris(taken, "clickgame", "/resource/"), [".webp"]).items():
        if name.startswith("sea") or name in LEFT_OUT:
            continue
        half = picture.width // 2  # two moments of the same fish, side by side
        for frame in range(2):
            box = (half * frame, 0, half * (frame + 1), picture.height)
            fish[f"{name}/{frame}"] = picture.crop(box)
    decoys = {}
    stamps = "usr/share/tuxpaint/stamps/"
    for path, body in contents(taken["tuxpaint-stamps-default"], stamps).items():
        kind, name = path.removeprefix(stamps).split("/")[0], Path(path).stem
        drawn = "cartoon" in path or "/toys/" in path or name.endswith("_mirror")
        if kind not in ("animals", "food", "plants") or not path.endswith(".png") or drawn:
            continue
        if name in LEFT_OUT:
            continue
        if name in FISH_STAMPS:
            fish[f"{name}/0"] = Image.open(io.BytesIO(body))
        else:
            decoys[f"{kind}/{name}"] = Image.open(io.BytesIO(body))
    return fish, decoys


def photographs(taken: dict[str, Path]) -> dict[str, Image.Image]:
    """What fish are pasted on."""
    sea = pictures(gcompris(taken, "clickgame", "/resource/sea"), [".webp"])
    tuxpaint = contents(taken["tuxpaint-data"], "usr/share/tuxpaint/")
    templates = {k: v for k, v in tuxpaint.items() if "/templates/" in k}
    found = sea | pictures(templates, [".jpg"])
    found["reef"] = Image.open(io.BytesIO(tuxpaint["usr/share/tuxpaint/starters/reef-back.png"]))
    bark = found["mossy_bark"]  # has a black bar above and below
    bar = bark.height // 16
    found["mossy_bark"] = bark.crop((0, bar, bark.width, bark.height - bar))
    nature = "usr/share/backgrounds/mate/nature/"
    found |= pictures(contents(taken["mate-backgrounds"], nature), [".jpg"])
    named = ("coffee.png", "chelsea.png", "rocket.jpg", "brick.png", "grass.png", "gravel.png")
    return found | pictures(
        contents(taken["scikit-image"], "skimage/data/"), [f"/{name}" for name in named]
    )
