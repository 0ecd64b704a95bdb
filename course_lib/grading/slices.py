"""The part of a notebook that one exercise needs: its definition, and what that uses in turn.

Found by name in the parsed code, wherever the cells have gone. Training, pictures and everything
else that the definition does not use is never run.
"""

import ast
import builtins
import difflib
import symtable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from course_lib.checks.exercise import Exercise
from course_lib.checks.find import Definition, without_magics
from course_lib.checks.parsing import parse
from course_lib.checks.stubs import is_stub

MOST_CODE = 1_000_000  # characters
_KEPT_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")  # what stands below them is Python
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Part:
    """What one exercise needs of a notebook: statements, and all the names in them.

    `name` is what its answer is called there.
    """

    state: Literal["written", "not attempted", "not found"]
    name: str
    code: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


class Statement:
    """A statement of a notebook's outermost level: the names that it makes and those it needs."""

    def __init__(self, node: ast.stmt) -> None:
        self.node = node
        self.makes = frozenset(_made_by(node))

    @cached_property
    def source(self) -> str:
        """Its code, without comments."""
        return ast.unparse(self.node)

    @cached_property
    def needs(self) -> frozenset[str]:
        """Names from outside: a local variable that is called like a global one is not meant."""
        table = symtable.symtable(self.source, "<cell>", "exec")
        found = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
        waiting = list(table.get_children())
        while waiting:
            inner = waiting.pop()
            found |= {s.get_name() for s in inner.get_symbols() if s.is_global()}
            waiting += inner.get_children()
        return frozenset(found - set(dir(builtins)) | (self.makes & _changed_by(self.node)))

    @property
    def is_stub(self) -> bool:
        """Whether it defines something that nobody has begun."""
        return isinstance(self.node, Definition) and is_stub(self.node)


def _made_by(node: ast.stmt) -> set[str]:
    """Names that a statement binds or changes, if it is of a kind that an exercise may need."""
    if isinstance(node, Definition):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).split(".")[0] for a in node.names}
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        if node.value is None or _checked(node.value):
            return set()
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {name for target in targets for name in _targets(target)}
    if isinstance(node, (ast.If, ast.Try, ast.With)):
        inner = (n for n in ast.walk(node) if isinstance(n, ast.stmt) and n is not node)
        return {name for statement in inner for name in _made_by(statement)}
    return set()


def _targets(target: ast.expr) -> set[str]:
    """`a`, `a, b`, and the `a` of `a.b` and `a[0]`."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return {name for item in target.elts for name in _targets(item)}
    while isinstance(target, (ast.Attribute, ast.Subscript, ast.Starred)):
        target = target.value
    return {target.id} if isinstance(target, ast.Name) else set()


def _changed_by(node: ast.stmt) -> set[str]:
    """Names that must be there before: of `a += 1`, `a.b = 1`, `a[0] = 1`."""
    if isinstance(node, ast.AugAssign):
        return _targets(node.target)
    if isinstance(node, ast.Assign):
        inside = [t for t in node.targets if isinstance(t, (ast.Attribute, ast.Subscript))]
        return {name for target in inside for name in _targets(target)}
    return set()


def _checked(value: ast.expr) -> tuple[str, str] | None:
    """(id, name) of `check("01.conv2d", conv2d)`."""
    if isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] == "check":
        given = [ast.unparse(a) for a in value.args[1:2]]
        known = [a.value for a in value.args[:1] if isinstance(a, ast.Constant)]
        return (str(known[0]) if known else "", given[0] if given else "")
    return None


class Notebook:
    """The parsed code of a notebook. Cells that do not parse are in `broken`, and cost no other."""

    def __init__(self, cells: list[str]) -> None:
        if sum(map(len, cells)) > MOST_CODE:
            raise ValueError(f"it holds more than {MOST_CODE // 10**6} million characters of code")
        self.statements: list[Statement] = []
        self.checked: dict[str, str] = {}
        broken = []
        for cell in cells:
            try:
                statements = [Statement(node) for node in parse(_python(cell)).body]
                _ = [(s.source, s.needs) for s in statements if s.makes]
                self.checked |= _checks_in(statements)
                self.statements += statements
            except _UNREADABLE as error:
                broken.append(f"{error}"[:200])
        self.broken = tuple(broken)

    def written(self) -> frozenset[str]:
        """All names that are defined, stubs aside."""
        return frozenset(n for s in self.statements if not s.is_stub for n in s.makes)

    def part(self, exercise: Exercise) -> Part:
        """What this exercise needs, or why it cannot be run."""
        name, remarks = exercise.name, []
        if not self._making(name):
            handed = self.checked.get(exercise.id, "")
            if handed == name or not self._making(handed):
                return Part("not found", name, remarks=self._perhaps(name))
            remarks.append(f"is called {handed}, and handed to its check by that name")
            name = handed
        making = [s for s in self._making(name) if not s.is_stub]
        if not making:
            return Part("not attempted", name)
        definitions = [s for s in making if isinstance(s.node, Definition)]
        if len(definitions) > 1:
            remarks.append(f"is defined {len(definitions)} times; the last one counts")
        needed = self.needed(name)
        names = frozenset().union(*(s.needs for s in needed))
        return Part("written", name, tuple(s.source for s in needed), names, tuple(remarks))

    def _making(self, name: str) -> list[Statement]:
        return [s for s in self.statements if name and name in s.makes]

    def needed(self, name: str) -> list[Statement]:
        """The statements behind `name`, in the notebook's order."""
        wanted, found = {name, "*"}, set()
        waiting = True
        while waiting:
            waiting = False
            for i, s in enumerate(self.statements):
                if i not in found and s.makes & wanted and not self._superseded(s):
                    found.add(i)
                    wanted |= s.needs
                    waiting = True
        return [self.statements[i] for i in sorted(found)]

    def _superseded(self, statement: Statement) -> bool:
        """A stub gives way to whatever else has its name."""
        return statement.is_stub and any(
            not other.is_stub for name in statement.makes for other in self._making(name)
        )

    def _perhaps(self, name: str) -> tuple[str, ...]:
        """A sentence about the nearest name, if there is one."""
        known = [s.node.name for s in self.statements if isinstance(s.node, Definition)]
        inside = [k for k in known if name.lower() in k.lower()]
        near = inside or difflib.get_close_matches(name, known, n=1)
        return (f"perhaps it was renamed: there is {near[0]}",) if near else ()


def _checks_in(statements: list[Statement]) -> dict[str, str]:
    """Exercise id -> the name handed to its check."""
    values = (getattr(s.node, "value", None) for s in statements)
    found = (_checked(v) for v in values if isinstance(v, ast.expr))
    return dict(pair for pair in found if pair)


def _python(cell: str) -> str:
    first, _, rest = cell.lstrip().partition("\n")
    return without_magics(rest if first.startswith(_KEPT_MAGICS) else cell)
