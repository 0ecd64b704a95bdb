"""Run a slice of a notebook as Jupyter ran it, and hand over the answer that it holds.

It runs the learner's own code: `course check` does so in this process, the grader in its sandbox.
"""

import ast
import contextlib
import io
import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, TypeVar

from course_lib.exercises.code_slice import CodeSlice
from course_lib.exercises.exercise import Exercise
from course_lib.exercises.observe import Failure, failure_of
from course_lib.exercises.statement import FLAGS
from course_lib.exercises.time_limit import TooSlow, within

_Verdict = TypeVar("_Verdict")


class NoAnswer(Exception):
    """The slice leaves nothing that can be checked; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _NoShell:
    """Stands for IPython's shell: magics and shell commands do nothing, and give nothing."""

    def __getattr__(self, name: str) -> Callable[..., list[str]]:
        return lambda *_, **__: []


@contextlib.contextmanager
def as_main_module() -> Iterator[ModuleType]:
    """A module `__main__`, as a notebook has; the one that was there comes back afterwards."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = notebook = ModuleType("__main__")
    try:
        yield notebook
    finally:
        sys.modules["__main__"] = before


def answer_of(
    code: CodeSlice, exercise: Exercise, stand_ins: Sequence[Exercise], notebook: ModuleType
) -> tuple[Any, Failure | None]:
    """The answer that a slice leaves, and the first thing that went wrong on the way to it.

    `stand_ins` are earlier exercises for which the course's own part is used, as `check` leaves it
    behind in a lesson. A statement other than an import may take as long as the exercise itself.
    Raises NoAnswer.
    """
    given: dict[str, Any] = {}
    replaced = {e.id: e.reference for e in stand_ins}

    def check(exercise_id: str, answer: Any) -> Any:
        given[exercise_id] = answer
        return replaced.get(exercise_id, answer)

    names: dict[str, Any] = notebook.__dict__
    around = {"check": check, "get_ipython": _NoShell, "display": lambda *_, **__: None}
    names |= around
    first: Failure | None = None
    for node, file in _statements(code):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                _run(node, file, names, exercise.seconds)
        except (Exception, SystemExit) as error:
            first = first or failure_of(error)
        except TooSlow:
            words = f"took longer than {exercise.seconds:g} seconds and was stopped"
            first = first or Failure("TimeoutError", words, node.lineno, ast.unparse(node)[:80])
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= around  # the lesson imports the real check
    names |= {e.name: e.reference for e in stand_ins if e.id not in given}
    if code.checked and exercise.id in given:
        return given[exercise.id], first
    if code.name not in names:
        raise NoAnswer(first or Failure("NameError", f"{code.name} is not defined"))
    return names[code.name], first


def _statements(code: CodeSlice) -> Iterator[tuple[ast.stmt, str]]:
    trees = {}
    for cell, text in code.cells.items():
        file = f"<cell {cell}>"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        trees[cell] = ast.parse(text).body
    for cell, index in code.chosen:
        yield trees[cell][index], f"<cell {cell}>"


def _run(node: ast.stmt, file: str, names: dict[str, Any], seconds: float) -> None:
    code = compile(ast.Module([node], []), file, "exec", FLAGS, dont_inherit=True)
    if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
        exec(code, names)
    else:
        within(seconds, lambda: exec(code, names))


def in_order(
    exercises: Sequence[Exercise],
    slices: Callable[[Exercise], Sequence[CodeSlice]],
    attempt: Callable[[Exercise, CodeSlice, tuple[Exercise, ...]], _Verdict],
    passed: Callable[[_Verdict], bool],
) -> dict[str, _Verdict]:
    """The verdict on each exercise that has a slice, by id, in the lesson's order.

    As in the lesson, one mistake costs one exercise: where an earlier one is not right, the later
    ones meet the course's own part in its place.
    """
    verdicts: dict[str, _Verdict] = {}
    missing: list[Exercise] = []
    for e in exercises:
        for code in slices(e):
            verdict = attempt(e, code, tuple(missing))
            if e.id not in verdicts or passed(verdict):
                verdicts[e.id] = verdict
            if passed(verdict):
                break
        if e.id not in verdicts or not passed(verdicts[e.id]):
            missing.append(e)
    return verdicts
