"""A statement of a notebook's outermost level: the names that it makes, needs and changes."""

import __future__

import ast
import dis
from collections.abc import Iterator
from functools import cached_property
from types import CodeType

from course_lib.exercises.stubs import Definition, is_stub

FLAGS = __future__.annotations.compiler_flag  # annotations are never looked up
_READS = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")
_WRITES = ("STORE_NAME", "STORE_GLOBAL")
_ANY_NAME = frozenset(("globals", "exec", "vars"))  # a call of these may set whatever it likes


class Statement:
    """A statement of a notebook's outermost level. Raises SyntaxError if it cannot be compiled."""

    def __init__(self, node: ast.stmt, cell: int, index: int) -> None:
        self.node, self.place = node, (cell, index)
        code = compile(ast.Module([node], []), f"<cell {cell}>", "exec", FLAGS, dont_inherit=True)
        own = list(dis.get_instructions(code))
        inner = [i for c in _inner_codes(code) for i in dis.get_instructions(c)]
        self.sets_when_called = {i.argval for i in inner if i.opname == "STORE_GLOBAL"}
        self.makes = {i.argval for i in own if i.opname in _WRITES}
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            self.makes.add("*")
        read = {i.argval for i in (*own, *inner) if i.opname in _READS}
        self.needs = read | _annotations(node)
        self.changes = set() if isinstance(node, Definition) else _changes(node)
        self.sets_any = bool(read & _ANY_NAME) and not isinstance(node, Definition)

    @cached_property
    def stub_names(self) -> frozenset[str]:
        """Names that it defines, though nobody has begun them."""
        nodes = [n for n in ast.walk(self.node) if isinstance(n, Definition)]
        blank = {n.name for n in nodes if is_stub(n)}
        return frozenset(blank - {n.name for n in nodes if not is_stub(n)})

    @cached_property
    def calls_of_check(self) -> dict[str, ast.expr]:
        """Exercise id -> what is handed to its `check`."""
        if isinstance(self.node, Definition):
            return {}
        return {
            call.args[0].value: call.args[1]
            for call in ast.walk(self.node)
            if isinstance(call, ast.Call)
            and len(call.args) == 2
            and last_name(call.func) == "check"
            and isinstance(call.args[0], ast.Constant)
            and isinstance(call.args[0].value, str)
        }

    def gives_a_function(self, name: str) -> bool:
        """Whether it defines `name`, as a function or class or by `name = lambda ...`."""
        if isinstance(self.node, ast.Assign) and isinstance(self.node.value, ast.Lambda):
            return name in self.makes
        return any(isinstance(n, Definition) and n.name == name for n in ast.walk(self.node))

    def stores_into(self, name: str) -> bool:
        """Whether it sets an attribute or item of `name`, at any depth."""
        return any(
            isinstance(n, (ast.Attribute, ast.Subscript))
            and not isinstance(n.ctx, ast.Load)
            and name in _root(n)
            for n in ast.walk(self.node)
        )


def _inner_codes(code: CodeType) -> Iterator[CodeType]:
    waiting = [c for c in code.co_consts if isinstance(c, CodeType)]
    while waiting:
        inner = waiting.pop()
        yield inner
        waiting += [c for c in inner.co_consts if isinstance(c, CodeType)]


def _annotations(node: ast.AST) -> set[str]:
    """Names in annotations: nothing needs them to run, but some decorators look at them."""
    given = [getattr(n, "annotation", None) or getattr(n, "returns", None) for n in ast.walk(node)]
    return {n.id for a in given if a for n in ast.walk(a) if isinstance(n, ast.Name)}


def last_name(node: ast.expr) -> str:
    """`f` of `f`, `a.f` and `a.b.f`; "" of anything else."""
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _changes(node: ast.stmt) -> set[str]:
    """Names whose objects it may change: `a.b = 1`, `a[0] = 1`, `a.append(1)`, `fill(a)`."""
    found: set[str] = set()
    waiting: list[ast.AST] = [node]
    while waiting:
        n = waiting.pop()
        if isinstance(n, (ast.Attribute, ast.Subscript)) and not isinstance(n.ctx, ast.Load):
            found |= _root(n)
        elif isinstance(n, ast.Call):
            if isinstance(n.func, ast.Attribute):
                found |= _root(n.func)
            for given in (*n.args, *(k.value for k in n.keywords)):
                found |= _root(given)
        if not isinstance(n, Definition | ast.Lambda):
            waiting += ast.iter_child_nodes(n)
    return found


def _root(node: ast.expr) -> set[str]:
    """`a` of `a`, `a.b`, `a[0].c`."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
