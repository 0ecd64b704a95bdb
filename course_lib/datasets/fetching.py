"""Downloads: into a cache folder, whole or not at all, checked by SHA-256 at each use."""

import hashlib
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from course_lib.files import paths


@dataclass(frozen=True)
class Remote:
    """A file somewhere else: its address, SHA-256 and size in bytes."""

    url: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The file's name, here and there."""
        return self.url.rsplit("/", 1)[-1]


def fetch(remote: Remote) -> Path:
    """The file in the cache folder, downloaded there if it is not yet; progress goes to stderr.

    Raises ValueError for a damaged file, ConnectionError where nothing, or not all of it, can be
    downloaded, and OSError where the cache cannot be written. No part of a file is left behind.
    """
    file = paths.cache() / remote.name
    try:
        if file.is_file():
            return _verified(file, remote, f"Delete {file} and ask again")
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".half-") as scratch:
            half = Path(scratch) / remote.name
            with half.open("wb") as out:
                for piece in _pieces(remote):
                    out.write(piece)
            return _verified(half, remote, "Ask again").replace(file)
    except ConnectionError:
        raise
    except OSError as error:
        raise OSError(
            f"cannot write {remote.name} ({remote.size / 1e6:,.1f} MB) to the cache folder "
            f"{file.parent}: {error.strerror or error}. Set the environment variable COURSE_CACHE "
            "to a folder where you may write and there is room."
        ) from error


def _pieces(remote: Remote) -> Iterator[bytes]:
    """The file piece by piece. Raises ConnectionError if it does not arrive whole."""
    done, shown = 0, time.monotonic()
    try:
        with urllib.request.urlopen(remote.url, timeout=30) as response:
            while piece := response.read(1 << 16):
                yield piece
                done += len(piece)
                if time.monotonic() - shown > 0.25:
                    shown = time.monotonic()
                    _say(f"{remote.name}: {done / 1e6:.1f} of {remote.size / 1e6:.1f} MB")
    except (OSError, HTTPException) as error:  # no network, no such host, a time-out, a refusal
        raise ConnectionError(
            f"no connection to {remote.url}: {getattr(error, 'reason', error)}. Only this file, "
            "which you asked for, needs one; the lessons with their data and weights work offline."
        ) from error
    if done < remote.size:
        raise ConnectionError(
            f"the download of {remote.name} ended after {done:,} of {remote.size:,} bytes, and "
            "nothing of it was kept. Usual cause: an unsteady connection; ask again."
        )
    _say(f"{remote.name}: {done / 1e6:.1f} MB, done\n")


def _verified(file: Path, remote: Remote, mend: str) -> Path:
    with file.open("rb") as content:
        got = hashlib.file_digest(content, "sha256").hexdigest()
    if got != remote.sha256:
        raise ValueError(
            f"{remote.name} is damaged: its SHA-256 should be {remote.sha256[:12]}... and its size "
            f"{remote.size:,} bytes, they are {got[:12]}... and {file.stat().st_size:,}. {mend}; "
            "if it stays so, the file has changed at its source."
        )
    return file


def _say(text: str) -> None:
    print(f"\r{text}", end="", file=sys.stderr, flush=True)
