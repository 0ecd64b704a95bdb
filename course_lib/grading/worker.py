"""Inside the sandbox: run a notebook's definitions, try the answer on the cases, send the values.

Nothing here is trusted by anybody. It is the learner's own process as soon as their code has run.
"""

import __future__

import linecache
import os
import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, TypedDict

from course_lib.checks.exercise import Exercise
from course_lib.checks.observe import Failure, Observed, observe
from course_lib.checks.registry import exercises_of, find
from course_lib.grading.wire import MOST_BYTES, Result, pack, size

LEARNERS_FILE = "<notebook>"
_FLAGS = __future__.annotations.compiler_flag  # annotations are never looked up


class Job(TypedDict):
    """What to run: an exercise, the statements it needs, and the name its answer has in them.

    `stand_in` names other exercises of the lesson for which the course's own part is to be used, as
    the lesson does once their check has failed.
    """

    exercise: str
    code: list[str]
    name: str
    stand_in: list[str]
    seed: int


def work(job: Job, out: int) -> None:
    """Do it, and write the packed result to the descriptor `out`."""
    exercise = find(job["exercise"])
    cases = list(exercise.cases(job["seed"]))  # before the learner's code can reach their makers
    names, setup = _run_definitions(job)
    answer = names.get(job["name"])
    own: set[str] = set()
    observed: list[Observed] = []
    if job["name"] not in names:
        setup = setup or Failure("NameError", f"{job['name']} is not defined")
    elif not callable(answer):
        setup = Failure("TypeError", f"{job['name']} is no function but of type {type(answer)}")
    else:
        if _is_the_courses(answer):
            own.add(f"is the course's own {exercise.name}")
        _notice_calls(exercise, own)
        observed = [_observed(exercise, answer, case) for case in cases]
        sys.setprofile(None)
    result = Result(tuple(observed), setup, tuple(sorted(own)))
    if size(result) > MOST_BYTES * 0.9:
        too_much = f"the results take more than {MOST_BYTES // 10**6} MB"
        result = Result((), Failure("ValueError", too_much))
    data = pack(result)
    while data:
        data = data[os.write(out, data) :]


def _run_definitions(job: Job) -> tuple[dict[str, Any], Failure | None]:
    """The namespace after each statement has run once, and the first thing that went wrong."""
    names: dict[str, Any] = {"__name__": "notebook"}
    first: Failure | None = None
    line = 0
    whole = "\n".join(job["code"])
    linecache.cache[LEARNERS_FILE] = (len(whole), None, whole.splitlines(True), LEARNERS_FILE)
    for statement in job["code"]:
        try:
            exec(compile("\n" * line + statement, LEARNERS_FILE, "exec", _FLAGS), names)
        except BaseException as error:
            first = first or Failure(type(error).__name__, _last_line(error))
        line += statement.count("\n") + 1
    for other in exercises_of(job["exercise"][:2]):
        if other.id in job["stand_in"]:
            names[other.name] = other.reference
    return names, first


def _observed(exercise: Exercise, answer: Any, case: tuple[Any, ...]) -> Observed:
    try:
        return observe(exercise, answer, case)
    except BaseException as error:  # KeyboardInterrupt and the like, raised on purpose
        return Observed((), (), "", Failure(type(error).__name__, _last_line(error)))


def _last_line(error: BaseException) -> str:
    try:
        lines = str(error).strip().splitlines()
    except BaseException:
        return "(its message cannot be shown)"
    return lines[-1] if lines else ""


def _is_the_courses(answer: Any) -> bool:
    inner = getattr(answer, "func", answer)  # functools.partial
    inner = getattr(inner, "__wrapped__", inner)
    return str(getattr(inner, "__module__", "")).split(".")[0] == "course_lib"


def _notice_calls(exercise: Exercise, own: set[str]) -> None:
    """Write into `own` when the learner's code itself calls the finished part, or a right variant.

    Code that wants to can switch this off: it is for what is reported, never for the points.
    """
    watched = {code for answer in (exercise.reference, *exercise.right) for code in _codes(answer)}

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in watched:
            caller = frame.f_back
            if caller is not None and caller.f_code.co_filename == LEARNERS_FILE:
                own.add(f"calls the course's own {exercise.name}")

    sys.setprofile(profile)


def _codes(answer: Any) -> Iterator[CodeType]:
    for thing in vars(answer).values() if isinstance(answer, type) else [answer]:
        code = getattr(thing, "__code__", None)
        if isinstance(code, CodeType):
            yield code
