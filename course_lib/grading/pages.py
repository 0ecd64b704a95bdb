"""The pages of a report: one for the class, one for each student. All self-contained, no script."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from itertools import groupby
from pathlib import Path

from course_lib.exercises.exercise import Exercise
from course_lib.grading.mark import Row

# A sign and a word stand beside every colour.
SIGNS = {
    "passed": ("✓", "good"),
    "failed": ("✗", "bad"),
    "error": ("!", "bad"),
    "not attempted": ("o", "none"),
    "not found": ("?", "none"),
    "timed out": ("⌛", "odd"),
    "out of memory": ("M", "odd"),
    "crashed": ("#", "odd"),
    "refused": ("R", "odd"),
}
_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem;
  color: #1b1b1b; background: #fff; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.wide { overflow-x: auto; overflow-wrap: break-word; }
table { border-collapse: collapse; } th, td { border: 1px solid #bbb; padding: .25rem .5rem;
  text-align: left; vertical-align: top; } tbody th { font-weight: 500; }
td.sign { text-align: center; white-space: nowrap; }
td:last-child:not(.sign) { min-width: 12rem; }
.good { background: #d6ebff; } .bad { background: #ffe3c2; } .none { background: #f0f0f0; }
.odd { background: #ead9f2; }
.warning { border: 3px solid #8a3b00; padding: .5rem 1rem; font-weight: 600; }
section { border-left: .4rem solid #bbb; padding: .1rem 1rem; margin: 1rem 0; }
section.good, section.bad, section.none, section.odd { background: none; }
section.good { border-color: #0072b2; } section.bad { border-color: #d55e00; }
section.odd { border-color: #7b3f98; }
"""
UNPROTECTED = (
    "These notebooks were run without a sandbox (--sandbox none). Their code could read and change "
    "whatever the grader's account can. Trust neither these marks nor this machine more than the "
    "people who handed in."
)


def _page(title: str, body: Iterable[str], *, protected: bool) -> str:
    warning = "" if protected else f'<p class="warning">Warning: {escape(UNPROTECTED)}</p>'
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{warning}\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def write_student(
    path: Path, student: str, rows: Sequence[Row], tasks: dict[str, str], *, protected: bool
) -> None:
    """The page to send back: what passed, and for the rest the sentence that helps."""
    points, of = sum(r.points for r in rows), sum(r.of for r in rows)
    body = [f"<p><strong>{points} of {of} points.</strong></p>"]
    for r in rows:
        sign, kind = SIGNS[r.status]
        body.append(f'<section class="{kind}">\n<h2>{escape(r.exercise)}</h2>')
        body.append(f"<p>{escape(tasks.get(r.exercise, ''))}</p>")
        body.append(f"<p><strong>{sign} {r.status}</strong>: {r.points} of {r.of}</p>")
        if r.words:
            body.append(f"<p>{escape(r.words)}</p>")
        body.append("</section>")
    _write(path, _page(f"{student}", body, protected=protected))


def write_class(
    path: Path,
    rows: Sequence[Row],
    exercises: Sequence[Exercise],
    files: dict[str, str],
    *,
    protected: bool,
) -> None:
    """Exercise by student, the hardest exercise first; the mistakes that were made most often."""
    by_student = {s: list(group) for s, group in groupby(rows, key=lambda r: r.student)}
    passed = Counter(r.exercise for r in rows if r.status == "passed")
    hardest = sorted(exercises, key=lambda e: (passed[e.id], e.id))
    of = sum(e.points for e in exercises)
    body = [f"<p>{len(by_student)} students, {len(exercises)} exercises, {of} points.</p>"]
    body += _hardest(hardest, passed, len(by_student))
    body += _mistakes(rows, exercises)
    body += _matrix(by_student, hardest, files, of)
    body += _remarks(rows)
    _write(path, _page("The class", body, protected=protected))


def _table(header: Sequence[str], lines: Iterable[str]) -> list[str]:
    head = "".join(f"<th>{escape(h)}</th>" for h in header)
    start = f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>'
    return [start, *lines, "</tbody></table></div>"]


def _line(first: str, *cells: object) -> str:
    inner = "".join(f"<td>{escape(str(c))}</td>" for c in cells)
    return f"<tr><th>{escape(first)}</th>{inner}</tr>"


def _hardest(hardest: Sequence[Exercise], passed: Counter[str], students: int) -> list[str]:
    lines = (_line(e.id, f"{passed[e.id]} of {students}", e.points, e.task) for e in hardest)
    header = ["exercise", "passed", "points", "task"]
    return ["<h2>Exercises, the hardest first</h2>", *_table(header, lines)]


def _mistakes(rows: Sequence[Row], exercises: Sequence[Exercise]) -> list[str]:
    made = Counter((r.exercise, r.mistake) for r in rows if r.mistake)
    if not made:
        return []
    hints = {(e.id, w.name): w.hint for e in exercises for w in e.wrong}
    lines = (
        _line(f"{exercise}: {mistake.replace('_', ' ')}", n, hints.get((exercise, mistake), ""))
        for (exercise, mistake), n in made.most_common()
    )
    return ["<h2>Mistakes made most often</h2>", *_table(["mistake", "students", "hint"], lines)]


def _matrix(
    by_student: dict[str, list[Row]], hardest: Sequence[Exercise], files: dict[str, str], of: int
) -> list[str]:
    lines = []
    for student, rows in by_student.items():
        known = {r.exercise: r for r in rows}
        cells = [_cell(known.get(e.id)) for e in hardest]
        link = f'<a href="{escape(files[student])}">{escape(student)}</a>'
        points = f"<td>{sum(r.points for r in rows)} of {of}</td>"
        lines.append(f"<tr><th>{link}</th>{points}{''.join(cells)}</tr>")
    legend = ", ".join(f"{sign} {status}" for status, (sign, _) in SIGNS.items())
    header = ["student", "points", *(e.id for e in hardest)]
    return ["<h2>Students</h2>", f"<p>{escape(legend)}</p>", *_table(header, lines)]


def _cell(row: Row | None) -> str:
    if row is None:
        return "<td></td>"
    sign, kind = SIGNS[row.status]
    return f'<td class="sign {kind}" title="{escape(row.words)}">{sign} {row.status}</td>'


def _remarks(rows: Sequence[Row]) -> list[str]:
    lines = [
        _line(r.student, r.exercise, r.status, "; ".join(r.remarks)) for r in rows if r.remarks
    ]
    if not lines:
        return []
    header = ["student", "exercise", "status", "remark"]
    said = "<p>For you to judge; no points were taken off.</p>"
    return ["<h2>Remarks</h2>", said, *_table(header, lines)]


def file_name(student: str) -> str:
    """A file name for a student's page: safe everywhere, and one for each name."""
    plain = re.sub(r"[^\w.-]+", "_", student, flags=re.ASCII).strip("._")[:60]
    digest = sha256(student.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{plain}.html" if plain and plain == student else f"{plain or 'student'}-{digest}.html"


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8", errors="replace")
    part.replace(path)
