"""Emoji in five drawing styles, 64x64 on white: one WebP atlas a style, and a table of names."""

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.data import emoji_measure, emoji_splits
from tools.data.archives import contents
from tools.data.emoji_pictures import SIZE, code, styles
from tools.data.sources import Made, Source

SOURCES = (
    Source(
        "npm",
        "emoji-datasource-google",
        "16.0.0",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
        "Apache-2.0",
        "Noto Emoji by Google; packaged by Cal Henderson (emoji-data, MIT).",
    ),
    Source(
        "npm",
        "emoji-datasource-twitter",
        "16.0.0",
        "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
        "CC BY 4.0",
        "Twemoji, copyright Twitter, Inc and other contributors; packaged by Cal Henderson "
        "(emoji-data, MIT). Put on white, otherwise unchanged.",
    ),
    Source(
        "npm",
        "@lobehub/fluent-emoji-3d",
        "1.1.0",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
        "MIT",
        "Fluent Emoji, copyright Microsoft Corporation; packaged by LobeHub.",
    ),
    Source(
        "npm",
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
        "MIT",
        "Fluent Emoji, copyright Microsoft Corporation; packaged by Iconify.",
    ),
    Source(
        "npm",
        "openmoji",
        "17.0.0",
        "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68",
        "CC BY-SA 4.0",
        "OpenMoji, the open-source emoji and icon project, by HfG Schwaebisch Gmuend and its "
        "contributors (openmoji.org). Drawn at 64x64 on white.",
    ),
    Source(
        "npm",
        "emojibase-data",
        "17.0.0",
        "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
        "MIT; Unicode License v3",
        "Names and tags: emojibase by Miles Johnson, from Unicode's CLDR, copyright Unicode, Inc.",
    ),
)
_NAMES = "emojibase-data"
_STYLES = {
    "noto": ("Noto", "emoji-datasource-google"),
    "twemoji": ("Twemoji", "emoji-datasource-twitter"),
    "fluent 3d": ("Fluent 3D", "@lobehub/fluent-emoji-3d"),
    "fluent flat": ("Fluent Flat", "@iconify-json/fluent-emoji-flat"),
    "openmoji": ("OpenMoji", "openmoji"),
}
FILES = {
    **{
        f"emoji/{style.replace(' ', '_')}.webp": Made(f"{name} emoji, 64x64, an atlas", (package,))
        for style, (name, package) in _STYLES.items()
    },
    "emoji/table.json": Made("what each emoji of the atlases is", (_NAMES,)),
    "emoji/measure.npz": Made("the questions of the text-to-image measure", (_NAMES,)),
}
COLUMNS = 64  # pictures in a row of an atlas
_NO_GROUP = (None, 2, 9)  # letters, loose skin tones and hair, flags


def plain(text: str) -> str:
    """Lower case, straight quotes, no accents: "PIÑATA" and "piñata" are "pinata"."""
    for curly, straight in (("\N{RIGHT SINGLE QUOTATION MARK}", "'"), ("[\u201c\u201d]", '"')):
        text = re.sub(curly, straight, text.lower())
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def names(package: Path) -> list[dict[str, Any]]:
    """What is known of each emoji, in Unicode's order: no flags, no couples of two skin tones.

    The couples of two different tones (380 codes of 19 motives) exist in three styles only, and
    hardly differ at 64x64.
    """
    files = contents(package, "package/")
    groups = json.loads(files["package/meta/groups.json"])["groups"]
    rows = []
    for first in json.loads(files["package/en/data.json"]):
        if first.get("group") in _NO_GROUP:
            continue
        skins = [s for s in first.get("skins", []) if not isinstance(s["tone"], list)]
        for emoji in [first, *skins]:
            rows.append(
                {
                    "code": code(emoji["hexcode"]),
                    "label": plain(emoji["label"]),
                    "base": code(first["hexcode"]),
                    "tone": emoji.get("tone", 0),
                    "group": groups[str(first["group"])],
                    "tags": [plain(tag) for tag in first.get("tags", [])],
                }
            )
    return rows


def atlas(pictures: list[NDArray[np.uint8]]) -> Image.Image:
    """The pictures in rows of 64, white where the last row ends early."""
    rows = -(-len(pictures) // COLUMNS)
    sheet = np.full((rows * COLUMNS, SIZE, SIZE, 3), 255, np.uint8)
    sheet[: len(pictures)] = pictures
    grid = sheet.reshape(rows, COLUMNS, SIZE, SIZE, 3).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(grid.reshape(rows * SIZE, COLUMNS * SIZE, 3))


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """Write the atlases, the table and the questions of the measure; return the split."""
    rows = names(taken[_NAMES])
    pictures = styles(taken, rows)
    rows = emoji_splits.with_cells(
        [r for r in rows if any(r["code"] in p for p in pictures.values())]
    )
    (out / "emoji").mkdir()
    for style, kept in pictures.items():
        file = out / "emoji" / f"{style.replace(' ', '_')}.webp"
        atlas(list(kept.values())).save(file, quality=90, method=6)
    split = emoji_splits.split(rows, pictures)
    np.savez_compressed(
        out / "emoji" / "measure.npz", **emoji_measure.questions(rows, pictures, split)
    )
    place = {row["code"]: number for number, row in enumerate(rows)}
    table = {
        "atlas": {style: [place[c] for c in kept] for style, kept in pictures.items()},
        "emoji": rows,
    }
    (out / "emoji" / "table.json").write_text(_lines(table), encoding="utf-8")
    return {**split, "measure": emoji_measure.SETTINGS}


def _lines(table: dict[str, Any]) -> str:
    """JSON with one emoji a line."""
    emoji = ",\n".join(json.dumps(row, separators=(",", ":")) for row in table["emoji"])
    atlases = json.dumps(table["atlas"], separators=(",", ":"))
    return f'{{"atlas": {atlases},\n"emoji": [\n{emoji}\n]}}\n'
