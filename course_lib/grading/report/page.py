"""What all pages of a report share: the frame, the style, and text that can do no harm."""

import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path

# A sign and a word stand beside every colour.
SIGNS = {
    "passed": ("✓", "good"),
    "failed": ("✗", "bad"),
    "error": ("!", "bad"),
    "not attempted": ("o", "none"),
    "not found": ("?", "none"),
    "timed out": ("T", "odd"),
    "out of memory": ("M", "odd"),
    "crashed": ("#", "odd"),
    "refused": ("R", "odd"),
}
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
UNPROTECTED = (
    "These notebooks were run without a sandbox (--sandbox none). Their code could read and change "
    "whatever the grader's account can. Trust neither these marks nor this machine more than the "
    "people who handed in."
)


def text(words: object) -> str:
    """Words for a page: escaped, without control characters and those that turn the direction."""
    kept = (c for c in f"{words}" if c not in _TURNING)
    clean = "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") else "\ufffd" for c in kept
    )
    return escape(clean)


def short(name: str) -> str:
    """A name for a table: text(), cut to 60 characters."""
    return text(name if len(name) <= 60 else f"{name[:57]}...")


def page(title: str, body: Iterable[str], *, protected: bool, script: str = "") -> str:
    """A page that needs nothing from outside and runs no script but `script`."""
    warning = "" if protected else f'<p class="warning">Warning: {escape(UNPROTECTED)}</p>'
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    if script:
        digest = b64encode(sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
    end = f"<script>{script}</script>\n" if script else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{text(title)}</h1>\n{warning}\n" + "\n".join(body) + f"\n{end}</body>\n</html>\n"
    )


def table(header: Sequence[str], lines: Iterable[str], kind: str = "") -> list[str]:
    """A table in a box that scrolls."""
    head = "".join(f"<th>{text(h)}</th>" for h in header)
    start = f'<div class="wide {kind}"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>'
    return [start, *lines, "</tbody></table></div>"]


def line(first: str, *cells: object) -> str:
    """A line of a table; its first cell is a heading."""
    inner = "".join(f"<td>{text(c)}</td>" for c in cells)
    return f"<tr><th>{text(first)}</th>{inner}</tr>"


def file_names(students: Sequence[str]) -> dict[str, str]:
    """Student -> the file of their page: safe on every system, also where case does not count."""
    names: dict[str, str] = {}
    used: set[str] = set()
    for student in students:
        plain = re.sub(r"[^\w.-]+", "_", student, flags=re.ASCII).strip("._")[:60]
        digest = sha256(student.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        if not plain or plain != student or plain.casefold() in used or _RESERVED.fullmatch(plain):
            plain = f"{plain or 'student'}-{digest}"
        used.add(plain.casefold())
        names[student] = f"{plain}.html"
    return names


def write(path: Path, content: str) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(content, encoding="utf-8", errors="replace")
    part.replace(path)
