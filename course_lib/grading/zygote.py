"""The fork server: imports torch and the lessons' checks once, then forks one child for each run.

It never runs a learner's code, never reads what a learner wrote, and nothing of theirs can reach
it: its grandchild, which does run it, has entered another process namespace first (confine.py).
Between the two stands a broker, outside that namespace, that waits and says how the run ended.

    python -m course_lib.grading.zygote SOCKET LESSON...
"""

import gc
import json
import os
import signal
import socket
import sys
from importlib import import_module
from typing import Any

from course_lib.grading import confine


def main() -> None:
    """Serve until the other end closes."""
    server = socket.socket(fileno=int(sys.argv[1]))
    import_module("course_lib.grading.worker")
    for lesson in sys.argv[2:]:
        import_module(f"course_lib.checks.ch{lesson}")
    gc.collect()
    gc.freeze()  # children share these pages for as long as nobody touches them
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for brokers
    server.sendall(b"r")
    while True:
        word, descriptors, _, _ = socket.recv_fds(server, 1, 2)
        if not word:
            return
        if os.fork() == 0:
            server.close()
            _in_child(_broker, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _in_child(do: Any, *arguments: Any) -> None:
    """Nothing of the parent's goes on after this, whatever happens."""
    try:
        do(*arguments)
        os._exit(0)
    except BaseException:
        os._exit(1)


def _broker(control: int, result: int) -> None:
    """Read the order, start the run inside its sandbox, wait, and say how it ended."""
    confine.die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with open("/proc/self/oom_score_adj", "w") as f:
        f.write("1000")  # if memory ends after all, this goes first
    talk = socket.socket(fileno=control)
    with talk.makefile("r") as lines:
        order = json.loads(lines.readline())
    talk.sendall(json.dumps({"broker": os.getpid()}).encode() + b"\n")
    try:
        if order["sandbox"]:
            confine.join(order["sandbox"])
            confine.lock_devices()
    except OSError as error:
        talk.sendall(json.dumps({"trouble": str(error)}).encode() + b"\n")
        return
    child = os.fork()
    if child == 0:
        _in_child(_learner, order, result)
    os.close(result)
    _, status = os.waitpid(child, 0)
    talk.sendall(json.dumps({"exit": os.waitstatus_to_exitcode(status)}).encode() + b"\n")


def _learner(order: dict[str, Any], result: int) -> None:
    """From here on powerless, and then in the hands of a learner's code."""
    os.setsid()
    confine.die_with_parent()
    os.chdir(order["folder"])
    out = confine.keep_only(result)
    confine.limit(order["memory"], order["seconds"], order["processes"])
    if order["sandbox"]:
        confine.give_up_powers()
    from course_lib.grading.worker import work

    work(order["job"], out)


if __name__ == "__main__":
    main()
