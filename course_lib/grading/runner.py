"""Read notebooks and run their exercises, in sandboxes; several at a time from several threads."""

import json
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_lib.exercises.code_slice import CodeSlice, State
from course_lib.exercises.exercise import Exercise
from course_lib.grading.processes import threads_on_this_machine
from course_lib.grading.sandbox import MOST_THREADS, End, Ended, Sandbox
from course_lib.grading.serialization import MOST_BYTES

_READING_LIMIT = 20.0  # seconds, for one notebook
_READING_MEMORY = 2 << 30  # bytes
_COUNTED_PER_SANDBOX = (5, 14)  # from this kernel on, a limit of processes is the sandbox's own


@dataclass(frozen=True)
class Reading:
    """What a notebook holds for one exercise, as `Found`, and the shape of its answer."""

    state: State
    slices: tuple[CodeSlice, ...] = ()
    words: str = ""
    remarks: tuple[str, ...] = ()
    shape: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ReadNotebook:
    """A notebook of one lesson, "" for none. `error`: why it cannot be read."""

    lesson: str = ""
    exercises: dict[str, Reading] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    error: str = ""

    @property
    def written(self) -> int:
        """How many exercises are written."""
        return sum(r.state == "written" for r in self.exercises.values())


@dataclass(frozen=True)
class Outcome:
    """How a run ended, a sentence about it, and the bytes it sent."""

    end: End
    words: str
    data: bytes = b""


class Reader:
    """Reads notebooks, one at a time, in a sandbox where none of their code is run."""

    def __init__(self, *, protected: bool, stopped: threading.Event) -> None:
        self._settings = {"protected": protected, "stopped": stopped, "memory": _READING_MEMORY}
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None

    def read(
        self, file: str, content: bytes, lessons: Sequence[str], lesson: str = ""
    ) -> ReadNotebook:
        """A notebook's exercises. Never raises for anything that stands in it."""
        header = {"file": file, "lessons": list(lessons), "lesson": lesson}
        with self._lock:
            if self._sandbox is None:
                self._sandbox = _sandbox("reader", (), self._settings)
            try:
                question = json.dumps(header).encode() + b"\n" + content
                answer = self._sandbox.ask(question, _READING_LIMIT)
            except Ended as ended:
                self.close()
                return ReadNotebook(error=f"it could not be read: {ended.end}")
        return _reading(json.loads(answer))

    def close(self) -> None:
        """End its process; the next notebook gets a new one."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None


def _reading(said: dict[str, Any]) -> ReadNotebook:
    if "error" in said:
        return ReadNotebook(error=str(said["error"])[:500])
    texts = {int(n): text for n, text in said["cells"].items()}
    exercises = {
        name: Reading(
            one["state"],
            tuple(_slice(code, texts) for code in one["slices"]),
            one["words"],
            tuple(one["remarks"]),
            frozenset(one["shape"]),
        )
        for name, one in said["exercises"].items()
    }
    return ReadNotebook(said["lesson"], exercises, tuple(said["broken"]))


def _slice(code: dict[str, Any], texts: dict[int, str]) -> CodeSlice:
    chosen = tuple((cell, index) for cell, index in code["chosen"])
    cells = {n: texts[n] for n in code["cells"]}
    return CodeSlice(code["name"], cells, chosen, code["checked"], code["source"])


def _sandbox(module: str, arguments: tuple[str, ...], settings: dict[str, Any]) -> Sandbox:
    return Sandbox(f"course_lib.grading.{module}", arguments, **settings)


class StudentRuns:
    """The runs of one student: one sandbox, and a new one after a run that broke it."""

    def __init__(
        self, lessons: Sequence[str], *, protected: bool, memory: int, stopped: threading.Event
    ) -> None:
        self._lessons = tuple(lessons)
        self._settings = {"protected": protected, "stopped": stopped, "memory": memory}
        self._limits = (str(_most_processes(protected)), str(memory))
        self._sandbox: Sandbox | None = None

    def run(
        self,
        exercise: Exercise,
        code: CodeSlice,
        stand_ins: Sequence[Exercise],
        seed: int,
        seconds: float,
    ) -> tuple[Outcome, float]:
        """How one run ended, after at most `seconds`, and the seconds that it took."""
        if self._sandbox is None:
            words = (*self._limits, *self._lessons)
            self._sandbox = _sandbox("worker", words, self._settings)
        job = {
            "exercise": exercise.id,
            "code": {
                "name": code.name,
                "cells": code.cells,
                "chosen": code.chosen,
                "checked": code.checked,
            },
            "stand_ins": [e.id for e in stand_ins],
            "seed": seed,
            "seconds": seconds,
        }
        started = time.monotonic()
        try:
            answer = self._sandbox.ask(json.dumps(job).encode(), seconds)
            return _outcome(answer), time.monotonic() - started
        except Ended as ended:
            self.close()
            return Outcome(ended.end, ended.words), time.monotonic() - started

    def close(self) -> None:
        """End the sandbox, if there is one."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def __enter__(self) -> "StudentRuns":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _most_processes(protected: bool) -> int:
    """The kernel's own ceiling, above the one that is watched from outside."""
    version = tuple(int(n) for n in Path("/proc/sys/kernel/osrelease").read_text().split(".")[:2])
    alone = protected and version >= _COUNTED_PER_SANDBOX
    return MOST_THREADS + 16 + (0 if alone else threads_on_this_machine())


def _outcome(answer: bytes) -> Outcome:
    """What the sandbox says of a run; a student may have written it."""
    header, _, data = answer.partition(b"\n")
    try:
        said = json.loads(header[:1000])
        code, flood = int(said["exit"]), bool(said["flood"])
    except (ValueError, KeyError, TypeError):
        return Outcome("refused", "what came back is no result")
    if flood or len(data) > MOST_BYTES:
        return Outcome("refused", f"it sent more than {MOST_BYTES // 10**6} MB")
    if code < 0:
        return Outcome("crashed", f"its process died of signal {-code}")
    if code or not data:
        return Outcome("crashed", f"its process ended itself with exit code {code}")
    return Outcome("done", "", data)


def on_linux() -> None:
    """Raises ValueError elsewhere."""
    if sys.platform != "linux":
        raise ValueError("grading runs notebooks on Linux only (on Windows: inside WSL 2)")
