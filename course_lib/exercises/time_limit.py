"""Stop a call that takes too long, in this process: by a timer signal, or from another thread."""

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class TooSlow(BaseException):
    """Raised inside the slow call. Not an Exception, so that `except Exception` lets it through."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of call(), or TooSlow once it has worked, or waited, for `seconds`.

    In the main thread of Linux and macOS a timer interrupts even a loop that never ends; seconds in
    which other programs had the processor are not counted, up to ten times as many. Elsewhere
    (Windows, other threads) the call runs in a thread of its own and is told to stop; what sleeps
    in C goes on in the background, and prints into nothing. One long operation of torch ends before
    either can act.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _by_timer(seconds, call)
    return _by_thread(seconds, call)


def _by_timer(seconds: float, call: Callable[[], T]) -> T:
    armed = True
    fired = False
    worked = time.thread_time()

    def stop(_: int, frame: FrameType | None) -> None:
        nonlocal fired
        passed, used = time.monotonic() - started, time.thread_time() - worked
        kept_waiting = passed / 20 < used < seconds and passed < 10 * seconds
        if armed and not (kept_waiting and not fired):
            fired = True
            _insist(frame)
            raise TooSlow

    started = time.monotonic()
    trace_before = sys.gettrace()
    handler_before = signal.signal(signal.SIGALRM, stop)
    timer_before, interval_before = signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        result = call()
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler_before)
        sys.settrace(trace_before)
        if timer_before:  # somebody else's timer goes on
            left = timer_before - (time.monotonic() - started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.01), interval_before)
    if fired:
        raise TooSlow
    return result


def _insist(frame: FrameType | None) -> None:
    """Raise again at the slow code's next line: a bare `except:` in its loop takes the first."""

    def again(_: FrameType, event: str, __: Any) -> Any:
        if event == "line":
            raise TooSlow
        return again

    sys.settrace(lambda *_: None)
    ours = str(Path(__file__).parent)
    while frame and not frame.f_code.co_filename.startswith(ours):
        frame.f_trace = again
        frame = frame.f_back


def _by_thread(seconds: float, call: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []
    streams = sys.stdout, sys.stderr

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        for _ in range(3):  # again: a bare `except:` may swallow the first
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TooSlow)
            )
            thread.join(0.2)
        sys.stdout, sys.stderr = streams  # the call may have caught them, and may go on for long
        raise TooSlow
    if errors:
        raise errors[0]
    return results[0]
