"""What an instructor may want to know beside the points: where an answer comes from.

The course's finished parts and solutions are public, so these are remarks and never cost a point.
They are found in the source here, and by watching the run in worker.py; neither sees everything.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import course_lib
from course_lib import paths
from course_lib.checks.exercise import Exercise
from course_lib.checks.find import Definition, find_definitions, read_code_cells
from course_lib.checks.parsing import parse

_LONG_ENOUGH = 60  # nodes of the syntax tree that a learner has to write; shorter ones coincide
_SURROUNDINGS = frozenset(
    "_getframe currentframe f_back settrace setprofile ctypes gc get_objects mmap ptrace".split()
)


def remarks(exercise: Exercise, name: str, code: Sequence[str]) -> tuple[str, ...]:
    """Sentences about the statements `code`, in which the answer is called `name`."""
    nodes = [node for source in code for node in parse(source).body]
    return tuple(dict.fromkeys(_remarks(exercise, name, nodes)))


def _remarks(exercise: Exercise, name: str, nodes: list[ast.stmt]) -> Iterator[str]:
    definitions = [n for n in nodes if isinstance(n, Definition) and n.name == name]
    if _uses(exercise, nodes, defined=bool(definitions)):
        yield f"calls the course's own {exercise.name}"
    seen = {n for node in nodes for n in _words(node)}
    if any(word.startswith("course_lib.checks") for word in seen) or "EXERCISES" in seen:
        yield "reaches into the course's checks"
    if seen & _SURROUNDINGS:
        yield f"reaches into its surroundings: {', '.join(sorted(seen & _SURROUNDINGS))}"
    if definitions and _plain(definitions[-1]) in _published(exercise):
        yield "is the published solution, word for word"


def _words(node: ast.stmt) -> Iterator[str]:
    """Names, attributes, imported modules and the words of texts."""
    for n in ast.walk(node):
        if isinstance(n, ast.Name):
            yield n.id
        elif isinstance(n, ast.Attribute):
            yield n.attr
            yield ast.unparse(n)[:200]
        elif isinstance(n, ast.Import):
            yield from (a.name for a in n.names)
        elif isinstance(n, ast.ImportFrom):
            yield from (word for a in n.names for word in (f"{n.module}.{a.name}", a.name))
        elif isinstance(n, ast.Constant) and isinstance(n.value, str):
            yield n.value


def _uses(exercise: Exercise, nodes: list[ast.stmt], *, defined: bool) -> bool:
    """Whether the finished part is imported or named. A later definition of that name hides it."""
    module, name = exercise.reference.__module__, exercise.reference.__name__
    modules: set[str] = set()
    for node in (n for statement in nodes for n in ast.walk(statement)):
        if isinstance(node, ast.ImportFrom):
            for a in node.names:
                if f"{node.module}.{a.name}" == f"{module}.{name}":
                    if not (defined and (a.asname or a.name) == exercise.name):
                        return True
                elif f"{node.module}.{a.name}" == module:
                    modules.add(a.asname or a.name)
        elif isinstance(node, ast.Import):
            modules |= {a.asname or a.name for a in node.names if a.name == module}
    return any(
        isinstance(n, ast.Attribute) and n.attr == name and ast.unparse(n.value) in modules
        for statement in nodes
        for n in ast.walk(statement)
    )


@cache
def _published(exercise: Exercise) -> frozenset[str]:
    """The solutions that can be read, as `_plain` has them; none where they are only short."""
    source = textwrap.dedent(inspect.getsource(exercise.reference))
    solved = [n for n in parse(source).body if isinstance(n, Definition)]
    solved += _from_notebook(_beside("solutions"), exercise)
    given = _from_notebook(_blank(), exercise)
    known = max((_size(n) for n in given), default=0)
    return frozenset(_plain(n) for n in solved if _size(n) - known >= _LONG_ENOUGH)


def _beside(name: str) -> Path:
    """A folder of the checkout; an installed wheel has none."""
    return Path(course_lib.__file__).parents[1] / name


def _blank() -> Path:
    try:
        return paths.bundled("notebooks")
    except FileNotFoundError:
        return _beside("notebooks")


def _from_notebook(folder: Path, exercise: Exercise) -> list[Definition]:
    found: list[Definition] = []
    for notebook in folder.glob(f"{exercise.lesson}_*.ipynb"):
        try:
            cells = read_code_cells(notebook)
        except (OSError, ValueError):
            continue
        found += find_definitions(cells).definitions.get(exercise.name, [])
    return found


def _size(node: ast.AST) -> int:
    return sum(1 for n in _bare(node) for _ in ast.walk(n))


def _plain(node: Definition) -> str:
    """A definition without what does not matter: its name, docstrings, annotations, layout."""
    return "\n".join(ast.dump(n) for n in _bare(node))


def _bare(node: ast.AST) -> Iterable[ast.stmt]:
    """The body of a definition, its docstrings and annotations gone. Changes nothing given."""
    tree = parse(ast.unparse(node))
    for n in ast.walk(tree):
        if isinstance(n, Definition):
            first = n.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                n.body = n.body[1:] or [ast.Pass()]
            n.decorator_list = []
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)):
            n.returns = None
        if isinstance(n, ast.arg):
            n.annotation = None
    definition = tree.body[0]
    return definition.body if isinstance(definition, Definition) else []
