"""What an instructor may want to know beside the points: where an answer comes from.

The course's finished parts and solutions are public, so these are remarks and never cost a point.
They are found in the source here, and by watching the run in worker.py; neither sees everything.
"""

import ast
import inspect
import textwrap
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import course_lib
from course_lib.exercises.cells import read_notebook
from course_lib.exercises.code_slice import CodeSlice, Notebook
from course_lib.exercises.exercise import Exercise
from course_lib.exercises.stubs import Definition
from course_lib.files import paths

_LONG_ENOUGH = 60  # nodes of the syntax tree that a learner has to write; shorter ones coincide
_WINDOW = 12  # nodes in a row, compared between students
_SURROUNDINGS = frozenset(
    "_getframe currentframe f_back f_globals settrace setprofile ctypes gc get_objects mmap ptrace "
    "__code__ __globals__ __subclasses__ getsource getsourcefile inspect linecache exec eval "
    "compile __import__ import_module importlib runpy sys_modules open read_text threading Thread "
    "subprocess Popen fork system observe _observed __main__".split()
)
_THE_COURSES = ("course_lib.exercises", "course_lib.grading")


def remarks(exercise: Exercise, code: CodeSlice) -> tuple[str, ...]:
    """Sentences about the statements of a slice."""
    return tuple(dict.fromkeys(_remarks(exercise, code.name, _nodes(code))))


def _nodes(code: CodeSlice) -> list[ast.stmt]:
    trees = {cell: ast.parse(text).body for cell, text in code.cells.items()}
    return [trees[cell][index] for cell, index in code.chosen]


def _remarks(exercise: Exercise, name: str, nodes: list[ast.stmt]) -> Iterator[str]:
    definitions = [n for n in nodes if isinstance(n, Definition) and n.name == name]
    nodes = [n for n in nodes if not _imports_check(n)]
    if _uses(exercise, nodes, defined=bool(definitions)):
        yield f"calls the course's own {exercise.name}"
    seen = {word for node in nodes for word in _words(node)}
    if any(word.startswith(_THE_COURSES) for word in seen) or "EXERCISES" in seen:
        yield "reaches into the course's checks"
    if "sys.modules" in seen or seen & _SURROUNDINGS:
        found = sorted(seen & (_SURROUNDINGS | {"sys.modules"}))
        yield f"reaches into its surroundings: {', '.join(found)}"
    imported = sorted(
        _imported(nodes, exercise.reference.__module__) - _imported_by_lesson(exercise)
    )
    if imported:
        yield f"imports {', '.join(imported[:5])} of {exercise.reference.__module__}"
    if definitions and _plain(definitions[-1]) in _published(exercise):
        yield "is the published solution, word for word"


def _imports_check(node: ast.stmt) -> bool:
    """The line that every lesson begins with."""
    return isinstance(node, ast.ImportFrom) and {a.name for a in node.names} <= {
        "check",
        "progress",
        "summary",
    }


def _words(node: ast.stmt) -> Iterator[str]:
    """Names, attributes, imported modules and the words of texts."""
    for n in ast.walk(node):
        if isinstance(n, ast.Name):
            yield n.id
        elif isinstance(n, ast.Attribute):
            yield n.attr
            if isinstance(n.value, ast.Name | ast.Attribute):
                yield _dotted(n)
        elif isinstance(n, ast.Import):
            yield from (a.name for a in n.names)
        elif isinstance(n, ast.ImportFrom):
            yield n.module or ""
            yield from (word for a in n.names for word in (f"{n.module}.{a.name}", a.name))
        elif isinstance(n, ast.Constant) and isinstance(n.value, str):
            yield n.value[:200]


def _dotted(node: ast.expr) -> str:
    """ "a.b.c", or "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < 8:
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


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
        isinstance(n, ast.Attribute) and n.attr == name and _dotted(n.value) in modules
        for statement in nodes
        for n in ast.walk(statement)
    )


def _imported(nodes: Iterable[ast.stmt], module: str) -> set[str]:
    """What is imported from a module, or the module's own name where it is imported whole."""
    package, _, last = module.rpartition(".")
    found: set[str] = set()
    for n in (n for statement in nodes for n in ast.walk(statement)):
        if isinstance(n, ast.ImportFrom) and n.module == module:
            found |= {a.name for a in n.names}
        elif isinstance(n, ast.ImportFrom) and n.module == package:
            found |= {last for a in n.names if a.name == last}
        elif isinstance(n, ast.Import) and module in {a.name for a in n.names}:
            found.add(last)
    return found


@cache
def _imported_by_lesson(exercise: Exercise) -> frozenset[str]:
    """What the lesson as it is handed out imports from there itself, and the exercise's own name.

    Without the notebooks at hand: everything, so that nothing is said.
    """
    found: set[str] = {exercise.reference.__name__}
    notebooks = list(_blank().glob(f"{exercise.lesson}_*.ipynb"))
    for notebook in notebooks:
        statements = Notebook(read_notebook(notebook)).statements
        found |= _imported((s.node for s in statements), exercise.reference.__module__)
    return frozenset(found if notebooks else dir(inspect.getmodule(exercise.reference)))


@cache
def _published(exercise: Exercise) -> frozenset[str]:
    """The solutions that can be read, as `_plain` has them; none where they are only short."""
    source = textwrap.dedent(inspect.getsource(exercise.reference))
    solved = [n for n in ast.parse(source).body if isinstance(n, Definition)]
    solved += _from_notebook(_beside("solutions"), exercise)
    known = _given(exercise)
    return frozenset(_plain(n) for n in solved if _size(n) - known >= _LONG_ENOUGH)


@cache
def _given(exercise: Exercise) -> int:
    """Nodes of the exercise as it is handed out."""
    return max((_size(n) for n in _from_notebook(_blank(), exercise)), default=0)


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
            statements = Notebook(read_notebook(notebook)).statements
        except (OSError, ValueError):
            continue
        nodes = (s.node for s in statements)
        found += [n for n in nodes if isinstance(n, Definition) and n.name == exercise.name]
    return found


def _size(node: ast.AST) -> int:
    return sum(1 for n in _bare(node) for _ in ast.walk(n))


def _plain(node: Definition) -> str:
    """A definition without what does not matter: its name, docstrings, annotations, layout."""
    return "\n".join(ast.dump(n) for n in _bare(node))


def _bare(node: ast.AST) -> Iterable[ast.stmt]:
    """The body of a definition, its docstrings and annotations gone. Changes nothing given."""
    tree = ast.parse(ast.unparse(node))
    for n in ast.walk(tree):
        if isinstance(n, Definition):
            first = n.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                n.body = n.body[1:] or [ast.Pass()]
            n.decorator_list = []
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef):
            n.returns = None
        if isinstance(n, ast.arg):
            n.annotation = None
    definition = tree.body[0]
    return definition.body if isinstance(definition, Definition) else []


def shape(exercise: Exercise, code: CodeSlice) -> frozenset[int]:
    """The structure of an answer without its names and numbers: numbers for its runs of nodes.

    Empty where the answer is short, for short answers are alike by chance.
    """
    definitions = [n for n in _nodes(code) if isinstance(n, Definition) and n.name == code.name]
    if not definitions or _size(definitions[-1]) - _given(exercise) < _LONG_ENOUGH:
        return frozenset()
    kinds = [_kind(n) for statement in _bare(definitions[-1]) for n in _in_order(statement)]
    runs = (" ".join(kinds[i : i + _WINDOW]) for i in range(max(len(kinds) - _WINDOW + 1, 1)))
    return frozenset(list(dict.fromkeys(zlib.crc32(run.encode()) for run in runs))[:400])


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    waiting = [node]
    while waiting:
        n = waiting.pop()
        if not isinstance(n, ast.expr_context):
            yield n
        waiting += reversed(list(ast.iter_child_nodes(n)))


def _kind(node: ast.AST) -> str:
    """The node's kind; for an attribute its name too, for that is rarely the student's choice."""
    return f"{type(node).__name__}.{getattr(node, 'attr', '')}"
