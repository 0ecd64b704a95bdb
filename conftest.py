"""Notebooks under nbval: strict in solutions/, lax in notebooks/, offline, measured."""

import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from queue import Empty

import psutil
import pytest

ROOT = Path(__file__).parent
MOST_MEMORY = 3e9
MOST_CPU_SECONDS = 180  # 90 s on two cores
IDLE_SECONDS = 120  # a kernel that computes nothing for so long waits for what never comes
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
    config.option.nbval_cell_timeout = 10**6  # CPU seconds decide, in _patient


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
    if not kernel.is_alive():
        pytest.fail(f"{item.nodeid}: not run, as its kernel was ended above", pytrace=False)
    watch = _Watch(kernel.km.provisioner.process)
    kernel.get_message = _patient(kernel, type(kernel).get_message, watch)
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
        pytest.fail(f"{item.nodeid}: {_too_much(watch)}", pytrace=False)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item):
    """A cell passes or fails, no third way: nbval excuses cells that follow a time-out."""
    report = yield
    if _is_cell(item) and ("wasxfail" in vars(report) or report.skipped):
        why = vars(report).pop("wasxfail", "") or _reason(report)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: excused ({why}), so not proven"
    return report


def _patient(kernel, get_message, watch):
    """Waits for a kernel as long as it works, not as long as a clock on a busy machine says.

    It gives up, and ends the kernel, when that has died, has used up its CPU seconds, or has
    computed nothing for IDLE_SECONDS.
    """

    def get(stream, timeout=None):
        cpu, since = watch.cpu, time.monotonic()
        while True:
            try:
                return get_message(kernel, stream, timeout=1)
            except Empty:
                if not kernel.is_alive():
                    raise RuntimeError("the kernel died") from None
            why = _too_much(watch) if watch.cpu > MOST_CPU_SECONDS else ""
            if watch.cpu > cpu + IDLE_SECONDS / 100:  # a hundredth of a core, on a busy machine
                cpu, since = watch.cpu, time.monotonic()
            elif time.monotonic() - since > IDLE_SECONDS:
                why = (
                    f"the cell has computed nothing for {IDLE_SECONDS} seconds: it waits for what "
                    f"does not come, or this machine is too slow or too busy ({_load()})"
                )
            if why:
                trace = _interrupted(kernel, get_message)
                kernel.stop()
                raise RuntimeError(f"{why}{trace}")

    return get


def _too_much(watch):
    return f"{watch.cpu:.0f} CPU seconds in this notebook so far, above {MOST_CPU_SECONDS}"


def _interrupted(kernel, get_message):
    """Where a cell was when it was stopped: its traceback, if the kernel still answers."""
    kernel.interrupt()
    try:
        while (message := get_message(kernel, "iopub", timeout=10))["msg_type"] != "error":
            pass
        return "\n" + "\n".join(message["content"]["traceback"])
    except Empty:
        return ""


def _load():
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return f"{os.cpu_count()} cores, load {load:.1f}"


class _Watch:
    """The memory and CPU seconds of a kernel and its children, looked at ten times a second."""

    def __init__(self, process):
        self.peak, self.cpu, self._done = 0.0, 0.0, threading.Event()
        self._process = psutil.Process(process.pid if process else None)
        self._look()
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
            ended = times.children_user + times.children_system
            spent = ended + sum(sum(p.cpu_times()[:2]) for p in family)
            self.cpu = max(self.cpu, spent)
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


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """The README's promise, measured, one line a notebook; then what was not tried, and why."""
    if _measured:
        terminalreporter.section(f"notebooks ({_load()}, {time.strftime('%Y-%m-%d')})")
        width = max(map(len, _measured))
        for file, (seconds, peak, cpu) in sorted(_measured.items()):
            flag = "  over 90 s" if seconds > 90 else ""
            terminalreporter.line(
                f"{file:{width}}  {seconds:6.1f} s  {cpu:6.1f} CPU s  {peak / 1e9:5.2f} GB{flag}"
            )
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    if reasons:
        terminalreporter.section("not tried on this machine")
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(f"{count} skipped: {reason}")


def _reason(report):
    """Why a test was skipped, in one line."""
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return " ".join(words.removeprefix("Skipped: ").split())
