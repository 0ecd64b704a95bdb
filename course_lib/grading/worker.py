"""Inside the sandbox: run slices of one student's notebooks, each in a process of its own.

    python -m course_lib.grading.worker THREADS MEMORY LESSON...

torch and the lessons' exercises are imported once, before any of the student's code. Nothing here
is trusted by anybody: it is the student's sandbox as soon as their code has run.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypedDict

from course_lib.exercises.code_slice import CodeSlice
from course_lib.exercises.exercise import Exercise
from course_lib.exercises.observe import Failure, Observed, failure_of, observe
from course_lib.exercises.registry import find
from course_lib.exercises.run_slice import NoAnswer, answer_of, as_main_module
from course_lib.grading.messages import receive, send
from course_lib.grading.serialization import MOST_BYTES, Result, pack, size

MOST_FILE_BYTES = 32_000_000
MOST_OPEN_FILES = 64
_PDEATHSIG = 1


class Job(TypedDict):
    """What to run: an exercise, the slice of the notebook, and the seed of its cases.

    `stand_ins` names earlier exercises for which the course's own part is to be used, as the lesson
    does once their check has failed.
    """

    exercise: str
    code: dict[str, Any]
    stand_ins: list[str]
    seed: int
    seconds: float


def main() -> None:
    """Answer one question after the other, until the other end closes."""
    threads, memory, *lessons = sys.argv[1:]
    for lesson in lessons:
        import_module(find_module(lesson))
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for question in receive(0):
        if not question:
            send(out, b"ready")
            continue
        send(out, _run(json.loads(question), int(threads), int(memory)))


def find_module(lesson: str) -> str:
    """The module of a lesson's exercises."""
    return f"course_lib.exercises.lesson_{lesson}"


def _run(job: Job, threads: int, memory: int) -> bytes:
    """A line of JSON that says how the run ended, then what it sent."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _become_a_run(writing, threads, memory, job["seconds"])
            _work(job, 3)
            os._exit(0)
        except BaseException:
            os._exit(1)
    os.close(writing)
    data, ended = bytearray(), os.pidfd_open(child)
    flood = False
    while not flood:
        ready, _, _ = select.select([reading, ended], [], [])
        if reading in ready:
            received = os.read(reading, 1 << 20)
            data += received
            flood = len(data) > MOST_BYTES + (1 << 23)
            if received:
                continue
        if ended in ready or flood:
            break
    if flood:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(reading)
    os.close(ended)
    _clean_up()
    code = os.waitstatus_to_exitcode(status)
    said = {"exit": code, "flood": flood}
    return json.dumps(said).encode() + b"\n" + (b"" if flood else bytes(data))


def _clean_up() -> None:
    """Nothing of one run is left for the next: neither a process nor a file. In a sandbox only."""
    if not _in_a_sandbox():
        return
    with contextlib.suppress(ProcessLookupError):  # nobody is left
        os.kill(-1, signal.SIGKILL)  # all but this process and the first one
    for folder in (Path("/tmp"), Path("/dev/shm")):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _in_a_sandbox() -> bool:
    return os.getppid() == 1 and Path("/proc/1/comm").read_text().strip() == "bwrap"


def _become_a_run(result: int, threads: int, memory: int, seconds: float) -> None:
    """Limits of the kernel's own, and no descriptor but `result`, which becomes 3."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.dup2(result, 3)
    os.closerange(4, 65536)
    with open("/proc/self/statm") as f:
        mapped = int(f.read().split()[0]) * resource.getpagesize()
    _limit(resource.RLIMIT_AS, mapped + memory)
    _limit(resource.RLIMIT_CPU, int(seconds) + 10)
    _limit(resource.RLIMIT_FSIZE, MOST_FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, MOST_OPEN_FILES)
    _limit(resource.RLIMIT_NPROC, threads)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def _work(job: Job, out: int) -> None:
    """Try the answer on the cases, and write the packed result to the descriptor `out`."""
    exercise = find(job["exercise"])
    cases = list(exercise.cases(job["seed"]))  # before the learner's code can reach their makers
    data = pack(_result(exercise, cases, job))
    while data:
        data = data[os.write(out, data) :]


def _result(exercise: Exercise, cases: Sequence[tuple[Any, ...]], job: Job) -> Result:
    code = CodeSlice(
        job["code"]["name"],
        {int(n): text for n, text in job["code"]["cells"].items()},
        tuple((cell, index) for cell, index in job["code"]["chosen"]),
        job["code"]["checked"],
    )
    stand_ins = tuple(find(e) for e in job["stand_ins"])
    own: set[str] = set()
    with as_main_module() as notebook:
        try:
            answer, setup = answer_of(code, exercise, stand_ins, notebook)
        except NoAnswer as none:
            return Result((), none.failure)
        except BaseException as error:  # KeyboardInterrupt and the like, raised on purpose
            return Result((), failure_of(error))
        if not callable(answer):
            words = f"{exercise.name} is no function but of type {type(answer).__name__}"
            return Result((), Failure("TypeError", words))
        if _is_the_courses(answer):
            own.add(exercise.name)
        _notice_calls(exercise, own)
        observed = [_observed(exercise, answer, case) for case in cases]
        sys.setprofile(None)
    result = Result(tuple(observed), setup, bool(own))
    if size(result) > MOST_BYTES * 0.9:
        too_much = f"the results take more than {MOST_BYTES // 10**6} MB"
        return Result((), Failure("ValueError", too_much))
    return result


def _observed(exercise: Exercise, answer: Any, case: tuple[Any, ...]) -> Observed:
    try:
        return observe(exercise, answer, case)
    except BaseException as error:  # KeyboardInterrupt and the like, raised on purpose
        return Observed((), (), "", failure_of(error))


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
            if caller is not None and caller.f_code.co_filename.startswith("<cell "):
                own.add(exercise.name)

    sys.setprofile(profile)


def _codes(answer: Any) -> Iterator[CodeType]:
    for thing in vars(answer).values() if isinstance(answer, type) else [answer]:
        code = getattr(thing, "__code__", None)
        if isinstance(code, CodeType):
            yield code


if __name__ == "__main__":
    main()
