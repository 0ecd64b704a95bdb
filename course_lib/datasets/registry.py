"""Bundled files: found, and checked by size and SHA-256, before anything is read from them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from course_lib.files import paths
from course_lib.files.atomic import sha256


def path(name: str) -> Path:
    """A bundled file, by its path below data/: path("digits.npz"). Checked once a process.

    Raises FileNotFoundError for a file that is missing and ValueError for one that is not the file
    of the manifest; both name the file and the command that mends it.
    """
    return _checked(paths.bundled("data"), name)


def splits(of: str) -> dict[str, Any]:
    """The split of one set, as data/splits.json has it: training, validation, test, and the seed.

    Raises ValueError, with the sets that there are, for one without a split.
    """
    known = json.loads(path("splits.json").read_text(encoding="utf-8"))
    if of not in known:
        raise ValueError(f"no split for {of!r}; data/splits.json has {', '.join(sorted(known))}")
    return dict(known[of])


def pick(who: str, split: str, known: tuple[str, ...] = ("train", "validation", "test")) -> str:
    """Give `split` back if it is one of `known`; `who` names the loader in the ValueError."""
    if split not in known:
        raise ValueError(f"{who}: there is no split {split!r}; wanted one of {', '.join(known)}")
    return split


@cache
def _manifest(folder: Path) -> dict[str, dict[str, Any]]:
    file = folder / "manifest.json"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing. {paths.repair(folder, 'manifest.json')}")
    return dict(json.loads(file.read_text(encoding="utf-8"))["files"])


@cache
def _checked(folder: Path, name: str) -> Path:
    entries = _manifest(folder)
    if name not in entries:
        raise ValueError(f"no bundled file is called {name!r}; there are {', '.join(entries)}")
    file, wanted, how = folder / name, entries[name], paths.repair(folder, name)
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing. {how}")
    data = file.read_bytes()
    if len(data) < wanted["bytes"]:
        raise ValueError(
            f"{file} is cut short: it should have {wanted['bytes']:,} bytes, it has {len(data):,}. "
            f"Usual cause: an interrupted copy or a full disk. {how}"
        )
    got = sha256(data)
    if got != wanted["sha256"]:
        raise ValueError(
            f"{file} is not the file that belongs here: its SHA-256 should be "
            f"{wanted['sha256'][:12]}..., it is {got[:12]}.... Usual cause: it was edited, or "
            f"damaged on the way. {how}"
        )
    return file
