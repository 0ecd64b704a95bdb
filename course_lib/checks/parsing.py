"""Parsing by several threads at once.

Python 3.11 counts how deep a tree is in one place for all threads. Where two of them parse and the
garbage collector lets one pass the other, the count is off: "SystemError: AST constructor recursion
depth mismatch". So one at a time.
"""

import ast
from threading import Lock

_one_at_a_time = Lock()


def parse(source: str) -> ast.Module:
    """`ast.parse`, which raises SyntaxError, ValueError, RecursionError or MemoryError."""
    with _one_at_a_time:
        return ast.parse(source)
