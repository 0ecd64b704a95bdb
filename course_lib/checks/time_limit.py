"""Stop a call that takes too long, in this process: by a timer signal, or from another thread."""

import ctypes
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class TooSlow(BaseException):
    """Raised inside the slow call. Not an Exception, so that `except Exception` lets it through."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of call(), or TooSlow once `seconds` have gone by.

    In the main thread of Linux and macOS a timer interrupts even a loop that never ends. Elsewhere
    (Windows, other threads) the call runs in a thread of its own and is told to stop; what
    sleeps in C goes on in the background. One long operation of torch ends before either can act.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _by_timer(seconds, call)
    return _by_thread(seconds, call)


def _by_timer(seconds: float, call: Callable[[], T]) -> T:
    armed = True

    def stop(*_: Any) -> None:
        if armed:
            raise TooSlow

    started = time.monotonic()
    handler_before = signal.signal(signal.SIGALRM, stop)
    # again every half second: a bare `except:` in the slow call may swallow the first
    timer_before, interval_before = signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
    try:
        return call()
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler_before)
        if timer_before:  # somebody else's timer goes on
            left = timer_before - (time.monotonic() - started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.01), interval_before)


def _by_thread(seconds: float, call: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

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
        raise TooSlow
    if errors:
        raise errors[0]
    return results[0]
