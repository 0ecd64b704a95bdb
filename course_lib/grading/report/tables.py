"""Tables of a report. A cell that a spreadsheet would take for a formula is made a text, and every
text is quoted, so that no separator inside it begins a cell.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from course_lib.grading.report.graded import OVERRIDES, Graded, Report
from course_lib.grading.report.roster import CANVAS

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_DETAILS = "student exercise status points of seconds mistake words remarks file when".split()
_TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_MOODLE = ("Identifier", "Username", "ID number", "First name", "Last name", "Full name")


def safe(cell: str) -> str:
    """`cell`, with an apostrophe before whatever could begin a formula; control characters gone."""
    clean = "".join(c if c.isprintable() else " " for c in cell if c not in _TURNING)
    begins = cell.startswith(_FORMULA) or clean.lstrip().startswith(_FORMULA)
    return f"'{clean}" if begins else clean


def write_marks(path: Path, report: Report) -> None:
    """A row for each student: name, points, points by lesson, points by exercise."""
    header = ["student", "points", *(f"lesson {n}" for n in report.lessons)]
    lines = (_marks(s, report) for s in report.students)
    _write(path, [*header, *(e.id for e in report.exercises)], lines)


def _marks(student: Graded, report: Report) -> list[object]:
    points = {r.exercise: r.points for r in student.rows}
    by_lesson = (student.points_of(n) for n in report.lessons)
    return [student.name, student.points, *by_lesson, *(points[e.id] for e in report.exercises)]


def write_details(path: Path, report: Report) -> None:
    """Everything that is known, one row per student and exercise."""
    lines = (
        [
            *(s.name, r.exercise, r.status, r.points, r.of, r.seconds),
            *(r.mistake, r.words, "; ".join(r.remarks), r.file, r.when),
        ]
        for s in report.students
        for r in s.rows
    )
    _write(path, _DETAILS, lines)


def write_canvas(path: Path, report: Report) -> None:
    """What Canvas imports into its gradebook. Nothing where no student has a Canvas id."""
    lines: list[list[object]] = []
    for s in report.students:
        known = s.person.columns if s.person else {}
        if "SIS Login ID" in known:
            who: list[object] = [known.get(column, "") for column in CANVAS]
        elif s.platform == "Canvas" and s.ids:
            who = [s.name, s.ids[0], "", "", ""]
        else:
            continue
        lines.append([*who, *(s.points_of(n) for n in report.lessons)])
    if lines:
        most = [sum(e.points for e in report.exercises if e.lesson == n) for n in report.lessons]
        lines.insert(0, ["    Points Possible", "", "", "", "", *most])
        _write(path, [*CANVAS, *(f"Lesson {n}" for n in report.lessons)], lines)
    else:
        path.unlink(missing_ok=True)


def write_moodle(path: Path, report: Report) -> None:
    """What Moodle imports: a grading worksheet filled in where the roster is one, else the columns
    by which it knows people. Nothing where there are none.
    """
    emails = [h for h in report.roster if h.casefold() in ("email address", "email")]
    columns = [h for h in report.roster if h in _MOODLE] + emails
    worksheet = "Identifier" in report.roster and "Grade" in report.roster
    lines: list[list[object]] = []
    for s in report.students:
        if s.person and worksheet:
            known = {**s.person.columns, "Grade": s.points}
            lines.append([known.get(h, "") for h in report.roster])
        elif s.person and columns and "SIS Login ID" not in report.roster:
            who = [s.person.columns.get(h, "") for h in columns]
            lines.append([*who, *(s.points_of(n) for n in report.lessons)])
        elif s.platform == "Moodle" and s.ids and not columns:
            by_lesson = [s.points_of(n) for n in report.lessons]
            lines.append([f"Participant {s.ids[0]}", s.name, *by_lesson])
    by_lesson_header = [f"Lesson {n}" for n in report.lessons]
    if not lines:
        path.unlink(missing_ok=True)
    elif worksheet:
        _write(path, report.roster, lines)
    else:
        header = columns or ["Identifier", "Full name"]
        _write(path, [*header, *by_lesson_header], lines)


def write_feedback(path: Path, report: Report, pages: dict[str, Path]) -> None:
    """A zip of the students' pages, in the folders and under the names of the files they handed in,
    which is how platforms know whose each is.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for s in report.students:
            for file in dict.fromkeys(r.file for r in s.rows if r.file):
                parts = [p for p in PurePosixPath(file).parts if p not in ("/", "..", ".")]
                name = str(PurePosixPath(*parts).with_suffix(".html"))
                if name in archive.namelist():
                    name = f"{name[:-5]}-{len(archive.namelist())}.html"
                archive.writestr(
                    name.encode("utf-8", "replace").decode(), pages[s.name].read_bytes()
                )
    part = path.with_suffix(".part")
    part.write_bytes(buffer.getvalue())
    part.replace(path)


def write_empty_overrides(path: Path) -> None:
    """The header, for the instructor to fill in."""
    if not path.exists():
        _write(path, OVERRIDES, [])


def _write(path: Path, header: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """With a mark at the beginning by which spreadsheets know UTF-8; whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8-sig", errors="replace", newline="") as f:
        writer = csv.writer(f, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow([safe(h) if h.strip() == h else h for h in header])
        for line in lines:
            writer.writerow([safe(c) if isinstance(c, str) else c for c in line])
    part.replace(path)
