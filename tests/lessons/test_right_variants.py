"""Every right answer runs the rest of its lesson: what passes `check` must not break later cells.

In each run every exercise is answered by one of its right variants, typed where the learner's own
answer stands; trainings take two steps, which is enough to need a gradient.
"""

from itertools import zip_longest
from pathlib import Path

import pytest
from lesson_source import lesson_cells, read_lesson

import course_lib.training
from course_lib.exercises.registry import exercises_of

ROOT = Path(__file__).parents[2]
LESSONS = ("02", "03")


def runs(lesson):
    """One dict of right variants by exercise for each run; all variants are used once at least."""
    exercises = exercises_of(lesson)
    for row in zip_longest(*(e.right for e in exercises)):
        yield {e.id: a or e.right[0] for e, a in zip(exercises, row, strict=True)}


CASES = [
    pytest.param(n, answers, id=f"{n}-{i}") for n in LESSONS for i, answers in enumerate(runs(n))
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # imshow
@pytest.mark.parametrize(("number", "answers"), CASES)
def test_right_variants_run_the_rest_of_the_lesson(
    number, answers, monkeypatch, tmp_path, capsys, plain_shapes
):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path))
    train = course_lib.training.train
    monkeypatch.setattr(
        course_lib.training,
        "train",
        lambda *args, steps, **more: train(*args, steps=min(steps, 2), **more),
    )
    (path,) = (ROOT / "lessons").glob(f"{number}_*.py")
    cells = [c.source for c in lesson_cells(read_lesson(path), solve=True) if c.cell_type == "code"]
    names = {"__name__": "lesson", "_answers": answers}
    for source in cells:
        for id in answers:
            name = id[3:]
            line = f'{name} = check("{id}", {name})'
            source = source.replace(line, f'{name} = check("{id}", _answers["{id}"])')
        exec(compile(source, path.name, "exec"), names)
    said = capsys.readouterr().out
    assert [f"{id}  right" in said for id in answers] == [True] * len(answers)
