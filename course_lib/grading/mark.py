"""One student's notebook of one lesson: a row for each exercise, whatever happens."""

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from course_lib.exercises.check import printed_by
from course_lib.exercises.code_slice import CodeSlice
from course_lib.exercises.compare import Verdict, about_failure, judge
from course_lib.exercises.exercise import Exercise
from course_lib.exercises.observe import Failure
from course_lib.exercises.registry import exercises_of
from course_lib.exercises.run_slice import in_order
from course_lib.grading.runner import Reader, ReadNotebook, StudentRuns
from course_lib.grading.serialization import Result, unpack
from course_lib.grading.submissions import Submission

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
_MOST_CODE = 4000  # characters of an answer on a student's page
_judging = threading.Lock()  # judge puts torch's random state aside and back: one at a time


@dataclass(frozen=True)
class Row:
    """What became of one exercise. `words`, `printed` and `code` are for the student, `remarks` are
    for the instructor; `shape` is the answer's structure, to compare with others.
    """

    student: str
    exercise: str
    status: Status
    points: int | float
    of: int
    seconds: float = 0.0
    words: str = ""
    mistake: str = ""
    printed: str = ""
    code: str = ""
    remarks: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    file: str = ""
    when: str = ""
    late: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain values; `from_json` makes a row of them again."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Row":
        """The row that `as_json` wrote."""
        tuples = {name: tuple(values[name]) for name in ("remarks", "shape")}
        return Row(**{**values, **tuples})


@dataclass(frozen=True)
class _Marked:
    status: Status
    words: str = ""
    mistake: str = ""
    printed: str = ""
    remarks: tuple[str, ...] = ()
    code: str = ""
    seconds: float = 0.0


def mark(
    reader: Reader,
    runs: StudentRuns,
    student: str,
    lesson: str,
    submissions: Sequence[Submission],
    seed: int,
    timeout: float,
) -> list[Row]:
    """The rows of one lesson, in its order. Never raises for anything that a student did."""
    exercises = exercises_of(lesson)
    chosen, notebook = _choose(reader, lesson, submissions)
    file = chosen.file if chosen else ""
    if notebook.error:
        status: Status = "refused" if submissions else "not found"
        words = notebook.error if submissions else f"there is no notebook of lesson {lesson}"
        return [Row(student, e.id, status, 0, e.points, words=words, file=file) for e in exercises]
    left = timeout

    def attempt(e: Exercise, code: CodeSlice, stand_ins: tuple[Exercise, ...]) -> _Marked:
        nonlocal left
        seconds = min(left, _PATIENCE * e.seconds)
        if seconds <= 0:
            words = "the notebook's time was used up before this one's turn"
            return _Marked("timed out", words, code=code.source)
        outcome, took = runs.run(e, code, stand_ins, seed, seconds)
        left -= took
        if outcome.end == "done":
            marked = _judged(e, outcome.data, seed)
        else:
            marked = _Marked(outcome.end, outcome.words)
        used = [s.name for s in stand_ins if marked.status == "passed" and _mentions(code, s)]
        with_own = f"was tried with the course's own {', '.join(used)}, as the lesson does"
        remarks = marked.remarks + ((with_own,) if used else ())
        return replace(marked, remarks=remarks, code=code.source, seconds=took)

    marked = in_order(
        exercises,
        lambda e: notebook.exercises[e.id].slices,
        attempt,
        lambda m: m.status == "passed",
    )
    more = [f"a cell could not be read: {words}" for words in notebook.broken]
    if len(submissions) > 1:
        more.insert(0, f"{len(submissions)} notebooks of this lesson; this one counts: {file}")
    rows = []
    for e in exercises:
        reading = notebook.exercises[e.id]
        state: Status = "not found" if reading.state == "not found" else "not attempted"
        m = marked.get(e.id, _Marked(state, reading.words))
        remarks = tuple(dict.fromkeys((*reading.remarks, *m.remarks, *more)))
        rows.append(
            Row(
                student,
                e.id,
                m.status,
                e.points if m.status == "passed" else 0,
                e.points,
                round(m.seconds, 2),
                m.words,
                m.mistake,
                m.printed,
                m.code[:_MOST_CODE],
                remarks,
                tuple(reading.shape),
                file,
                chosen.when.isoformat() if chosen and chosen.when else "",
                bool(chosen and chosen.late),
            )
        )
    return rows


def _choose(
    reader: Reader, lesson: str, submissions: Sequence[Submission]
) -> tuple[Submission | None, ReadNotebook]:
    """The notebook with the most exercises written; of equals the newest, which comes last."""
    best: tuple[Submission | None, ReadNotebook] = (None, ReadNotebook(error="nothing to read"))
    for one in submissions:
        try:
            read = reader.read(one.file, one.content(), (lesson,), lesson)
        except ValueError as why:
            read = ReadNotebook(error=f"{why}")
        if best[1].error or (not read.error and read.written >= best[1].written):
            best = (one, read)
    return best


def _mentions(code: CodeSlice, other: Exercise) -> bool:
    return any(other.name in text for text in code.cells.values())


def _judged(exercise: Exercise, data: bytes, seed: int) -> _Marked:
    try:
        result = unpack(data)
        marked = _verdict(exercise, result, seed)
    except Exception as error:  # values that fit nowhere: whoever made them meant to
        return _Marked("refused", f"{error}"[:300])
    own = f"calls the course's own {exercise.name}"
    return replace(marked, remarks=(own,) if result.own else ())


def _verdict(exercise: Exercise, result: Result, seed: int) -> _Marked:
    setup = result.setup
    stopped = f"its imports and definitions: {about_failure(setup)}" if setup else ""
    if setup and not result.observed:
        return _Marked("out of memory" if _memory(setup) else "error", stopped)
    with _judging:
        verdict: Verdict = judge(exercise, result.observed, seed)
    if verdict.status in ("passed", "not attempted"):
        return _Marked(verdict.status)
    words = f"{verdict.words} Before that, {stopped}." if stopped else verdict.words
    if any(o.failure and _memory(o.failure) for o in result.observed):
        return _Marked("out of memory", words)
    return _Marked(verdict.status, words, verdict.mistake, printed_by(verdict))


def _memory(failure: Failure) -> bool:
    return failure.type == "MemoryError" or "allocate memory" in failure.message
