"""`check`: what a learner calls under each exercise. Kind, quick, and it never raises."""

from typing import Any

from course_lib.exercises.compare import Verdict, judge
from course_lib.exercises.exercise import Answer, Exercise
from course_lib.exercises.observe import Observed, observe
from course_lib.exercises.progress import progress, record, summary
from course_lib.exercises.registry import find
from course_lib.exercises.stubs import is_stub_object
from course_lib.exercises.time_limit import TooSlow, within

__all__ = ["check", "examine", "progress", "summary"]
_MOST_LINES = 20


def check(exercise_id: str, answer: Any) -> Any:
    """Say whether `answer` is right. Gives it back if so, and the course's own part if not.

    So `conv2d = check("01.conv2d", conv2d)` always leaves a conv2d that works, and no exercise has
    to be solved for the lesson to go on. Never raises (but can be interrupted).
    """
    try:
        exercise = find(exercise_id)
    except Exception as error:
        print(f"{error}")
        return answer
    try:
        return _check(exercise, answer)
    except Exception as error:
        print(f"{exercise_id}  the check itself broke, not your code ({type(error).__name__}).")
        return exercise.reference


def _check(exercise: Exercise, answer: Any) -> Any:
    if answer is exercise.reference:
        print(
            f"{exercise.id}  this is the course's own {exercise.name}: run the cell with yours "
            "first, then this one."
        )
        return answer
    verdict = examine(exercise, answer)
    record(exercise.id, verdict.status)
    if verdict.status == "passed":
        print(f"{exercise.id}  right: {exercise.points} {_points(exercise.points)}")
        return answer
    said = "not attempted yet" if verdict.status == "not attempted" else f"not yet: {verdict.words}"
    print(f"{exercise.id}  {said}")
    print(printed_by(verdict), end="")
    print(f"The lesson goes on with the course's own {exercise.name}.")
    return exercise.reference


def printed_by(verdict: Verdict) -> str:
    """What a failing answer printed, in at most 20 lines, or ""."""
    lines = verdict.printed.splitlines()
    if not any(line.strip() for line in lines):
        return ""
    more = [f"... ({len(lines) - _MOST_LINES} lines more)"] if len(lines) > _MOST_LINES else []
    shown = "".join(f"    {line}\n" for line in (*lines[:_MOST_LINES], *more))
    return f"  It printed:\n{shown}"


def _points(n: int) -> str:
    return "point" if n == 1 else "points"


def examine(exercise: Exercise, answer: Any, seed: int = 0) -> Verdict:
    """The verdict on an answer, in this process and within the exercise's time."""
    if is_stub_object(answer):
        return Verdict("not attempted")
    if not callable(answer):
        return Verdict(
            "failed",
            f"check wants the function itself: write {exercise.name}, without calling it. "
            f"What came is of type {type(answer).__name__}.",
        )
    seen: list[Observed] = []
    try:
        within(exercise.seconds, lambda: _observe_all(exercise, answer, seed, seen))
    except TooSlow:
        return Verdict(
            "error",
            f"it was stopped after {exercise.seconds:g} seconds; the course's own takes a moment. "
            "Does a loop never end, or run over far more than it needs?",
        )
    return judge(exercise, seen, seed)


def _observe_all(exercise: Exercise, answer: Answer, seed: int, seen: list[Observed]) -> None:
    for case in exercise.cases(seed):
        seen.append(observe(exercise, answer, case))
