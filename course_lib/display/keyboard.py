"""Keys pressed in a control stay in it: JupyterLab would take arrows and letters for its own.

With a menu or a slider in focus, the down arrow would go to the next cell, and two d's delete one.
"""

from typing import Any

_ESM = """
function render({ el }) {
  el.style.display = "none";
  const stay = (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  };
  const find = (tries) => {
    const box = el.closest(".widget-vbox");
    if (box) box.addEventListener("keydown", stay);
    else if (tries) requestAnimationFrame(() => find(tries - 1));
  };
  find(60);
}
export default { render };
"""


def own_keys() -> tuple[Any, ...]:
    """An invisible widget for the box of controls; none where anywidget is not installed."""
    try:
        import anywidget
    except ImportError:
        return ()

    class OwnKeys(anywidget.AnyWidget):
        _esm = _ESM

    return (OwnKeys(),)
