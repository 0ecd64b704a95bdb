"""A bubblewrap sandbox that stands ready for one run: no network, hardly any files, own processes.

It begins with a shell that waits. confine.py puts the run beside it; closing this kills the first
process of its namespace, and with that the kernel kills every other.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import course_lib
from course_lib import paths
from course_lib.grading.confine import DEVICES

_FOLDER_BYTES = 64_000_000  # the temporary folder, in memory
_INSTALL = (
    "bubblewrap (the program `bwrap`) is not installed, and notebooks of others are not run "
    "without it. Install it: `sudo apt-get install bubblewrap` (Debian, Ubuntu), `sudo dnf install "
    "bubblewrap` (Fedora). To run them unprotected all the same: `--sandbox none`."
)


class NoSandboxHere(OSError):
    """bubblewrap is missing or cannot work; the message says what would help."""


def readable_paths() -> tuple[str, ...]:
    """What a run may read: Python, the packages, the course's package and data; no solutions."""
    wanted = ["/usr", sys.base_prefix, sys.prefix, str(Path(course_lib.__file__).parent)]
    with contextlib.suppress(FileNotFoundError):
        wanted.append(str(paths.bundled("data")))
    wanted += [*package_folders(), "/etc/ld.so.cache", "/etc/alternatives"]
    there = [Path(p) for p in wanted if Path(p).exists()]
    both = (path for p in there for path in (p.resolve(), p))  # a link, and where it leads
    return tuple(dict.fromkeys(map(str, both)))


def package_folders() -> tuple[str, ...]:
    """Where this Python finds packages, a user's own folder included."""
    return tuple(p for p in sys.path if Path(p).name in ("site-packages", "dist-packages"))


def command(information: int) -> list[str]:
    """The call of bwrap; it writes what it made to the descriptor `information`."""
    size = str(_FOLDER_BYTES)
    words = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000"]
    words += ["--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
    words += ["--size", size, "--tmpfs", "/tmp", "--proc", "/proc", "--dir", "/dev"]
    words += ["--size", size, "--tmpfs", "/dev/shm"]
    for device in DEVICES:
        words += ["--dev-bind", device, device]
    for path in readable_paths():
        words += ["--ro-bind", path, path]
    for link in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(link):
            words += ["--symlink", os.readlink(link), link]
        elif os.path.isdir(link):
            words += ["--ro-bind", link, link]
    words += [
        "--remount-ro",
        "/proc",
        "--remount-ro",
        "/",
        "--chdir",
        "/tmp",
        "--info-fd",
        str(information),
    ]
    return [*words, "/bin/sh", "-c", "echo ready; read _"]


class Bubblewrap:
    """A sandbox, from `with` to the end of the block.

    Raises NoSandboxHere.
    """

    folder = "/tmp"

    def __init__(self) -> None:
        if shutil.which("bwrap") is None:
            raise NoSandboxHere(_INSTALL)
        reading, writing = os.pipe()
        self._shell = subprocess.Popen(
            command(writing),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[writing],
            start_new_session=True,
        )
        os.close(writing)
        with os.fdopen(reading) as information:
            said = information.read()
        assert self._shell.stdout is not None
        ready = self._shell.stdout.readline()
        if ready != b"ready\n":
            raise NoSandboxHere(_cannot(self._last_words()))
        self.pid = int(json.loads(said)["child-pid"])

    def _last_words(self) -> str:
        self._shell.kill()
        _, error = self._shell.communicate()
        return error.decode(errors="replace").strip()

    def roots(self) -> tuple[int, ...]:
        """bwrap itself: everything in its namespace has it as an ancestor."""
        return (self._shell.pid,)

    def __enter__(self) -> "Bubblewrap":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | object,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)  # the kernel kills all others in its namespace
        self._shell.kill()
        self._shell.communicate()


def _cannot(said: str) -> str:
    return (
        f"bubblewrap is here but makes no sandbox: {said or 'it said nothing'}. Usual cause: this "
        "machine or container forbids user namespaces. In Docker: `--security-opt "
        "seccomp=unconfined --security-opt apparmor=unconfined`. On Ubuntu from 23.10 on: `sudo "
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0`. Elsewhere: `sudo sysctl "
        "kernel.unprivileged_userns_clone=1`. To run the notebooks unprotected all the same: "
        "`--sandbox none`."
    )


class NoSandbox:
    """No protection: the run may do whatever the grader may. Only its folder is removed."""

    pid = 0

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = str(folder)

    def roots(self) -> tuple[int, ...]:
        """None of its own; the run's broker is all there is."""
        return ()

    def __enter__(self) -> "NoSandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | object,
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


Place = Bubblewrap | NoSandbox  # where a run takes place
