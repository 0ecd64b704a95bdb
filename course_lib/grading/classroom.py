"""A whole class: every notebook once, several at a time, then the reports."""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import course_lib
from course_lib.checks.exercise import Exercise
from course_lib.checks.registry import exercises_of, lessons
from course_lib.grading import pages, tables
from course_lib.grading.journal import Journal, key_of
from course_lib.grading.mark import Row, mark
from course_lib.grading.runner import Runner, Stopped
from course_lib.grading.submissions import Handed, Student, collect

_COURSE = Path(course_lib.__path__[0])


@dataclass(frozen=True)
class Settings:
    """How to grade. `lessons` empty: all that were handed in. `memory` in bytes."""

    lessons: tuple[str, ...] = ()
    jobs: int = 2
    timeout: float = 60.0
    memory: int = 3 << 30
    protected: bool = True
    fresh: bool = False


@dataclass(frozen=True)
class _Task:
    student: str
    lesson: str
    handed: tuple[Handed, ...]

    @property
    def key(self) -> str:
        return key_of(self.student, self.lesson, self.handed)


def grade(source: Path, out: Path, settings: Settings) -> list[Row]:
    """Grade all of `source`, write the reports into `out`, give back every row.

    Raises ValueError where there is nothing to grade, and OSError where the sandbox cannot work.
    """
    if source.resolve() in (out.resolve(), *out.resolve().parents):
        raise ValueError(
            f"the report would lie among the submissions in {source}; put it elsewhere"
        )
    students = collect(source)
    wanted = settings.lessons or _handed_in(students)
    exercises = [e for lesson in wanted for e in exercises_of(lesson)]
    if not exercises:
        raise ValueError(
            f"no notebook in {source} holds exercises of this course (lessons {wanted or 'none'}). "
            "Usual cause: the files were renamed; `--lessons 02` says which lesson they are."
        )
    out.mkdir(parents=True, exist_ok=True)
    journal = Journal(out, _depends_on(settings), fresh=settings.fresh)
    tasks = [
        _Task(s.name, lesson, tuple(found.get(lesson, ())))
        for s in students
        for found in [s.by_lesson(wanted)]
        for lesson in wanted
    ]
    done = {t.key: rows for t in tasks if (rows := journal.get(t.key)) is not None}
    progress = _Progress(len(tasks), len(done))
    left = [t for t in tasks if t.key not in done]
    if left:
        with Runner(wanted, protected=settings.protected, memory=settings.memory) as runner:
            done |= _run(runner, left, journal, settings, progress)
    rows = [row for t in tasks for row in done[t.key]]
    write(out, rows, exercises, protected=settings.protected)
    return rows


def _handed_in(students: Sequence[Student]) -> tuple[str, ...]:
    """The lessons that at least one student handed in."""
    return tuple(sorted({n for s in students for n in s.lessons(lessons()) if n}))


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
    runner: Runner,
    tasks: Sequence[_Task],
    journal: Journal,
    settings: Settings,
    progress: "_Progress",
) -> dict[str, list[Row]]:
    """All tasks. Ctrl-C ends what runs, and keeps what is done."""
    done: dict[str, list[Row]] = {}
    with ThreadPoolExecutor(max(settings.jobs, 1)) as pool:
        waiting: dict[Future[list[Row]], _Task] = {
            pool.submit(_mark, runner, task, journal, settings.timeout): task for task in tasks
        }
        try:
            while waiting:
                ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    task = waiting.pop(future)
                    done[task.key] = future.result()
                    progress.step(task.student)
        except BaseException:
            runner.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return done


def _mark(runner: Runner, task: _Task, journal: Journal, timeout: float) -> list[Row]:
    """`mark`, written down; and rows even where the grader itself has a fault."""
    try:
        rows = mark(runner, task.student, task.lesson, task.handed, journal.seed, timeout)
        journal.add(task.key, rows)
        return rows
    except (OSError, Stopped):
        raise  # the machine's trouble, not this notebook's
    except Exception as error:
        words = f"the grader could not handle this notebook ({type(error).__name__}: {error})"
        file = task.handed[-1].file if task.handed else ""
        return [
            Row(task.student, e.id, "refused", 0, e.points, words=words[:300], file=file)
            for e in exercises_of(task.lesson)
        ]


def write(
    out: Path, rows: Sequence[Row], exercises: Sequence[Exercise], *, protected: bool
) -> None:
    """marks.csv, details.csv, index.html, students/*.html."""
    tables.write_marks(out / "marks.csv", rows, exercises)
    tables.write_details(out / "details.csv", rows)
    folder = out / "students"
    folder.mkdir(exist_ok=True)
    tasks = {e.id: e.task for e in exercises}
    names = list(dict.fromkeys(r.student for r in rows))
    files = {name: pages.file_name(name) for name in names}
    for name in names:
        own = [r for r in rows if r.student == name]
        pages.write_student(folder / files[name], name, own, tasks, protected=protected)
    links = {name: f"students/{file}" for name, file in files.items()}
    pages.write_class(out / "index.html", rows, exercises, links, protected=protected)


class _Progress:
    """A bar where somebody watches, a line now and then where nobody does."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._done = total, done
        self._next_line = 0.0
        if done:
            print(f"{done} of {total} were graded before; --fresh starts over.", file=sys.stderr)

    def step(self, student: str) -> None:
        """One more is done."""
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
