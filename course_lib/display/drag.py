"""The drag pad's own widget: a point on a square, by mouse, finger or arrow keys."""

from pathlib import Path
from typing import Any


def pad(low: float, high: float, start: tuple[float, float]) -> Any | None:
    """A widget with traits x and y, or None where anywidget is not installed."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        return None

    class DragPad(anywidget.AnyWidget):
        _esm = Path(__file__).with_suffix(".js")
        low = traitlets.Float(0.0).tag(sync=True)
        high = traitlets.Float(1.0).tag(sync=True)
        x = traitlets.Float(0.0).tag(sync=True)
        y = traitlets.Float(0.0).tag(sync=True)

    return DragPad(low=low, high=high, x=start[0], y=start[1])
