"""The proof itself is proved: what nbval and conftest.py must refuse, they refuse, and soon."""

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
}

SMALLER = {
    "MOST_MEMORY = 3e9": "MOST_MEMORY = 5e8",
    "MOST_CPU_SECONDS = 180": "MOST_CPU_SECONDS = 9",
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
        [sys.executable, "-m", "pytest", "-p", "no:xdist", "-rA", "--color=no"],
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
    ],
)
def test_a_cell_passes_or_fails_as_it_should(cell, state, result):
    assert f"{state} {cell}" in result[0]


def test_a_connection_that_the_code_catches_is_named_with_its_cell(result):
    assert "connects.ipynb::Cell 1 tried to connect: ('192.0.2.1', 80)" in result[0]
    assert "looks_up.ipynb::Cell 0 tried to connect: example.org" in result[0]


def test_a_dead_kernel_is_noticed_at_once(result):
    assert "the kernel died" in result[0]
    assert result[1] < 250


def test_seconds_and_memory_of_each_notebook_stand_in_a_table(result):
    table = result[0].partition("= notebooks (")[2]
    assert all(f"{name} " in table for name in NOTEBOOKS)
    assert " GB" in table
