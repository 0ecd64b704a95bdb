"""Find the exercises: each module lesson_NN beside this one holds EXERCISES."""

import difflib
import pkgutil
from collections.abc import Collection, Sequence
from functools import cache
from importlib import import_module

import course_lib.exercises
from course_lib.exercises.exercise import Exercise


@cache
def lessons() -> tuple[str, ...]:
    """The lessons that have exercises, by their two digits."""
    names = (module.name for module in pkgutil.iter_modules(course_lib.exercises.__path__))
    return tuple(sorted(n[7:] for n in names if n.startswith("lesson_") and n[7:].isdigit()))


def exercises_of(lesson: str) -> tuple[Exercise, ...]:
    """One lesson's exercises in their order, or none. Imports that lesson's module only."""
    if lesson not in lessons():
        return ()
    found: tuple[Exercise, ...] = import_module(f"course_lib.exercises.lesson_{lesson}").EXERCISES
    return found


def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise of the course."""
    return tuple(exercise for lesson in lessons() for exercise in exercises_of(lesson))


def lesson_of(
    file_name: str, names: Collection[str], checked: Collection[str], wanted: Sequence[str] = ()
) -> str:
    """The lesson that a notebook belongs to, or "" if it holds no exercise of the course.

    What is in it comes first: the exercises it hands to `check`, and the names it defines. Where
    two lessons have as much, or none has any, the digits that the file's name begins with decide.
    """
    known = wanted or lessons()
    points = {
        n: sum((e.name in names) + 2 * (e.id in checked) for e in exercises_of(n)) for n in known
    }
    most = max(points.values(), default=0)
    best = [n for n in known if points[n] == most]
    if not most:
        return file_name[:2] if file_name[:2] in known and file_name[2:3] in ("_", "-", ".") else ""
    return next((n for n in best if file_name.startswith(n)), best[0])


def find(exercise_id: str) -> Exercise:
    """The exercise with this id. Raises ValueError with the nearest id when there is none."""
    known = {exercise.id: exercise for exercise in exercises_of(exercise_id[:2])}
    if exercise_id not in known:
        every = [exercise.id for exercise in all_exercises()]
        near = difflib.get_close_matches(exercise_id, every, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"there is no exercise {exercise_id!r}.{hint}")
    return known[exercise_id]
