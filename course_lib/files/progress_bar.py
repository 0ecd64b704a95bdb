"""The one progress bar: live in a notebook or a terminal, one line elsewhere."""

import sys
import time
from typing import Any


def _in_a_notebook() -> bool:
    """Whether the code runs in a Jupyter kernel, asked without importing IPython elsewhere."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


class ProgressBar:
    """Says how far a training is: live in a notebook or a terminal, else one line at the end.

    As a context it also turns the stop button into an early, orderly end, if `keep`. The last line
    holds no time and no loss, so that a checked notebook prints the same everywhere.
    """

    def __init__(self, steps: int, done: int = 0, *, keep: bool = True) -> None:
        self.steps, self.keep = steps, keep
        self.first = self.done = done  # an earlier run's steps took none of this one's time
        self.started = self.shown = time.monotonic()
        self.handle: Any = None

    def __enter__(self) -> "ProgressBar":
        if _in_a_notebook():
            from IPython.display import display

            self.handle = display({"text/plain": "starting"}, raw=True, display_id=True)
        return self

    def show(self, step: int, loss: float) -> None:
        """Report that `step` steps are done; draws at most four times a second."""
        now = time.monotonic()
        self.done = step
        if now - self.shown < 0.25:
            return
        self.shown = now
        left = (now - self.started) / (step - self.first) * (self.steps - step)
        self._write(f"step {step} of {self.steps}, loss {loss:.4f}, about {left:.0f} s left")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        stopped = self.keep and kind is KeyboardInterrupt
        if kind is None or stopped:
            end = " (stopped by you; what was learned is kept)" if stopped else ""
            self._write(f"trained for {self.done} steps{end}", last=True)
        return stopped

    def _write(self, text: str, last: bool = False) -> None:
        if self.handle is not None:
            self.handle.update({"text/plain": text}, raw=True)
        elif sys.stderr.isatty():
            print(f"\r{text:<70}", end="\n" if last else "", file=sys.stderr, flush=True)
        elif last:
            print(text)
