"""Judge what an answer gave. Runs none of a learner's code, so that can forge nothing.

Kind, shape and dtype come before values, and nothing is ever broadcast. A wrong answer is diagnosed
by trial: if its values are those of a named wrong answer, that one's hint is what it needs.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import torch
from numpy.typing import NDArray

from course_lib.exercises.exercise import Case, Exercise, plain_call
from course_lib.exercises.observe import Failure, Leaf, Observed, observe
from course_lib.exercises.stubs import STUB_MESSAGE
from course_lib.exercises.words import describe_case, differing_values, wrong_shape

Status = Literal["passed", "failed", "error", "not attempted"]


@dataclass(frozen=True)
class Verdict:
    """What came of an answer: a status, the sentence for the learner, the named mistake if any.

    `printed` is what it printed in the first case that went wrong.
    """

    status: Status
    words: str = ""
    mistake: str = ""
    printed: str = ""


def judge(exercise: Exercise, seen: Sequence[Observed], seed: int) -> Verdict:
    """The verdict on what an answer gave for exercise.cases(seed), one `Observed` a case."""
    cases, wanted, wrongs = _expected(exercise, seed)
    if len(seen) != len(cases):
        raise ValueError(f"{exercise.id}: {len(cases)} cases, but {len(seen)} results to judge")
    if seen and all(o.failure and _is_the_stub(o.failure) for o in seen):
        return Verdict("not attempted")
    complaints = [complaint(w, s, exercise.tolerance) for w, s in zip(wanted, seen, strict=True)]
    if not any(complaints):
        return Verdict("passed")
    first = next(i for i, words in enumerate(complaints) if words)
    printed = seen[first].printed
    for wrong, gave in zip(exercise.wrong, wrongs, strict=True):
        if all(_same(g, s, exercise.tolerance) for g, s in zip(gave, seen, strict=True)):
            return Verdict("failed", wrong.hint, wrong.name, printed)
    names = _argument_names(exercise)
    status: Status = "error" if seen[first].failure else "failed"
    words = describe_case(cases[first], names) + complaints[first]
    return Verdict(status, words, printed=printed)


def _is_the_stub(failure: Failure) -> bool:
    """The line that every blank exercise is handed out with; not an exception of torch's own."""
    return (failure.type, failure.message) == ("NotImplementedError", STUB_MESSAGE)


@lru_cache(maxsize=64)
def _expected(
    exercise: Exercise, seed: int
) -> tuple[list[Case], list[Observed], list[list[Observed]]]:
    """The cases, what the reference gives for them, and what each named wrong answer gives."""
    wanted = [observe(exercise, exercise.reference, case) for case in exercise.cases(seed)]
    for w in wanted:
        if w.failure:
            raise RuntimeError(f"{exercise.id}: the course's own answer fails: {w.failure}")
    wrongs = [
        [observe(exercise, wrong.answer, case) for case in exercise.cases(seed)]
        for wrong in exercise.wrong
    ]
    return list(exercise.cases(seed)), wanted, wrongs


def complaint(wanted: Observed, seen: Observed, tolerance: float) -> str:
    """What is wrong with one result, in words; "" if it is right."""
    if seen.failure:
        return about_failure(seen.failure)
    if [leaf.kind for leaf in seen.values] == ["None"] != [leaf.kind for leaf in wanted.values]:
        if seen.printed.strip():
            return "it prints something but returns nothing. Use `return` in place of `print`."
        return "it returns None. Is a `return` missing at the end?"
    if not _leaves_equal(wanted.arguments, seen.arguments, tolerance=0.0):
        return (
            "it changes its input in place, and whoever called it still needs that. Make a "
            "new one: `y = x + 1` in place of `x += 1`, or begin with `x.clone()`."
        )
    if len(wanted.values) != len(seen.values):
        more = ""
        if len(wanted.values) == 1 and all(leaf.kind == "tensor" for leaf in seen.values):
            more = " torch.stack or torch.cat makes one tensor of a list of them."
            if wanted.values[0].kind == "list":
                more = " A list of plain numbers is wanted: `.tolist()` makes one of a tensor."
        counts = f"{_count(wanted.values)}, but gives {_count(seen.values)}"
        return f"it should give back {counts}.{more}"
    pairs = zip(wanted.values, seen.values, strict=True)
    return next((words for w, s in pairs if (words := _about_leaf(w, s, tolerance))), "")


def about_failure(failure: Failure) -> str:
    """An exception in words: "it stopped with ValueError: ... (line 3 of its cell: `...`)"."""
    message = f"{failure.type}: {failure.message}" if failure.message else failure.type
    at = f" (line {failure.line} of its cell: `{failure.code}`)" if failure.code else ""
    hint = ""
    if _is_the_stub(failure):
        hint = ". The line that was there for you is still reached: does every path `return`?"
    return f"it stopped with {message}{at}{hint}"


def _count(values: tuple[Leaf, ...]) -> str:
    return "one value" if len(values) == 1 else f"{len(values)} values"


def _about_leaf(wanted: Leaf, seen: Leaf, tolerance: float) -> str:
    which = f"result{wanted.where}: " if wanted.where else ""
    if not _kind_fits(wanted, seen):
        lone = wanted.kind == "tensor" and wanted.values.shape == () and seen.kind == "number"
        more = " Leave out `.item()` or float()." if lone else ""
        return f"{which}it should give back {_a(wanted)}, but gives {_a(seen)}.{more}"
    if wanted.values.shape != seen.values.shape:
        return which + wrong_shape(wanted.kind, wanted.values.shape, seen.values.shape)
    if not _dtype_fits(wanted, seen):
        hint = " Use // in place of /." if wanted.dtype == "whole number" else ""
        if seen.dtype.startswith("complex"):
            hint = " Python's ** 0.5 of a number below 0 gives this: which of yours is below 0?"
        return f"{which}the dtype should be {wanted.dtype}, but is {seen.dtype}.{hint}"
    if _values_equal(wanted.values, seen.values, tolerance):
        return ""
    return which + differing_values(wanted.values, seen.values, tolerance)


def _kind_fits(wanted: Leaf, seen: Leaf) -> bool:
    """A number may come as a tensor or array without axes: both print and count alike."""
    lone = seen.kind in ("tensor", "array") and seen.values.shape == ()
    return wanted.kind == seen.kind or (wanted.kind == "number" and lone)


def _dtype_fits(wanted: Leaf, seen: Leaf) -> bool:
    if wanted.values.size == 0 or wanted.dtype == seen.dtype:
        return True
    if wanted.kind in ("number", "list"):  # Python's own: any real number will do for a number
        kinds = {"number": "iuf", "whole number": "iu", "truth": "b", "text": "U"}
        return seen.values.dtype.kind in kinds[wanted.dtype]
    return False


def _a(leaf: Leaf) -> str:
    """The kind of a value, as one would say it."""
    if leaf.kind == "number":
        return f"a {leaf.dtype}"
    words = {"tensor": "a torch tensor", "array": "a numpy array", "text": "a text", "None": "None"}
    return words.get(leaf.kind, f"a {leaf.kind}")


def _values_equal(wanted: NDArray[Any], seen: NDArray[Any], tol: float) -> bool:
    if wanted.shape != seen.shape:
        return False
    if wanted.dtype.kind in "Ub":
        return bool((wanted == seen).all())
    a, b = torch.as_tensor(wanted).double(), torch.as_tensor(seen).double()
    return bool(torch.isclose(b, a, rtol=tol, atol=tol, equal_nan=True).all())


def _leaves_equal(a: tuple[Leaf, ...], b: tuple[Leaf, ...], tolerance: float) -> bool:
    return len(a) == len(b) and all(
        x.kind == y.kind
        and (x.dtype == y.dtype or x.values.size == 0)
        and _values_equal(x.values, y.values, tolerance)
        for x, y in zip(a, b, strict=True)
    )


def _same(a: Observed, b: Observed, tolerance: float) -> bool:
    """Whether two answers did the same: the same values or the same exception."""
    if a.failure and b.failure:
        return _said(a.failure) == _said(b.failure)
    if a.failure or b.failure:
        return False
    return _leaves_equal(_plain(a.values), _plain(b.values), tolerance) and _leaves_equal(
        a.arguments, b.arguments, 0.0
    )


def _said(failure: Failure) -> tuple[str, list[str]]:
    """An exception's words in any order: `a * b` and `b * a` name the two sizes by turns."""
    return failure.type, sorted(failure.message.split())


def _plain(values: tuple[Leaf, ...]) -> tuple[Leaf, ...]:
    """A lone number is one, whether it came as a number or as a tensor without axes."""
    return tuple(
        replace(v, kind="number", dtype="number")
        if v.values.shape == () and v.kind in ("number", "tensor", "array")
        else v
        for v in values
    )


def _argument_names(exercise: Exercise) -> tuple[str, ...]:
    """The reference's parameters, to name a case by; none where the probe is not a plain call."""
    if exercise.probe is not plain_call:
        return ()
    return tuple(inspect.signature(exercise.reference).parameters)
