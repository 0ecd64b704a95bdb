"""Find the exercises: every module ch00, ch01, ... beside this one holds its lesson's EXERCISES."""

import difflib
import pkgutil
from functools import cache
from importlib import import_module

import course_lib.checks
from course_lib.checks.exercise import Exercise


@cache
def lessons() -> tuple[str, ...]:
    """The lessons that have exercises, by their two digits."""
    names = (module.name for module in pkgutil.iter_modules(course_lib.checks.__path__))
    return tuple(sorted(n[2:] for n in names if n.startswith("ch") and n[2:].isdigit()))


def exercises_of(lesson: str) -> tuple[Exercise, ...]:
    """One lesson's exercises in their order, or none. Imports that lesson's module only."""
    if lesson not in lessons():
        return ()
    found: tuple[Exercise, ...] = import_module(f"course_lib.checks.ch{lesson}").EXERCISES
    return found


def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise of the course."""
    return tuple(exercise for lesson in lessons() for exercise in exercises_of(lesson))


def find(exercise_id: str) -> Exercise:
    """The exercise with this id. Raises ValueError with the nearest id when there is none."""
    known = {exercise.id: exercise for exercise in exercises_of(exercise_id[:2])}
    if exercise_id not in known:
        every = [exercise.id for exercise in all_exercises()]
        near = difflib.get_close_matches(exercise_id, every, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"there is no exercise {exercise_id!r}.{hint}")
    return known[exercise_id]
