"""`course check`: a learner's own notebook, its exercises run and their state in a table."""

import argparse
import ast
import linecache
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_lib.checks.check import examine
from course_lib.checks.compare import Verdict
from course_lib.checks.exercise import Exercise
from course_lib.checks.find import Found, find_definitions, read_code_cells
from course_lib.checks.registry import all_exercises, exercises_of

_FILE = "<your notebook>"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`notebook`: the file."""
    parser.add_argument("notebook", type=Path)


def run(options: argparse.Namespace) -> int:
    """Print a row for each exercise of the notebook's lesson; 0 when every one is right."""
    found = find_definitions(read_code_cells(options.notebook))
    exercises = exercises_of(options.notebook.name[:2]) or tuple(
        e for e in all_exercises() if e.name in found.definitions
    )
    if not exercises:
        raise ValueError(
            f"{options.notebook} defines no exercise of this course. Usual cause: the functions "
            "were renamed, or it is another notebook."
        )
    print(f"Runs the definitions in {options.notebook}: only check notebooks that you trust.")
    verdicts = verdicts_of(exercises, found)
    width = max(len(e.id) for e in exercises)
    for e, v in verdicts:
        earned = e.points if v.status == "passed" else 0
        print(f"{e.id:{width}}  {v.status:13}  {earned}/{e.points}  {v.words}".rstrip())
    passed = [e for e, v in verdicts if v.status == "passed"]
    print(
        f"{len(passed)} of {len(exercises)} exercises, {sum(e.points for e in passed)} of "
        f"{sum(e.points for e in exercises)} points."
    )
    for words in found.broken:
        print(f"A cell could not be read and was left out: {words}")
    return int(len(passed) < len(exercises))


def verdicts_of(exercises: Sequence[Exercise], found: Found) -> list[tuple[Exercise, Verdict]]:
    """Each exercise's, and as in the lesson one mistake costs one exercise.

    What fails is tried again with the course's own parts in place of the others that are not right.
    """
    first = [(e, verdict(e, found)) for e in exercises]
    bad = [e for e, v in first if v.status != "passed"]
    verdicts = []
    for e, v in first:
        others = [b for b in bad if b is not e]
        if v.status not in ("passed", "not attempted") and others:
            second = verdict(e, found, others)
            v = second if second.status == "passed" else v
        verdicts.append((e, v))
    return verdicts


def verdict(exercise: Exercise, found: Found, stand_ins: Sequence[Exercise] = ()) -> Verdict:
    """What becomes of one exercise when the notebook's definitions are run.

    `stand_ins` are others whose names then mean the course's own parts.
    """
    state = found.status(exercise.name)
    if state == "not attempted":
        return Verdict("not attempted")
    if state == "not found":
        return Verdict("error", f"no function is called {exercise.name}")
    names: dict[str, Any] = {"__name__": "notebook"}
    linecache.cache[_FILE] = (len(found.code), None, found.code.splitlines(True), _FILE)
    stopped = ""
    for node in ast.parse(found.code).body:  # one by one: a constant may lean on what is not run
        try:
            exec(compile(ast.Module([node], []), _FILE, "exec"), names)
        except Exception as error:
            stopped = stopped or repr(error)
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                break
    names |= {other.name: other.reference for other in stand_ins}
    if exercise.name not in names:
        return Verdict("error", f"its imports and definitions stop with {stopped}")
    return examine(exercise, names[exercise.name])
