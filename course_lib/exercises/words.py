"""Sentences about values that are not what they should be."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from course_lib.exercises.exercise import Case

Array = NDArray[Any]


def describe_case(case: Case, names: tuple[str, ...]) -> str:
    """ "with image (5, 6) and size = 2: " for the arguments that can be named shortly, or ""."""
    said = []
    for name, value in zip(names, case, strict=False):
        if isinstance(value, (torch.Tensor, np.ndarray)):
            said.append(f"{name} {tuple(value.shape)}")
        elif isinstance(value, (bool, int, float, str)):
            said.append(f"{name} = {value!r}")
    return f"with {' and '.join(said)}: " if said else ""


def wrong_shape(kind: str, wanted: tuple[int, ...], seen: tuple[int, ...]) -> str:
    """What the shape should be, what it is, and what usually makes that difference."""
    if kind == "list" and len(wanted) == len(seen) == 1:
        return f"the list should have {wanted[0]} items, but has {seen[0]}."
    hint = ""
    if seen == wanted[::-1]:
        hint = " The axes are the other way round."
    elif sorted(seen) == sorted(wanted):
        hint = " The axes are in another order."
    elif [n for n in seen if n != 1] == [n for n in wanted if n != 1]:
        hint = " An axis of size 1 is missing or too many; nothing is stretched to fit here."
    elif len(seen) == len(wanted) - 1 and (seen == wanted[1:] or seen == wanted[:-1]):
        hint = " One axis was summed away or never made."
    return f"the shape should be {wanted}, but is {seen}.{hint}"


def differing_values(wanted: Array, seen: Array, tolerance: float) -> str:
    """Where two arrays of one shape first differ, and the regularity in it if there is one."""
    if wanted.dtype.kind in "Ub":
        return _first(wanted, seen, np.asarray(wanted != seen))
    a, b = wanted.astype(np.float64), seen.astype(np.float64)
    if (odd := ~np.isfinite(b) & np.isfinite(a)).any():
        name = "NaN (not a number)" if np.isnan(b[odd]).any() else "infinite"
        return (
            f"{int(odd.sum())} of {a.size} values are {name}. Usual causes: a division by zero, "
            "the root or logarithm of something that is not above zero, memory never filled."
        )
    off = np.asarray(~np.isclose(b, a, rtol=tolerance, atol=tolerance, equal_nan=True))
    return _first(wanted, seen, off) + _pattern(a, b, tolerance)


def _first(wanted: Array, seen: Array, off: Array) -> str:
    spot = tuple(int(i) for i in np.argwhere(off)[0])
    where = f"at {list(spot)} " if spot else ""
    how_many = (
        f"{int(off.sum())} of {off.size} values differ; the first " if off.size > 1 else "it "
    )
    return f"{how_many}{where}should be {_show(wanted[spot])}, but is {_show(seen[spot])}."


def _show(value: Any) -> str:
    return f"{value:.4g}" if np.asarray(value).dtype.kind == "f" else repr(value.item())


def _pattern(wanted: Array, seen: Array, tolerance: float) -> str:
    """One regularity between two arrays, if there is one: it points at the line that is wrong."""
    if wanted.size < 2 or not np.isfinite(wanted).all():
        return ""

    def close(a: Array, b: Array) -> bool:
        return bool(np.allclose(a, b, rtol=10 * tolerance, atol=10 * tolerance))

    if close(seen, np.zeros_like(seen)):
        return " All of yours are zero."
    if close(-wanted, seen):
        return " All have the wrong sign."
    for axis in range(wanted.ndim):
        if close(np.flip(wanted, axis), seen):
            return f" Yours are the right values, reversed along axis {axis}."
    if wanted.ndim == 2 and wanted.shape[0] == wanted.shape[1] and close(wanted.T, seen):
        return " Yours is the transpose."
    if close(wanted + (shift := float((seen - wanted).mean())), seen):
        return f" All are off by {shift:+.4g}."
    if (size := float((wanted * wanted).sum())) > 0:
        factor = float((wanted * seen).sum()) / size
        if close(wanted * factor, seen):
            return f" All are {factor:.4g} times what they should be."
    if close(np.sort(wanted, axis=None), np.sort(seen, axis=None)):
        return " Yours are the right values in other places."
    return ""
