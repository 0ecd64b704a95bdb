"""Find a learner's exercises in a notebook: by function name, in the parsed code, no cell ids."""

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.checks.parsing import parse
from course_lib.checks.stubs import is_stub

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Found:
    """What a notebook holds: runnable code, definitions by name, lines that do not parse.

    `code` has the imports, definitions and plain constants, in their order and nothing else: no
    training, no pictures. Where a name is defined twice, the last one that is not a stub counts, as
    it does for somebody who runs the notebook from top to bottom after trying again.
    """

    code: str
    definitions: dict[str, list[Definition]]
    broken: tuple[str, ...]

    def status(self, name: str) -> str:
        """ "not found", "not attempted" or "written"."""
        nodes = self.definitions.get(name, [])
        if not nodes:
            return "not found"
        return "not attempted" if all(is_stub(node) for node in nodes) else "written"


def read_code_cells(path: Path) -> list[str]:
    """The sources of a notebook's code cells. Raises ValueError for a file that is no notebook."""
    try:
        return code_cells(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def code_cells(content: bytes) -> list[str]:
    """The same from a file's bytes, of any version of the format. Raises ValueError."""
    try:
        notebook: Any = json.loads(content.decode("utf-8-sig"))
        cells = notebook.get("cells")
        if cells is None:  # nbformat 3
            cells = [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
        sources = [c.get("source", c.get("input", "")) for c in cells if c["cell_type"] == "code"]
        return ["".join(source) for source in sources]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"this is not a notebook that can be read ({type(error).__name__}). Usual cause: it "
            "was saved as something else, or cut short on its way."
        ) from None


def find_definitions(cells: list[str]) -> Found:
    """Parse each cell by itself, so that one which does not parse costs no other."""
    kept: list[ast.stmt] = []
    definitions: dict[str, list[Definition]] = {}
    broken = []
    for cell in cells:
        try:
            body = parse(without_magics(cell)).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            broken.append(f"{error}")
            continue
        for node in body:
            if isinstance(node, Definition):
                definitions.setdefault(node.name, []).append(node)
            if _is_needed(node):
                kept.append(node)
    superseded = {
        id(node)
        for nodes in definitions.values()
        for node in nodes
        if is_stub(node) and not all(is_stub(n) for n in nodes)
    }
    code = "\n\n".join(ast.unparse(node) for node in kept if id(node) not in superseded)
    return Found(code, definitions, tuple(broken))


def without_magics(cell: str) -> str:
    """A cell with IPython's own lines (%, !, ?) blanked, so that Python can parse the rest."""
    if cell.lstrip().startswith("%%"):
        return ""
    lines = [
        line[: len(line) - len(line.lstrip())] + "pass"
        if line.lstrip().startswith(("%", "!", "?"))
        else line
        for line in cell.splitlines()
    ]
    return "\n".join(lines)


def _is_needed(node: ast.stmt) -> bool:
    """Imports, definitions, and constants: an assignment to plain names that calls nothing."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
        return True
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        plain = all(isinstance(target, ast.Name) for target in targets)
        return plain and not any(isinstance(n, ast.Call) for n in ast.walk(node))
    return False
