"""Run the notebooks as Google Colab would: each alone in an empty folder, with Colab's versions.

    python tools/release_checks/colab_check.py                        every notebook, on python3.13
    python tools/release_checks/colab_check.py 00 06 --python PATH    these, on another Python
    python tools/release_checks/colab_check.py 00 --shared            on this Python and its torch

The first cell finds no course and installs it, from the last commit of this checkout in place of
the repository's address (in $COURSE_SOURCE). Afterwards every package that was there must be there
as it was; what was added is said, and taken away again. The environment (on Linux some 6 GB of
torch; a CPU index spares most of it, README) is kept in ~/.cache/course-colab. `--shared` makes a
small one instead.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

sys.path.insert(0, str(Path(__file__).parents[1] / "authoring"))
from lesson_source import ROOT

COLABS = ["ipywidgets==7.7.1", "ipython==7.34.0", "ipykernel==6.17.1"]
HEAVY = ["numpy==2.1.*", "matplotlib==3.10.*", "torch", "torchvision", "transformers", "einops"]
HEAVY += ["safetensors", "pillow", "psutil"]
APT = {"pyparsing": "2.4.7", "six": "1.16.0", "MarkupSafe": "2.0.1"}  # last on Colab's path
STUB = "google.colab"
CELL_SECONDS = 900


def main(arguments: list[str]) -> int:
    """Try the notebooks named, or all; 1 if any of them fails or a package was changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", metavar="NN", help="a lesson's two digits")
    parser.add_argument("--python", default="python3.13", help="which Python (python3.13)")
    parser.add_argument("--shared", action="store_true", help="this Python and its heavy packages")
    options = parser.parse_args(arguments)
    python = made(sys.executable, shared=True) if options.shared else made(options.python)
    notebooks = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    chosen = [n for n in notebooks if not options.lessons or n.name[:2] in options.lessons]
    failed = 0
    for notebook in chosen:
        said, troubles = try_notebook(python, notebook)
        print(f"{notebook.stem}: {'; '.join(troubles) or 'runs'}. {said}", flush=True)
        failed += bool(troubles)
    print(f"{len(chosen)} notebooks, {failed} with trouble.")
    return int(failed > 0)


def made(interpreter: str, *, shared: bool = False, folder: Path | None = None) -> Path:
    """The Python of an environment such as Colab's, made once. Raises CalledProcessError."""
    key = hashlib.sha256(f"{interpreter} {shared} {COLABS} {HEAVY} {APT}".encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "course-colab"
    folder = folder or cache / key
    python = folder / "bin" / "python"
    if (folder / "made").exists():
        return python
    subprocess.run([interpreter, "-m", "venv", "--clear", str(folder)], check=True)
    if shared:
        pip(python, "uninstall", "--yes", "setuptools")  # the venv's own may be too old for torch
        site = Path(_run(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
        share(site, [re.split(r"[=<>]", name)[0] for name in HEAVY])
    pip(python, "install", *COLABS, *([] if shared else HEAVY))
    _stub(Path(_run(python, "import sysconfig; print(sysconfig.get_path('purelib'))")))
    _older(
        folder / "apt", Path(_run(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    )
    (folder / "made").touch()
    return python


def _older(apt: Path, site: Path) -> None:
    """Apt's old copies behind those that count, as in Colab's /usr/lib/python3/dist-packages."""
    for name, version in APT.items():
        info = apt / f"{name}-{version}.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (site / "zz_apt.pth").write_text(f"{apt}\n")


def share(site: Path, names: list[str]) -> None:
    """Link packages of this Python, and all that they need, into another one's site-packages."""
    for one in _with_needs(names):
        parts = {file.parts[0] for file in one.files or () if file.parts[0] not in ("..", "bin")}
        for part in parts - {"__pycache__"}:
            target = site / part
            if not target.exists():
                target.symlink_to(Path(str(one.locate_file(part))))


def _with_needs(names: list[str]) -> Iterator[importlib.metadata.Distribution]:
    """These distributions and those that they require, as far as they are installed."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            found = importlib.metadata.distribution(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform
        yield found
        for requirement in map(Requirement, found.requires or ()):
            marker = requirement.marker
            if not marker or any(marker.evaluate({"extra": e}) for e in ("", *wanted.extras)):
                waiting.append(requirement)


def _stub(site: Path) -> None:
    """A `google.colab` that is loaded from the start, as in Colab's kernels."""
    package = site.joinpath(*STUB.split("."))
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text('"""Stands in for Colab\'s own package."""\n')
    (site / "colab.pth").write_text(f"import {STUB}\n")


def try_notebook(python: Path, notebook: Path) -> tuple[str, list[str]]:
    """Run one, and compare the packages. Returns what was added, and what went wrong."""
    before = packages(python)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(notebook, folder)
        troubles = run(python, Path(folder) / notebook.name)
    after = packages(python)
    changed = {n: after.get(n, "gone") for n, v in before.items() if after.get(n) != v}
    added = sorted(after.keys() - before.keys())
    if changed:
        troubles.append(f"packages were changed: {changed}")
    if added:
        pip(python, "uninstall", "--yes", *added)
    return f"Added: {', '.join(added) or 'nothing'}", troubles


def packages(python: Path) -> dict[str, str]:
    """Name and version of all that is installed."""
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {p["name"]: p["version"] for p in json.loads(listed.stdout)}


class _Colab(NotebookClient):
    """Like a person's front end it can be asked for input, so that the live controls are made."""

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        client.allow_stdin = True
        return client


def run(python: Path, notebook: Path) -> list[str]:
    """Run all cells in that Python; what went wrong."""
    nb = nbformat.read(notebook, nbformat.NO_CONVERT)
    spec = notebook.parent / "jupyter" / "kernels" / "colab"
    spec.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    words = {"argv": command, "display_name": "Colab", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(words))
    own = {"JUPYTER_PATH": str(spec.parents[1])}
    source = notebook.parent / "course.zip"  # what the repository's page gives under main.zip
    archive = [
        "git",
        "archive",
        "--format=zip",
        "--prefix=course-main/",
        f"--output={source}",
        "HEAD",
    ]
    subprocess.run(archive, cwd=ROOT, check=True)
    outer = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    empty = notebook.parent / "content"
    empty.mkdir()
    inner = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COURSE_", "IPY"))}
    try:
        _Colab(
            nb,
            timeout=CELL_SECONDS,
            kernel_name="colab",
            allow_errors=True,
            resources={"metadata": {"path": str(empty)}},
        ).execute(env=inner | {"COURSE_SOURCE": source.as_uri()})
    except CellTimeoutError as error:
        return [str(error)]
    finally:
        for name, value in outer.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return _troubles(nb)


def _troubles(nb: nbformat.NotebookNode) -> list[str]:
    code = [c for c in nb.cells if c.cell_type == "code"]
    troubles = [
        f"cell {i}: {o.ename}: {o.evalue}"
        for i, cell in enumerate(code)
        for o in cell.outputs
        if o.output_type == "error"
    ]
    said = "".join(o.get("text", "") for o in code[0].outputs)
    if "in Google Colab" not in said:
        troubles.append(f"the first cell does not say that this is Colab: {said!r}")
    controls = sum("widget-view+json" in str(o.get("data", "")) for c in code for o in c.outputs)
    wanted = sum(bool(re.search(r"^explore\(", c.source, re.MULTILINE)) for c in code)
    if controls < wanted:
        troubles.append(f"{wanted} cells have controls, {controls} were shown")
    return troubles


def pip(python: Path, *arguments: str) -> None:
    """Run that Python's pip. Raises CalledProcessError; pip itself says why."""
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([str(python), "-m", "pip", *arguments, *quiet], check=True)


def _run(python: Path, code: str) -> str:
    return subprocess.run(
        [str(python), "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
