"""Write the table of lessons into README.md and the table of exercises into docs/INSTRUCTORS.md.

python tools/authoring/tables.py            write both
python tools/authoring/tables.py --check    write nothing; fail if one is not as it would be written
"""

import sys
from collections.abc import Callable
from pathlib import Path

from lesson_source import ROOT, read_lesson, repository

from course_lib.exercises.registry import exercises_of, lessons


def lesson_table() -> str:
    """One row per lesson, from the lessons' own headers."""
    colab = repository().replace("https://github.com", "https://colab.research.google.com/github")
    badge = "https://colab.research.google.com/assets/colab-badge.svg"
    rows = ["| lesson | you build | read | run | |", "|---|---|---|---|---|"]
    for source in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py")):
        stem, h = source.stem, read_lesson(source).header
        name = stem.replace("_", " ")
        link = f"[{name}](notebooks/{stem}.ipynb)"
        open_it = f"[![Open {name} in Colab]({badge})]({colab}/blob/main/notebooks/{stem}.ipynb)"
        rows.append(f"| {link} | {h['build']} | {h['read']} min | {h['run']} s | {open_it} |")
    return "\n".join(rows) + "\n"


def exercise_table() -> str:
    """One row per exercise, in the lessons' order, and the sums."""
    lines = ["| lesson | exercise | points | task |", "|---|---|---|---|"]
    every = [(lesson, e) for lesson in lessons() for e in exercises_of(lesson)]
    for lesson, e in every:
        task = " ".join(e.task.split()).replace("|", "\\|")
        lines.append(f"| {lesson} | `{e.id}` | {e.points} | {task} |")
    points = sum(e.points for _, e in every)
    return "\n".join([*lines, "", f"{len(every)} exercises, {points} points.", ""])


TABLES: dict[str, tuple[Path, Callable[[], str]]] = {
    "lessons": (ROOT / "README.md", lesson_table),
    "exercises": (ROOT / "docs" / "INSTRUCTORS.md", exercise_table),
}


def written(text: str, name: str) -> str:
    """The page with today's table between its two marks; ValueError where they are missing."""
    page, table = TABLES[name]
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"{page} lacks the lines {begin.strip()} and {end}")
    return before + begin + table() + end + after


def main(arguments: list[str]) -> int:
    """Write or check the tables; 0 if all is well."""
    old = []
    for name, (page, _) in TABLES.items():
        there = page.read_text(encoding="utf-8")
        wanted = written(there, name)
        if arguments != ["--check"]:
            page.write_text(wanted, encoding="utf-8")
        elif there != wanted:
            old.append(page.name)
    if old:
        print(f"{' and '.join(old)} not up to date: python tools/authoring/tables.py")
    return int(bool(old))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
