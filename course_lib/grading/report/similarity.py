"""Answers of the same structure, whatever their names and numbers: a list not a verdict."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from course_lib.grading.mark import Row

_ALIKE = 0.8  # of the runs of nodes that either of them has
_COMMON = 0.25  # of the class: a run that so many have says nothing
_MOST = 200


@dataclass(frozen=True)
class Pair:
    """Two students whose answers to one exercise share this part of their structure."""

    exercise: str
    one: str
    other: str
    share: float


def similar(rows: Sequence[Row]) -> list[Pair]:
    """The most similar pairs first. Short answers, and what a quarter of the class has, are left
    out; the published solution has a remark of its own.
    """
    by_exercise: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.shape:
            by_exercise[row.exercise].append(row)
    pairs = [pair for own in by_exercise.values() for pair in _pairs(own)]
    return sorted(pairs, key=lambda p: (-p.share, p.exercise, p.one, p.other))[:_MOST]


def _pairs(rows: list[Row]) -> Iterator[Pair]:
    counted = Counter(run for row in rows for run in row.shape)
    common = {run for run, n in counted.items() if n > max(_COMMON * len(rows), 2)}
    rare = {row.student: frozenset(row.shape) - common for row in rows}
    for one, other in combinations(sorted(rare), 2):
        a, b = rare[one], rare[other]
        if len(a) >= 10 and len(b) >= 10 and (share := len(a & b) / len(a | b)) >= _ALIKE:
            yield Pair(rows[0].exercise, one, other, share)
