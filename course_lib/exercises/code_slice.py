"""The slice of a notebook that one exercise needs: its definition, and what that uses in turn.

A statement of the outermost level makes names and needs names. The slice of an exercise is its
`check`, or its definition, with every earlier statement that makes or changes a name it needs. So
training, pictures and all the rest are never run. Nothing here runs any of the code.
"""

import ast
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from course_lib.exercises.cells import UNREADABLE, NotebookFile, parse_cell
from course_lib.exercises.exercise import Exercise
from course_lib.exercises.statement import Statement, last_name
from course_lib.exercises.stubs import Definition

_NO_DATA = Definition | ast.Import | ast.ImportFrom
_DEFINES = re.compile(r"^\s*(?:def|class)\s+(\w+)|^(\w+)\s*=\s*lambda\b", re.MULTILINE)
State = Literal["written", "not attempted", "not found"]


@dataclass(frozen=True)
class CodeSlice:
    """Statements to run, in their order, and how the answer is called then.

    `cells` are the texts of the cells by number (from 1), `chosen` says which of their statements:
    (cell, index). `checked`: the answer is what its `check` is given, not what has its `name`.
    """

    name: str
    cells: dict[int, str]
    chosen: tuple[tuple[int, int], ...]
    checked: bool
    source: str = ""  # the definition itself, to show


@dataclass(frozen=True)
class Found:
    """What a notebook has for one exercise: slices to try in turn; the first right one counts.

    `words` says what helps where there is none, `remarks` what an instructor may want to know.
    """

    state: State
    slices: tuple[CodeSlice, ...] = ()
    words: str = ""
    remarks: tuple[str, ...] = ()


class Notebook:
    """The parsed code of a notebook. A cell that Python cannot read is in `broken`, and costs no
    other: there are sentences, and the text of the cell.
    """

    def __init__(self, file: NotebookFile | Sequence[str]) -> None:
        if not isinstance(file, NotebookFile):
            file = NotebookFile(tuple(file))
        self.statements: list[Statement] = []
        self.broken: list[tuple[str, str]] = []
        self._texts: dict[int, str] = {}
        for number, source in enumerate(file.cells, start=1):
            try:
                text, tree = parse_cell(source)
                found = [Statement(node, number, i) for i, node in enumerate(tree.body)]
            except UNREADABLE as error:
                self.broken.append((_unreadable(number, error, file.python), source))
            else:
                self._texts[number] = text
                self.statements += found
        self._link()

    def _link(self) -> None:
        """Who makes and who changes which name."""
        setters = {
            name: s.sets_when_called
            for s in self.statements
            if s.sets_when_called and isinstance(s.node, Definition)
            for name in s.makes
        }
        self._makers: dict[str, list[int]] = {}
        self._changers: dict[str, list[int]] = {}
        data: set[str] = set()
        for i, s in enumerate(self.statements):
            if not isinstance(s.node, Definition):
                s.makes |= {n for called in s.needs & setters.keys() for n in setters[called]}
            for name in s.makes:
                self._makers.setdefault(name, []).append(i)
            if not (
                isinstance(s.node, Definition | ast.Import | ast.ImportFrom) or s.calls_of_check
            ):
                data |= s.makes
        for i, s in enumerate(self.statements):
            for name in s.changes - s.makes:
                if name in data or s.stores_into(name):
                    self._changers.setdefault(name, []).append(i)
        self._always = [i for i, s in enumerate(self.statements) if s.sets_any]

    def names(self) -> frozenset[str]:
        """All names that it makes."""
        return frozenset(self._makers)

    def exercise_ids(self) -> frozenset[str]:
        """The exercises that it hands to `check`."""
        return frozenset(i for s in self.statements for i in s.calls_of_check)

    def find(self, exercise: Exercise) -> Found:
        """What this notebook has for an exercise."""
        name = exercise.name
        checks = [i for i, s in enumerate(self.statements) if exercise.id in s.calls_of_check]
        slices, remarks = [], []
        if checks:
            given = self.statements[checks[-1]].calls_of_check[exercise.id]
            if self._may_be_written(given, checks[-1]):
                slices.append(self._slice(exercise, last_name(given) or name, checks[-1]))
                if isinstance(given, ast.Name) and given.id != name:
                    remarks.append(f"is called {given.id}, and handed to its check by that name")
        after = checks[-1] if checks else -1
        makers = [i for i in self._makers.get(name, ()) if not self._is_check(exercise, i)]
        functions = [i for i in makers if self.statements[i].gives_a_function(name)]
        own = [i for i in functions if name not in self.statements[i].stub_names]
        if (own and own[-1] > after) or (makers and not slices and not functions):
            slices.append(self._slice(exercise, name, None))
            if checks and len(slices) > 1:
                remarks.append("is defined once more below its check")
        if len(own) > 1:
            remarks.append(f"is defined {len(own)} times; the last one counts")
        if slices:
            return Found("written", tuple(slices), "", tuple(remarks))
        if functions:
            return Found("not attempted")
        words = self._in_a_broken_cell(name) or f"no function is called {name}"
        return Found("not found", words="; ".join((words, *self._perhaps(name))))

    def _is_check(self, exercise: Exercise, i: int) -> bool:
        return exercise.id in self.statements[i].calls_of_check

    def _may_be_written(self, given: ast.expr, check: int) -> bool:
        """Whether what `check` is given is more than a stub or a name that does not exist."""
        if not isinstance(given, ast.Name):
            return True
        here = self.statements[check]
        makers = [self.statements[i] for i in self._makers.get(given.id, ()) if i < check]
        inside = isinstance(here.node, (ast.For, ast.With, ast.If, ast.Try)) and (
            given.id in here.makes
        )
        return inside or any(given.id not in s.stub_names for s in makers if s is not here)

    def _slice(self, exercise: Exercise, name: str, check: int | None) -> CodeSlice:
        """Up to the exercise's `check`, or of the whole notebook."""
        if check is None:
            found = self._needed({name}, len(self.statements), exercise)
        else:
            here = self.statements[check]
            found = self._needed(here.needs, check, exercise) | {check}
        statements = [self.statements[i] for i in sorted(found)]
        used = {s.place[0] for s in statements}
        makers = [s for s in statements if s.gives_a_function(name)]
        shown = makers[-1:] or statements[-1:]
        return CodeSlice(
            name,
            {n: self._texts[n] for n in sorted(used)},
            tuple(s.place for s in statements),
            check is not None,
            "\n\n".join(_source(self._texts[s.place[0]], s.node) for s in shown),
        )

    def _needed(self, names: Iterable[str], end: int, exercise: Exercise) -> set[int]:
        """The statements before `end` that make or change these names, and what those need."""
        found: set[int] = set()
        waiting = ["*", *names]
        known = set(waiting)
        while waiting:
            name = waiting.pop()
            makers = [i for i in self._makers.get(name, ()) if i < end]
            real = [i for i in makers if name not in self.statements[i].stub_names]
            kept = real or makers  # a stub gives way to whatever else has its name
            also = self._always if name == "*" else self._changers.get(name, ())
            for i in (*kept, *(i for i in also if i < end)):
                if i not in found and not self._is_check(exercise, i):
                    found.add(i)
                    new = self.statements[i].needs - known
                    known |= new
                    waiting += new
        return found

    def _in_a_broken_cell(self, name: str) -> str:
        for words, text in self.broken:
            if name in {a or b for a, b in _DEFINES.findall(text)}:
                return f"{name} is in a cell that Python cannot read: {words}"
        return ""

    def _perhaps(self, name: str) -> tuple[str, ...]:
        """A sentence about the nearest name, if there is one."""
        known = [s.node.name for s in self.statements if isinstance(s.node, Definition)]
        inside = [k for k in known if name.lower() in k.lower()]
        near = inside or difflib.get_close_matches(name, known, n=1)
        return (f"perhaps it was renamed: there is {near[0][:80]}",) if near else ()


def _unreadable(cell: int, error: BaseException, written_with: str) -> str:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    newer = ""
    if written_with and tuple(map(int, written_with.split("."))) > sys.version_info[:2]:
        newer = f" (written with Python {written_with}; it is read here with Python {here})"
    line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
    what = error.msg if isinstance(error, SyntaxError) else f"{error}" or type(error).__name__
    return f"{type(error).__name__} in code cell {cell}{line}: {what[:200]}{newer}"


def _source(text: str, node: ast.stmt) -> str:
    """The lines of a statement, decorators included."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(d.lineno for d in decorators)])
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(lines[first - 1 : node.end_lineno])
