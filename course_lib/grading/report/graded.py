"""A class as it is reported: every row, with what late days and the instructor's overrides did."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from course_lib.exercises.exercise import Exercise
from course_lib.grading.mark import Row
from course_lib.grading.report.roster import Person

OVERRIDES = ("student", "exercise", "points", "comment")


@dataclass(frozen=True)
class Lateness:
    """When each lesson was due ("" for all lessons), and the share that one day late costs."""

    due: dict[str, datetime] = field(default_factory=dict)
    per_day: float = 0.0

    def days(self, row: Row) -> int:
        """Days late that have begun. "Late" without a date, as Canvas has it, counts as one."""
        due = self.due.get(row.exercise[:2], self.due.get(""))
        if row.when and due:
            seconds = (datetime.fromisoformat(row.when) - due).total_seconds()
            return max(math.ceil(seconds / 86_400), 0)
        return int(row.late)


@dataclass
class Graded:
    """A student as reported: rows, a comment on the whole, and who they are on the roster."""

    name: str
    rows: list[Row]
    ids: tuple[str, ...] = ()
    platform: str = ""
    person: Person | None = None
    comment: str = ""
    comments: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def points(self) -> int | float:
        """All points together."""
        return tidy(sum(r.points for r in self.rows))

    def points_of(self, lesson: str) -> int | float:
        """The points of one lesson."""
        return tidy(sum(r.points for r in self.rows if r.exercise[:2] == lesson))


@dataclass
class Report:
    """All that the pages and tables show."""

    students: list[Graded]
    exercises: Sequence[Exercise]
    protected: bool = True
    ignored: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    roster: tuple[str, ...] = ()  # its header

    @property
    def lessons(self) -> list[str]:
        """In order."""
        return sorted({e.lesson for e in self.exercises})

    @property
    def of(self) -> int:
        """All points that there are."""
        return sum(e.points for e in self.exercises)


def tidy(points: int | float) -> int | float:
    """Two digits behind the point, and none for a whole number."""
    return int(points) if points == int(points) else round(points, 2)


def take_off(report: Report, lateness: Lateness) -> None:
    """Points for late days, and a note of it for the student."""
    for student in report.students:
        for i, row in enumerate(student.rows):
            if days := lateness.days(row):
                kept = max(1 - lateness.per_day * days, 0)
                student.rows[i] = replace(row, points=tidy(row.points * kept))
                off = f": {lateness.per_day:.0%} a day taken off" if lateness.per_day else ""
                student.notes[row.exercise] = f"{days} day{'s' * (days > 1)} late{off}"


def override(report: Report, path: Path) -> None:
    """Points and comments of a table with the columns of OVERRIDES; a line that fits nobody or no
    exercise is noted. Raises ValueError for a table without these columns.
    """
    with path.open(encoding="utf-8-sig", newline="") as f:
        lines = list(csv.DictReader(f))
        if lines and not set(OVERRIDES) <= set(lines[0]):
            raise ValueError(f"{path} should have the columns {', '.join(OVERRIDES)}")
    for number, line in enumerate(lines, start=2):
        wanted = (line["student"] or "").strip().removeprefix("'")
        fits = [s for s in report.students if wanted and wanted in _names(s)]
        exercise, points = (line["exercise"] or "").strip(), (line["points"] or "").strip()
        trouble = _override(fits, exercise, points, (line["comment"] or "").strip())
        if trouble:
            report.notes.append(f"{path.name}, line {number}: {trouble}")


def _names(student: Graded) -> set[str]:
    person = student.person
    more = {person.email, *person.ids} if person else set()
    return {student.name, *student.ids, *more}


def _override(fits: list[Graded], exercise: str, points: str, comment: str) -> str:
    """Do it, or say why not."""
    if len(fits) != 1:
        return f"{len(fits)} students of that name or id; nothing was changed"
    (student,) = fits
    if not exercise:
        student.comment = comment
        return "points need an exercise; only the comment was taken" if points else ""
    at = next((i for i, r in enumerate(student.rows) if r.exercise == exercise), None)
    if at is None:
        return f"there is no exercise {exercise} in this report"
    if comment:
        student.comments[exercise] = comment
    if not points:
        return ""
    try:
        number = float(points.replace(",", "."))
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1000:
        return f"{points[:20]!r} is no number of points"
    before = student.rows[at].points
    student.rows[at] = replace(student.rows[at], points=tidy(number))
    student.notes[exercise] = f"changed by the instructor from {before} to {tidy(number)}"
    return ""
