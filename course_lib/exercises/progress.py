"""What a learner has solved, kept in a small file in the folder they work in."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from course_lib.exercises.registry import exercises_of, lessons

_NAME = ".course_progress.json"
_unsaved: dict[str, Any] = {}  # where the folder cannot be written: remembered until Python ends


def _file() -> Path:
    """In the working folder; $COURSE_PROGRESS names another folder, as the tests do."""
    return Path(os.environ.get("COURSE_PROGRESS", ".")) / _NAME


def load() -> dict[str, str]:
    """Exercise id -> its last status ("passed" stays). A spoilt file counts as none."""
    try:
        saved = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        saved = {}
    known = saved if isinstance(saved, dict) else {}
    return {str(k): str(v) for k, v in {**known, **_unsaved}.items()}


def record(exercise_id: str, status: str) -> None:
    """Remember the outcome of a check. What was once passed stays passed."""
    if load().get(exercise_id) == "passed":
        return
    states = {**load(), exercise_id: status}
    try:
        _write(json.dumps(states, indent=1, sort_keys=True))
    except OSError:
        _unsaved[exercise_id] = status


def _write(text: str) -> None:
    """Whole or not at all: a reader never meets half a file."""
    target = _file()
    with tempfile.NamedTemporaryFile(
        "w", dir=target.parent, prefix=_NAME, delete=False, encoding="utf-8"
    ) as part:
        part.write(text)
    os.replace(part.name, target)


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
