"""Write the table of all exercises into docs/INSTRUCTORS.md.

python tools/list_exercises.py            writes it
python tools/list_exercises.py --check    fails if it is not up to date
"""

import sys
from pathlib import Path

from course_lib.checks.registry import exercises_of, lessons

PAGE = Path(__file__).parents[1] / "docs" / "INSTRUCTORS.md"
BEGIN, END = "<!-- exercises -->\n", "<!-- end of exercises -->"


def table() -> str:
    """The rows in the lessons' order, and the sums."""
    lines = ["| lesson | exercise | points | task |", "|---|---|---|---|"]
    points = number = 0
    for lesson in lessons():
        for e in exercises_of(lesson):
            task = " ".join(e.task.split()).replace("|", "\\|")
            lines.append(f"| {lesson} | `{e.id}` | {e.points} | {task} |")
            points, number = points + e.points, number + 1
    return "\n".join([*lines, "", f"{number} exercises, {points} points.", ""])


def written(text: str) -> str:
    """`text` with the table between its two marks. Raises ValueError where they are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} lacks the lines {BEGIN.strip()} and {END}")
    return before + BEGIN + table() + END + after


def main() -> int:
    """0 if the page is, or now is, up to date."""
    text = PAGE.read_text(encoding="utf-8")
    new = written(text)
    if "--check" in sys.argv[1:]:
        if text != new:
            print("docs/INSTRUCTORS.md is not up to date: python tools/list_exercises.py")
        return int(text != new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
