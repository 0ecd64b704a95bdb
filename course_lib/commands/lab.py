"""`course lab`: a learner works on copies, so that the course can be updated under them."""

import argparse
import json
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from course_lib.files import paths
from course_lib.files.atomic import atomic, sha256

_USUAL = Path("my-course")
_COPIED = ".course_notebooks.json"  # file name -> SHA-256 of what was copied


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`folder`, `--no-open` for those who use another editor, and Jupyter's own `--allow-root`."""
    parser.add_argument("folder", nargs="?", default=_USUAL, type=Path)
    parser.add_argument("--no-open", action="store_true", help="copy only, open nothing")
    parser.add_argument(
        "--allow-root", action="store_true", help="for JupyterLab: run as root, as in a container"
    )
    parser.add_argument("--ip", help="for JupyterLab: where it listens; 0.0.0.0 in a container")


def run(options: argparse.Namespace) -> int:
    """Copy what is new, open the first lesson."""
    folder: Path = options.folder
    if folder == _USUAL and Path(_COPIED).exists():
        folder = Path()  # it was called from inside: not my-course/my-course
    copied, kept = copy_notebooks(folder)
    kind = f"{copied} copied, {kept} of yours kept"
    print(f"Your notebooks are in {folder.resolve()}: {kind}.", flush=True)
    if options.no_open:
        return 0
    if find_spec("jupyterlab") is None:
        how = paths.pasted(sys.executable, "-m", "pip", "install", "jupyterlab")
        raise ValueError(
            "JupyterLab is not installed. Open the folder with another editor, or install it with: "
            f"{how}"
        )
    first = min((p.name for p in folder.glob("[0-9][0-9]_*.ipynb")), default="")
    address = f"--LabApp.default_url=/lab/tree/{first}"  # in the address that it prints, too
    command = [sys.executable, "-m", "jupyterlab", *([address] if first else [])]
    command += ["--allow-root"] if options.allow_root else []
    command += [f"--ServerApp.ip={options.ip}"] if options.ip else []
    code = subprocess.run(command, cwd=folder, check=False).returncode
    if code not in (0, -signal.SIGINT, 130):
        print("JupyterLab ended with an error, above. `course doctor` says what may be broken.")
    return code


def copy_notebooks(folder: Path) -> tuple[int, int]:
    """Copy the course's notebooks into `folder`. Returns how many were copied, and kept.

    A notebook is replaced by a newer one only if it is still, byte for byte, what was copied there.
    Raises ValueError when the course has no notebooks or `folder` is not a place for copies.
    """
    source = paths.bundled("notebooks")
    notebooks = sorted(source.glob("*.ipynb"))
    if not notebooks:
        raise ValueError(f"there are no notebooks in {source}: build them, or install it again")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; `course lab` wants a folder of its own")
    if folder.resolve() == source.resolve():
        raise ValueError(f"{folder} is the course's own folder; choose another for your copies")
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / _COPIED
    before = _read(record)
    copied = kept = 0
    for notebook in notebooks:
        target, wanted = folder / notebook.name, sha256(notebook)
        if target.exists() and sha256(target) not in (before.get(notebook.name), wanted):
            kept += 1
            continue
        if not target.exists() or sha256(target) != wanted:
            with atomic(target) as part:
                part.write_bytes(notebook.read_bytes())
            copied += 1
        before[notebook.name] = wanted
        with atomic(record) as part:  # here, so that a stop costs nobody's work
            part.write_text(json.dumps(before, indent=1), encoding="utf-8")
    return copied, kept


def _read(record: Path) -> dict[str, str]:
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
