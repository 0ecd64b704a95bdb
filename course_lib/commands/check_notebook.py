"""`course check`: a learner's own notebook, its exercises run and their state in a table."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from course_lib.exercises.cells import read_notebook
from course_lib.exercises.check import examine, printed_by
from course_lib.exercises.code_slice import CodeSlice, Notebook
from course_lib.exercises.compare import Verdict, about_failure
from course_lib.exercises.exercise import Exercise
from course_lib.exercises.registry import exercises_of, lesson_of
from course_lib.exercises.run_slice import NoAnswer, answer_of, as_main_module, in_order


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`notebook`: the file."""
    parser.add_argument("notebook", type=Path)


def run(options: argparse.Namespace) -> int:
    """Print a row for each exercise of the notebook's lesson; 0 when every one is right."""
    notebook = Notebook(read_notebook(options.notebook))
    lesson = lesson_of(options.notebook.name, notebook.names(), notebook.exercise_ids())
    if not lesson:
        raise ValueError(
            f"{options.notebook} defines no exercise of this course. Usual cause: the functions "
            "were renamed, or it is another notebook."
        )
    exercises = exercises_of(lesson)
    print(f"Runs the definitions in {options.notebook}: only check notebooks that you trust.")
    verdicts = verdicts_of(exercises, notebook)
    width = max(len(e.id) for e in exercises)
    for e in exercises:
        v = verdicts[e.id]
        earned = e.points if v.status == "passed" else 0
        print(f"{e.id:{width}}  {v.status:13}  {earned}/{e.points}  {v.words}".rstrip())
        print(printed_by(v), end="")
    passed = [e for e in exercises if verdicts[e.id].status == "passed"]
    print(
        f"{len(passed)} of {len(exercises)} exercises, {sum(e.points for e in passed)} of "
        f"{sum(e.points for e in exercises)} points."
    )
    for words, _ in notebook.broken:
        print(f"A cell could not be read and was left out: {words}")
    return int(len(passed) < len(exercises))


def verdicts_of(exercises: Sequence[Exercise], notebook: Notebook) -> dict[str, Verdict]:
    """The verdict on each exercise, by id. Runs the notebook's code in this process."""
    found = {e.id: notebook.find(e) for e in exercises}
    tried = in_order(
        exercises, lambda e: found[e.id].slices, _attempt, lambda v: v.status == "passed"
    )
    for e in exercises:
        if e.id not in tried:
            missing = found[e.id].state == "not found"
            tried[e.id] = Verdict("error" if missing else "not attempted", found[e.id].words)
    return tried


def _attempt(exercise: Exercise, code: CodeSlice, stand_ins: tuple[Exercise, ...]) -> Verdict:
    with as_main_module() as module:
        try:
            answer, stopped = answer_of(code, exercise, stand_ins, module)
        except NoAnswer as none:
            return Verdict("error", f"its imports and definitions: {about_failure(none.failure)}")
        verdict = examine(exercise, answer)
    if stopped and verdict.status not in ("passed", "not attempted"):
        words = f"{verdict.words} Before that, {about_failure(stopped)}."
        return Verdict(verdict.status, words, verdict.mistake, verdict.printed)
    return verdict
