"""Read one lesson (lessons/NN_topic.py) and make the cells of its two notebooks from it."""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from course_lib.exercises.exercise import Exercise
from course_lib.exercises.registry import exercises_of, find

ROOT = Path(__file__).parents[2]
STUB = 'raise NotImplementedError("your turn")'
_SOLUTION = re.compile(
    r"^(?P<indent> *)# BEGIN SOLUTION *\n(?P<lines>.*?)^ *# END SOLUTION *\n?", re.M | re.S
)
_FOLD = re.compile(r"^\{fold (?P<title>[^\n]+)\} *\n(?P<text>.*?)^\{end\} *$", re.M | re.S)
_CHECK = re.compile(r"\bcheck\(\s*[\"'](?P<id>\d\d\.\w+)[\"']")
_KEYS = ("title", "box", "read", "run", "build", "before", "gpu")


@dataclass(frozen=True)
class Lesson:
    """A lesson as written: its number and file name, the header's values, the cells below it."""

    stem: str
    header: dict[str, str]
    cells: tuple[NotebookNode, ...]

    @property
    def number(self) -> str:
        return self.stem[:2]

    @property
    def gpu(self) -> bool:
        return self.header["gpu"] == "yes"


def read_lesson(path: Path) -> Lesson:
    """Parse a lesson file. Raises ValueError for a header or a fold that is not as it should be."""
    text = path.read_text(encoding="utf-8")
    head, mark, body = text.partition("# %%")
    if not mark:
        raise ValueError(f"{path.name} has no cell: a cell begins with a line `# %%`")
    lines = [line.lstrip("# ").strip() for line in head.splitlines() if line.strip()]
    header = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    if tuple(header) != _KEYS:
        raise ValueError(
            f"{path.name}: the header's lines should be {', '.join(_KEYS)}, in this order; "
            f"got {', '.join(header)}"
        )
    cells = jupytext.reads(mark + body, fmt="py:percent").cells
    return Lesson(path.stem, header, tuple(c for c in cells if c.source.strip()))


def repository() -> str:
    """The address of the course, which stands in pyproject.toml alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def solved(source: str) -> str:
    """A cell for solutions/: the solution stays, its markers go."""
    return _SOLUTION.sub(lambda m: m["lines"], source).rstrip("\n")


def blank(source: str) -> str:
    """A cell for notebooks/: the solution's lines become the stub."""
    return _SOLUTION.sub(lambda m: f"{m['indent']}{STUB}\n", source).rstrip("\n")


def is_own_work(source: str) -> bool:
    """Whether a learner's cell gives what the learner did: an exercise, a check, a summary."""
    return STUB in source or bool(re.search(r"\b(check|summary|progress)\(", source))


def folded(text: str) -> str:
    """Markdown with each `{fold Title}` ... `{end}` turned into a box that opens on a click."""
    text = _FOLD.sub(lambda m: _details(m["title"], m["text"]), text)
    if stray := re.search(r"^\{(fold|end)\b.*", text, re.M):
        raise ValueError(f"a fold is not opened or not closed: {stray[0]!r}")
    return text


def _details(title: str, text: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{text.strip()}\n\n</details>"


def lesson_cells(lesson: Lesson, *, solve: bool) -> list[NotebookNode]:
    """All cells of one notebook, with ids that stay as long as their sources do."""
    cells = [
        nbformat.v4.new_markdown_cell(_title(lesson)),
        nbformat.v4.new_code_cell(_setup()),
        nbformat.v4.new_code_cell(f'course_diagram("{lesson.header["box"]}")'),
    ]
    for i, cell in enumerate(lesson.cells):
        if cell.cell_type == "markdown":
            cells.append(nbformat.v4.new_markdown_cell(folded(cell.source)))
            continue
        if "# BEGIN SOLUTION" in cell.source:
            exercise = _exercise_of(lesson, i)
            cells.append(nbformat.v4.new_markdown_cell(_exercise_text(exercise)))
        source = solved(cell.source) if solve else blank(cell.source)
        cells.append(nbformat.v4.new_code_cell(source))
    if exercises_of(lesson.number):
        cells.append(nbformat.v4.new_code_cell(f'summary("{lesson.number}")'))
    _name(cells)
    return cells


def _title(lesson: Lesson) -> str:
    h = lesson.header
    colab = repository().replace("https://github.com", "https://colab.research.google.com/github")
    badge = "https://colab.research.google.com/assets/colab-badge.svg"
    gpu = " Better with a GPU, complete without." if lesson.gpu else ""
    return (
        f"# {lesson.number} {h['title']}\n\n"
        f"[![Open in Colab]({badge})]({colab}/blob/main/notebooks/{lesson.stem}.ipynb)\n\n"
        f"**To read:** {h['read']} minutes. **To run:** about {h['run']} seconds.{gpu}\n\n"
        f"**You will build:** {h['build']}\n\n"
        f"**You need from before:** {h['before']}"
    )


def _setup() -> str:
    text = (ROOT / "lessons" / "setup.py.txt").read_text(encoding="utf-8").rstrip("\n")
    return text.replace("{repository}", repository())


def _exercise_of(lesson: Lesson, i: int) -> Exercise:
    """The exercise that the cell's solution is for: named by the first check from there on."""
    for cell in lesson.cells[i:]:
        if cell.cell_type == "code" and (found := _CHECK.search(cell.source)):
            return find(found["id"])
    raise ValueError(f"{lesson.stem}: no check() after the solution in cell {i}")


def _exercise_text(exercise: Exercise) -> str:
    points = "1 point" if exercise.points == 1 else f"{exercise.points} points"
    hints = [_details(f"Hint {n}", hint) for n, hint in enumerate(exercise.hints, start=1)]
    return "\n\n".join([f"**Your turn: `{exercise.name}`** ({points}). {exercise.task}", *hints])


def _name(cells: list[NotebookNode]) -> None:
    """Ids from the content and, for a cell that stands there twice, which time it is."""
    seen: dict[str, int] = {}
    for cell in cells:
        key = f"{cell.cell_type}\n{cell.source}"
        seen[key] = seen.get(key, -1) + 1
        cell["id"] = hashlib.sha256(f"{seen[key]}{key}".encode()).hexdigest()[:8]
