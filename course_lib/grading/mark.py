"""One student's notebook of one lesson: a row for each exercise, whatever happens."""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from course_lib.checks.compare import judge
from course_lib.checks.exercise import Exercise
from course_lib.checks.registry import exercises_of
from course_lib.grading import originality
from course_lib.grading.runner import Runner
from course_lib.grading.slices import Notebook, Part
from course_lib.grading.submissions import Handed
from course_lib.grading.wire import Result, unpack

Status = Literal[
    "passed",
    "failed",
    "not attempted",
    "not found",
    "error",
    "timed out",
    "out of memory",
    "crashed",
    "refused",
]
_PATIENCE = 4  # times an exercise's own limit: many run at once, and each forks first
_judging = threading.Lock()  # judge puts torch's random state aside and back: one at a time


@dataclass(frozen=True)
class Row:
    """What became of one exercise. `words` is for the student, `remarks` are for the instructor."""

    student: str
    exercise: str
    status: Status
    points: int
    of: int
    seconds: float = 0.0
    words: str = ""
    mistake: str = ""
    remarks: tuple[str, ...] = ()
    file: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values; `Row(**values)` again, with `remarks` made a tuple."""
        return asdict(self)


@dataclass(frozen=True)
class _Verdict:
    status: Status
    words: str = ""
    mistake: str = ""
    remarks: tuple[str, ...] = ()


@dataclass
class _Time:
    """What is left of a submission's seconds."""

    until: float

    def for_one(self, exercise: Exercise) -> float:
        return min(self.until - time.monotonic(), _PATIENCE * exercise.seconds)


def mark(
    runner: Runner, student: str, lesson: str, handed: Sequence[Handed], seed: int, timeout: float
) -> list[Row]:
    """The rows of one lesson, in its order. Never raises for anything a student did."""
    exercises = exercises_of(lesson)
    file, notebook, why = _choose(handed, exercises)
    if notebook is None:
        status: Status = "refused" if handed else "not found"
        words = why or f"there is no notebook of lesson {lesson}"
        return [_row(student, e, _Verdict(status, words), 0.0, file) for e in exercises]
    several = (f"{len(handed)} notebooks of this lesson; this one counts",) * (len(handed) > 1)
    clock = _Time(time.monotonic() + timeout)
    parts = {e.id: notebook.part(e) for e in exercises}
    verdicts: dict[str, _Verdict] = {}
    seconds: dict[str, float] = {}
    for e in exercises:
        started = time.monotonic()
        verdicts[e.id] = _verdict(runner, e, parts[e.id], (), seed, clock)
        seconds[e.id] = time.monotonic() - started
    for e, helpers in _held_up(exercises, parts, verdicts):
        started = time.monotonic()
        again = _verdict(runner, e, parts[e.id], helpers, seed, clock)
        seconds[e.id] += time.monotonic() - started
        names = ", ".join(h[3:] for h in helpers)
        said = f"was tried with the course's own {names}, as the lesson does"
        verdicts[e.id] = _with_remarks(again, (said,))
    broken = tuple(f"a cell could not be read: {words}" for words in notebook.broken)
    return [
        _row(student, e, _with_remarks(verdicts[e.id], several + broken), seconds[e.id], file)
        for e in exercises
    ]


def _row(student: str, e: Exercise, verdict: _Verdict, seconds: float, file: str) -> Row:
    points = e.points if verdict.status == "passed" else 0
    return Row(
        student,
        e.id,
        verdict.status,
        points,
        e.points,
        round(seconds, 2),
        verdict.words,
        verdict.mistake,
        verdict.remarks,
        file,
    )


def _with_remarks(verdict: _Verdict, more: tuple[str, ...]) -> _Verdict:
    remarks = verdict.remarks + more
    return _Verdict(verdict.status, verdict.words, verdict.mistake, remarks)


def _choose(
    handed: Sequence[Handed], exercises: Sequence[Exercise]
) -> tuple[str, Notebook | None, str]:
    """The notebook with the most exercises written; of equals, the last by name."""
    best: tuple[int, str, Notebook] | None = None
    why = ""
    for one in sorted(handed, key=lambda h: h.file):
        try:
            notebook = one.notebook()
            written = sum(notebook.part(e).state == "written" for e in exercises)
        except (ValueError, RecursionError, MemoryError) as error:
            why = str(error) or type(error).__name__
            continue
        if best is None or written >= best[0]:
            best = (written, one.file, notebook)
    if best is None:
        return (handed[-1].file if handed else ""), None, why
    return best[1], best[2], ""


def _held_up(
    exercises: Sequence[Exercise], parts: dict[str, Part], verdicts: dict[str, _Verdict]
) -> list[tuple[Exercise, tuple[str, ...]]]:
    """Exercises that did not pass and use others that did not: one mistake must cost one exercise.

    In the notebook `check` leaves the course's own part behind in place of a wrong one.
    """
    missing = {e.name: e.id for e in exercises if verdicts[e.id].status != "passed"}
    found = []
    for e in exercises:
        if e.name in missing and parts[e.id].state == "written":
            used = sorted(missing[n] for n in parts[e.id].needs & set(missing) if n != e.name)
            if used:
                found.append((e, tuple(used)))
    return found


def _verdict(
    runner: Runner,
    exercise: Exercise,
    part: Part,
    stand_in: tuple[str, ...],
    seed: int,
    clock: _Time,
) -> _Verdict:
    if part.state == "not found":
        words = f"no function is called {exercise.name}"
        return _Verdict(part.state, "; ".join((words, *part.remarks)))
    if part.state == "not attempted":
        return _Verdict("not attempted")
    seconds = clock.for_one(exercise)
    if seconds <= 0:
        return _Verdict("timed out", "the notebook's time was used up before this one's turn")
    outcome = runner.run(
        {
            "exercise": exercise.id,
            "code": list(part.code),
            "name": part.name,
            "stand_in": list(stand_in),
            "seed": seed,
        },
        seconds,
    )
    remarks = part.remarks + originality.remarks(exercise, part.name, part.code)
    if outcome.end != "done":
        return _Verdict(outcome.end, outcome.words, "", remarks)
    try:
        result = unpack(outcome.data)
        verdict = _judged(exercise, result, seed)
    except Exception as error:  # values that fit nowhere: whoever made them meant to
        return _Verdict("refused", f"{error}"[:300], "", remarks)
    return _with_remarks(verdict, tuple(dict.fromkeys(remarks + result.own)))


def _judged(exercise: Exercise, result: Result, seed: int) -> _Verdict:
    setup = result.setup
    stopped = (
        f"its imports and definitions stop with {setup.type}: {setup.message}" if setup else ""
    )
    if setup and not result.observed:
        return _Verdict("out of memory" if _memory(setup) else "error", stopped)
    with _judging:
        verdict = judge(exercise, result.observed, seed)
    if verdict.status == "passed":
        return _Verdict("passed")
    words = f"{verdict.words} Also, {stopped}." if stopped else verdict.words
    if any(o.failure and _memory(o.failure) for o in result.observed):
        return _Verdict("out of memory", words)
    return _Verdict(verdict.status, words, verdict.mistake)


def _memory(failure: Any) -> bool:
    return failure.type == "MemoryError" or "allocate memory" in failure.message
