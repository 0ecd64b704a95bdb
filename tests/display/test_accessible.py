"""For those who read with their ears, or tell colours apart by their place: words, order, shape.

And for GitHub, VS Code and whoever else shows a notebook without running it: every figure and its
caption are found in what nbconvert makes of the file.
"""

import ast
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import nbconvert
import nbformat
import pytest

from course_lib.display.palette import PALETTE

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))
NOTEBOOKS = sorted((ROOT / "solutions").glob("*.ipynb"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NEUTRAL = {"black", "white", "grey", "gray", "lightgrey", "k", "w", "none", "k+"}
DRAWS = {"plot", "scatter", "bar", "barh", "hist", "errorbar", "fill_between", "step", "stem"}
every_notebook = pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)


def figures(nb):
    """The alternative text of each figure, in order, and all that is printed."""
    outputs = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    shown = [o for o in outputs if "image/png" in o.get("data", {})]
    printed = "".join(o.text for o in outputs if o.output_type == "stream")
    return [o.metadata["image/png"]["alt"] for o in shown], printed


def one_line(text):
    """The same words with one space between them, however the lines were broken."""
    return " ".join(text.split())


@every_notebook
def test_each_figure_says_in_words_what_to_see_and_says_it_to_screen_readers(file):
    captions, printed = figures(nbformat.read(file, nbformat.NO_CONVERT))
    assert captions
    for caption in captions:
        assert len(re.findall(r"[a-z]+", caption.lower())) >= 4, caption
        assert f"What to see: {one_line(caption)} " in one_line(printed) + " "


class _Page(HTMLParser):
    """The pictures of a page that stand in it whole, by their alternative text, and its words."""

    def __init__(self, html):
        super().__init__()
        self.pictures, self.words = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "img" and attributes.get("src", "").startswith("data:image/png;base64,"):
            self.pictures.append(attributes.get("alt"))

    def handle_data(self, data):
        self.words += data


@every_notebook
def test_as_a_page_it_has_every_figure_and_every_caption(file):
    nb = nbformat.read(file, nbformat.NO_CONVERT)
    html, _ = nbconvert.HTMLExporter(template_name="basic").from_notebook_node(nb)
    page = _Page(html)
    captions, _ = figures(nb)
    words = one_line(page.words)
    assert page.pictures == captions
    for caption in captions:
        assert f"What to see: {one_line(caption)}" in words


# --- text ---


def prose(text):
    """Markdown without its code, where # and ! mean other things."""
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


@every_notebook
def test_headings_are_in_order(file):
    """One title, then no step is left out: a reader who jumps from heading to heading trusts it."""
    cells = nbformat.read(file, nbformat.NO_CONVERT).cells
    text = "\n\n".join(prose(c.source) for c in cells if c.cell_type == "markdown")
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    for before, level in pairwise(levels):
        assert level <= before + 1, f"a heading of level {level} follows one of level {before}"


def without_words(text):
    """The pictures of a Markdown text that have no alternative text of two words or more."""
    text = prose(text)
    found = re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", text, re.DOTALL)
    missing = [target for words, target in found if len(words.split()) < 2]
    return missing + [tag for tag in re.findall(r"<img[^>]*>", text) if 'alt="' not in tag]


@pytest.mark.parametrize("file", [*PAGES, *NOTEBOOKS], ids=lambda f: f.name)
def test_each_picture_in_a_text_has_an_alternative_in_words(file):
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        cells = nbformat.reads(text, nbformat.NO_CONVERT).cells
        text = "\n\n".join(c.source for c in cells if c.cell_type == "markdown")
    assert without_words(text) == []


def test_a_picture_without_words_would_be_found():
    assert without_words('![](a.png) ![two words](b.png) <img src="c.png">') == [
        "a.png",
        '<img src="c.png">',
    ]


# --- colour ---


def own_colours(source):
    """Lines with a colour that is neither neutral nor taken from the palette."""
    found = []
    for call in (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)):
        for keyword in call.keywords:
            if keyword.arg in ("color", "colors", "c", "facecolor", "edgecolor", "ecolor"):
                texts = [n.value for n in ast.walk(keyword.value) if isinstance(n, ast.Constant)]
                texts = [t for t in texts if isinstance(t, str) and t not in NEUTRAL]
                found += [f"line {call.lineno}: {t}" for t in texts]
        if isinstance(call.func, ast.Attribute) and call.func.attr == "plot":  # "r--"
            texts = [n.value for n in call.args if isinstance(n, ast.Constant)]
            formats = [t for t in texts if isinstance(t, str) and re.search(r"[bgrcmy]|C\d", t)]
            found += [f"line {call.lineno}: {t}" for t in formats]
    lines = enumerate(source.splitlines(), start=1)
    return found + [f"line {i}" for i, s in lines if re.search(r"[\"']#[0-9A-Fa-f]{6}[\"']", s)]


def colour_alone(source):
    """Lines that draw one of several series in its colour, without its dash, marker or hatch."""
    found = []
    for call in (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)):
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in DRAWS:
            continue
        words = ast.unparse(call)
        several = re.search(r"(?<!PALETTE\[\d\])\.colour\b", words)
        if several and not re.search(r"\.(line|marker|hatch)\b", words):
            found.append(f"line {call.lineno}: {words}")
    return found


@every_lesson
def test_colours_come_from_the_palette_and_never_stand_alone(path):
    source = path.read_text(encoding="utf-8")
    assert own_colours(source) == []
    assert colour_alone(source) == []


def test_a_colour_of_ones_own_or_alone_would_be_found():
    assert own_colours('ax.plot(x, color="red")') == ["line 1: red"]
    assert own_colours('\nx = "#0072B2"') == ["line 2"]
    assert own_colours('ax.plot(x, y, "r--"); ax.plot(x, y, "k--")') == ["line 1: r--"]
    assert own_colours('ax.bar(x, color=PALETTE[0].colour, edgecolor="w")') == []
    assert colour_alone("ax.plot(x, color=style.colour)") == [
        "line 1: ax.plot(x, color=style.colour)"
    ]
    assert colour_alone("ax.plot(x, color=style.colour, linestyle=style.line)") == []
    assert colour_alone("ax.plot(x, color=PALETTE[0].colour)") == []


def test_the_palette_is_written_down_once():
    """Everything that draws in a notebook takes it from there; the drag pad's dot is its own."""
    colours = {style.colour for style in PALETTE}
    for module in (ROOT / "course_lib").glob("*.py"):
        if module.name not in ("screen.py", "drag.py"):
            text = module.read_text(encoding="utf-8")
            assert not [c for c in colours if c in text], module.name
