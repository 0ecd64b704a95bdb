"""The course's own virtual environment: made, checked at each start, repaired, and used.

tools/start.py comes here once it knows that this Python fits. Nothing but the standard library.
"""

import hashlib
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVERY_TEST = ["-m", "pytest", "-n", str(min(2, os.cpu_count() or 1)), "--dist", "loadfile"]
LAB = ["-P", "-m", "course_lib.cli", "lab"]  # -P: not a course_lib of the working folder
MADE = "made.json"  # written once the environment has a Python and pip of its own
# Told by the environment's own Python: its version, and the files of each package that are gone.
LOOK = """
import importlib.metadata, json, os, platform, sys
import pip
packages, gone, seen = {}, {}, {}
def there(path):
    folder, name = os.path.split(path)
    if folder not in seen:
        seen[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else ()
    return name in seen[folder]
for one in importlib.metadata.distributions(path=[p for p in sys.path if p.startswith(sys.prefix)]):
    name = one.metadata["Name"]
    if not name:
        continue
    packages[name] = one.version
    files = [f for f in one.files or () if f.suffix != ".pyc"]
    lost = sum(not there(os.path.normpath(one.locate_file(f))) for f in files)
    if lost:
        gone[name] = lost
print(json.dumps({"python": platform.python_version(), "packages": packages, "gone": gone}))
"""


class Trouble(Exception):
    """What keeps the course from being installed, in a sentence with what helps."""


def main(arguments: list[str]) -> int:
    """Prepare the environment, then go on in it; the exit code is that of what ran."""
    for stream in (sys.stdout, sys.stderr):  # a folder's name may have letters that it lacks
        stream.reconfigure(errors="backslashreplace")
    goal, *rest = arguments
    for name in ("PYTHONHOME", "PYTHONPATH"):  # another program's packages would come first
        if os.environ.pop(name, ""):
            print(f"{name} is set, and left out here: it would mix other packages in.")
    try:
        python = environment("lab" if goal == "lab" else "test")
    except Trouble as trouble:
        print(trouble)
        return 1
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.")
        return 130
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
    """The Python of the virtual environment, with the course and one of its extras installed.

    Raises Trouble.
    """
    folder = Path(os.path.abspath(os.environ.get("COURSE_VENV") or ROOT / ".venv"))
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    settings = (ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode(errors="surrogateescape")
    stamp = folder / f"installed-{extra}-{hashlib.sha256(settings).hexdigest()[:12]}"
    fresh = not folder.exists() or not any(folder.iterdir())
    why, found = ("", {}) if fresh else state(folder, python)
    if not (fresh or why) and stamp.exists() and whole(python, stamp, found):
        return python
    expect_machine()
    if fresh or why:
        print(f"Preparing {folder}{why}: this takes some minutes, once.", flush=True)
        make(folder, python)
    else:
        print(f"Bringing {folder} up to date.", flush=True)
    install(python, ["-e", f"{ROOT}[{extra}]"])
    stamp.write_text(json.dumps(look(python)), encoding="utf-8")
    return python


def state(folder: Path, python: Path) -> tuple[str, dict]:
    """Why the environment must be made again, or ""; and what its Python says of itself."""
    if not python.exists():  # also where it is a link to a Python that is gone
        return " again, as its Python is gone", {}
    try:
        found = look(python)
        if not (folder / MADE).exists():  # made by hand, and it works
            return "", found
        made = json.loads((folder / MADE).read_text(encoding="utf-8"))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return " again, as it is not whole", {}
    if made["folder"] != str(folder):  # its scripts name the old place
        return f" again, as it was moved (from {made['folder']})", {}
    if made["python"] != found["python"]:
        return f" again, as Python {made['python']} is now {found['python']}", {}
    return "", found


def whole(python: Path, stamp: Path, found: dict) -> bool:
    """Whether nothing is missing of what was installed; what is missing is installed again."""
    try:
        wanted = json.loads(stamp.read_text(encoding="utf-8"))
    except ValueError:
        return False
    missing = {n: v for n, v in wanted["packages"].items() if n not in found["packages"]}
    lost = (name for name, n in found["gone"].items() if n > wanted["gone"].get(name, 0))
    missing |= {name: found["packages"][name] for name in lost}
    if not missing:
        return True
    print(f"Repairing {', '.join(sorted(missing))}: files are missing.", flush=True)
    own = [name for name in missing if name.lower() == "stable-diffusion-by-hand"]
    for name in own:  # this checkout, which stands in no index
        del missing[name]
        install(python, ["--no-deps", "--force-reinstall", "-e", str(ROOT)])
    if missing:
        pins = [f"{name}=={version}" for name, version in missing.items()]
        install(python, ["--no-deps", "--force-reinstall", *pins])
    return True


def look(python: Path) -> dict:
    """What LOOK prints. Raises CalledProcessError or ValueError for a Python that is not whole."""
    asked = [str(python), "-I", "-c", LOOK]
    return json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)


def make(folder: Path, python: Path) -> None:
    """A new environment with pip in it: by uv, by venv, or by venv and the pip that is here.

    Raises Trouble where none of them can.
    """
    if (folder / MADE).exists() or (folder / "pyvenv.cfg").exists():
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists() and any(folder.iterdir()):
        raise Trouble(
            f"{folder} is there but is no environment: move it away, or name another folder in the "
            "variable COURSE_VENV."
        )
    here = sys.executable
    if Path(sys.prefix).resolve() == folder.resolve():  # called by the very one that is remade
        here = getattr(sys, "_base_executable", here)
    try:
        if uv() and not subprocess.call(
            [uv(), "venv", "--quiet", "--seed", "--python", here, str(folder)]
        ):
            pass
        elif find_spec("venv") and find_spec("ensurepip"):
            subprocess.run([here, "-m", "venv", "--clear", str(folder)], check=True)
        elif find_spec("venv") and find_spec("pip"):  # Debian's Python without python3-venv
            bare = [here, "-m", "venv", "--clear", "--without-pip", str(folder)]
            subprocess.run(bare, check=True)
            outer = [here, "-m", "pip", "--python", str(python), "install", "--quiet"]
            subprocess.run([*outer, "pip"], check=True)
        else:
            raise Trouble(
                f"This Python ({here}) can make no virtual environment: its parts `venv` "
                "and `ensurepip` are missing. On Debian and Ubuntu: sudo apt install python3-venv. "
                "Without sudo: install uv in your own folder (its page has one line for that), and "
                "give the same command again: the course then uses uv."
            )
    except subprocess.CalledProcessError as error:
        raise Trouble(
            f"{folder} could not be made: the message of {error.cmd[2]} is above."
        ) from None
    found = {"folder": str(folder), "python": look(python)["python"]}
    (folder / MADE).write_text(json.dumps(found), encoding="utf-8")


def uv() -> str:
    """The program uv, where it is there and pip has no settings that it would not know; or ""."""
    told = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT")
    return "" if any(os.environ.get(name) for name in told) else shutil.which("uv") or ""


def install(python: Path, what: list[str]) -> None:
    """Install by uv if it is here and can, else by the environment's pip. Raises Trouble."""
    if uv():
        # "auto" spares machines without a GPU several gigabytes; uv knows where those wheels are
        spare = {"UV_TORCH_BACKEND": "auto", **os.environ}
        asked = [uv(), "pip", "install", "--python", str(python), *what]
        if not subprocess.run(asked, env=spare, check=False).returncode:
            return
        print("uv could not install it; now pip tries.", flush=True)
    quiet = [] if sys.stdout.isatty() else ["--quiet"]  # somebody who waits sees that it goes on
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *quiet]
    if subprocess.run([*pip, *what], check=False).returncode:
        free = shutil.disk_usage(python.parent).free / 1e9
        room = f" Only {free:.1f} GB of disk are free: make some room." if free < 2 else ""
        raise Trouble(
            "pip could not install the course: its own message is above. What is installed stays; "
            f"the same command goes on from there.{room}"
        )


def expect_machine() -> None:
    """Raise Trouble on a machine for which nobody makes PyTorch."""
    intel = platform.machine() in ("x86_64", "AMD64", "i386")
    elsewhere = "Use Google Colab (the badges in README.md)."
    if struct.calcsize("P") < 8:
        raise Trouble(
            f"This Python ({sys.executable}) is a 32-bit one, and PyTorch wants 64 bits. Install "
            f"the 64-bit Python beside it and name it. {elsewhere}"
        )
    if sys.platform == "darwin" and intel:
        raise Trouble(
            "PyTorch is no longer made for Macs with an Intel processor. On a Mac with Apple's own "
            f"processor this is a Python for Intel: install one for Apple Silicon. {elsewhere}"
        )
    if platform.libc_ver()[0] != "glibc" and any(Path("/lib").glob("ld-musl-*")):
        raise Trouble(
            "PyTorch is made for Linux with glibc, and this one has another C library (Alpine has "
            f"musl). {elsewhere}"
        )
    if sys.implementation.name != "cpython":
        raise Trouble(f"The course needs CPython, and this is {sys.implementation.name}.")
