"""Write the table of lessons into README.md, from the lessons' own headers.

python tools/build_readme.py            write it
python tools/build_readme.py --check    write nothing; fail if it is not as it would be written
"""

import sys

from lesson_source import ROOT, read_lesson, repository

START, END = "<!-- lessons -->\n", "<!-- end of lessons -->"


def table() -> str:
    """A row a lesson."""
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


def readme(text: str) -> str:
    """The README with today's table in it."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"README.md has lost its marks {START.strip()} and {END}")
    return before + start + table() + end + after


def main(arguments: list[str]) -> int:
    """Write or check the table; 0 if all is well."""
    file = ROOT / "README.md"
    there = file.read_text(encoding="utf-8")
    wanted = readme(there)
    if arguments == ["--check"]:
        if there != wanted:
            print("README.md: the table of lessons is old; run: python tools/build_readme.py")
        return int(there != wanted)
    file.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
