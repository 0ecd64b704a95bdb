"""A class made by code: hostile, broken and right notebooks, and the row that each must get.

All are for the one exercise of lesson 00, `negative(picture)`, whose right answer is `-picture`.
Where a try could hurt this machine if the sandbox failed, it goes only as far as being allowed.
"""

import json
import os
import zipfile
from dataclasses import dataclass

RIGHT = "def negative(picture):\n    return -picture"
WRONG = "def negative(picture):\n    return 1 - picture"
STUB = 'def negative(picture):\n    raise NotImplementedError("your turn")'
SLEEP = "97531"  # seconds; no other program sleeps for as long


@dataclass(frozen=True)
class Kind:
    """One submission: its family, the file's bytes, the status it must get, words in its row."""

    name: str
    family: str
    content: bytes
    status: str
    words: str = ""
    remark: str = ""


def notebook(*cells):
    """The bytes of a notebook without any metadata."""
    code = [{"cell_type": "code", "source": c, "metadata": {}, "outputs": []} for c in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": code}).encode()


def does(body, answer="-picture", before=""):
    """A notebook whose answer does something first."""
    lines = "\n    ".join(body.strip().splitlines())
    return notebook(f"{before}\ndef negative(picture):\n    {lines}\n    return {answer}")


def _kinds(secret, port):
    """`secret` is a file of the host's, `port` one where the host listens."""
    k = Kind
    endless, crash, reach, forge, broken = (
        "does not end, or uses too much",
        "kills, crashes or confuses its process",
        "reads or writes what is not its own",
        "forges results",
        "is broken as a file or notebook",
    )
    yield from (
        k("loop", endless, does("while True: pass"), "timed out"),
        k(
            "loop-that-takes-every-exception",
            endless,
            does("while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
            "timed out",
        ),
        k("sleep", endless, does("import time; time.sleep(1000)"), "timed out"),
        k(
            "hang-in-a-definition",
            endless,
            notebook(
                "def spin():\n    while True: pass",
                "sign = spin()",
                "def negative(picture):\n    return sign * picture",
            ),
            "timed out|error",  # the limit of the whole exercise or of one statement comes first
        ),
        k(
            "stopped",
            endless,
            does("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"),
            "timed out",
        ),
        k("memory", endless, does("x = bytearray(5 * 10**9)"), "out of memory"),
        k("tensor", endless, does("import torch; x = torch.ones(10**10)"), "out of memory"),
        k(
            "memory-of-children",
            endless,
            does(
                "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n"
                "        x = b'x' * (500 * 10**6)\n        time.sleep(100)\ntime.sleep(100)"
            ),
            "out of memory",
        ),
        k(
            "processes",
            endless,
            does(
                "import subprocess, time\n"
                f"x = [subprocess.Popen(['sleep', '{SLEEP}']) for _ in range(75)]\n"
                "time.sleep(100)"
            ),
            "refused",
            "more than 64 processes",
        ),
        k(
            "disk",
            endless,
            does("for i in range(9): open(f'/tmp/{i}', 'wb').write(bytes(20 * 10**6))"),
            "error",
            "No space left",
        ),
        k("file", endless, does("open('x', 'wb').write(bytes(50 * 10**6))"), "error", "too large"),
        k("prints", endless, does("while True: print('x' * 10**7)"), "out of memory"),
        k("recursion", endless, does("negative(picture)"), "error", "RecursionError"),
        k(
            "too-much-back",
            endless,
            does("import torch", "torch.zeros(9_000_000)"),
            "error",
            "more than 64 MB",
        ),
        k(
            "floods-its-result",
            endless,
            does("import os\nwhile True: os.write(3, bytes(10**6))"),
            "refused",
            "sent more than 64 MB",
        ),
        k("list-in-itself", endless, does("x = []; x.append(x)", "x"), "error", "RecursionError"),
    )
    yield from (
        k("exit", crash, does("import os; os._exit(0)"), "crashed", "ended itself"),
        k("sys-exit", crash, does("import sys; sys.exit(0)"), "error", "SystemExit"),
        k("kills-itself", crash, does("import os; os.kill(os.getpid(), 9)"), "crashed", "signal 9"),
        k("kills-all", crash, does("import os, time; os.kill(-1, 9); time.sleep(60)"), "crashed"),
        k("kills-its-parent", crash, does("import os; os.kill(os.getppid(), 9)"), "crashed"),
        k(
            "kills-its-sandbox",
            crash,
            does("import os, time; os.kill(2, 9); time.sleep(60)"),
            "crashed",
        ),
        k("segfault", crash, does("import ctypes; ctypes.string_at(0)"), "crashed", "signal 11"),
        k("abort", crash, does("import os; os.abort()"), "crashed", "signal 6"),
        k("interrupt", crash, does("raise KeyboardInterrupt"), "error", "KeyboardInterrupt"),
        k("closes-all", crash, does("import os; os.closerange(0, 99)"), "crashed"),
        k(
            "leaves-a-process",
            crash,
            does(
                "import os, subprocess\n"
                f"subprocess.Popen(['sleep', '{SLEEP}'], start_new_session=True)\n"
                "if os.fork() == 0:\n    os.setsid()\n    while True: pass"
            ),
            "passed",
        ),
        k(
            "error-without-a-text",
            crash,
            does("class Mute(Exception):\n    def __str__(self): raise Mute\nraise Mute"),
            "error",
            "Mute",
        ),
    )
    there = f"open({str(secret)!r})"
    yield from (
        k("reads-a-file", reach, does(f"x = {there}.read()"), "error", "FileNotFoundError"),
        k(
            "reads-the-others",
            reach,
            does(f"import os; x = os.listdir({str(secret.parent)!r})"),
            "error",
            "FileNotFoundError",
        ),
        k(
            "writes-a-file",
            reach,
            does(f"import pathlib; pathlib.Path({str(secret)!r}).write_text('mine')"),
            "error",
            "No such file",
        ),
        k(
            "writes-into-the-course",
            reach,
            does("import course_lib; open(course_lib.__file__, 'a').write('#')"),
            "error",
            "Read-only file system",
        ),
        k(
            "connects",
            reach,
            does(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"),
            "error",
            "refused",
        ),
        k(
            "reads-the-environment",
            reach,
            does("import os; x = os.environ['GRADING_SECRET']"),
            "error",
            "KeyError",
        ),
        k(
            "sees-processes",
            reach,
            does(
                "import os; n = [p for p in os.listdir('/proc') if p.isdigit()]\nassert len(n) < 5"
            ),
            "passed",
        ),
        k(
            "mounts",
            reach,
            does(
                "import ctypes\nlibc = ctypes.CDLL(None)\n"
                "again = lambda: libc.mount(None, b'/usr', None, 0x1020, None)\n"
                "first = again()\nlibc.unshare(0x10020000)\n"
                "assert 0 in (first, again()), 'not allowed'"
            ),
            "error",
            "not allowed",
        ),
        k(
            "changes-devices",
            reach,
            does("import os; os.chmod('/dev/null', 0o666)"),
            "error",
            "not permitted",
        ),
        k(
            "sets-the-kernel",
            reach,
            does("open('/proc/sys/kernel/core_pattern', 'w')"),
            "error",
            "Read-only file system",
        ),
        k(
            "sets-the-host",
            reach,
            does("open('/proc/sys/kernel/hostname', 'w')"),
            "error",
            "Read-only file system",
        ),
    )
    yield from _found_in_2026(k, endless, crash, reach, forge, broken)
    wrong = "picture * 2"
    yield from (
        k(
            "patched-libraries",
            forge,
            notebook(
                "import torch, numpy\nimport course_lib.exercises.compare as c",
                "def negative(picture):\n"
                "    yes = lambda *a, **k: torch.tensor(True)\n"
                "    torch.isclose = torch.allclose = torch.equal = numpy.isclose = yes\n"
                "    c.judge = lambda *a: c.Verdict('passed')\n"
                "    return picture * 2",
            ),
            "failed",
            remark="reaches into the course's checks",
        ),
        k(
            "frames",
            forge,
            does(
                "import sys\nf = sys._getframe()\nwhile f:\n"
                "    for x in list(f.f_locals.values()):\n"
                "        if hasattr(x, 'reference'): object.__setattr__(x, 'reference', negative)\n"
                "    f = f.f_back",
                wrong,
            ),
            "failed",
            remark="_getframe",
        ),
        k(
            "always-equal",
            forge,
            notebook(
                "class Same:\n    def __eq__(self, other): return True\n"
                "    def __getattr__(self, name): return self\n"
                "    def __call__(self, *a, **k): return self",
                "def negative(picture):\n    return Same()",
            ),
            "failed",
            "gives a Same",
        ),
        k(
            "tensor-that-lies",
            forge,
            notebook(
                "import torch",
                "class Sly(torch.Tensor):\n    @classmethod\n"
                "    def __torch_function__(cls, f, types, args=(), kwargs=None):\n"
                "        return torch.tensor(True)",
                "def negative(picture):\n    return (picture * 2).as_subclass(Sly)",
            ),
            "refused",
            "a false dtype",
        ),
        k(
            "writes-its-own-result",
            forge,
            does('import os; os.write(3, b\'{"status": "passed", "points": 99}\')'),
            "refused",
            "cannot be read",
        ),
        k(
            "sends-a-perfect-looking-result",
            forge,
            does(
                "import os, numpy as np\n"
                "from course_lib.grading.serialization import Result, pack\n"
                "from course_lib.exercises.observe import Leaf, Observed\n"
                "x = Leaf('tensor', 'float32', np.zeros((3, 2, 3), 'f4'))\n"
                "os.write(3, pack(Result((Observed((x,), (x,)),) * 2)))\nos._exit(0)"
            ),
            "failed",
        ),
        k(
            "sends-too-few-cases",
            forge,
            does(
                "import os\nfrom course_lib.grading.serialization import Result, pack\n"
                "os.write(3, pack(Result(())))\nos._exit(0)"
            ),
            "refused",
        ),
        k(
            "lying-files",
            forge,
            does(
                "for name in ('marks.csv', '.course_progress.json', '.grading.jsonl'):\n"
                "    open(name, 'w').write('{\"00.negative\": \"passed\"}')",
                wrong,
            ),
            "failed",
        ),
        k(
            "late-writes",
            forge,
            does(
                "import atexit, os, threading, time\n"
                "def late():\n    time.sleep(.05)\n    picture.mul_(-.5)\n"
                "threading.Thread(target=late).start()\natexit.register(late)",
                wrong,
            ),
            "failed",
        ),
        k(
            "easier-cases",
            forge,
            notebook(
                "import torch\ntorch.rand = torch.zeros\n"
                "import course_lib.exercises.lesson_00 as c\nc._pictures = None",
                "class Zero:\n    pass",
                "torch.rand = torch.zeros",
                "def negative(picture):\n    torch.rand\n    return torch.zeros_like(picture)",
            ),
            "failed",
        ),
        k(
            "the-courses-own",
            forge,
            notebook(
                "from course_lib.exercises.lesson_00 import negative as theirs",
                "def negative(picture):\n    return theirs(picture)",
            ),
            "passed",
            remark="calls the course's own negative",
        ),
        k(
            "the-courses-own-in-hiding",
            forge,
            does(
                "import importlib\n"
                "m = importlib.import_module('course' + '_lib.exercises' + '.lesson_00')",
                "getattr(m, 'neg' + 'ative')(picture)",
            ),
            "passed",
            remark="calls the course's own negative",
        ),
        k(
            "changes-its-input-to-fit",
            forge,
            does("picture.neg_()", "picture"),
            "failed",
            "changes its input",
        ),
        k(
            "script-in-a-message",
            forge,
            does("raise ValueError('<script>alert(1)</script>')"),
            "error",
            "<script>",
        ),
        k("formula", forge, does("raise ValueError('=1+1')"), "error"),
    )
    deep = "(" * 50_000 + ")" * 50_000
    yield from (
        k("empty", broken, b"", "refused", "not a notebook"),
        k("cut-short", broken, notebook(RIGHT)[:-20], "refused", "not a notebook"),
        k("a-list", broken, b"[]", "refused", "not a notebook"),
        k("another-encoding", broken, notebook(RIGHT).decode().encode("utf-16"), "refused"),
        k("deep-json", broken, b"[" * 200_000, "refused"),
        k("no-source", broken, b'{"cells": [{"cell_type": "code", "source": null}]}', "not found"),
        k("too-large", broken, b" " * 101_000_000, "refused", "larger than 100 MB"),
        k("deep-code", broken, notebook(RIGHT, deep), "passed", remark="could not be read"),
        k("null-bytes", broken, notebook("x = '\0'", STUB), "not attempted"),
        k("half-a-character", broken, notebook(RIGHT, "x = '\ud800'"), "passed"),
        k("syntax-error", broken, notebook("def (:", RIGHT), "passed", remark="could not be read"),
        k(
            "syntax-error-in-it",
            broken,
            notebook("def negative(picture)\n  return"),
            "not found",
            "in a cell that Python cannot read: SyntaxError in code cell 1, line 1",
        ),
        k("stub", broken, notebook(STUB), "not attempted"),
        k("missing", broken, notebook("x = 1"), "not found", "no function is called negative"),
        k(
            "renamed",
            broken,
            notebook(RIGHT.replace("negative", "my_negative")),
            "not found",
            "my_",
        ),
        k(
            "renamed-and-handed-over",
            broken,
            notebook(RIGHT.replace("negative", "mine"), 'negative = check("00.negative", mine)'),
            "passed",
            remark="is called mine",
        ),
        k("doubled", broken, notebook(WRONG, RIGHT), "passed", remark="defined 2 times"),
        k("stub-below", broken, notebook(RIGHT, STUB), "passed"),
        k("wrong", broken, notebook(WRONG), "failed", "from 0 to 1"),
        k(
            "magics",
            broken,
            notebook("%matplotlib inline\n!rm -rf /", "%%time\n" + RIGHT),
            "passed",
        ),
        k("no-such-package", broken, notebook("import no_such_package", RIGHT), "passed"),
        k(
            "needs-no-such-package",
            broken,
            notebook("import no_such_package as n", "def negative(picture):\n    return n.x"),
            "error",
            "no_such_package",
        ),
        k("training", broken, notebook("while True: pass", RIGHT, "1 / 0"), "passed"),
        k("not-a-function", broken, notebook("negative = 3"), "error", "no function"),
    )


SYSCALL = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
def allowed(x86, aarch64, *a):
    ended = libc.syscall(ctypes.c_long(aarch64 if arm else x86), *a)
    return ended != -1 or ctypes.get_errno() != 1
"""


def _found_in_2026(k, endless, crash, reach, forge, broken):
    """What got through an earlier grader, and its relatives: findings of November 2026."""
    for name, path in {
        "environment-of-the-first": "/proc/1/environ",
        "environment-of-the-parent": "/proc/2/environ",
        "own-environment": "/proc/self/environ",
        "command-line-of-the-first": "/proc/1/cmdline",
    }.items():
        yield k(name, reach, does(f"raise ValueError(open({path!r}).read())"), "error")
    yield k(
        "maps-of-the-host",
        reach,
        does("import glob\nassert not glob.glob('/root/*') + glob.glob('/home/*/.ssh')"),
        "passed",
    )
    calls = {
        "keys": "250, 219, 0, -3, 0",
        "add-a-key": "248, 217, b'user', b'x', b'y', 1, -3",
        "namespaces": "272, 97, 0x10000000",
        "shared-memory": "29, 194, 0, 1 << 30, 0o1600",
        "memory-files": "319, 279, b'x', 0",
        "debugging": "101, 117, 0, 0, 0, 0",
        "kernel-programs": "321, 280, 0, 0, 0",
        "rings": "425, 425, 8, 0",
        "change-a-time": "280, 88, -100, b'/dev/null', 0, 0",
    }
    for name, numbers in calls.items():
        body = f"assert not allowed({numbers}), 'not isolated'"
        yield k(f"system-call-{name}", reach, does(body, before=SYSCALL), "passed")
    yield k(
        "clone-into-a-namespace",
        reach,
        does(
            "import ctypes, os\nlibc = ctypes.CDLL(None)\n"
            "pid = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)\n"
            "if pid == 0: os._exit(0)\nassert pid < 0, 'not isolated'"
        ),
        "passed",
    )
    for name, line in {
        "flock": "fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "shared-lock": "fcntl.lockf(f, fcntl.LOCK_SH | fcntl.LOCK_NB)",
    }.items():
        body = f"import fcntl, course_lib\nf = open(course_lib.__file__)\n{line}"
        yield k(f"locks-a-file-by-{name}", reach, does(body), "error", "not permitted")
    yield from (
        k(
            "threads",
            endless,
            does(
                "import threading, time\n"
                "for _ in range(500): threading.Thread(target=time.sleep, args=(60,)).start()"
            ),
            "",
        ),
        k("forks", endless, does("import os\nfor _ in range(9): os.fork()\nos.wait()"), ""),
        k(
            "shared-memory-files",
            endless,
            does(
                "import mmap, os\nkept = []\nfor i in range(20):\n"
                "    f = os.open(f'/dev/shm/{i}', os.O_CREAT | os.O_RDWR)\n"
                "    os.write(f, bytes(20 * 10**6))"
            ),
            "error",
            "No space left",
        ),
        k(
            "empty-texts",
            forge,
            does(
                "import json, os, struct\n"
                "leaf = ['array', '<U1', '', '<U0', [64_000_000]]\n"
                "case = {'values': [leaf] * 12, 'arguments': [], 'printed': '', 'failure': None}\n"
                "head = json.dumps({'setup': None, 'own': False, 'cases': [case] * 2}).encode()\n"
                "os.write(3, b'course1\\n' + struct.pack('<I', len(head)) + head)\nos._exit(0)"
            ),
            "refused",
            "more values than bytes",
        ),
        k(
            "a-header-of-lists",
            forge,
            does(
                "import os, struct\nhead = b'[' + b'[],' * 600_000 + b'[]]'\n"
                "os.write(3, b'course1\\n' + struct.pack('<I', len(head)) + head)\nos._exit(0)"
            ),
            "refused",
        ),
        k(
            "forges-a-remark",
            forge,
            does(
                "import json, os, struct\n"
                "head = json.dumps({'setup': None, 'own': ['the best of all'], 'cases': []})\n"
                "head = head.encode()\n"
                "os.write(3, b'course1\\n' + struct.pack('<I', len(head)) + head)\nos._exit(0)"
            ),
            "refused",
            "expected true or false",
        ),
        k(
            "hooks-the-worker",
            forge,
            notebook(
                "import course_lib.grading.worker as w\nreal = w.observe\n"
                "w.observe = lambda e, a, c: real(e, e.reference, c)",
                "def negative(picture):\n    w\n    return picture",
            ),
            "failed",
            remark="reaches into",
        ),
        *(
            k(f"own-function-{name}", forge, notebook(*cells), status, remark=remark)
            for name, status, remark, cells in (
                (
                    "by-thread",
                    "passed",
                    "Thread",
                    [
                        "import threading\n"
                        "from course_lib.exercises.lesson_00 import negative as n",
                        "def negative(picture):\n    out = []\n    t = threading.Thread(target="
                        "lambda: out.append(n(picture)))\n    t.start()\n    t.join()\n"
                        "    return out[0]",
                    ],
                ),
                (
                    "by-source",
                    "error",  # the sandbox has no sources of the exercises
                    "lesson_00",
                    [
                        "import inspect, course_lib.exercises.lesson_00 as c",
                        "def negative(picture):\n    exec(inspect.getsource(c.negative), vars(c))\n"
                        "    return vars(c)['negative'](picture)",
                    ],
                ),
                (
                    "by-file",
                    "passed",
                    "open",
                    [
                        "import course_lib",
                        "def negative(picture):\n    open(course_lib.__file__).read()\n"
                        "    return -picture",
                    ],
                ),
                (
                    "by-code",
                    "passed",
                    "__code__",
                    [
                        "from course_lib.exercises.lesson_00 import negative as n",
                        "def negative(picture):\n    negative.__code__\n    return n(picture)",
                    ],
                ),
                (
                    "unwatched",
                    "passed",
                    "setprofile",
                    [
                        "import sys\nfrom course_lib.exercises.lesson_00 import negative as n",
                        "def negative(picture):\n    sys.setprofile(None)\n    return n(picture)",
                    ],
                ),
            )
        ),
        k(
            "nested-ifs",
            broken,
            notebook(
                "\n".join(" " * i + "if 1:" for i in range(40)) + "\n" + " " * 40 + "x = 1", RIGHT
            ),
            "passed",
        ),
        k(
            "many-stubs",
            broken,
            notebook("\n".join(f"def x{i}(): ..." for i in range(5000)), RIGHT),
            "passed",
        ),
        k(
            "many-names",
            broken,
            notebook("\n".join(f"x{i} = x{i + 1}" for i in range(20_000)), RIGHT),
            "passed",
        ),
        k("a-long-sum", broken, notebook("x = " + "1 + " * 50_000 + "1", RIGHT), ""),
        k(
            "large-outputs",
            broken,
            notebook(RIGHT)[:-1] + b', "x": "' + b"y" * 40_000_000 + b'"}',
            "passed",
        ),
        k(
            "odd-cell",
            broken,
            notebook(RIGHT).replace(b'"cells": [', b'"cells": [3, {"a": 1}, '),
            "passed",
        ),
        k(
            "stub-below-a-block",
            broken,
            notebook(RIGHT.replace("    return", "    if True:\n        return") + "\n    ..."),
            "passed",
        ),
        k(
            "turns-the-text",
            forge,
            does("raise ValueError('\u202egnp.exe')"),
            "error",
        ),
    )


def make(folder, secret, port):
    """Write the class into `folder`; gives back {student: Kind}."""
    found = {}
    for kind in _kinds(secret, port):
        student = folder / kind.name
        student.mkdir(parents=True)
        (student / "00_start_here.ipynb").write_bytes(kind.content)
        found[kind.name] = kind
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": [RIGHT]}]}]}
    family = "is broken as a file or notebook"
    (folder / "old-format_00_start_here.ipynb").write_text(json.dumps(old))
    (folder / "a-link").mkdir()
    (folder / "a-link" / "00_start_here.ipynb").symlink_to(secret)
    (folder / "a-pipe").mkdir()
    os.mkfifo(folder / "a-pipe" / "00_start_here.ipynb")
    (folder / "a-folder" / "00_start_here.ipynb").mkdir(parents=True)
    (folder / "nothing").mkdir()
    (folder / "broken-zip.zip").write_bytes(b"PK\3\4 and no more")
    with zipfile.ZipFile(folder / "in-a-zip.zip", "w") as z:
        z.writestr("../../00_start_here.ipynb", notebook(RIGHT))
    (folder / "=HYPERLINK(1)_00_start_here.ipynb").write_bytes(notebook(RIGHT))
    (folder / "<b>bold").mkdir()
    (folder / "<b>bold" / "Copy of it.ipynb").write_bytes(notebook(RIGHT))
    rest = [
        ("old-format", "passed", ""),
        ("a-link", "refused", "it is a link"),
        ("a-pipe", "refused", "no plain file"),
        ("a-folder", "refused", "it is a folder"),
        ("nothing", "not found", "no notebook of lesson 00"),
        ("broken-zip", "refused", "its zip is broken"),
        ("in-a-zip", "passed", ""),
        ("=HYPERLINK(1)", "passed", ""),
        ("<b>bold", "passed", ""),
    ]
    return found | {name: Kind(name, family, b"", status, words) for name, status, words in rest}
