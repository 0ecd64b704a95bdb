"""Tell an exercise nobody has begun from one that is wrong."""

import ast
import inspect
import textwrap
from typing import Any

from course_lib.checks.parsing import parse


def is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether a definition ends in `...`, `pass` or `raise NotImplementedError`, or has no body.

    The lines given above the learner's may stand before that; a `return` among them makes it an
    answer. A class is a stub if a method is one.
    """
    if isinstance(node, ast.ClassDef):
        methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
        return any(is_stub(m) for m in methods)
    if any(isinstance(n, ast.Return) for n in node.body[:-1]):
        return False  # what stands below a `return` never runs
    return _is_blank(node.body[-1])


def _is_blank(last: ast.stmt) -> bool:
    if isinstance(last, ast.Pass):
        return True
    if isinstance(last, (ast.Expr, ast.Return)) and isinstance(last.value, ast.Constant):
        # `...`, `return ...`, or a docstring with nothing under it
        return last.value.value is Ellipsis or isinstance(last, ast.Expr)
    if isinstance(last, ast.Raise) and last.exc is not None:
        return "NotImplementedError" in ast.unparse(last.exc)
    return False


def is_stub_object(answer: Any) -> bool:
    """The same of a function or class that is already defined; False where its source is gone."""
    try:
        tree = parse(textwrap.dedent(inspect.getsource(answer)))
    except (OSError, TypeError, SyntaxError):
        return False
    node = tree.body[0]
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and is_stub(node)
