"""`course grade`: a class's notebooks in, marks and reports out."""

import argparse
import re
from pathlib import Path

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The submissions, where the report goes, and the limits of a run."""
    parser.add_argument("submissions", type=Path, help="a folder or zip; docs/INSTRUCTORS.md")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the report")
    parser.add_argument("--lessons", type=lessons_of, default=(), help="02,05 (all handed in)")
    parser.add_argument("--jobs", type=_at_least_one, default=2, help="notebooks at a time (2)")
    parser.add_argument("--timeout", type=_seconds, default=60.0, help="seconds a notebook (60)")
    parser.add_argument("--memory", type=bytes_of, default=3 << 30, help="most a run may use (3G)")
    parser.add_argument(
        "--sandbox", choices=("bwrap", "none"), default="bwrap", help="none: with all your rights"
    )
    parser.add_argument("--fresh", action="store_true", help="start over, forget what is graded")


def lessons_of(text: str) -> tuple[str, ...]:
    """("02", "05") of "2,05". Raises ArgumentTypeError, whose message argparse shows."""
    from course_lib.exercises.registry import lessons

    wanted = tuple(dict.fromkeys(part.strip().zfill(2) for part in text.split(",")))
    unknown = [n for n in wanted if n not in lessons()]
    if unknown:
        known = ", ".join(lessons())
        raise argparse.ArgumentTypeError(f"no lesson {', '.join(unknown)}; there are {known}")
    return wanted


def bytes_of(text: str) -> int:
    """3 << 30 of "3G". At least 1 GB: torch alone needs some hundred MB."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", text.strip().upper())
    if not found or (size := int(float(found[1]) * _UNITS[found[2]])) < 1 << 30:
        raise argparse.ArgumentTypeError(f"wants a size of at least 1G, as 3G; got {text!r}")
    return size


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
    from course_lib.grading.pages import UNPROTECTED

    protected = options.sandbox != "none"
    if not protected:
        print(f"Warning: {UNPROTECTED}")
    settings = Settings(
        options.lessons, options.jobs, options.timeout, options.memory, protected, options.fresh
    )
    rows = grade(options.submissions, options.out, settings)
    students = {r.student for r in rows}
    passed = sum(r.status == "passed" for r in rows)
    print(f"{len(students)} students, {passed} of {len(rows)} exercises passed.")
    print(f"The report: {options.out / 'index.html'}, marks.csv, details.csv, students/")
    return 0
