"""From a fresh clone to a running course, in one command. Needs Python 3.11 to 3.13, no more.

    python tools/start.py lab            make .venv, install the course, open it in JupyterLab
    python tools/start.py test           the same with the tools for testing, then run every test
    python tools/start.py install        with these tools too, then stop and say where Python is

What follows the word goes to `course lab` or to pytest. The environment is made once, and anew when
pyproject.toml changes; $COURSE_VENV puts it elsewhere. pip's own settings count: on Linux without
an NVIDIA GPU, PIP_EXTRA_INDEX_URL with the address of torch's CPU wheels (README) saves 4 GB.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVERY_TEST = ["-m", "pytest", "-n", "2", "--dist", "loadfile"]
LAB = ["-m", "course_lib.cli", "lab"]


def main(arguments: list[str]) -> int:
    """Prepare the environment, then go on in it; the exit code is that of what ran."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        print(
            f"The course needs Python 3.11, 3.12 or 3.13; this is {sys.version.split()[0]}. "
            "Install one of them beside it and name it: python3.13 tools/start.py lab; on Windows: "
            "py -3.13 tools/start.py lab."
        )
        return 2
    if not arguments or arguments[0] not in ("lab", "test", "install"):
        print(__doc__)
        return 2
    goal, *rest = arguments
    python = environment("lab" if goal == "lab" else "test")
    if goal == "install":
        print(python)
        return 0
    command = LAB if goal == "lab" else EVERY_TEST
    folder = Path.cwd() if goal == "lab" else ROOT
    try:
        return subprocess.run([str(python), *command, *rest], cwd=folder, check=False).returncode
    except KeyboardInterrupt:  # how JupyterLab is stopped
        return 0


def environment(extra: str) -> Path:
    """The Python of the virtual environment, with the course and one of its extras installed."""
    folder = Path(os.environ.get("COURSE_VENV", ROOT / ".venv"))
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    settings = (ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()
    stamp = folder / f"installed-{extra}-{hashlib.sha256(settings).hexdigest()[:12]}"
    if python.exists() and stamp.exists():
        return python
    print(f"Preparing {folder}: this takes some minutes, once.", flush=True)
    if not _has_pip(python):
        venv.create(folder, with_pip=True, clear=python.exists())
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    quiet = [] if sys.stdout.isatty() else ["--quiet"]  # somebody who waits sees that it goes on
    if subprocess.run([*pip, *quiet, "-e", f"{ROOT}[{extra}]"], check=False).returncode:
        sys.exit("pip could not install the course: its own message is above.")
    stamp.touch()
    return python


def _has_pip(python: Path) -> bool:
    """Whether an environment is there, whole: one that was broken off has a Python but no pip."""
    asked = [str(python), "-m", "pip", "--version"]
    return python.exists() and subprocess.run(asked, capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
