"""The proof itself is proved: what nbval and conftest.py must refuse, they refuse, and soon."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NETWORK = """import socket
try:
    socket.socket().connect(("192.0.2.1", 80))
except OSError:
    print("offline")"""
NAME = "import socket\ntry:\n    socket.getaddrinfo('example.org', 80)\nexcept OSError:\n    pass"
CHILD = f"import subprocess, sys\n_ = subprocess.run([sys.executable, '-c', {NAME!r}])"
LOOPBACK = """import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
server.close()"""

WORKS_ELSEWHERE = """import subprocess, sys
work = "import time\\nend = time.monotonic() + 20\\nwhile time.monotonic() < end: time.sleep(.01); "
_ = subprocess.run([sys.executable, "-c", work + "sum(range(100_000))"])"""

NOTEBOOKS = {
    "solutions/right.ipynb": [("print(1)", "1\n"), (LOOPBACK, "")],
    "solutions/differs.ipynb": [("print(1)", "2\n")],
    "notebooks/differs.ipynb": [("print(1)", "2\n")],
    "notebooks/breaks.ipynb": [("print(1)", ""), ("1 / 0", "")],
    "notebooks/connects.ipynb": [("print(1)", ""), (NETWORK, ""), ("print(2)", "")],
    "notebooks/looks_up.ipynb": [(NAME, "")],
    "notebooks/child.ipynb": [(CHILD, "")],
    "notebooks/dies.ipynb": [("import os\nos._exit(3)", ""), ("print(1)", "")],
    "notebooks/greedy.ipynb": [("import time\nx = b'x' * 700_000_000\ntime.sleep(2)", "")],
    "notebooks/busy.ipynb": [("import time\nwhile time.process_time() < 12: pass", "")],
    "notebooks/endless.ipynb": [("while True:\n    pass", ""), ("print(1)", "")],
    "notebooks/waits.ipynb": [("import time\ntime.sleep(600)", ""), ("print(1)", "")],
    "notebooks/works_elsewhere.ipynb": [(WORKS_ELSEWHERE, "")],
    "notebooks/skips.ipynb": [("# NBVAL_SKIP\n1 / 0", ""), ("print(1)", "")],
    "notebooks/excused.ipynb": [("print(1)", ""), ("1 / 0", "")],
}
# What nbval does to the cells after one that timed out: expected failures, passed or not.
EXCUSE = """import pytest
def pytest_runtest_setup(item):
    if "excused" in item.nodeid:
        item.add_marker(pytest.mark.xfail(True, reason="Previous cell timed out"))
"""

SMALLER = {
    "MOST_MEMORY = 3e9": "MOST_MEMORY = 5e8",
    "MOST_CPU_SECONDS = 180": "MOST_CPU_SECONDS = 9",
    "IDLE_SECONDS = 120": "IDLE_SECONDS = 15",
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """One pytest run over small notebooks, with the project's own settings and smaller limits."""
    folder = tmp_path_factory.mktemp("proof")
    text = (ROOT / "conftest.py").read_text("utf-8")
    for limit, smaller in SMALLER.items():
        assert text.count(limit) == 1
        text = text.replace(limit, smaller)
    (folder / "conftest.py").write_text(text, "utf-8")
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "excuse.py").write_text(EXCUSE, "utf-8")
    shutil.copytree(ROOT / "tests" / "offline", folder / "tests" / "offline")
    shutil.copy(ROOT / "tests" / "nbval_sanitize.cfg", folder / "tests")
    for name, cells in NOTEBOOKS.items():
        nb = nbformat.v4.new_notebook()
        for count, (source, text) in enumerate(cells, start=1):
            outputs = [nbformat.v4.new_output("stream", text=text)] if text else []
            cell = nbformat.v4.new_code_cell(source, execution_count=count, outputs=outputs)
            nb.cells.append(cell)
        (folder / name).parent.mkdir(exist_ok=True)
        nbformat.write(nb, folder / name)
    started = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "excuse", "-rA", "--color=no"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout, time.monotonic() - started


@pytest.mark.parametrize(
    ("cell", "state"),
    [
        ("solutions/right.ipynb::Cell 0", "PASSED"),
        ("solutions/right.ipynb::Cell 1", "PASSED"),
        ("solutions/differs.ipynb::Cell 0", "FAILED"),
        ("notebooks/differs.ipynb::Cell 0", "PASSED"),
        ("notebooks/breaks.ipynb::Cell 0", "PASSED"),
        ("notebooks/breaks.ipynb::Cell 1", "FAILED"),
        ("notebooks/connects.ipynb::Cell 0", "PASSED"),
        ("notebooks/connects.ipynb::Cell 1", "FAILED"),
        ("notebooks/connects.ipynb::Cell 2", "PASSED"),
        ("notebooks/looks_up.ipynb::Cell 0", "FAILED"),
        ("notebooks/child.ipynb::Cell 0", "FAILED"),
        ("notebooks/dies.ipynb::Cell 0", "FAILED"),
        ("notebooks/dies.ipynb::Cell 1", "FAILED"),
        ("notebooks/greedy.ipynb::Cell 0", "FAILED"),
        ("notebooks/busy.ipynb::Cell 0", "FAILED"),
        ("notebooks/endless.ipynb::Cell 0", "FAILED"),
        ("notebooks/endless.ipynb::Cell 1", "FAILED"),
        ("notebooks/waits.ipynb::Cell 0", "FAILED"),
        ("notebooks/waits.ipynb::Cell 1", "FAILED"),
        ("notebooks/works_elsewhere.ipynb::Cell 0", "PASSED"),
        ("notebooks/skips.ipynb::Cell 0", "FAILED"),
        ("notebooks/skips.ipynb::Cell 1", "PASSED"),
        ("notebooks/excused.ipynb::Cell 0", "FAILED"),
        ("notebooks/excused.ipynb::Cell 1", "FAILED"),
    ],
)
def test_a_cell_passes_or_fails_as_it_should(cell, state, result):
    assert f"{state} {cell}" in result[0]


def test_no_cell_is_excused_and_none_is_counted_as_such(result):
    assert "Previous cell timed out), so not proven" in result[0]
    assert not re.search("xfailed|xpassed|XFAIL|XPASS", result[0])
    assert re.search(r"\d+ failed, \d+ passed", result[0])


def test_what_never_ends_is_told_from_what_only_waits(result):
    assert re.search(r"\d+ CPU seconds in this notebook so far, above 9", result[0])
    assert "the cell has computed nothing for 15 seconds" in result[0]
    assert "----> 2 time.sleep(600)" in re.sub("\x1b.*?m", "", result[0])  # where it was
    assert "not run, as its kernel was ended above" in result[0]


def test_a_connection_that_the_code_catches_is_named_with_its_cell(result):
    assert "connects.ipynb::Cell 1 tried to connect: ('192.0.2.1', 80)" in result[0]
    assert "looks_up.ipynb::Cell 0 tried to connect: example.org" in result[0]


def test_a_dead_kernel_is_noticed_at_once(result):
    assert "the kernel died" in result[0]  # else it would have been waited for, for IDLE_SECONDS


def test_seconds_and_memory_of_each_notebook_stand_in_a_table(result):
    table = result[0].partition("= notebooks (")[2]
    assert all(f"{name} " in table for name in NOTEBOOKS)
    assert " GB" in table
