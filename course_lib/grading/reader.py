"""Inside a sandbox: read notebooks, find their exercises, run none of their code.

    python -m course_lib.grading.reader

One process reads all notebooks of a class, one after the other; a notebook that makes it hang or
crash costs itself alone, for then the next one gets a new process.
"""

import json
import os
import sys
from dataclasses import asdict
from typing import Any

from course_lib.exercises.cells import parse_notebook
from course_lib.exercises.code_slice import Notebook
from course_lib.exercises.registry import all_exercises, exercises_of, lesson_of
from course_lib.grading import originality
from course_lib.grading.messages import receive, send

_MOST_SOURCE = 20_000  # characters of an answer, to show
_MOST_REMARKS = 8


def main() -> None:
    """Answer one question after the other, until the other end closes."""
    all_exercises()
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for question in receive(0):
        if not question:
            send(out, b"ready")
            continue
        header, _, content = question.partition(b"\n")
        asked = json.loads(header)
        try:
            answer = read(content, asked["file"], tuple(asked["lessons"]), asked["lesson"])
        except (ValueError, RecursionError, MemoryError) as error:
            answer = {"error": f"{error}" or type(error).__name__}
        send(out, json.dumps(answer).encode())


def read(content: bytes, file: str, lessons: tuple[str, ...], lesson: str = "") -> dict[str, Any]:
    """What a notebook holds of a lesson, or of the lesson that it seems to be.

    Raises ValueError where it cannot be read.
    """
    notebook = Notebook(parse_notebook(content))
    names, checked = notebook.names(), notebook.exercise_ids()
    lesson = lesson or lesson_of(file, names, checked, lessons)
    found = {}
    cells: dict[int, str] = {}
    for e in exercises_of(lesson):
        one = notebook.find(e)
        slices = []
        remarks = list(one.remarks)
        for code in one.slices:
            cells |= code.cells
            slices.append({**asdict(code), "cells": sorted(code.cells)})
            slices[-1]["source"] = code.source[:_MOST_SOURCE]
            remarks += originality.remarks(e, code)
        found[e.id] = {
            "state": one.state,
            "words": one.words[:500],
            "remarks": [r[:300] for r in dict.fromkeys(remarks)][:_MOST_REMARKS],
            "slices": slices,
            "shape": sorted(originality.shape(e, one.slices[0])) if one.slices else [],
        }
    broken = [words[:300] for words, _ in notebook.broken][:10]
    return {"lesson": lesson, "exercises": found, "cells": cells, "broken": broken}


if __name__ == "__main__":
    sys.setrecursionlimit(3000)
    main()
