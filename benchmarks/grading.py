"""A class of 100 hands in lesson 01, five of them hang: how long does grading take?

    python benchmarks/grading.py [--students 100] [--hanging 5] [--jobs 2]

Sixty-five are right (the lesson's own solution), the rest wrong, blank or broken files. Prints the
seconds by the clock, and those of an honest notebook beyond the import of torch. On two idle cores
it should be under 6 minutes, and under 2 seconds for an honest notebook.
"""

import argparse
import json
import re
import statistics
import tempfile
import time
from pathlib import Path

from course_lib.grading.classroom import Settings, grade
from course_lib.grading.mark import Row

LESSON = Path(__file__).parents[1] / "lessons" / "01_convolutions.py"


def notebook(code: list[str]) -> str:
    """A notebook of these cells."""
    return json.dumps({"cells": [{"cell_type": "code", "source": c} for c in code]})


def solution() -> list[str]:
    """The code cells of the lesson."""
    cells = re.split(r"^# %%", LESSON.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [c.partition("\n")[2] for c in cells if "[markdown]" not in c.partition("\n")[0]]


def hand_in(folder: Path, students: int, hanging: int) -> None:
    """Write the class's files."""
    right = solution()
    blank = [re.sub(r"# BEGIN SOLUTION.*?# END SOLUTION", "...", c, flags=re.DOTALL) for c in right]
    hangs = [*right, "def conv2d(image, kernel):\n    while True: pass"]
    wrong = [*right, "def conv2d(image, kernel):\n    return image"]
    rest = [notebook(wrong), notebook(blank), "cut short"]
    for i in range(students):
        if i < hanging:
            text = notebook(hangs)
        else:
            text = notebook(right) if i % 10 < 7 else rest[i % 10 - 7]
        (folder / f"student{i:03}_01_convolutions.ipynb").write_text(text, encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Time the grading of a class.")
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("--hanging", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        submissions = Path(folder, "in")
        submissions.mkdir()
        hand_in(submissions, options.students, options.hanging)
        started = time.perf_counter()
        rows = grade(submissions, Path(folder, "out"), Settings(jobs=options.jobs))
        whole = time.perf_counter() - started
    by_student: dict[str, list[Row]] = {}
    for row in rows:
        by_student.setdefault(row.student, []).append(row)
    right = [sum(r.seconds for r in own) for own in by_student.values() if full(own)]
    print(f"{options.students} students, {options.hanging} hanging: {whole:.0f} s")
    print(f"{len(right)} notebooks right in full: median {statistics.median(right):.2f} s,")
    print(f"slowest {max(right):.2f} s, beyond the import of torch")


def full(rows: list[Row]) -> bool:
    """Whether all exercises passed."""
    return all(r.status == "passed" for r in rows)


if __name__ == "__main__":
    main()
