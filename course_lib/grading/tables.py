"""marks.csv and details.csv. A cell that a spreadsheet would take for a formula is made a text."""

import csv
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from course_lib.exercises.exercise import Exercise
from course_lib.grading.mark import Row

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_DETAILS = "student exercise status points of seconds mistake words remarks file".split()


def safe(cell: str) -> str:
    """`cell`, with an apostrophe before whatever could begin a formula; control characters gone."""
    clean = "".join(c if c.isprintable() else " " for c in cell)
    return (
        f"'{clean}" if cell.startswith(_FORMULA) or clean.lstrip().startswith(_FORMULA) else clean
    )


def write_marks(path: Path, rows: Sequence[Row], exercises: Sequence[Exercise]) -> None:
    """A header, then one row a student: name, points in all, points by exercise."""
    _write(path, ["student", "points", *(e.id for e in exercises)], _marks(rows, exercises))


def _marks(rows: Sequence[Row], exercises: Sequence[Exercise]) -> Iterable[list[str | int | float]]:
    for student, group in groupby(rows, key=lambda r: r.student):
        points = {r.exercise: r.points for r in group}
        yield [safe(student), sum(points.values()), *(points.get(e.id, 0) for e in exercises)]


def write_details(path: Path, rows: Sequence[Row]) -> None:
    """Everything that is known, one row a student and exercise."""
    lines = (
        [
            *(safe(text) for text in (r.student, r.exercise, r.status)),
            *(r.points, r.of, r.seconds),
            *(safe(text) for text in (r.mistake, r.words, "; ".join(r.remarks), r.file)),
        ]
        for r in rows
    )
    _write(path, _DETAILS, lines)


def _write(path: Path, header: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """With a mark at the beginning by which spreadsheets know UTF-8; whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8-sig", errors="replace", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(header)
        writer.writerows(lines)
    part.replace(path)
