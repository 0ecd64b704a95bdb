"""What a run's processes use, seen from outside: /proc, where a process cannot lie. Linux only."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_COUNTED = ("Pss_Anon:", "Pss_Shmem:")  # a page shared by two forks counts half for each


def family(root: int) -> set[int]:
    """A process and all that come from it, however they are called by now."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            children.setdefault(_field(int(entry.name), 1), []).append(int(entry.name))
    found: set[int] = set()
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def threads_of(pids: Iterable[int]) -> int:
    """Their processes and threads together."""
    return sum(_field(pid, 17) for pid in pids)


def memory_of(pids: Iterable[int]) -> int:
    """Their memory in bytes, beyond pages of files."""
    return sum(_memory(pid) for pid in pids)


def kill_family(root: int) -> None:
    """SIGKILL to all of them, again until nobody new has come; never to whoever calls this."""
    spared = _ancestors()
    for _ in range(20):
        found = family(root)
        if found & spared:
            raise OSError(f"process {root} is above this one: nothing was ended")
        alive = [pid for pid in found if _kill(pid)]
        if not alive:
            return


def _ancestors() -> set[int]:
    """This process, and those that it comes from."""
    found, pid = {0, 1}, os.getpid()
    while pid not in found:
        found.add(pid)
        pid = _field(pid, 1)
    return found


def _kill(pid: int) -> bool:
    """Whether it was there to be killed; a zombie counts as gone."""
    if _fields(pid)[:1] in ([], ["Z"], ["X"]):
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False
    return True


def first_to_go(root: int) -> None:
    """If the machine's memory ends, the kernel is to end these processes first."""
    for pid in family(root):
        try:
            (_PROC / str(pid) / "oom_score_adj").write_text("1000")
        except OSError:
            pass  # it has just ended


def threads_on_this_machine() -> int:
    """Threads of everybody."""
    return sum(_field(int(e.name), 17) for e in os.scandir(_PROC) if e.name.isdigit())


def _fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces and brackets itself."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return []
    return stat.decode("ascii", "replace").rpartition(")")[2].split()


def _field(pid: int, index: int) -> int:
    fields = _fields(pid)
    return int(fields[index]) if len(fields) > index else 0


def _memory(pid: int) -> int:
    """Anonymous and shared memory; pages of files (torch's libraries) cost nobody twice."""
    total = 0
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith(_COUNTED):
                total += int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    return total
