"""The code of a notebook, cell by cell, read as Jupyter reads it: `course check` and `course grade`
both start here.
"""

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_CODE = 1_000_000  # characters in one notebook
_PYTHON_BELOW = ("%%time", "%%timeit", "%%capture", "%%prun")  # cell magics with Python under them
_TIMED = re.compile(r"^([ \t]*)%time[ \t]+(?=\S)", re.MULTILINE)  # `%time x = 3` also sets x
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True)
class NotebookFile:
    """The sources of the code cells, and the Python version that the file names ("" if none)."""

    cells: tuple[str, ...]
    python: str = ""


def read_notebook(path: Path) -> NotebookFile:
    """A notebook file. Raises ValueError, with the path, for a file that is no notebook."""
    try:
        return parse_notebook(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def parse_notebook(content: bytes) -> NotebookFile:
    """The same from a file's bytes, of any version of the format.

    A cell without a usable source is left out. Raises ValueError where there are no cells at all.
    """
    try:
        notebook: Any = json.loads(content.decode("utf-8-sig"))
        cells = notebook.get("cells")
        if cells is None:  # nbformat 3
            cells = [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
        if not isinstance(cells, list):
            raise TypeError("its cells are no list")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"this is not a notebook that can be read ({type(error).__name__}). Usual cause: it "
            "was saved as something else, or cut short on its way."
        ) from None
    sources = tuple(s for cell in cells if (s := _source(cell)) is not None)
    if cells and not sources and not any(_kind(cell) for cell in cells):
        raise ValueError("this is not a notebook that can be read: none of its cells has a type")
    if sum(map(len, sources)) > MOST_CODE:
        raise ValueError(f"it holds more than {MOST_CODE // 10**6} million characters of code")
    return NotebookFile(sources, _python_version(notebook))


def _kind(cell: Any) -> str:
    kind = cell.get("cell_type") if isinstance(cell, dict) else None
    return kind if isinstance(kind, str) else ""


def _source(cell: Any) -> str | None:
    if _kind(cell) != "code":
        return None
    source = cell.get("source", cell.get("input", ""))
    lines = [source] if isinstance(source, str) else source
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        return None
    return "".join(lines)


def _python_version(notebook: dict[str, Any]) -> str:
    try:
        version = notebook["metadata"]["language_info"]["version"]
    except (KeyError, TypeError):
        return ""
    found = re.match(r"\d+\.\d+", version) if isinstance(version, str) else None
    return found[0] if found else ""


def parse_cell(source: str) -> tuple[str, ast.Module]:
    """A cell as Python: its text, and that text parsed.

    The cell as it stands comes first: a line that starts with `% 4` may well be Python. Only what
    Python cannot read goes through IPython's own transformer. Raises one of UNREADABLE.
    """
    first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        blank_lines = source[: len(source) - len(source.lstrip())].count("\n") + 1
        source = "\n" * blank_lines + rest if first.split()[0] in _PYTHON_BELOW else ""
    try:
        return source, ast.parse(source)
    except SyntaxError as error:
        transformed = _ipython(source)
        try:
            return transformed, ast.parse(transformed)
        except SyntaxError as second:
            raise (second if transformed.strip() != source.strip() else error) from None


def _ipython(source: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager  # ipywidgets brings it

    return str(TransformerManager().transform_cell(_TIMED.sub(r"\1", source)))
