"""Run one exercise of one notebook: in a sandbox of its own, watched, ended whole.

torch is imported once, in the fork server (zygote.py), however many notebooks there are. Each run
gets a new sandbox and a new fork, so no run can meet another, not even of the same student.
"""

import contextlib
import fcntl
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import course_lib
from course_lib.grading.processes import kill_family, threads_on_this_machine, usage
from course_lib.grading.sandbox import Bubblewrap, NoSandbox, Place, package_folders
from course_lib.grading.wire import MOST_BYTES
from course_lib.grading.worker import Job

End = Literal["done", "timed out", "out of memory", "crashed", "refused"]
MOST_PROCESSES = 32
_LOOK_EVERY = 0.2  # seconds
_READ_AT_ONCE = 1 << 20
_START_LIMIT = 300.0  # seconds: importing torch on a busy machine


class Stopped(Exception):
    """The grader was interrupted while this ran."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended, a sentence about it, the bytes it sent, and the seconds it took."""

    end: End
    words: str
    data: bytes
    seconds: float


class Runner:
    """Runs jobs, several at a time if called from several threads. Use it with `with`.

    Raises OSError at once where the sandbox cannot work.
    """

    def __init__(self, lessons: Sequence[str], *, protected: bool = True, memory: int = 3 << 30):
        if sys.platform != "linux":
            raise ValueError("grading runs notebooks on Linux only (on Windows: inside WSL 2)")
        self._protected, self._memory = protected, memory
        self._runs = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._processes = threads_on_this_machine() + 500
        if protected:
            Bubblewrap().__exit__(None, None, None)
        self._start(lessons)
        self._folder = tempfile.TemporaryDirectory(prefix="course-grade-")

    def _start(self, lessons: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "course_lib.grading.zygote", str(theirs.fileno()), *lessons],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            cwd="/",
            env=_bare_environment(),
        )
        theirs.close()
        self._talk = ours
        ours.settimeout(_START_LIMIT)
        if ours.recv(1) != b"r":
            _, said = self._server.communicate()
            raise ValueError(f"the fork server does not start: {said.decode(errors='replace')}")

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        self._talk.close()
        self._server.kill()
        self._server.communicate()
        self._folder.cleanup()

    def stop(self) -> None:
        """End all runs; each `run` raises Stopped."""
        self._stopped.set()

    def run(self, job: Job, seconds: float) -> Outcome:
        """One run, at most `seconds` long. Afterwards none of its processes is left."""
        started = time.monotonic()
        with self._place() as place:
            control, inside = socket.socketpair()
            reading, writing = os.pipe()
            order = {
                "sandbox": place.pid,
                "folder": place.folder,
                "memory": self._memory,
                "seconds": seconds,
                "processes": self._processes,
                "job": job,
            }
            try:
                with self._lock:
                    socket.send_fds(self._talk, [b"j"], [inside.fileno(), writing])
            except OSError as error:
                raise OSError(f"the fork server is gone ({error}); start again") from None
            finally:
                inside.close()
                os.close(writing)
            control.settimeout(_START_LIMIT)
            control.sendall(json.dumps(order).encode() + b"\n")
            watch = _Watch(control, reading, place, self._memory, self._stopped)
            try:
                end, words = watch.until(started + seconds)
            finally:
                watch.close()
        return Outcome(end, words, bytes(watch.data), time.monotonic() - started)

    def _place(self) -> Place:
        if self._protected:
            return Bubblewrap()
        with self._lock:
            self._runs += 1
            return NoSandbox(Path(self._folder.name) / str(self._runs))


def _bare_environment() -> dict[str, str]:
    """All that a learner's code could find of the grader's environment."""
    one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
    home = {"HOME": "/tmp", "MPLCONFIGDIR": "/tmp/matplotlib", "MPLBACKEND": "agg"}
    course = os.pathsep.join([str(Path(course_lib.__file__).parents[1]), *package_folders()])
    path = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": course}
    return {**one, **home, **path, "PYTHONDONTWRITEBYTECODE": "1"}


class _Watch:
    """Reads what a run sends, looks after its processes, ends it."""

    def __init__(
        self,
        control: socket.socket,
        reading: int,
        place: Place,
        memory: int,
        stopped: threading.Event,
    ) -> None:
        self.data = bytearray()
        self._control, self._reading, self._place = control, reading, place
        self._memory, self._stopped = memory, stopped
        self._said = b""
        self._broker: int | None = None
        os.set_blocking(reading, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, _READ_AT_ONCE)
        control.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._hear)
        self._selector.register(reading, selectors.EVENT_READ, self._read)

    def until(self, deadline: float) -> tuple[End, str]:
        """Watch until the run ends or has to be ended."""
        next_look = time.monotonic() + _LOOK_EVERY
        while True:
            for key, _ in self._selector.select(_LOOK_EVERY / 4):
                ended: tuple[End, str] | None = key.data()
                if ended:
                    return ended
            now = time.monotonic()
            if self._stopped.is_set():
                raise Stopped
            if now > deadline:
                return "timed out", "it was stopped: it did not end in the time it had"
            if now > next_look:
                used = usage(self._roots())
                next_look = time.monotonic() + _LOOK_EVERY
                if used.memory > self._memory:
                    return "out of memory", f"it used more than {self._memory / 2**30:.1f} GB"
                if used.processes > MOST_PROCESSES:
                    return "refused", f"it started more than {MOST_PROCESSES} processes"

    def _roots(self) -> tuple[int, ...]:
        return (*self._place.roots(), *([self._broker] if self._broker else []))

    def _hear(self) -> tuple[End, str] | None:
        """What the broker says: who it is, and at last how the run ended."""
        with contextlib.suppress(BlockingIOError):
            received = self._control.recv(4096)
            if not received:
                return "crashed", "its process was ended from within"
            self._said += received
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            said: dict[str, Any] = json.loads(line)
            if "broker" in said:
                self._broker = int(said["broker"])
            elif "trouble" in said:
                raise OSError(said["trouble"])
            else:
                return self._ended(int(said["exit"]))
        return None

    def _ended(self, code: int) -> tuple[End, str]:
        while self._reading in self._selector.get_map():
            before = len(self.data)
            refused = self._read()
            if refused:
                return refused
            if len(self.data) == before:
                break
        if code < 0:
            return "crashed", f"its process died of signal {-code}"
        if code or not self.data:
            return "crashed", f"its process ended itself with exit code {code}"
        return "done", ""

    def _read(self) -> tuple[End, str] | None:
        with contextlib.suppress(BlockingIOError):
            received = os.read(self._reading, _READ_AT_ONCE)
            self.data += received
            if not received:
                self._selector.unregister(self._reading)
        if len(self.data) > MOST_BYTES:
            return "refused", f"it sent more than {MOST_BYTES // 10**6} MB"
        return None

    def close(self) -> None:
        """End whatever still runs; the sandbox itself is ended by its own `with`."""
        if self._place.pid == 0 and self._broker:
            kill_family([self._broker])
        self._selector.close()
        self._control.close()
        os.close(self._reading)
