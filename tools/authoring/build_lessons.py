"""Make notebooks/ and solutions/ from lessons/.

    python tools/authoring/build_lessons.py            all lessons, each run in a fresh kernel
    python tools/authoring/build_lessons.py 01 05      these lessons
    python tools/authoring/build_lessons.py --text 01  run nothing; new prose, same code and outputs
    python tools/authoring/build_lessons.py --check    run nothing; fail if a committed notebook is
                                                       not what its lesson would give

solutions/ has the exercises filled in, and every output. notebooks/ has them blank; the outputs of
the other cells come from the same run, those of exercises and checks are left out.
"""

import argparse
import copy
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from lesson_source import ROOT, Lesson, is_own_work, lesson_cells, read_lesson
from nbclient import NotebookClient
from nbformat import NotebookNode

MOST_BYTES = 400_000
CELL_SECONDS = 600


def main(arguments: list[str]) -> int:
    """Build or check the lessons named; 0 if all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", metavar="NN", help="a lesson's two digits")
    parser.add_argument("--check", action="store_true", help="compare with what is committed")
    parser.add_argument("--text", action="store_true", help="keep the outputs: no code has changed")
    options = parser.parse_args(arguments)
    sources = [
        path
        for path in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))
        if not options.lessons or path.stem[:2] in options.lessons
    ]
    if options.check:
        problems = [p for path in sources for p in differences(read_lesson(path))] + strays()
        print("\n".join(problems) or f"{len(sources)} lessons: notebooks as built.")
        return int(bool(problems))
    for path in sources:
        for file in build(read_lesson(path), run=not options.text):
            print(f"{file.relative_to(ROOT)}  {file.stat().st_size / 1000:.0f} KB")
    return 0


def build(lesson: Lesson, root: Path = ROOT, *, run: bool = True) -> list[Path]:
    """Run a lesson's solution once and write both of its notebooks. Returns their paths.

    Raises nbclient's CellExecutionError when a cell fails, and ValueError when a notebook would be
    too large or a cell wrote to stderr (a warning, a progress bar).
    """
    solution, notebook = notebooks(lesson)
    if run:
        execute(solution)
    else:
        restore(solution, root / "solutions" / f"{lesson.stem}.ipynb")
    for cell, ran in zip(notebook.cells, solution.cells, strict=True):
        if cell.cell_type == "code":
            cell.execution_count = ran.execution_count
            cell.outputs = [] if is_own_work(cell.source) else copy.deepcopy(ran.outputs)
    written = []
    for folder, nb in (("solutions", solution), ("notebooks", notebook)):
        nbformat.validate(nb)
        text = nbformat.writes(nb) + "\n"
        if len(text.encode()) > MOST_BYTES:
            raise ValueError(
                f"{folder}/{lesson.stem}.ipynb would be {len(text.encode()) / 1000:.0f} KB, above "
                f"{MOST_BYTES / 1000:.0f}. Usual cause: many or large photographs; show fewer."
            )
        file = root / folder / f"{lesson.stem}.ipynb"
        file.parent.mkdir(exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        written.append(part.replace(file))
    return written


def notebooks(lesson: Lesson) -> tuple[NotebookNode, NotebookNode]:
    """The solution and the learner's notebook, without outputs."""
    both = []
    for solve in (True, False):
        nb = nbformat.v4.new_notebook(cells=lesson_cells(lesson, solve=solve))
        nb.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        if lesson.gpu:
            nb.metadata |= {"accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": []}}
        nb.nbformat, nb.nbformat_minor = 4, 5
        both.append(nb)
    return both[0], both[1]


def execute(nb: NotebookNode) -> None:
    """Run all cells in a fresh kernel and an empty folder; leave what a reader needs, no more."""
    metadata = copy.deepcopy(nb.metadata)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            nb,
            timeout=CELL_SECONDS,
            resources={"metadata": {"path": folder}},
            coalesce_streams=True,
            record_timing=False,
            store_widget_state=False,
        ).execute(env={**os.environ, "COURSE_PROGRESS": folder})
    nb.metadata = metadata
    for n, cell in enumerate((c for c in nb.cells if c.cell_type == "code"), start=1):
        cell.execution_count = n
        cell.metadata = {}
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                raise ValueError(f"a cell wrote to stderr:\n{output.text}\nin\n{cell.source}")
            if "execution_count" in output:
                output.execution_count = n


def restore(nb: NotebookNode, built: Path) -> None:
    """Give the code cells the outputs of the notebook built before.

    Raises ValueError where the code differs, as its outputs might.
    """
    there = nbformat.read(built, as_version=nbformat.NO_CONVERT)
    old, new = ([c for c in n.cells if c.cell_type == "code"] for n in (there, nb))
    if [c.source for c in old] != [c.source for c in new]:
        raise ValueError(f"the code of {built.stem} has changed: build it without --text")
    for before, cell in zip(old, new, strict=True):
        cell.execution_count, cell.outputs = before.execution_count, before.outputs


def differences(lesson: Lesson) -> list[str]:
    """One line for each committed notebook that is missing or not what the lesson would give."""
    found = []
    for folder, wanted in zip(("solutions", "notebooks"), notebooks(lesson), strict=True):
        name = f"{folder}/{lesson.stem}.ipynb"
        fix = f"run: python tools/authoring/build_lessons.py {lesson.number}"
        if not (ROOT / name).is_file():
            found.append(f"{name} is missing; {fix}")
            continue
        there = nbformat.read(ROOT / name, as_version=nbformat.NO_CONVERT)
        if _plain(there) != _plain(wanted):
            found.append(f"{name} is not what lessons/{lesson.stem}.py gives; {fix}")
    return found


def strays() -> list[str]:
    """Notebooks that no lesson makes."""
    return [
        f"{folder}/{file.name} has no lesson: delete it"
        for folder in ("solutions", "notebooks")
        for file in sorted((ROOT / folder).glob("*.ipynb"))
        if not (ROOT / "lessons" / f"{file.stem}.py").is_file()
    ]


def _plain(nb: NotebookNode) -> tuple[object, ...]:
    return nb.nbformat_minor, nb.metadata, [(c.id, c.cell_type, c.source) for c in nb.cells]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
