"""What nbval cannot see in the committed notebooks, and what learners do to theirs."""

import ast
import contextlib
import inspect
import io
import linecache
from pathlib import Path

import build_lessons
import nbformat
import pytest
from lesson_source import STUB, is_own_work, lesson_cells, read_lesson

from course_lib.commands.check_notebook import verdicts_of
from course_lib.exercises.code_slice import Notebook
from course_lib.exercises.registry import exercises_of, find

ROOT = Path(__file__).parents[2]

LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))
FILES_OF = ("solutions", "notebooks")
FILES = [ROOT / tree / f"{p.stem}.ipynb" for p in LESSONS for tree in FILES_OF]
every_file = pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)


@pytest.fixture(autouse=True)
def _own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path))


def code_cells(file):
    return [c for c in nbformat.read(file, nbformat.NO_CONVERT).cells if c.cell_type == "code"]


# --- the committed files ---


@every_lesson
def test_committed_notebooks_are_what_the_lesson_gives(path):
    assert build_lessons.differences(read_lesson(path)) == []


def test_no_notebook_is_without_a_lesson():
    assert build_lessons.strays() == []


@every_file
def test_a_notebook_is_valid_small_and_free_of_what_changes_from_run_to_run(file):
    nb = nbformat.read(file, nbformat.NO_CONVERT)
    nbformat.validate(nb)
    assert (nb.nbformat, nb.nbformat_minor) == (4, 5)
    assert file.stat().st_size <= build_lessons.MOST_BYTES
    assert set(nb.metadata) <= {"kernelspec", "language_info", "accelerator", "colab"}
    assert all(not cell.metadata for cell in nb.cells)


@every_file
def test_every_code_cell_was_run_in_order(file):
    """nbval compares nothing for a cell without an execution count."""
    counts = [cell.execution_count for cell in code_cells(file)]
    assert counts == list(range(1, len(counts) + 1))


@every_file
def test_no_output_is_an_error_a_warning_or_a_widget(file):
    for cell in code_cells(file):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", cell.source
            assert not [m for m in output.get("data", {}) if "widget" in m], cell.source


@every_file
def test_a_line_of_numbers_and_an_alternative_text_stand_beside_every_picture(file):
    """nbval compares no images: their numbers are what it can compare."""
    for cell in code_cells(file):
        pictures = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        text = "".join(o.text for o in cell.outputs if o.output_type == "stream")
        assert text.count("What to see: ") == len(pictures), cell.source
        assert not pictures or "Numbers: " in text, cell.source
        assert all(p.metadata.get("image/png", {}).get("alt") for p in pictures), cell.source


@every_lesson
def test_learners_get_no_solution_and_no_output_of_one(path):
    solution, notebook = (code_cells(ROOT / t / f"{path.stem}.ipynb") for t in FILES_OF)
    assert len(solution) == len(notebook)
    for ours, theirs in zip(solution, notebook, strict=True):
        assert "SOLUTION" not in ours.source + theirs.source
        assert STUB not in ours.source
        if is_own_work(theirs.source):
            assert theirs.outputs == []
        else:
            assert (theirs.source, theirs.outputs) == (ours.source, ours.outputs)


@every_lesson
def test_every_exercise_of_a_lesson_is_in_it_and_every_stub_has_its_check(path):
    lesson = read_lesson(path)
    blanks = [c.source for c in lesson_cells(lesson, solve=False) if c.cell_type == "code"]
    found = Notebook(blanks)
    solved = Notebook([c.source for c in lesson_cells(lesson, solve=True) if c.cell_type == "code"])
    verdicts = verdicts_of(exercises_of(lesson.number), solved)
    for exercise in exercises_of(lesson.number):
        assert found.find(exercise).state == "not attempted"
        assert f'check("{exercise.id}", {exercise.name})' in "\n".join(blanks)
        assert verdicts[exercise.id].status == "passed", verdicts[exercise.id]


@every_lesson
def test_final_lessons_carry_colabs_gpu_hint(path):
    nb = nbformat.read(ROOT / "notebooks" / f"{path.stem}.ipynb", nbformat.NO_CONVERT)
    assert (nb.metadata.get("accelerator") == "GPU") == (int(path.stem[:2]) >= 11)


# --- a small lesson, and what learners do to it ---

TOY = '''# title: Toy
# box: convolutions
# read: 1
# run: 1
# build: a negative.
# before: nothing.
# gpu: no

# %% [markdown]
# {fold In symbols}
# $-x$
# {end}

# %%
import torch

# %%
def negative(picture):
    """The negative."""
    # BEGIN SOLUTION
    return -picture
    # END SOLUTION


# %%
negative = check("00.negative", negative)

# %%
print("the lesson goes on:", negative(torch.ones(3, 1, 1)).sum().item())
'''
RIGHT = "def negative(picture):\n    return 0 - picture"


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "00_toy.py").write_text(TOY)
    return read_lesson(tmp_path / "00_toy.py")


def run(cells):
    """What a run from top to bottom prints. In this process, without a kernel: quick."""
    names = {"__name__": "__main__"}
    printed = io.StringIO()
    for i, source in enumerate(cells):
        file = f"<cell {i} of {id(names)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        with contextlib.redirect_stdout(printed):
            exec(compile(source, file, "exec"), names)
    return printed.getvalue()


def typed_in(lesson, answer):
    """The learner's code cells, with `answer` in place of the stub."""
    cells = [c.source for c in lesson_cells(lesson, solve=False) if c.cell_type == "code"]
    return [answer if STUB in source else source for source in cells]


def test_with_nothing_solved_the_lesson_runs_to_its_end(toy):
    out = run([c.source for c in lesson_cells(toy, solve=False) if c.cell_type == "code"])
    assert "00.negative  not attempted yet" in out
    assert "the lesson goes on: -3.0" in out
    assert "0 of 1 exercises passed" in out


def test_with_the_right_answer_every_check_passes(toy):
    out = run(typed_in(toy, RIGHT))
    assert "00.negative  right: 1 point" in out
    assert "Lesson 00: 1 of 1 exercises passed, 1 of 1 points." in out


@pytest.mark.parametrize("wrong", find("00.negative").wrong, ids=lambda w: w.name)
def test_with_a_wrong_answer_its_check_says_why_and_the_rest_runs(wrong, toy):
    answer = inspect.getsource(wrong.answer).replace(wrong.name, "negative")
    out = run(typed_in(toy, "from torch import Tensor\n" + answer))
    assert f"not yet: {wrong.hint}" in out
    assert "the lesson goes on: -3.0" in out


def test_cells_split_reordered_and_doubled_still_check(toy):
    cells = typed_in(toy, "sign = -1\n\n" + RIGHT.replace("0 -", "sign *"))
    at = next(i for i, source in enumerate(cells) if "def negative" in source)
    split = [*cells[:at], *cells[at].split("\n\n"), *cells[at + 1 :]]
    doubled = [*cells[: at + 2], *cells[at : at + 2], cells[at + 1], *cells[at + 2 :]]
    early = [*cells[: at - 1], cells[at], cells[at - 1], *cells[at + 1 :]]
    for variant in (split, doubled, early):
        assert "Lesson 00: 1 of 1 exercises passed" in run(variant)
        assert Notebook(variant).find(find("00.negative")).state == "written"


def test_a_second_try_after_a_wrong_one_counts(toy):
    cells = typed_in(toy, "def negative(picture):\n    return picture")
    out = run([*cells, RIGHT, 'negative = check("00.negative", negative)', 'summary("00")'])
    assert "1 of 1 exercises passed" in out


# --- the builder ---


def test_the_toy_is_built_in_one_run_and_stays_the_same(toy, tmp_path):
    files = build_lessons.build(toy, tmp_path)
    assert [f.parent.name for f in files] == ["solutions", "notebooks"]
    solution, notebook = (code_cells(file) for file in files)
    assert "right: 1 point" in solution[-3].outputs[0].text
    assert "-3.0" in notebook[-2].outputs[0].text
    assert notebook[-3].outputs == []
    assert [c.execution_count for c in notebook] == list(range(1, len(notebook) + 1))
    again = nbformat.read(files[0], nbformat.NO_CONVERT)
    assert build_lessons._plain(again) == build_lessons._plain(build_lessons.notebooks(toy)[0])


def test_new_prose_keeps_the_outputs_and_new_code_may_not(toy, tmp_path):
    built = [code_cells(file) for file in build_lessons.build(toy, tmp_path)]
    (tmp_path / "00_toy.py").write_text(TOY.replace("In symbols", "In signs"))
    files = build_lessons.build(read_lesson(tmp_path / "00_toy.py"), tmp_path, run=False)
    assert all("In signs" in file.read_text() for file in files)
    assert [code_cells(file) for file in files] == built
    (tmp_path / "00_toy.py").write_text(TOY.replace("the lesson goes on", "it goes on"))
    with pytest.raises(ValueError, match="code of 00_toy has changed"):
        build_lessons.build(read_lesson(tmp_path / "00_toy.py"), tmp_path, run=False)


def test_check_notices_a_change_of_text_code_and_metadata(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(build_lessons, "ROOT", tmp_path)
    assert [line.split()[1] for line in build_lessons.differences(toy)] == ["is", "is"]
    for folder, nb in zip(FILES_OF, build_lessons.notebooks(toy), strict=True):
        (tmp_path / folder).mkdir()
        nbformat.write(nb, tmp_path / folder / "00_toy.ipynb")
    assert build_lessons.differences(toy) == []
    file = tmp_path / "notebooks" / "00_toy.ipynb"
    for change in ("Hint 1", "import torch", '"python3"'):
        text = file.read_text()
        assert change in text
        file.write_text(text.replace(change, change[:-1] + '_"' if '"' in change else "x = 1", 1))
        assert len(build_lessons.differences(toy)) == 1
        file.write_text(text)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# box: convolutions\n", "", "the header's lines should be title, box"),
        ("# {end}\n", "", "a fold is not opened or not closed"),
        ('check("00.negative", negative)', "negative", "no check"),
        ('"00.negative"', '"00.nagative"', "Did you mean '00.negative'"),
    ],
)
def test_a_mistake_in_a_lesson_is_named(old, new, words, tmp_path):
    (tmp_path / "00_toy.py").write_text(TOY.replace(old, new))
    with pytest.raises(ValueError, match=words):
        lesson_cells(read_lesson(tmp_path / "00_toy.py"), solve=True)


def test_only_the_marked_lines_are_taken_out(toy):
    blank = next(c for c in lesson_cells(toy, solve=False) if STUB in c.source)
    assert blank.source == f'def negative(picture):\n    """The negative."""\n    {STUB}'
    assert isinstance(ast.parse(blank.source).body[0], ast.FunctionDef)


def test_ids_stay_when_other_cells_come_and_go(toy):
    ids = [c.id for c in lesson_cells(toy, solve=True)]
    assert len(set(ids)) == len(ids)
    fewer = type(toy)(toy.stem, toy.header, toy.cells[1:])
    assert [c.id for c in lesson_cells(fewer, solve=True)] == [*ids[:3], *ids[4:]]


def test_hints_and_boxes_are_folded(toy):
    text = "\n".join(c.source for c in lesson_cells(toy, solve=False) if c.cell_type != "code")
    assert "<details>\n<summary>In symbols</summary>\n\n$-x$\n\n</details>" in text
    assert text.count("<summary>Hint") == len(find("00.negative").hints)
    assert find("00.negative").task in text
