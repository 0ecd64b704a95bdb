"""Packages that the data is taken from: pinned, fetched into a cache, checked by SHA-256."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """One package of one registry, and the licence and credit of what we take out of it.

    `registry` is "pypi", "npm" or "debian". `licence` and `credit` are those of the contents used
    (a photograph inside a wheel may have another licence than the wheel's code).
    """

    registry: str
    name: str
    version: str
    sha256: str
    licence: str
    credit: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.registry})"


@dataclass(frozen=True)
class Made:
    """One file of data/: what it holds, and the names of the sources it was made from."""

    about: str
    sources: tuple[str, ...]


def cache() -> Path:
    """Where fetched packages are kept: $COURSE_SOURCES, or a folder of ~/.cache."""
    return Path(os.environ.get("COURSE_SOURCES", Path.home() / ".cache" / "course_lib_sources"))


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take(source: Source) -> Path:
    """The package's file: from the cache, or fetched with the registry's own client.

    Raises ValueError when what came is not what is pinned.
    """
    folder = cache() / (source.sha256 or "not-pinned")
    kept = sorted(folder.glob("*")) if source.sha256 else []
    if kept and sha256(kept[0]) == source.sha256:
        return kept[0]
    with tempfile.TemporaryDirectory() as scratch:
        print(f"fetching {source}", flush=True)
        subprocess.run(
            _command(source, scratch), cwd=scratch, check=True, stdout=subprocess.DEVNULL
        )
        (fetched,) = Path(scratch).iterdir()
        got = sha256(fetched)
        if got != source.sha256:
            raise ValueError(
                f"{source}: wanted SHA-256 {source.sha256}, got {got}. Usual cause: the "
                "version was published again; look at what changed before pinning it."
            )
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(fetched, folder / fetched.name))


def _command(source: Source, scratch: str) -> list[str]:
    """For PyPI one machine is named, so that everybody gets the same wheel."""
    if source.registry == "pypi":
        platforms = ("manylinux_2_27_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64")
        return [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--only-binary=:all:", "--python-version=3.11", "--implementation=cp"),
            *(f"--platform={p}" for p in platforms),
            *("--dest", scratch, f"{source.name}=={source.version}"),
        ]
    if source.registry == "npm":
        return ["npm", "pack", "--silent", f"{source.name}@{source.version}"]
    if source.registry == "debian":
        # apt drops to a user of its own, who may not write here: said to be root, it stays root
        option = "APT::Sandbox::User=root"
        return ["apt-get", "download", "-qq", "-o", option, f"{source.name}={source.version}"]
    raise ValueError(f"registry {source.registry!r}: wanted 'pypi', 'npm' or 'debian'")
