"""What a run's processes use, seen from outside: /proc, where a process cannot lie. Linux only."""

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """How many processes, and their memory in bytes beyond what they share with files."""

    processes: int
    memory: int


def family(roots: Iterable[int]) -> set[int]:
    """Those processes and all that come from them, however they are called by now."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            parent = _parent(int(entry.name))
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def usage(roots: Iterable[int]) -> Usage:
    """The usage of a family."""
    pids = family(roots)
    return Usage(len(pids), sum(_memory(pid) for pid in pids))


def kill_family(roots: Iterable[int]) -> None:
    """SIGKILL to all of them, again until nobody new has come; for where no namespace does it."""
    roots = tuple(roots)
    for _ in range(20):
        alive = [pid for pid in family(roots) if (_PROC / str(pid)).exists() and _kill(pid)]
        if not alive:
            return


def _kill(pid: int) -> bool:
    """Whether it was there to be killed; a zombie counts as gone."""
    if _state(pid) in ("Z", "X", ""):
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False
    return True


def threads_on_this_machine() -> int:
    """Threads of everybody, for a ceiling that leaves other programs alone."""
    return sum(_fields(int(e.name), 17) for e in os.scandir(_PROC) if e.name.isdigit())


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces and brackets itself."""
    try:
        return (
            (_PROC / str(pid) / "stat")
            .read_bytes()
            .decode("ascii", "replace")
            .rpartition(")")[2]
            .split()
        )
    except OSError:
        return []


def _fields(pid: int, index: int) -> int:
    fields = _stat(pid)
    return int(fields[index]) if len(fields) > index else 0


def _parent(pid: int) -> int:
    return _fields(pid, 1)


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _memory(pid: int) -> int:
    """Private and shared anonymous memory; pages of files (torch's libraries) cost nobody twice."""
    total = 0
    try:
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    return total
