"""`course grade`: a class's notebooks in, marks and reports out."""

import argparse
import re
from datetime import datetime
from pathlib import Path

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The submissions, where the report goes, and the limits of a run."""
    add = parser.add_argument
    add("submissions", type=Path, help="folder or zip of submissions (see docs/INSTRUCTORS.md)")
    add("--out", type=Path, required=True, help="folder for the report")
    add("--lessons", type=lessons_of, default=(), help="lessons, as 02,05 (default: all)")
    add("--roster", type=Path, help="CSV file with the list of the class (default: none)")
    add("--due", type=due_of, default={}, help="date, or 01=DATE,02=DATE (default: none)")
    add("--late-penalty", type=_percent, default=0.0, help="per cent per day late (default: 0)")
    add("--overrides", type=Path, help="CSV file of changes (default: overrides.csv in --out)")
    add("--jobs", type=_at_least_one, default=2, help="students at a time (default: 2)")
    add("--timeout", type=_seconds, default=60.0, help="seconds per notebook (default: 60)")
    add("--memory", type=bytes_of, default=3 << 30, help="memory per student (default: 3G)")
    add(
        "--sandbox",
        choices=("bwrap", "none"),
        default="bwrap",
        help="sandbox; none runs the notebooks with all your rights (default: bwrap)",
    )
    add("--fresh", action="store_true", help="grade everything again")


def lessons_of(text: str) -> tuple[str, ...]:
    """("02", "05") of "2,05". Raises ArgumentTypeError, whose message argparse shows."""
    from course_lib.exercises.registry import lessons

    wanted = tuple(dict.fromkeys(part.strip().zfill(2) for part in text.split(",")))
    unknown = [n for n in wanted if n not in lessons()]
    if unknown:
        known = ", ".join(lessons())
        raise argparse.ArgumentTypeError(f"no lesson {', '.join(unknown)}; there are {known}")
    return wanted


def due_of(text: str) -> dict[str, datetime]:
    """Lesson -> when it is due; the lesson "" stands for all. A day alone ends at midnight."""
    found = {}
    for part in text.split(","):
        lesson, _, date = part.strip().rpartition("=")
        try:
            when = datetime.fromisoformat(date.strip())
        except ValueError:
            wanted = "a date as 2026-01-31 or 2026-01-31T18:00, or 01=DATE,02=DATE"
            raise argparse.ArgumentTypeError(f"wants {wanted}; got {text!r}") from None
        if len(date.strip()) == 10:
            when = when.replace(hour=23, minute=59, second=59)
        found["".join(lessons_of(lesson)) if lesson else ""] = when.replace(tzinfo=None)
    return found


def bytes_of(text: str) -> int:
    """3 << 30 of "3G". At least 1 GB: torch alone needs some hundred MB."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", text.strip().upper())
    if not found or (size := int(float(found[1]) * _UNITS[found[2]])) < 1 << 30:
        raise argparse.ArgumentTypeError(f"wants a size of at least 1G, as 3G; got {text!r}")
    return size


def _percent(text: str) -> float:
    number = text.strip().removesuffix("%")
    if not re.fullmatch(r"\d+(\.\d+)?", number) or not 0 <= float(number) <= 100:
        raise argparse.ArgumentTypeError(f"wants per cent, from 0 to 100; got {text!r}")
    return float(number) / 100


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"wants a whole number from 1; got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"wants seconds, from 1 to 86400; got {text!r}")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Grade, and say where the report is. 0 when every notebook has its rows, whatever they say."""
    from course_lib.grading.classroom import Settings, grade
    from course_lib.grading.report.graded import Lateness
    from course_lib.grading.report.page import UNPROTECTED

    protected = options.sandbox != "none"
    if not protected:
        print(f"Warning: {UNPROTECTED}")
    settings = Settings(
        options.lessons,
        options.jobs,
        options.timeout,
        options.memory,
        protected,
        options.fresh,
        options.roster,
        options.overrides,
        Lateness(options.due, options.late_penalty),
    )
    rows = grade(options.submissions, options.out, settings)
    students = {r.student for r in rows}
    passed = sum(r.status == "passed" for r in rows)
    print(f"{len(students)} students, {passed} of {len(rows)} exercises passed.")
    print(f"The report: {options.out / 'index.html'}; marks.csv and the rest stand beside it.")
    return 0
