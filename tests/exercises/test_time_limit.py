"""What a time-out may and may not change, on Windows' way too."""

import contextlib
import io
import signal
import sys
import threading
import time

import pytest

from course_lib.exercises import time_limit
from course_lib.exercises.check import check
from course_lib.exercises.registry import find
from course_lib.exercises.time_limit import TooSlow, within


@pytest.fixture
def as_on_windows(monkeypatch):
    monkeypatch.delattr(signal, "setitimer", raising=False)


def waits(seconds):
    """Holds on to what is printed, in one call that nothing interrupts, as a long svd does."""
    with contextlib.redirect_stdout(io.StringIO()):
        print("caught")
        threading.Event().wait(seconds)


def test_after_a_timeout_on_windows_way_the_verdict_and_later_prints_are_seen(
    as_on_windows, capsys, monkeypatch, tmp_path
):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path))
    exercise = find("00.negative")
    seconds = exercise.seconds
    object.__setattr__(exercise, "seconds", 0.3)
    try:
        check(exercise.id, lambda picture: time.sleep(2))
        print("later")
        out = capsys.readouterr().out
    finally:
        object.__setattr__(exercise, "seconds", seconds)
        time.sleep(2)  # until that thread has ended
    assert "it was stopped after 0.3 seconds" in out
    assert out.endswith("later\n")


def test_a_thread_that_goes_on_has_no_hold_on_what_is_printed(as_on_windows, capsys):
    with pytest.raises(TooSlow):
        within(0.2, lambda: waits(3))
    before = sys.stdout
    print("seen at once")
    assert "seen at once" in capsys.readouterr().out
    time.sleep(3)  # it ends, and puts back what it found
    print("seen afterwards")
    assert sys.stdout is before
    assert "seen afterwards" in capsys.readouterr().out


needs_a_timer = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="Windows has no timer signal"
)


@needs_a_timer
def test_what_only_waits_is_stopped_after_its_seconds():
    started = time.monotonic()
    with pytest.raises(TooSlow):
        within(0.5, lambda: time.sleep(30))
    assert time.monotonic() - started < 10


@needs_a_timer
def test_seconds_in_which_others_had_the_processor_do_not_count(monkeypatch):
    """A machine six times over: of each second that passes, the call gets a sixth."""

    class Slow:
        monotonic = staticmethod(time.monotonic)
        thread_time = staticmethod(lambda: time.monotonic() / 6)

    monkeypatch.setattr(time_limit, "time", Slow)
    until = time.monotonic() + 1.5

    def works():
        while time.monotonic() < until:
            sum(range(1000))
        return "done"

    assert within(0.5, works) == "done"  # it had 1.5 / 6 seconds
    with pytest.raises(TooSlow):
        within(0.1, lambda: time.sleep(30))
