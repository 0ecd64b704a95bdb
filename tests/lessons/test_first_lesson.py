"""The real lesson 01, as learners treat it: answers typed in, cells split, moved and doubled.

Nothing solved is nbval's part (notebooks/); here its cells are changed, then run in a kernel, which
shows what the learner reads, and given to `course check`, which runs the definitions alone.
"""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest
from lesson_source import STUB

from course_lib.cli import main
from course_lib.exercises.registry import exercises_of

ROOT = Path(__file__).parents[2]

LESSON = ROOT / "notebooks" / "01_convolutions.ipynb"
RIGHT = {  # not the course's own words
    "output_pixel": """kh, kw = kernel.shape
    total = 0.0
    for i in range(kh):
        for j in range(kw):
            total = total + image[row + i, column + j] * kernel[i, j]
    return total""",
    "conv2d": """kh, kw = kernel.shape
    out = torch.zeros(image.shape[0] - kh + 1, image.shape[1] - kw + 1)
    for i in range(kh):
        for j in range(kw):
            out += kernel[i, j] * image[i : i + out.shape[0], j : j + out.shape[1]]
    return out""",
    "output_size": """places = range(-padding, size + padding - kernel + 1, stride)
    return len(places)""",
    "conv2d_channels": """made = []
    for kernels in weight:
        made.append(sum(conv2d(channel, k) for channel, k in zip(x, kernels, strict=True)))
    return torch.stack(made)""",
    "receptive_field": """seen = 1
    for k, s in reversed(list(zip(kernels, strides, strict=True))):
        seen = (seen - 1) * s + k
    return seen""",
}
WRONG = {  # the mistake's name in exercises/lesson_01.py, and how a learner would write it
    "output_pixel": (
        "not_added_up",
        "kh, kw = kernel.shape\n    return image[row : row + kh, column : column + kw] * kernel",
    ),
    "conv2d": (
        "last_row_and_column_forgotten",
        """rows, columns = image.shape[0] - kernel.shape[0], image.shape[1] - kernel.shape[1]
    out = torch.zeros(rows, columns)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            out = out + kernel[i, j] * image[i : i + rows, j : j + columns]
    return out""",
    ),
    "output_size": ("padded_on_one_side", "return (size + padding - kernel) // stride + 1"),
    "conv2d_channels": (
        "averaged_over_channels",
        "from torch.nn.functional import conv2d\n    return conv2d(x[None], weight)[0] / len(x)",
    ),
    "receptive_field": ("without_strides", "return 1 + sum(k - 1 for k in kernels)"),
}
POINTS = sum(e.points for e in exercises_of("01"))


def typed_in(bodies):
    """The lesson with these bodies in place of the stubs; without one, an exercise stays blank."""
    nb = nbformat.read(LESSON, nbformat.NO_CONVERT)
    for cell in nb.cells:
        name = re.search(r"^def (\w+)\(", cell.source, re.MULTILINE)
        if cell.cell_type == "code" and STUB in cell.source and name[1] in bodies:
            cell.source = cell.source.replace(STUB, bodies[name[1]])
    return nb


def place(nb, name):
    """Where an exercise's definition stands."""
    wanted = (i for i, c in enumerate(nb.cells) if f"def {name}(" in c.source)
    return next(i for i in wanted if nb.cells[i].cell_type == "code")


def split(nb):
    """Each exercise's check, and a line of the imports, in a cell of its own."""
    for e in exercises_of("01"):
        i = place(nb, e.name)
        definition, call, check = nb.cells[i].source.partition(f"{e.name} = check(")
        nb.cells[i].source = definition.rstrip()
        nb.cells.insert(i + 1, nbformat.v4.new_code_cell(call + check))
    i = next(i for i, c in enumerate(nb.cells) if c.source.startswith("import time"))
    first, _, rest = nb.cells[i].source.partition("\n\n")
    nb.cells[i : i + 1] = [nbformat.v4.new_code_cell(source) for source in (first, rest)]


def reorder(nb):
    """Two exercises long before their sections; one definition after a cell of text."""
    first = place(nb, "output_pixel")
    for name in ("output_size", "receptive_field"):
        nb.cells.insert(first, nb.cells.pop(place(nb, name)))


def double(nb):
    """One exercise with its check twice, one with an early wrong try above it."""
    i = place(nb, "conv2d_channels")
    nb.cells.insert(i, nbformat.v4.new_code_cell(nb.cells[i].source))
    j = place(nb, "output_size")
    early = nb.cells[j].source.replace(RIGHT["output_size"], WRONG["output_size"][1])
    nb.cells.insert(j, nbformat.v4.new_code_cell(early))


CHANGES = {"as it is": (), "split": (split,), "reordered": (reorder,), "doubled": (double,)}
CHANGES["all at once"] = (double, reorder, split)


@pytest.mark.parametrize("how", CHANGES)
def test_course_check_finds_the_right_answers_however_the_cells_lie(how, tmp_path, capsys):
    nb = typed_in(RIGHT)
    for change in CHANGES[how]:
        change(nb)
    nbformat.write(nb, tmp_path / "01_convolutions.ipynb")
    assert main(["check", str(tmp_path / "01_convolutions.ipynb")]) == 0
    assert f"5 of 5 exercises, {POINTS} of {POINTS} points." in capsys.readouterr().out


def test_course_check_says_that_nothing_is_attempted_yet(capsys):
    assert main(["check", str(LESSON)]) == 1
    out = capsys.readouterr().out
    assert len(re.findall(r"01\.\w+ +not attempted ", out)) == 5
    assert f"0 of 5 exercises, 0 of {POINTS} points." in out


@pytest.mark.parametrize("name", WRONG)
def test_course_check_says_why_a_wrong_answer_is_wrong_and_passes_the_others(
    name, tmp_path, capsys
):
    nbformat.write(typed_in({**RIGHT, name: WRONG[name][1]}), tmp_path / "01_convolutions.ipynb")
    assert main(["check", str(tmp_path / "01_convolutions.ipynb")]) == 1
    out = capsys.readouterr().out
    assert hint(name) in out
    assert "4 of 5 exercises" in out


def hint(name):
    (exercise,) = (e for e in exercises_of("01") if e.name == name)
    (mistake,) = (w for w in exercise.wrong if w.answer.__name__ == WRONG[name][0])
    return mistake.hint


# --- the same in a kernel, from top to bottom ---


def printed(nb, folder, monkeypatch):
    """All that the lesson prints. It is run with nothing left of earlier progress."""
    monkeypatch.setenv("COURSE_PROGRESS", str(folder))
    settings = {"resources": {"metadata": {"path": str(folder)}}, "allow_errors": True}
    nbclient.NotebookClient(nb, timeout=300, **settings).execute()
    outputs = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    assert [o.evalue for o in outputs if o.output_type == "error"] == []
    return "".join(o.text for o in outputs if o.output_type == "stream")


@pytest.mark.slow
def test_right_answers_in_cells_split_reordered_and_doubled_all_pass_in_a_kernel(
    tmp_path, monkeypatch
):
    nb = typed_in(RIGHT)
    for change in CHANGES["all at once"]:
        change(nb)
    out = printed(nb, tmp_path, monkeypatch)
    for e in exercises_of("01"):
        assert f"{e.id}  right: {e.points} point" in out
    assert out.count("01.conv2d_channels  right") == 2
    assert f"01.output_size  not yet: {hint('output_size')}" in out  # the first try
    assert f"Lesson 01: 5 of 5 exercises passed, {POINTS} of {POINTS} points." in out


@pytest.mark.slow
def test_with_every_answer_wrong_each_check_says_why_and_the_lesson_runs_to_its_end(
    tmp_path, monkeypatch
):
    out = printed(typed_in({n: body for n, (_, body) in WRONG.items()}), tmp_path, monkeypatch)
    for e in exercises_of("01"):
        assert f"{e.id}  not yet: {hint(e.name)}" in out
        assert f"The lesson goes on with the course's own {e.name}." in out
    assert "the same as PyTorch's, to 5 decimals: True" in out
    assert f"Lesson 01: 0 of 5 exercises passed, 0 of {POINTS} points." in out
