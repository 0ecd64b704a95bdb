"""`course doctor`: does everything here work that the course needs, and if not, what repairs it."""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path

from course_lib import __version__
from course_lib.files import paths
from course_lib.files.atomic import sha256

_NAME = "stable-diffusion-by-hand"
_MODULES = {"pillow": "PIL"}  # where a package is imported by another name
Finding = tuple[bool, str]
# Imports each module in turn and says after each how it went: a crash ends it in the middle.
_TRY = """
import importlib, json, sys
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
        said = ["", str(getattr(module, "__file__", ""))]
    except BaseException as error:
        said = [type(error).__name__ + ": " + str(error).strip().replace("\\n", " ")[:300], ""]
    print(json.dumps([name, *said]), flush=True)
"""
_DEVICE = """
import torch
from course_lib.display.notebook import pick_device
print(f"device {pick_device()}, {torch.get_num_threads()} threads")
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(options: argparse.Namespace) -> int:
    """Print one line a finding; 1 if something must be repaired."""
    trouble = 0
    for good, line in findings():
        print(line if good else f"REPAIR  {line}")
        trouble += not good
    print("All is well." if not trouble else f"{trouble} to repair.")
    return int(trouble > 0)


def findings() -> Iterator[Finding]:
    """(whether it is well, one line) for Python, the packages, the device, data and weights."""
    yield True, f"Python {platform.python_version()} on {platform.system()} ({sys.executable})"
    yield True, f"course {__version__}"
    for folder in (Path.cwd(), Path.cwd() / "my-course"):
        yield from _shadows(folder)
    yield from _packages()
    yield from _files()


def _shadows(folder: Path) -> Iterator[Finding]:
    """Files of the learner's own that Python would import in the place of a package."""
    wanted = {_module(name) for name, _ in _wanted()} | set(sys.stdlib_module_names)
    for file in sorted(folder.glob("*.py")):
        if file.stem in wanted:
            yield (
                False,
                f"{file} hides the module {file.stem} from every notebook in this folder: give it "
                "another name",
            )


def _wanted() -> list[tuple[str, str]]:
    """Name and requirement of each package that the course's own metadata asks for, no extras."""
    try:
        asked = [r.partition(";") for r in requires(_NAME) or []]
    except PackageNotFoundError:
        return []
    return [(re.split(r"[<>=~! ]", r)[0], r.strip()) for r, _, mark in asked if "extra" not in mark]


def _module(package: str) -> str:
    return _MODULES.get(package, package.replace("-", "_"))


def _packages() -> Iterator[Finding]:
    """Each package: is it there, new enough, of this environment, and can it be imported?"""
    try:
        fits = metadata(_NAME)["Requires-Python"] or ""
    except PackageNotFoundError:
        root = Path(__file__).parents[2]
        how = paths.pasted(sys.executable, str(root / "tools" / "start.py"), "lab")
        yield False, f"the course is not installed in this Python. Repair it with: {how}"
        return
    bounds = [int(n) for n in re.findall(r"3\.(\d+)", fits)]
    if bounds and not min(bounds) <= sys.version_info[1] < max(bounds):
        yield False, f"this Python is {platform.python_version()}; the course needs {fits}"
    there = []
    for name, requirement in _wanted():
        try:
            found = version(name)
        except PackageNotFoundError:
            yield False, f"{name} is missing. {_install(requirement)}"
            continue
        if _numbers(found) < _numbers(requirement.partition(">=")[2]):
            yield False, f"{name} {found} is too old. {_install('--upgrade', requirement)}"
        else:
            there.append((name, found))
    yield from _imported(there)


def _imported(there: list[tuple[str, str]]) -> Iterator[Finding]:
    """What importing them says, in a Python of its own: a broken package may end it."""
    modules = [_module(name) for name, _ in there]
    code = [sys.executable, "-c", _TRY, *modules]
    ran = subprocess.run(code, capture_output=True, text=True, errors="replace")
    said = {}
    for line in ran.stdout.splitlines():
        if line.startswith("["):  # a package may print as well
            name, error, file = json.loads(line)
            said[name] = (error, file)
    for name, found in there:
        error, file = said.get(_module(name), (f"it ended Python (code {ran.returncode})", ""))
        if error:
            yield False, f"{name} {found} cannot be imported ({error}). {_cure(name, found, error)}"
            if _module(name) not in said:
                return  # what follows was not tried
        elif file and os.environ.get("PYTHONPATH") and not _own(file):
            yield (
                False,
                f"{name} comes from {file}, outside this environment. Usual cause: the variable "
                "PYTHONPATH, which another program wants; unset it before you start the course",
            )
        else:
            yield True, f"{name} {found}"
    if not said.get("torch", ("missing", ""))[0]:
        device = subprocess.run([sys.executable, "-c", _DEVICE], capture_output=True, text=True)
        works = device.returncode == 0
        last = (device.stderr.strip().splitlines() or ["?"])[-1]
        yield works, device.stdout.strip() if works else f"torch finds no device: {last}"


def _own(file: str) -> bool:
    return any(Path(file).is_relative_to(place) for place in (sys.prefix, sys.base_prefix))


def _cure(name: str, found: str, error: str) -> str:
    """What repairs a package that is there and does not work."""
    if os.name == "nt" and ("WinError" in error or "DLL load failed" in error):
        return (
            "Usual cause: Microsoft's C++ runtime is missing. Repair it with: winget install "
            "Microsoft.VCRedist.2015+.x64, then start Windows again"
        )
    missing = re.search(r"No module named '([\w.]+)'", error)
    if missing and _module(name) != missing[1].partition(".")[0]:
        return _install(missing[1].partition(".")[0].replace("_", "-"))
    if name in ("torch", "torchvision"):  # they work in pairs of versions
        return _install("--force-reinstall", "torch", "torchvision")
    return _install("--force-reinstall", "--no-deps", f"{name}=={found}")


def _install(*what: str) -> str:
    """The command that installs something into this Python, by what is here for that."""
    locked = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists()
    if locked and sys.prefix == sys.base_prefix:  # the system's own Python refuses pip
        start = Path(__file__).parents[2] / "tools" / "start.py"
        return f"Repair it with: {paths.pasted(sys.executable, str(start), 'lab')}"
    if find_spec("pip") or not (uv := shutil.which("uv")):
        return f"Repair it with: {paths.pasted(sys.executable, '-m', 'pip', 'install', *what)}"
    here = ("pip", "install", "--python", sys.executable)
    return f"Repair it with: {paths.pasted(uv, *here, *_for_uv(what))}"


def _for_uv(what: tuple[str, ...]) -> list[str]:
    return ["--reinstall" if word == "--force-reinstall" else word for word in what]


def _numbers(text: str) -> tuple[int, ...]:
    """The release numbers of a version: (2, 11, 0) of "2.11.0+cu128"."""
    parts = text.split("+")[0].split(".")[:3]
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in parts)


def _files() -> Iterator[Finding]:
    try:
        data = paths.bundled("data")
    except FileNotFoundError as error:
        yield False, str(error)
        return
    try:
        files = json.loads((data / "manifest.json").read_text(encoding="utf-8"))["files"]
        wanted = {name: str(entry["sha256"]) for name, entry in files.items()}
    except (OSError, ValueError, KeyError):
        how = paths.repair(data, "manifest.json")
        yield False, f"{data / 'manifest.json'} is missing or corrupted. {how}"
        return
    cards = sorted((data / "weights").glob("*.json"))
    for card in cards:
        try:
            said = json.loads(card.read_text(encoding="utf-8"))
            digest = str(said["sha256"])
        except (OSError, ValueError, KeyError):
            yield False, f"{card} is corrupted. {paths.repair(data, f'weights/{card.name}')}"
            continue
        wanted[f"weights/{card.with_suffix('.safetensors').name}"] = digest
        wanted |= {f"weights/{name}": sha for name, sha in said.get("beside", {}).items()}
    bad = {name: why for name, sha in wanted.items() if (why := _wrong(data / name, sha))}
    for name, why in bad.items():
        yield False, f"{data / name} {why}. {paths.repair(data, name)}"
    kinds = f"{len(files)} files of data and {len(wanted) - len(files)} of weights"
    yield True, f"{kinds} in {data}: {len(wanted) - len(bad)} intact"
    free = shutil.disk_usage(data).free / 1e9
    yield free > 0.5, f"{free:.0f} GB of disk free" + ("" if free > 0.5 else ": make some room")


def _wrong(file: Path, wanted: str) -> str:
    """What is wrong with a bundled file, or ""."""
    if not file.is_file():
        return "is missing"
    content = file.read_bytes()
    if content.startswith(b"version https://git-lfs"):
        return "is only a pointer of git-lfs"
    return "" if sha256(content) == wanted else "is not the file that belongs here"
