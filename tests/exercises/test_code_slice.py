"""Notebooks are read as Jupyter runs them: the forms of notebook_forms.py, and what is left out."""

import ast
import inspect
import json
import os
import subprocess
import sys
import textwrap
import time

import pytest
from notebook_forms import CHECK, FORMS, RIGHT, STUB

from course_lib.commands.check_notebook import verdicts_of
from course_lib.exercises.cells import NotebookFile, parse_notebook
from course_lib.exercises.code_slice import Notebook
from course_lib.exercises.registry import all_exercises, find, lesson_of

NEGATIVE = find("00.negative")
WRONG = "def negative(picture):\n    return 1 - picture"
# Runs each form in a shell of IPython's own, as a kernel does, and says what `check` said.
IN_JUPYTER = """
import contextlib, io, json, os, sys
from IPython.core.interactiveshell import InteractiveShell
out = {}
for name, cells in json.load(sys.stdin).items():
    shell = InteractiveShell()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        shell.run_cell("from course_lib.exercises.check import check")
        for cell in cells:
            shell.run_cell(cell)
    out[name] = "00.negative  right" in said.getvalue()
json.dump(out, sys.stdout)
"""


@pytest.fixture(scope="module")
def in_jupyter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    ended = subprocess.run(
        [sys.executable, "-c", IN_JUPYTER],
        input=json.dumps(FORMS),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COURSE_PROGRESS": str(folder), "IPYTHONDIR": str(folder)},
    )
    return json.loads(ended.stdout)


def verdict(*cells, exercise=NEGATIVE):
    return verdicts_of([exercise], Notebook(cells))[exercise.id]


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_right_in_jupyter_and_here(name, in_jupyter):
    assert in_jupyter[name]
    assert verdict(*FORMS[name]).status == "passed", verdict(*FORMS[name])


# --- what a slice holds ---


def part(*cells, exercise=NEGATIVE):
    return Notebook(cells).find(exercise)


def code_of(found):
    """The statements of the first slice."""
    (code, *_) = found.slices
    trees = {n: ast.parse(text).body for n, text in code.cells.items()}
    return "\n".join(ast.unparse(trees[cell][index]) for cell, index in code.chosen)


USES = RIGHT.replace("-p", "{} * p")


@pytest.mark.parametrize(
    ("cells", "kept", "left_out"),
    [
        (["import a, b", RIGHT], [], ["import"]),
        (["x = train()", "y = 2", USES.format("y")], ["y = 2"], ["train"]),
        (["y = f()", "def f():\n    return 2", USES.format("y")], ["def f", "y ="], []),
        (["model = slow()", RIGHT.replace("return", "model = 1\n    return")], [], ["slow"]),
        (["a = 1\na += 1\na.b = 3\nb = 2", USES.format("a")], ["+=", "a.b"], ["b = 2"]),
        (["from m import *", RIGHT], ["from m import *"], []),
        (["if True:\n    k = 1", USES.format("k")], ["if True"], []),
        (["for i in x: k = 1", RIGHT], [], ["for"]),
        (["for i in x:\n    model.step()", RIGHT], [], ["for"]),
        (["show(negative)", RIGHT, "show(negative(3))", CHECK], [], ["show"]),
        ([STUB, RIGHT], ["-picture"], ["your turn"]),
        ([RIGHT, CHECK], ["-picture", "check"], []),
        (["%%capture\nk = 1", USES.format("k")], ["k = 1"], ["%%"]),
        (["a, (b, *c) = f", USES.format("c")], ["*c"], []),
        (["from m import T", RIGHT.replace("picture)", "picture: T)")], ["import T"], []),
    ],
)
def test_an_exercise_takes_along_what_it_uses_and_no_more(cells, kept, left_out):
    found = part(*cells)
    code = code_of(found)
    assert found.state == "written"
    assert all(words in code for words in kept), code
    assert not any(words in code for words in left_out), code


@pytest.mark.parametrize(
    ("cells", "state", "words"),
    [
        ([], "not found", "no function is called negative"),
        ([STUB], "not attempted", ""),
        ([STUB, CHECK], "not attempted", ""),
        ([STUB, STUB], "not attempted", ""),
        ([RIGHT, WRONG], "written", "defined 2 times"),
        (["negative = lambda picture: -picture"], "written", ""),
        (["def Negative(p): return -p"], "not found", "there is Negative"),
        (["def neg(p): return -p", 'check("00.negative", neg)'], "written", "is called neg"),
        ([CHECK], "not found", ""),
        (["class negative:\n    def f(self): pass"], "not attempted", ""),
        (["class negative:\n    def f(self): pass\n    def g(self): return 1"], "written", ""),
        (["def negative(picture):\n    retrun 3", CHECK], "not found", "code cell 1, line 2"),
        (["for _ in range(3):\n    " + STUB.replace("\n", "\n    ")], "not attempted", ""),
    ],
)
def test_missing_doubled_and_renamed_exercises_have_a_state(cells, state, words):
    found = part(*cells)
    assert found.state == state
    assert words in "; ".join((found.words, *found.remarks))


def test_a_notebook_of_a_newer_python_says_so():
    file = NotebookFile(("def negative(picture):\n    return [",), "3.99")
    assert "written with Python 3.99; it is read here with Python 3." in Notebook(file).broken[0][0]


@pytest.mark.parametrize(
    "cells",
    [
        ["    " * i + "if 1:" for i in range(40)] + ["    " * 40 + "pass"],
        [f"def x{i}(): ..." for i in range(5000)],
        [f"x{i} = x{i + 1}" for i in range(5000)],
        ["x = 1\n" * 20_000],
        [f"def f{i}():\n    global k\n    f{i + 1}()" for i in range(2000)],
    ],
    ids=["nested ifs", "many stubs", "a chain", "one name", "calls"],
)
def test_long_and_deep_code_is_read_in_seconds(cells):
    started = time.process_time()
    Notebook(["\n".join(cells), RIGHT.replace("-", "x0 * -")]).find(NEGATIVE)
    assert time.process_time() - started < 10


def test_too_much_code_is_refused():
    cells = [{"cell_type": "code", "source": "x" * 600_000}] * 2
    with pytest.raises(ValueError, match="more than 1 million characters"):
        parse_notebook(json.dumps({"cells": cells}).encode())


def test_one_odd_cell_costs_no_other():
    odd = [{"cell_type": "code", "source": s} for s in (None, 3, [4], {"a": 1})]
    odd += [{"cell_type": None}, 3, "x", None, {"cell_type": "code", "source": ["a\n", "b"]}]
    assert parse_notebook(json.dumps({"cells": odd}).encode()).cells == ("a\nb",)


# --- which lesson a notebook is of ---


@pytest.mark.parametrize(
    "name", ["Copy of 04_positions.ipynb", "06.ipynb", "10 Oct.ipynb", "x.ipynb"]
)
def test_what_is_in_a_notebook_decides_its_lesson(name):
    assert lesson_of(name, {"conv2d", "output_size"}, {"01.conv2d"}) == "01"
    assert lesson_of(name, {"encode"}, {"06.encode"}) == "06"


def test_the_name_decides_where_the_content_cannot():
    assert lesson_of("06_digits.ipynb", {"encode"}, set()) == "06"
    assert lesson_of("04_positions.ipynb", {"encode"}, set()) == "04"
    assert lesson_of("04_positions.ipynb", set(), set()) == "04"
    assert lesson_of("10 Oct.ipynb", set(), set()) == ""


# --- every exercise of the course, as a learner would type it ---


def typed(answer, exercise):
    """A learner's cell, made of a function that stands in the exercises' own module."""
    module = inspect.getmodule(answer)
    source = textwrap.dedent(inspect.getsource(answer))
    name = answer.__name__
    last = f'check("{exercise.id}", {name})'  # a wrong one may call the name that it would take
    return [
        f"from {module.__name__} import *\nimport {module.__name__} as _m\n"
        "globals().update(vars(_m))",
        source,
        last,
    ]


ANSWERS = [
    pytest.param(e, a, status, id=f"{e.id}-{getattr(a, '__name__', 'right')}-{status}")
    for e in all_exercises()
    for a, status in [
        *((a, "passed") for a in e.right),
        *((w.answer, "failed") for w in e.wrong),
    ]
    if getattr(a, "__name__", "<lambda>") != "<lambda>"
]


@pytest.mark.parametrize(("exercise", "answer", "status"), ANSWERS)
def test_every_variant_gets_its_verdict_from_a_notebook(exercise, answer, status):
    found = verdict(*typed(answer, exercise), exercise=exercise)
    assert found.status == status, found
    named = {w.answer: w.name for w in exercise.wrong}
    assert found.mistake == named.get(answer, "")


# --- what the learner is told ---


def test_what_a_failing_answer_printed_is_shown_and_cut(capsys):
    from course_lib.exercises.check import check

    def loud(picture):
        for i in range(30):
            print("line", i)
        return picture

    check("00.negative", loud)
    out = capsys.readouterr().out
    assert "  It printed:\n    line 0\n" in out
    assert "    line 19\n    ... (10 lines more)\n" in out
    assert "line 20" not in out


def test_a_passing_answer_prints_nothing(capsys):
    from course_lib.exercises.check import check

    check("00.negative", lambda picture: print("hello") or -picture)
    assert "hello" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import torch.nn.functional as F\n    return F.softmax(picture.long(), 0)", "softmax"),
        ("from torch import nn\n    return nn.Module()(picture)", "NotImplementedError"),
        ("breakpoint()\n    return -picture", "debug it there"),
        ("return picture.no_such", "line 2 of its cell: `return picture.no_such`"),
    ],
)
def test_a_real_error_is_never_not_attempted(body, words):
    found = verdict(f"def negative(picture):\n    {body}", CHECK)
    assert found.status == "error"
    assert words in found.words


def test_a_stubs_line_that_is_still_reached_is_named():
    half = "def negative(picture):\n    if picture.shape[0] == 99:\n        return -picture\n"
    some = half.replace("99", str(len(NEGATIVE.cases(0)[0][0])))
    line = '    raise NotImplementedError("your turn")'
    assert verdict(half + line, CHECK).status == "not attempted"
    shapes = {c[0].shape[0] for c in NEGATIVE.cases(0)}
    if len(shapes) > 1:
        assert "does every path `return`?" in verdict(some + line, CHECK).words
