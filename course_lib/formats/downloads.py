"""The published weights of Stable Diffusion 1.5: only when asked for, and on from where it broke.

Four gigabytes rarely arrive in one go. What has arrived is kept beside the place of the file, and
the next try asks the server for the rest; the file takes its name only when all of it is there and
its SHA-256 is the published one.
"""

import hashlib
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from course_lib.files.paths import cache

HUB = "https://huggingface.co/"
PIECE = 1 << 20
TRIES = 5  # in a row without a single new byte


@dataclass(frozen=True)
class Remote:
    """A published file: its address, SHA-256, size in bytes, what it is, and under what terms."""

    url: str
    sha256: str
    size: int
    what: str
    licence: str

    @property
    def name(self) -> str:
        """The file's name, there and here."""
        return self.url.rsplit("/", 1)[-1]


PUBLISHED = {
    "sd-v1-5": Remote(
        HUB + "stable-diffusion-v1-5/stable-diffusion-v1-5/resolve/main/"
        "v1-5-pruned-emaonly.safetensors",
        "6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa",
        4_265_146_304,
        "Stable Diffusion 1.5, whole, float32",
        "CreativeML Open RAIL-M, which forbids some uses: read it before you use the model",
    ),
    "vae-ft-mse": Remote(
        HUB + "stabilityai/sd-vae-ft-mse-original/resolve/main/"
        "vae-ft-mse-840000-ema-pruned.safetensors",
        "735e4c3a447a3255760d7f86845f09f937809baa529c17370d83e4c3758f3c75",
        334_641_190,
        "a later autoencoder for Stable Diffusion 1, better at faces",
        "MIT",
    ),
}


def published(name: str) -> Remote:
    """One of PUBLISHED. ValueError, with the names there are, for another."""
    if name not in PUBLISHED:
        raise ValueError(f"{name!r} cannot be downloaded; {' and '.join(PUBLISHED)} can.")
    return PUBLISHED[name]


def place(remote: Remote) -> Path:
    """Where a downloaded file lies: in the cache, under its own name."""
    return cache() / "models" / remote.name


def download(remote: Remote) -> Path:
    """The file in the cache; fetched, or fetched to its end, if it is not there whole.

    Raises ConnectionError where no more of it arrives (what has arrived is kept), ValueError where
    it is not the published file, OSError where it cannot be written or the disk is too small.
    """
    file = place(remote)
    if file.is_file() and file.stat().st_size == remote.size:
        return file
    part = file.with_name(file.name + ".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _expect_room(part, remote)
        _fill(part, remote)
    except (ConnectionError, ValueError):
        raise
    except OSError as error:
        raise OSError(
            f"cannot write {remote.name} ({remote.size / 1e9:.2f} GB) to {file.parent}: "
            f"{error.strerror or error}. Set the environment variable COURSE_CACHE to a folder "
            "where you may write and there is room."
        ) from error
    got = sha256(part)
    if got != remote.sha256:
        part.unlink()
        raise ValueError(
            f"{remote.name} is not the published file: its SHA-256 should be "
            f"{remote.sha256[:12]}..., it is {got[:12]}.... It was deleted; ask again. If it stays "
            "so, the file has changed at its source."
        )
    part.replace(file)
    return file


def sha256(path: Path) -> str:
    """The SHA-256 of a file of any size, as 64 hexadecimal digits."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _expect_room(part: Path, remote: Remote) -> None:
    wanted = remote.size - (part.stat().st_size if part.is_file() else 0)
    free = shutil.disk_usage(part.parent).free
    if wanted > free:
        raise OSError(f"{wanted / 1e9:.2f} GB are still to come and {free / 1e9:.2f} GB are free")


def _fill(part: Path, remote: Remote) -> None:
    """Ask for the rest, again and again, until nothing is missing."""
    failed, shown = 0, 0.0
    while (have := part.stat().st_size if part.is_file() else 0) != remote.size:
        if have > remote.size:
            part.unlink()
            continue
        error: Exception | None = None
        try:
            for piece in _rest(part, remote, have):
                with part.open("ab") as out:
                    out.write(piece)
                if time.monotonic() - shown > 0.25:
                    shown = time.monotonic()
                    done = part.stat().st_size / 1e9
                    _say(f"{remote.name}: {done:.2f} of {remote.size / 1e9:.2f} GB")
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as caught:
            error = caught
            if isinstance(caught, urllib.error.HTTPError):
                caught.close()
        now = part.stat().st_size if part.is_file() else 0
        failed = 0 if now > have else failed + 1
        if failed >= TRIES:
            raise ConnectionError(
                f"no more of {remote.url} arrives: {getattr(error, 'reason', error)}. "
                f"{now / 1e9:.2f} of {remote.size / 1e9:.2f} GB are here and are kept; the same "
                "call goes on from there. Lesson 13 is complete without this file."
            )
    _say(f"{remote.name}: {remote.size / 1e9:.2f} GB, done\n")


def _rest(part: Path, remote: Remote, have: int) -> Iterator[bytes]:
    """The file from byte `have` on; from its beginning where the server cannot do that."""
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={have}-"})
    with urllib.request.urlopen(request, timeout=30) as response:
        if have and response.status != 206:
            part.unlink()  # a server that gives all of it again
        while piece := response.read(PIECE):
            yield piece


def _say(text: str) -> None:
    print(f"\r{text}", end="", file=sys.stderr, flush=True)
