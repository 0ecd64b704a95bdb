"""Keys pressed in a control stay in it: JupyterLab would take arrows and letters for its own.

With a menu or a slider in focus, the down arrow would go to the next cell, and two d's delete one.
"""

from pathlib import Path
from typing import Any


def own_keys() -> tuple[Any, ...]:
    """An invisible widget for the box of controls; none where anywidget is not installed."""
    try:
        import anywidget
    except ImportError:
        return ()

    class OwnKeys(anywidget.AnyWidget):
        _esm = Path(__file__).with_suffix(".js")

    return (OwnKeys(),)
