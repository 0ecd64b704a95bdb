"""Tell an exercise that nobody has started from one that is wrong."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

STUB_MESSAGE = "your turn"  # of the NotImplementedError in every blank exercise
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_stub(node: Definition) -> bool:
    """Whether a definition is still as it was handed out.

    A function is a stub if it ends in `...`, `pass` or `raise NotImplementedError`, or has no body
    but a docstring, and never returns anything: the stub's line left below an answer does not
    count. A class is a stub if a method still holds the stub's own line, or all methods are stubs.
    """
    if isinstance(node, ast.ClassDef):
        methods = [n for n in node.body if isinstance(n, _Function)]
        blank = [m for m in methods if is_stub(m)]
        return any(_is_stub_line(m.body[-1]) for m in blank) or len(blank) == len(methods) > 0
    return _is_blank(node.body[-1]) and not any(_returns(n) for n in _own_nodes(node))


def _own_nodes(function: _Function) -> Iterator[ast.AST]:
    """All nodes of a function's body, but not those of functions and classes inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Definition | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _returns(node: ast.AST) -> bool:
    if isinstance(node, ast.Return) and node.value is not None:
        return not (isinstance(node.value, ast.Constant) and node.value.value in (None, Ellipsis))
    return isinstance(node, (ast.Yield, ast.YieldFrom))


def _is_blank(last: ast.stmt) -> bool:
    if isinstance(last, ast.Pass):
        return True
    if isinstance(last, (ast.Expr, ast.Return)) and isinstance(last.value, ast.Constant):
        # `...`, `return ...`, or a docstring with nothing under it
        return last.value.value is Ellipsis or isinstance(last, ast.Expr)
    if isinstance(last, ast.Raise) and last.exc is not None:
        return "NotImplementedError" in ast.unparse(last.exc)
    return False


def _is_stub_line(last: ast.stmt) -> bool:
    return isinstance(last, ast.Raise) and STUB_MESSAGE in ast.unparse(last)


def is_stub_object(answer: Any) -> bool:
    """The same of a function or class that is already defined; False where its source is gone."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(answer)))
    except (OSError, TypeError, SyntaxError):
        return False
    node = tree.body[0]
    return isinstance(node, Definition) and is_stub(node)
