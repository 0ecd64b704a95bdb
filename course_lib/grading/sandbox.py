"""A Python module in a sandbox of its own that answers questions, watched from outside.

Question and answer are bytes, each with its length before it. Nothing in an answer is believed.
"""

import contextlib
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import Literal

from course_lib.grading import isolation
from course_lib.grading.messages import LENGTH
from course_lib.grading.processes import family, first_to_go, kill_family, memory_of, threads_of

MOST_THREADS = 64  # of all processes of a sandbox together
MOST_ANSWER = 80_000_000  # bytes
_LOOK_EVERY = 0.2  # seconds
_START_LIMIT = 300.0  # seconds: importing torch on a busy machine
_START_TRIES = 20  # where the machine has no process to spare just now

End = Literal["done", "timed out", "out of memory", "crashed", "refused"]


class Ended(Exception):
    """The sandbox was ended, from within or from outside: how, and a sentence about it."""

    def __init__(self, end: End, words: str) -> None:
        super().__init__(words)
        self.end, self.words = end, words


class Stopped(Exception):
    """The grader was interrupted while this ran."""


class Sandbox:
    """`python -m MODULE ARGUMENTS` in a sandbox, from here to `close`.

    Without protection it is an ordinary process. Raises NoSandboxHere.
    """

    def __init__(
        self,
        module: str,
        arguments: tuple[str, ...],
        *,
        protected: bool,
        memory: int,
        stopped: threading.Event,
    ) -> None:
        self._protected, self._memory, self._stopped = protected, memory, stopped
        self._folder = tempfile.TemporaryDirectory(prefix="course-grade-")
        python = [sys.executable, "-m", module, *arguments]
        self._process = self._start(python)
        os.set_blocking(self._out, False)
        os.set_blocking(self._in, False)
        self._data = bytearray()
        try:
            self.ask(b"", _START_LIMIT)
        except Ended as ended:
            error = self._last_words()
            self.close()
            if protected and b"Traceback" not in error:
                words = isolation.cannot(error.decode(errors="replace").strip())
                raise isolation.NoSandboxHere(words) from None
            raise OSError(f"{module} does not start: {error.decode(errors='replace')}") from ended
        first_to_go(self._process.pid)

    @property
    def _in(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    @property
    def _out(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def _start(self, python: list[str]) -> "subprocess.Popen[bytes]":
        reading, writing = os.pipe()
        os.write(writing, isolation.filter_program())
        os.close(writing)
        with_filter = reading if isolation.filter_program() else None
        before = isolation.command(with_filter) if self._protected else []
        self._group = isolation.process_group(MOST_THREADS + 32) if self._protected else None
        if self._group:
            before = [*isolation.into_group(self._group), *before]
        self._errors = tempfile.TemporaryFile()
        try:
            for attempt in range(_START_TRIES):
                try:
                    return subprocess.Popen(
                        [*before, *python],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=self._errors,
                        pass_fds=[reading],
                        start_new_session=True,
                        cwd="/" if self._protected else self._folder.name,
                        env=isolation.bare_environment(),
                    )
                except BlockingIOError:  # no process to be had: others run many
                    if attempt == _START_TRIES - 1:
                        raise
                    time.sleep(0.5)
            raise AssertionError
        finally:
            os.close(reading)

    def _last_words(self) -> bytes:
        self._errors.seek(0)
        return self._errors.read(4000)

    def ask(self, question: bytes, seconds: float) -> bytes:
        """The answer to a question. Raises Ended where there is none, and Stopped."""
        left = memoryview(len(question).to_bytes(LENGTH, "big") + question)
        deadline = time.monotonic() + seconds
        next_look = time.monotonic() + _LOOK_EVERY
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            selector.register(self._in, selectors.EVENT_WRITE)
            while True:
                for key, _ in selector.select(_LOOK_EVERY / 4):
                    if key.fd == self._in:
                        left = self._write(left)
                        if not left:
                            selector.unregister(self._in)
                    elif (answer := self._read()) is not None:
                        return answer
                if self._stopped.is_set():
                    raise Stopped
                now = time.monotonic()
                if now > deadline:
                    raise Ended("timed out", "it was stopped: it did not end in the time it had")
                if now > next_look:
                    self._look()
                    next_look = time.monotonic() + _LOOK_EVERY

    def _write(self, left: memoryview) -> memoryview:
        with contextlib.suppress(BlockingIOError):
            try:
                return left[os.write(self._in, left[: 1 << 16]) :]
            except BrokenPipeError:
                raise Ended("crashed", "its process was ended from within") from None
        return left

    def _read(self) -> bytes | None:
        with contextlib.suppress(BlockingIOError):
            received = os.read(self._out, 1 << 20)
            if not received:
                raise Ended("crashed", "its process was ended from within")
            self._data += received
        if len(self._data) < LENGTH:
            return None
        length = int.from_bytes(self._data[:LENGTH], "big")
        if length > MOST_ANSWER:
            raise Ended("refused", f"it sent more than {MOST_ANSWER // 10**6} MB")
        if len(self._data) < LENGTH + length:
            return None
        answer = bytes(self._data[LENGTH : LENGTH + length])
        del self._data[: LENGTH + length]
        return answer

    def _look(self) -> None:
        pids = family(self._process.pid)
        if threads_of(pids) > MOST_THREADS:
            raise Ended("refused", f"it started more than {MOST_THREADS} processes or threads")
        if memory_of(pids) > self._memory:
            raise Ended("out of memory", f"it used more than {self._memory / 2**30:.1f} GB")

    def close(self) -> None:
        """End it, with every process that came from it."""
        if not self._protected:
            kill_family(self._process.pid)
        self._process.kill()  # bubblewrap's end is the end of its namespace, with all in it
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process.wait()
        self._errors.close()
        self._folder.cleanup()
        if self._group:
            isolation.remove_group(self._group)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
