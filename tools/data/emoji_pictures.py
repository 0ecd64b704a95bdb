"""The emoji pictures of five packages, brought to 64x64 on white, and repaired.

Fluent 3D has its medium-light and medium skins swapped; some pictures show another skin than their
name says, and some show no skin at all.
"""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.data.archives import contents

Pictures = dict[str, NDArray[np.uint8]]  # by code; each (64, 64, 3)

SIZE = 64

# Found by looking, and by `repaired`, which refuses to go on when tones are out of order.
BROKEN = {
    "fluent 3d": tuple(f"1F6B5-{tone}" for tone in ("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF")),
    "fluent flat": ("1F6C0-1F3FE",),
}


def code(name: str) -> str:
    """Code points as this project writes them: upper case, no variation selector."""
    return re.sub("-?FE0F", "", name.upper())


def on_white(file: bytes) -> NDArray[np.uint8]:
    """A picture of any size, centred on a white square and brought to (64, 64, 3)."""
    picture = Image.open(io.BytesIO(file)).convert("RGBA")
    side = max(picture.size)
    square = Image.new("RGBA", (side, side), "white")
    corner = ((side - picture.width) // 2, (side - picture.height) // 2)
    square.alpha_composite(picture, corner)
    small = square.convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return np.asarray(small)


def drawn(svg: str) -> NDArray[np.uint8]:
    """An SVG, drawn at twice the size and then made smaller, for smooth edges."""

    side = 2 * SIZE
    import resvg_py  # only who builds the data needs it

    png = resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side, skip_system_fonts=True)
    return on_white(png)


def bitmaps(package: Path, folder: str, ending: str) -> Pictures:
    """The pictures of a package that has one file an emoji, named after its code points."""
    files = contents(package, folder)
    return {code(name[len(folder) : -len(ending)]): on_white(f) for name, f in files.items()}


def fluent_flat(package: Path) -> Pictures:
    """Iconify's packages have one JSON file of SVG bodies by name, and one from code to name."""
    files = contents(package, "package/")
    icons = json.loads(files["package/icons.json"])
    names = json.loads(files["package/chars.json"])
    pictures = {}
    for character, name in sorted(names.items()):
        body = icons["icons"][icons["aliases"].get(name, {"parent": name})["parent"]]["body"]
        space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        pictures[code(character)] = drawn(f'<svg {space} viewBox="0 0 32 32">{body}</svg>')
    return pictures


def openmoji(package: Path) -> Pictures:
    """The colour SVGs of OpenMoji."""
    folder = "package/color/svg/"
    files = contents(package, folder)
    return {code(name[len(folder) : -4]): drawn(f.decode()) for name, f in files.items()}


def skin(five: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """The mean brightness of each of five tones, where the lightest and the darkest differ.

    All zero where they hardly differ: there is no skin to see.
    """
    grey = np.stack(five).astype(np.float64).mean(axis=-1)  # (5, 64, 64)
    differs = grey[0] - grey[4] > 40
    return grey[:, differs].mean(axis=1) if differs.sum() > 3 else np.zeros(5)


def repaired(style: str, pictures: Pictures, rows: list[dict[str, Any]]) -> Pictures:
    """The pictures of a style that are what their names say.

    Swaps medium-light and medium where the first is the darker; drops BROKEN, and the tones of
    emoji that show no skin. Raises ValueError when tones are still out of order.
    """
    kept = {r["code"]: pictures[r["code"]] for r in rows if r["code"] in pictures}
    for gone in BROKEN.get(style, ()):
        del kept[gone]
    tones: dict[str, list[str]] = {}
    for row in rows:
        if row["tone"]:
            tones.setdefault(row["base"], []).append(row["code"])
    for five in tones.values():
        if not all(c in kept for c in five):
            continue
        light = skin([kept[c] for c in five])
        if not light.any():
            for c in five:
                del kept[c]
        elif light[2] > light[1]:
            kept[five[1]], kept[five[2]] = kept[five[2]], kept[five[1]]
            light[[1, 2]] = light[[2, 1]]
        if light.any() and not (light[1] > light[2] > light[3] > light[4]):
            raise ValueError(f"{style}: the tones of {five[0]} are out of order: {light.round()}")
    return kept


def styles(taken: dict[str, Path], rows: list[dict[str, Any]]) -> dict[str, Pictures]:
    """The repaired pictures of all five styles."""
    google, twitter = (taken[f"emoji-datasource-{name}"] for name in ("google", "twitter"))
    found = {
        "noto": bitmaps(google, "package/img/google/64/", ".png"),
        "twemoji": bitmaps(twitter, "package/img/twitter/64/", ".png"),
        "fluent 3d": bitmaps(taken["@lobehub/fluent-emoji-3d"], "package/assets/", ".webp"),
        "fluent flat": fluent_flat(taken["@iconify-json/fluent-emoji-flat"]),
        "openmoji": openmoji(taken["openmoji"]),
    }
    return {style: repaired(style, pictures, rows) for style, pictures in found.items()}
