"""`course check` and `course grade` give the same verdict: every form, every right variant, every
named wrong answer, each read and run in the grader's sandbox.
"""

import threading

import pytest
from grading_corpus import notebook
from notebook_forms import FORMS
from test_code_slice import ANSWERS, typed

from course_lib.commands.check_notebook import verdicts_of
from course_lib.exercises.code_slice import Notebook
from course_lib.exercises.registry import exercises_of, lessons
from course_lib.grading.mark import mark
from course_lib.grading.runner import Reader, StudentRuns
from course_lib.grading.submissions import Submission
from course_lib.grading.tree import File

SETTINGS = {"protected": True, "stopped": threading.Event()}


@pytest.fixture(scope="module")
def reader():
    reader = Reader(**SETTINGS)
    yield reader
    reader.close()


def graded(reader, runs, folder, lesson, cells):
    (folder / "x.ipynb").write_bytes(notebook(*cells))
    one = Submission("x.ipynb", File("x.ipynb", "x.ipynb", (str(folder / "x.ipynb"),)))
    rows = mark(reader, runs, "ann", lesson, [one], seed=5, timeout=600.0)
    return {r.exercise: (r.status, r.mistake) for r in rows}


def test_every_form_passes_in_the_sandbox(reader, tmp_path):
    with StudentRuns(("00",), memory=3 << 30, **SETTINGS) as runs:
        found = {n: graded(reader, runs, tmp_path, "00", cells) for n, cells in FORMS.items()}
    assert [n for n, row in found.items() if row["00.negative"] != ("passed", "")] == []


@pytest.mark.slow
@pytest.mark.parametrize("lesson", lessons())
def test_every_variant_gets_the_verdict_of_course_check(reader, tmp_path, lesson):
    different = []
    with StudentRuns((lesson,), memory=3 << 30, **SETTINGS) as runs:
        for exercise, answer, status in (p.values for p in ANSWERS):
            if exercise.lesson == lesson:
                row = graded(reader, runs, tmp_path, lesson, typed(answer, exercise))[exercise.id]
                mistakes = {w.answer: w.name for w in exercise.wrong}
                if row != (status, mistakes.get(answer, "")):
                    different.append((exercise.id, answer.__name__, row))
    assert different == []


CHANNELS = (
    "import torch\ndef conv2d_channels(x, weight):\n    return torch.stack([sum(conv2d(x[i], "
    "weight[o, i]) for i in range(len(x))) for o in range(len(weight))])"
)
TOGETHER = {
    "one wrong, one that uses it": [
        "def conv2d(image, kernel):\n    return image",
        'conv2d = check("01.conv2d", conv2d)',
        CHANNELS,
        'conv2d_channels = check("01.conv2d_channels", conv2d_channels)',
    ],
    "each calls the other": [
        "def conv2d(a, b):\n    return conv2d_channels(a[None], b[None, None])[0]",
        CHANNELS,
    ],
    "blank": ['def conv2d(image, kernel):\n    raise NotImplementedError("your turn")'],
    "a syntax error": ["def conv2d(image, kernel)\n    return 3"],
}


@pytest.mark.parametrize("name", TOGETHER)
def test_a_whole_lesson_gets_the_same_row_for_row(name, reader, tmp_path):
    cells = TOGETHER[name]
    exercises = exercises_of("01")
    with StudentRuns(("01",), memory=3 << 30, **SETTINGS) as runs:
        grade = graded(reader, runs, tmp_path, "01", cells)
    check = verdicts_of(exercises, Notebook(cells))
    for e in exercises:
        status, mistake = grade[e.id]
        assert {"not found": "error"}.get(status, status) == check[e.id].status
        assert mistake == check[e.id].mistake
    if "conv2d_channels" in cells[-1]:
        assert grade["01.conv2d"][0] in ("failed", "error")  # the other one cannot stand in for it
        assert grade["01.conv2d_channels"][0] == "passed"
