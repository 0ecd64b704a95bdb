"""Write the table of lessons into README.md, from the lessons' own headers.

python tools/build_readme.py            write it
python tools/build_readme.py --check    write nothing; fail if it is not as it would be written
"""

import sys

from lesson_source import ROOT, read_lesson, repository

START, END = "<!-- lessons -->\n", "<!-- end of lessons -->"
PLANNED = (
    "00_start_here",
    "01_convolutions",
    "02_unet_segmentation",
    "03_denoising",
    "04_positional_encoding",
    "05_diffusion",
    "06_autoencoders",
    "07_latent_diffusion",
    "08_word2vec",
    "09_self_attention",
    "10_clip",
    "11_cross_attention",
    "12_stable_diffusion",
)


def table() -> str:
    """A row a lesson; one without a built notebook says so, and has no links."""
    colab = repository().replace("https://github.com", "https://colab.research.google.com/github")
    badge = "https://colab.research.google.com/assets/colab-badge.svg"
    rows = ["| lesson | you build | read | run | |", "|---|---|---|---|---|"]
    for stem in PLANNED:
        name = stem[:2] + " " + stem[3:].replace("_", " ")
        if not (ROOT / "notebooks" / f"{stem}.ipynb").is_file():
            rows.append(f"| {name} | *not there yet* | | | |")
            continue
        h = read_lesson(ROOT / "lessons" / f"{stem}.py").header
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
