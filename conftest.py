"""Notebooks under nbval: strict in solutions/, lax in notebooks/, offline, measured."""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty

import psutil
import pytest

ROOT = Path(__file__).parent
MOST_MEMORY = 3e9
MOST_CPU_SECONDS = 180  # 90 s on two cores
_measured: dict[str, list[float]] = {}  # file -> [seconds, peak bytes, CPU seconds]

if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    # two threads a worker on two cores are slower than one, by far
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"


def pytest_configure(config):
    """Kernels inherit this environment: a guard at their start, and a folder for their state."""
    state = Path(tempfile.mkdtemp(prefix="course-notebooks-"))
    config.add_cleanup(lambda: shutil.rmtree(state, ignore_errors=True))
    startup = state / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    guard = ROOT / "tests" / "offline" / "sitecustomize.py"
    (startup / "00-offline.py").write_text(f"import runpy\nrunpy.run_path({str(guard)!r})\n")
    os.environ["IPYTHONDIR"] = str(state / "ipython")
    os.environ["COURSE_PROGRESS"] = str(state)
    os.environ["COURSE_OFFLINE_LOG"] = str(state / "connections.txt")
    config.option.nbval_sanitize_with = str(ROOT / "tests" / "nbval_sanitize.cfg")


def pytest_collection_modifyitems(items):
    """The learner's notebooks hold no outputs of their own work: there, only errors count."""
    for item in items:
        if _is_cell(item) and item.path.parent.name == "notebooks":
            item.options["check"] = False


def _is_cell(item):
    return item.path.suffix == ".ipynb"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Watch the kernel while a cell runs; afterwards look at what it tried and used."""
    if not _is_cell(item):
        return (yield)
    kernel = item.parent.kernel
    kernel.get_message = _while_alive(kernel, type(kernel).get_message)
    watch = _Watch(kernel.km.provisioner.process)
    try:
        result = yield
    finally:
        item.user_properties += [("peak", watch.stop()), ("cpu", watch.cpu)]
    log = Path(os.environ["COURSE_OFFLINE_LOG"])
    if log.exists():
        tried = log.read_text().strip()
        log.unlink()
        pytest.fail(f"{item.nodeid} tried to connect: {tried}\n{item.cell.source}", pytrace=False)
    if watch.peak > MOST_MEMORY:
        pytest.fail(f"{item.nodeid}: {watch.peak / 1e9:.1f} GB, above 3", pytrace=False)
    if watch.cpu > MOST_CPU_SECONDS:
        pytest.fail(f"{item.nodeid}: {watch.cpu:.0f} CPU seconds so far, above 180", pytrace=False)
    return result


def _while_alive(kernel, get_message):
    """nbval waits the cell's whole time for a kernel that has died; this looks every second."""

    def get(stream, timeout=None):
        until = time.monotonic() + (timeout or 0)
        while True:
            try:
                return get_message(kernel, stream, timeout=1)
            except Empty:
                if not kernel.is_alive():
                    raise RuntimeError("the kernel died") from None
                if timeout is not None and time.monotonic() > until:
                    raise

    return get


class _Watch:
    """The memory of a kernel and its children, looked at ten times a second."""

    def __init__(self, process):
        self.peak, self.cpu, self._done = 0.0, 0.0, threading.Event()
        self._process = psutil.Process(process.pid if process else None)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._done.wait(0.1):
            self._look()

    def _look(self):
        try:
            family = [self._process, *self._process.children(recursive=True)]
            self.peak = max(self.peak, sum(p.memory_info().rss for p in family))
            times = self._process.cpu_times()
            self.cpu = times.user + times.system + times.children_user + times.children_system
        except psutil.Error:
            pass  # it has just ended

    def stop(self):
        self._done.set()
        self._thread.join()
        self._look()
        return self.peak


def pytest_runtest_logreport(report):
    """Add up what each notebook took. Under xdist this runs where the table is printed."""
    file = report.nodeid.partition("::")[0]
    if not file.endswith(".ipynb"):
        return
    row = _measured.setdefault(file, [0.0, 0.0, 0.0])
    row[0] += report.duration
    for name, value in report.user_properties:
        row[1 if name == "peak" else 2] = max(row[1 if name == "peak" else 2], value)


def pytest_terminal_summary(terminalreporter):
    """The promise of the README, measured: one line a notebook."""
    if not _measured:
        return
    cores, load = os.cpu_count(), os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    terminalreporter.section(f"notebooks ({cores} cores, load {load:.1f}, {time.strftime('%F')})")
    width = max(map(len, _measured))
    for file, (seconds, peak, cpu) in sorted(_measured.items()):
        flag = "  over 90 s" if seconds > 90 else ""
        terminalreporter.line(
            f"{file:{width}}  {seconds:6.1f} s  {cpu:6.1f} CPU s  {peak / 1e9:5.2f} GB{flag}"
        )
