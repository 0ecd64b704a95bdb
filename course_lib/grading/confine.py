"""Put this process into a sandbox that stands ready, and take its powers away. Linux only.

The fork server imports torch once, outside; its child comes here before any of a learner's code. So
that code starts with everything imported, yet inside namespaces made by bubblewrap: no network, no
processes but its own, no files but a read-only environment and a temporary folder.
"""

import ctypes
import os
import resource
import signal

_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
_PDEATHSIG, _CAPBSET_DROP, _NO_NEW_PRIVS, _CAP_AMBIENT, _CLEAR_ALL = 1, 24, 38, 47, 4
_CAP_VERSION_3 = 0x20080522
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
MOST_FILE_BYTES = 32_000_000
MOST_OPEN_FILES = 64


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def join(pid: int) -> None:
    """Enter all namespaces of process `pid`; the next fork is the first to have a pid in there.

    Raises OSError where the kernel does not allow it.
    """
    target = os.pidfd_open(pid)
    try:
        if _libc().setns(target, _NAMESPACES):
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter the sandbox: {os.strerror(number)}")
    finally:
        os.close(target)


def lock_devices() -> None:
    """Make the host's devices in the sandbox read-only: what may be written to can be, as ever, but

    where root grades, a run owns them by number and could change their mode or owner for everybody.
    """
    reading_only, bound_again, relatime = 1, 32 | 4096, 1 << 21
    for device in DEVICES:
        now = os.statvfs(device).f_flag
        flags = (now & (2 | 4 | 8 | 1024 | 2048)) | (relatime if now & 4096 else 0)
        if _libc().mount(None, device.encode(), None, flags | reading_only | bound_again, None):
            raise OSError(ctypes.get_errno(), f"cannot protect {device}")


def die_with_parent() -> None:
    """SIGKILL for this process once its parent is gone."""
    _libc().prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def give_up_powers() -> None:
    """No capability is left, and none can be won by running another program."""
    libc = _libc()
    for capability in range(64):
        libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)  # fails beyond the last one: no harm
    libc.prctl(_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing) or libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the powers of this process cannot be given up")


def limit(memory: int, seconds: float, processes: int) -> None:
    """Limits of the kernel's own, below those that the runner watches from outside.

    `memory` is counted on top of what importing torch has mapped already; `processes` is a
    ceiling for all of this user's.
    """
    with open("/proc/self/statm") as f:
        mapped = int(f.read().split()[0]) * resource.getpagesize()
    _set(resource.RLIMIT_AS, mapped + memory)
    _set(resource.RLIMIT_CPU, int(seconds) + 10)
    _set(resource.RLIMIT_FSIZE, MOST_FILE_BYTES)
    _set(resource.RLIMIT_NOFILE, MOST_OPEN_FILES)
    _set(resource.RLIMIT_NPROC, processes)
    _set(resource.RLIMIT_CORE, 0)


def _set(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def keep_only(descriptor: int) -> int:
    """Close everything but `descriptor`, which becomes 3; 0, 1 and 2 lead nowhere. Gives back 3."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.dup2(descriptor, 3)
    os.closerange(4, 65536)
    return 3
