"""A whole class: every notebook once, several students at a time, then the reports."""

import secrets
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import course_lib
from course_lib.exercises.registry import exercises_of, lessons
from course_lib.grading import isolation
from course_lib.grading.journal import Journal, key_of
from course_lib.grading.mark import Row, mark
from course_lib.grading.names import lesson_of_name
from course_lib.grading.report.graded import Graded, Lateness, Report, override, take_off
from course_lib.grading.report.roster import Roster, assign, read_roster
from course_lib.grading.report.write import write_report
from course_lib.grading.runner import Reader, StudentRuns, on_linux
from course_lib.grading.sandbox import Stopped
from course_lib.grading.submissions import HandIns, Student, Submission, collect

_COURSE = Path(course_lib.__path__[0])


@dataclass(frozen=True)
class Settings:
    """How to grade. `lessons` empty: all that were handed in. `memory` in bytes, `timeout` in
    seconds. `overrides`: None for overrides.csv in the report's folder.
    """

    lessons: tuple[str, ...] = ()
    jobs: int = 2
    timeout: float = 60.0
    memory: int = 3 << 30
    protected: bool = True
    fresh: bool = False
    roster: Path | None = None
    overrides: Path | None = None
    lateness: Lateness = field(default_factory=Lateness)


@dataclass(frozen=True)
class _Task:
    """The notebooks of one lesson that one student handed in."""

    student: str
    lesson: str
    submissions: tuple[Submission, ...]
    key: str


@dataclass
class _Sorted:
    """A student's notebooks by lesson."""

    student: Student
    lessons: dict[str, list[Submission]] = field(default_factory=dict)


def grade(source: Path, out: Path, settings: Settings) -> list[Row]:
    """Grade all of `source`, write the reports into `out`, and return every row.

    Raises ValueError where there is nothing to grade, and OSError where the sandbox cannot work.
    """
    on_linux()
    if source.resolve() in (out.resolve(), *out.resolve().parents):
        raise ValueError(
            f"the report would lie among the submissions in {source}; put it elsewhere"
        )
    hand_ins = collect(source)
    roster = read_roster(settings.roster) if settings.roster else Roster()
    people = assign(hand_ins, roster) if settings.roster else {}
    if settings.protected:
        isolation.program()
    stopped = threading.Event()
    reader = Reader(protected=settings.protected, stopped=stopped)
    try:
        by_lesson = [_by_lesson(s, reader, settings.lessons, hand_ins) for s in hand_ins.students]
        handed_in = {n for s in by_lesson for n in s.lessons if n}
        wanted = settings.lessons or tuple(sorted(handed_in))
        exercises = [e for lesson in wanted for e in exercises_of(lesson)]
        if not exercises:
            raise ValueError(
                f"no notebook in {source} holds exercises of this course "
                f"(lessons {', '.join(wanted) or 'none'}). "
                "Usual cause: the files were renamed; `--lessons 02` says which lesson they are."
            )
        out.mkdir(parents=True, exist_ok=True)
        journal = Journal(out, _depends_on(settings), fresh=settings.fresh)
        tasks = [t for s in by_lesson for t in _tasks(s, wanted)]
        done = {t.key: rows for t in tasks if (rows := journal.get(t.key)) is not None}
        progress = _Progress(len(tasks), len(done))
        left = [t for t in tasks if t.key not in done]
        done |= _run(left, reader, stopped, journal, settings, progress)
    finally:
        reader.close()
    by_student: dict[str, list[Row]] = {}
    for t in tasks:
        by_student.setdefault(t.student, []).extend(done[t.key])
    students = [
        Graded(s.name, by_student[s.name], s.ids, s.platform, people.get(s.name))
        for s in hand_ins.students
    ]
    report = Report(
        students, exercises, settings.protected, hand_ins.ignored, hand_ins.notes, roster.header
    )
    take_off(report, settings.lateness)
    overrides = settings.overrides or out / "overrides.csv"
    if settings.overrides or overrides.exists():
        override(report, overrides)
    write_report(out, report)
    return [row for s in report.students for row in s.rows]


def _by_lesson(
    student: Student, reader: Reader, wanted: Sequence[str], hand_ins: HandIns
) -> _Sorted:
    """A student's notebooks by what is in them; "" for what cannot be read or holds nothing."""
    found = _Sorted(student)
    for one in student.submissions:
        try:
            content = b"" if one.refused else one.content()
        except ValueError:
            content = b""
        read = reader.read(one.source.name, content, wanted or lessons())
        lesson = read.lesson or lesson_of_name(one.source.name)
        if wanted and lesson and lesson not in wanted:
            continue  # of another lesson, which is not asked for
        if not read.error and not lesson:
            if len(wanted) == 1:
                lesson = wanted[0]
            else:
                hand_ins.ignored.append((one.file, "it holds no exercise of these lessons"))
                continue
        found.lessons.setdefault(lesson, []).append(one)
    return found


def _tasks(found: _Sorted, wanted: Sequence[str]) -> list[_Task]:
    """One for each lesson. What cannot be read may have been for any lesson that is missing."""
    unreadable = found.lessons.get("", [])
    tasks = []
    for lesson in wanted:
        submissions = tuple(found.lessons.get(lesson, unreadable))
        key = key_of(found.student.name, lesson, submissions)
        tasks.append(_Task(found.student.name, lesson, submissions, key))
    return tasks


def _depends_on(settings: Settings) -> dict[str, object]:
    """What a row depends on besides the notebook: with other settings it is not the same row."""
    digest = sha256()
    for file in sorted(_COURSE.rglob("*.py")):
        digest.update(file.read_bytes())
    return {
        "course": digest.hexdigest(),
        "timeout": settings.timeout,
        "memory": settings.memory,
        "protected": settings.protected,
    }


def _run(
    tasks: Sequence[_Task],
    reader: Reader,
    stopped: threading.Event,
    journal: Journal,
    settings: Settings,
    progress: "_Progress",
) -> dict[str, list[Row]]:
    """All tasks, a student at a time. Ctrl-C ends what runs, and keeps what is done."""
    done: dict[str, list[Row]] = {}
    by_student: dict[str, list[_Task]] = {}
    for task in tasks:
        by_student.setdefault(task.student, []).append(task)

    def one_student(own: Sequence[_Task]) -> dict[str, list[Row]]:
        needed = tuple(t.lesson for t in own)
        with StudentRuns(
            needed, protected=settings.protected, memory=settings.memory, stopped=stopped
        ) as runs:
            marked = {}
            for task in own:
                marked[task.key] = _mark(reader, runs, task, journal, settings.timeout)
                progress.step(task.student)
            return marked

    with ThreadPoolExecutor(max(settings.jobs, 1)) as pool:
        waiting: set[Future[dict[str, list[Row]]]] = {
            pool.submit(one_student, own) for own in by_student.values()
        }
        try:
            while waiting:
                ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    done |= future.result()
        except BaseException:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return done


def _mark(
    reader: Reader, runs: StudentRuns, task: _Task, journal: Journal, timeout: float
) -> list[Row]:
    """`mark` with a new seed, written down; and rows even where the grader itself has a fault."""
    try:
        seed = secrets.randbelow(2**31)
        rows = mark(reader, runs, task.student, task.lesson, task.submissions, seed, timeout)
        journal.add(task.key, rows)
        return rows
    except (OSError, Stopped):
        raise  # the machine's trouble, not this notebook's
    except Exception as error:
        words = f"the grader could not handle this notebook ({type(error).__name__}: {error})"
        file = task.submissions[-1].file if task.submissions else ""
        return [
            Row(task.student, e.id, "refused", 0, e.points, words=words[:300], file=file)
            for e in exercises_of(task.lesson)
        ]


class _Progress:
    """A bar where somebody watches, a line now and then where nobody does."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._done = total, done
        self._next_line = 0.0
        self._lock = threading.Lock()
        if done:
            print(f"{done} of {total} were graded before; --fresh starts over.", file=sys.stderr)

    def step(self, student: str) -> None:
        """One more is done."""
        with self._lock:
            self._done += 1
            if not sys.stderr.isatty():
                if time.monotonic() < self._next_line and self._done < self._total:
                    return
                self._next_line = time.monotonic() + 10
            filled = 30 * self._done // self._total
            bar = f"[{'#' * filled}{'.' * (30 - filled)}] {self._done} of {self._total}"
            name = "".join(c if c.isprintable() else "?" for c in student)[:30]
            end = "\r" if sys.stderr.isatty() and self._done < self._total else "\n"
            print(f"{bar}  {name:30}", end=end, file=sys.stderr, flush=True)
