"""`course doctor`: is everything here that the course needs, and if not, what mends it."""

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from course_lib import __version__
from course_lib.datasets.registry import mend
from course_lib.files import paths
from course_lib.files.atomic import sha256

_NAME = "stable-diffusion-by-hand"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(options: argparse.Namespace) -> int:
    """Print one line a finding; 1 if something must be mended."""
    trouble = 0
    for good, line in findings():
        print(line if good else f"MEND  {line}")
        trouble += not good
    print("All is well." if not trouble else f"{trouble} to mend.")
    return int(trouble > 0)


def findings() -> Iterator[tuple[bool, str]]:
    """(whether it is well, one line) for Python, the packages, the device, data and weights."""
    python = sys.version_info[:2]
    here = f"Python {platform.python_version()} on {platform.system()} ({sys.executable})"
    fits = (3, 11) <= python <= (3, 13)
    yield fits, here if fits else f"{here}: the course needs 3.11, 3.12 or 3.13"
    yield True, f"course {__version__}"
    yield from _packages()
    yield from _device()
    yield from _files()


def _packages() -> Iterator[tuple[bool, str]]:
    """The packages that the course's own metadata asks for, without the extras."""
    try:
        wanted = [r for r in requires(_NAME) or [] if "extra ==" not in r]
    except PackageNotFoundError:
        yield False, "the course is not installed; in its folder: python -m pip install -e ."
        return
    for requirement in wanted:
        name, _, bound = requirement.partition(">=")
        try:
            found = version(name)
        except PackageNotFoundError:
            yield False, f"{name} is missing: python -m pip install '{requirement}'"
            continue
        new_enough = _numbers(found) >= _numbers(bound)
        how = "" if new_enough else f" is too old: python -m pip install --upgrade '{requirement}'"
        yield new_enough, f"{name} {found}{how}"


def _numbers(text: str) -> tuple[int, ...]:
    """The release numbers of a version: (2, 11, 0) of "2.11.0+cu128"."""
    parts = text.split("+")[0].split(".")[:3]
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in parts)


def _device() -> Iterator[tuple[bool, str]]:
    try:
        import torch

        from course_lib.display.notebook import pick_device
    except Exception as error:
        yield (
            False,
            f"torch does not start ({error}): python -m pip install --force-reinstall torch",
        )
        return
    yield True, f"device {pick_device()}, {torch.get_num_threads()} threads"


def _files() -> Iterator[tuple[bool, str]]:
    try:
        data = paths.bundled("data")
    except FileNotFoundError as error:
        yield False, str(error)
        return
    try:
        files = json.loads((data / "manifest.json").read_text(encoding="utf-8"))["files"]
        wanted = {name: str(entry["sha256"]) for name, entry in files.items()}
    except (OSError, ValueError, KeyError):
        yield False, f"{data / 'manifest.json'} is missing or spoilt. {mend(data, 'manifest.json')}"
        return
    cards = sorted((data / "weights").glob("*.json"))
    for card in cards:
        try:
            said = json.loads(card.read_text(encoding="utf-8"))
            digest = str(said["sha256"])
        except (OSError, ValueError, KeyError):
            yield False, f"{card} is spoilt. {mend(data, f'weights/{card.name}')}"
            continue
        wanted[f"weights/{card.with_suffix('.safetensors').name}"] = digest
        wanted |= {f"weights/{name}": sha for name, sha in said.get("beside", {}).items()}
    bad = {name: why for name, sha in wanted.items() if (why := _wrong(data / name, sha))}
    for name, why in bad.items():
        yield False, f"{data / name} {why}. {mend(data, name)}"
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
