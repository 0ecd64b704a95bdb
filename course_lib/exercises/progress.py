"""What a learner has solved, kept in a small file in the folder they work in."""

import json
import os
from pathlib import Path

from course_lib.exercises.registry import exercises_of, lessons

_NAME = ".course_progress.jsonl"  # a line for each change, so that two notebooks may write at once
_OLDER = ".course_progress.json"  # one object, until version 0.1
_unsaved: dict[str, str] = {}  # where the folder cannot be written: remembered until Python ends


def _folder() -> Path:
    """The working folder; $COURSE_PROGRESS names another one, as the tests do."""
    return Path(os.environ.get("COURSE_PROGRESS", "."))


def load() -> dict[str, str]:
    """Exercise id -> its last status ("passed" stays). Lines that are corrupted count as none."""
    states: dict[str, str] = {}
    for name in (_OLDER, _NAME):
        try:
            text = (_folder() / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for line in [text] if name == _OLDER else text.splitlines():
            _take_in(states, line)
    return {**states, **{k: v for k, v in _unsaved.items() if states.get(k) != "passed"}}


def _take_in(states: dict[str, str], line: str) -> None:
    try:
        found = json.loads(line)
    except ValueError:
        return
    for key, status in found.items() if isinstance(found, dict) else ():
        if states.get(key) != "passed":
            states[str(key)] = str(status)


def record(exercise_id: str, status: str) -> None:
    """Remember the outcome of a check. What was once passed stays passed."""
    if load().get(exercise_id) in ("passed", status):
        return
    line = f"\n{json.dumps({exercise_id: status})}\n"  # from a line of its own: one may be cut off
    try:
        descriptor = os.open(_folder() / _NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "wb", buffering=0) as file:  # one call: lines do not mix
            file.write(line.encode())
    except OSError:
        _unsaved[exercise_id] = status


def summary(lesson: str) -> None:
    """Print what was checked in one lesson and what passed. The last cell of every lesson."""
    states = load()
    exercises = exercises_of(lesson)
    width = max((len(e.id) for e in exercises), default=0)
    for e in exercises:
        state = states.get(e.id, "not checked yet")
        print(f"{e.id:{width}}  {state:15}  {e.points if state == 'passed' else 0}/{e.points}")
    passed = [e for e in exercises if states.get(e.id) == "passed"]
    print(
        f"Lesson {lesson}: {len(passed)} of {len(exercises)} exercises passed, "
        f"{sum(e.points for e in passed)} of {sum(e.points for e in exercises)} points."
    )


def progress() -> None:
    """Print one line for each lesson that has exercises: how many are passed."""
    states = load()
    for lesson in lessons():
        exercises = exercises_of(lesson)
        passed = sum(states.get(e.id) == "passed" for e in exercises)
        print(f"Lesson {lesson}: {passed} of {len(exercises)} {'#' * passed}")
