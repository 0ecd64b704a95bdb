"""Run an answer on one case and write down what came, as plain data.

Only this module and the exercise's own probe ever touch a learner's code. What it gives back holds
numpy arrays, numbers and strings alone, so that the grader can run it in a sandbox and judge the
result outside (compare.py).
"""

import contextlib
import io
import linecache
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from course_lib.exercises.exercise import Answer, Case, Exercise

_MAX_LEAVES = 10_000
_NOT_THE_LEARNERS = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"), "<frozen")


@dataclass(frozen=True, eq=False)
class Leaf:
    """One value: what kind of thing it was, its dtype by name, its numbers, and where it stood.

    `kind` is "tensor", "array", "number", "text", "list", "None", or the name of any other type,
    whose `values` are empty. `where` is "" for a lone value, "[0]" for the first of several.
    """

    kind: str
    dtype: str
    values: NDArray[Any]
    where: str = ""


@dataclass(frozen=True)
class Failure:
    """An exception: its type's name, its message, and where in the learner's code it came from.

    `line` is 0 and `code` empty when no line of the learner's was in it.
    """

    type: str
    message: str
    line: int = 0
    code: str = ""


@dataclass(frozen=True, eq=False)
class Observed:
    """What one case gave: the values, the arguments as they were left, what was printed."""

    values: tuple[Leaf, ...]
    arguments: tuple[Leaf, ...]
    printed: str = ""
    failure: Failure | None = None


def leaves(value: Any, where: str = "") -> Iterator[Leaf]:
    """The values inside tuples and lists, one after the other. A list of plain numbers is one."""
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        plain = value.detach().cpu()
        numpy = plain.float() if plain.dtype == torch.bfloat16 else plain
        yield Leaf("tensor", dtype, numpy.numpy().copy(), where)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield Leaf("array", str(value.dtype), value.copy(), where)
    elif isinstance(value, (bool, int, float, np.generic)):
        yield Leaf("number", _plain_type([value]), np.asarray(value), where)
    elif isinstance(value, str):
        yield Leaf("text", "text", np.asarray(value), where)
    elif isinstance(value, (list, tuple)):
        dtype = _plain_type(value)
        if dtype:
            yield Leaf("list", dtype, np.asarray(value), where)
        for i, item in enumerate(() if dtype else value):
            yield from leaves(item, f"{where}[{i}]")
    else:
        yield Leaf("None" if value is None else type(value).__name__, "", np.empty(0), where)


def _plain_type(items: Any) -> str:
    """ "whole number", "number", "truth" or "text" if all items are of it, else ""."""
    named = {
        "truth": (bool, np.bool_),
        "whole number": (int, np.integer),
        "number": (int, float, np.integer, np.floating),
        "text": (str,),
    }
    for name, types in named.items():
        if all(isinstance(i, types) and (name == "truth" or type(i) is not bool) for i in items):
            return name
    return ""


def observe(exercise: Exercise, answer: Answer, case: Case) -> Observed:
    """Use `answer` on one case. Whatever it raises is written down, not raised.

    The case is used up: an answer may change its arguments in place. KeyboardInterrupt and the time
    limit's own exception (time_limit.py) do go through.
    """
    printed = io.StringIO()
    values: tuple[Leaf, ...] = ()
    failure = None
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), _no_breakpoints():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        try:
            with contextlib.redirect_stdout(printed):
                values = tuple(_few(leaves(exercise.probe(answer, case))))
        except (Exception, SystemExit) as error:
            failure = failure_of(error)
    arguments = tuple(leaf for leaf in leaves(case) if leaf.kind in ("tensor", "array", "list"))
    return Observed(values, arguments, printed.getvalue()[:2000], failure)


@contextlib.contextmanager
def _no_breakpoints() -> Iterator[None]:
    """A debugger's prompt would be captured here, and wait for an answer that cannot come."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError(
            "breakpoint() does not work inside check. Call your function in a cell of its own and "
            "debug it there."
        )

    before, sys.breakpointhook = sys.breakpointhook, refuse
    try:
        yield
    finally:
        sys.breakpointhook = before


def _few(found: Iterator[Leaf]) -> Iterator[Leaf]:
    for n, leaf in enumerate(found):
        if n == _MAX_LEAVES:
            raise ValueError(f"more than {_MAX_LEAVES} values came back")
        yield leaf


def failure_of(error: BaseException) -> Failure:
    """An exception as plain data, with the learner's line that it came from."""
    try:
        lines = str(error).strip().splitlines()
    except BaseException:
        lines = ["(its message cannot be shown)"]
    line, code = _learners_line(error.__traceback__)
    return Failure(type(error).__name__, lines[-1] if lines else "", line, code)


def _learners_line(trace: TracebackType | None) -> tuple[int, str]:
    """The deepest line that is neither this course's, nor Python's, nor a package's."""
    found = (0, "")
    for frame, line in traceback.walk_tb(trace):
        file = frame.f_code.co_filename
        if not file.startswith(_NOT_THE_LEARNERS) and "site-packages" not in file:
            found = (line, linecache.getline(file, line, frame.f_globals).strip())
    return found
