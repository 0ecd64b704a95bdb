"""Things to play with: a static figure that stays in the file, and live controls where they work.

Only what ipywidgets 7.7 and 8 share is used: no `interact`, no Output widget, nothing that an
automatic run of the notebook could record.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.display import drag
from course_lib.display.keyboard import own_keys
from course_lib.display.plots import png, show_figure

Drawn = Figure | tuple[Figure, str]
Draw = Callable[..., Drawn]


@runtime_checkable
class Control(Protocol):
    """What a learner can move: a start value, and widgets that report each change."""

    @property
    def value(self) -> Any: ...

    def build(self, label: str, changed: Callable[[Any], None]) -> Any: ...


def explore(draw: Draw, *, caption: str, **controls: Control) -> None:
    """Show draw(**start values); where a front end is live, add controls and their own picture.

    `draw` takes one argument for each control and returns a figure, or (figure, numbers). What a
    learner sets shows up in a second picture below the controls, so the first one is there to
    compare with. What `draw` raises after a change is shown as its sentence. Raises ValueError
    where there is no control.
    """
    if not controls:
        raise ValueError(
            "explore wants at least one control, e.g. size=slider(1, 9, 3), got none. Usual "
            "cause: the control was passed to the drawing function instead."
        )
    values = {name: control.value for name, control in controls.items()}
    fig, numbers = _figure_and_numbers(draw(**values))
    show_figure(fig, caption=caption, numbers=numbers)
    if someone_is_there():
        from IPython.display import display

        display(live(draw, controls))


def someone_is_there() -> bool:
    """Whether a person's front end runs this cell, rather than a test or a script.

    A front end lets the code ask for input; nbclient and nbval say that they cannot.
    """
    from IPython.core.getipython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    return bool(kernel.get_parent("shell").get("content", {}).get("allow_stdin", False))


def live(draw: Draw, controls: Mapping[str, Control]) -> Any:
    """The controls and, hidden until the first change, the picture that follows them."""
    import ipywidgets

    values = {name: control.value for name, control in controls.items()}
    hidden = ipywidgets.Layout(display="none")
    image = ipywidgets.Image(format="png", layout=hidden)
    words = ipywidgets.Label("Change something: your picture appears here.")

    def img2img(name: str, value: Any) -> None:
        values[name] = value
        try:
            fig, numbers = _figure_and_numbers(draw(**values))
            image.value = png(fig)
        except Exception as error:  # whatever a learner types, the page stays usable
            words.value = f"That does not work: {error}"
            return
        image.layout.display = "block"
        words.value = f"Yours. {numbers}"

    rows = [
        control.build(name.replace("_", " "), lambda value, name=name: img2img(name, value))  # type: ignore[misc]
        for name, control in controls.items()
    ]
    image.layout.max_width = "100%"
    image.layout.align_self = "flex-start"  # its own size: a box would stretch it to its width
    return ipywidgets.VBox([*rows, words, image, *own_keys()])


def _figure_and_numbers(drawn: Drawn) -> tuple[Figure, str]:
    return drawn if isinstance(drawn, tuple) else (drawn, "")


@dataclass(frozen=True)
class _Slider:
    low: int | float
    high: int | float
    value: int | float
    step: int | float

    def build(self, label: str, changed: Callable[[Any], None]) -> Any:
        import ipywidgets

        whole = all(isinstance(n, int) for n in (self.low, self.high, self.value, self.step))
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        wide = ipywidgets.Layout(width="420px")
        slider = kind(
            value=self.value, min=self.low, max=self.high, step=self.step, description=label
        )
        slider.layout = wide
        slider.style.description_width = "initial"
        slider.observe(lambda change: changed(change["new"]), names="value")
        return slider


def slider(
    low: int | float, high: int | float, start: int | float, *, step: int | float = 1
) -> Control:
    """A number from low to high; whole when all four are.

    Raises ValueError for a start outside.
    """
    if not low <= start <= high:
        raise ValueError(f"slider wants a start between {low} and {high}, got {start}.")
    return _Slider(low, high, start, step)


@dataclass(frozen=True)
class _Choice:
    options: tuple[str, ...]
    value: str

    def build(self, label: str, changed: Callable[[Any], None]) -> Any:
        import ipywidgets

        box = ipywidgets.Dropdown(options=self.options, value=self.value, description=label)
        box.style.description_width = "initial"
        box.observe(lambda change: changed(change["new"]), names="value")
        return box


def choice(options: Sequence[str], start: str = "") -> Control:
    """One of some names; the first one at the start unless another is given.

    Raises ValueError for a start that is none of them.
    """
    start = start or (options[0] if options else "")
    if start not in options:
        raise ValueError(f"choice wants a start among {', '.join(options) or 'nothing'}: {start!r}")
    return _Choice(tuple(options), start)


@dataclass(frozen=True)
class _Text:
    value: str

    def build(self, label: str, changed: Callable[[Any], None]) -> Any:
        import ipywidgets

        box = ipywidgets.Text(
            value=self.value, description=label, continuous_update=False, placeholder="then Enter"
        )
        box.layout = ipywidgets.Layout(width="420px")
        box.style.description_width = "initial"
        box.observe(lambda change: changed(change["new"]), names="value")
        return box


def text(start: str) -> Control:
    """A line of text; it counts when Enter is pressed or the field is left."""
    return _Text(start)


@dataclass(frozen=True, eq=False)
class _Kernel:
    value: Tensor
    presets: Mapping[str, Tensor]

    def build(self, label: str, changed: Callable[[Any], None]) -> Any:
        import ipywidgets

        narrow = ipywidgets.Layout(width="64px")
        cells = [ipywidgets.FloatText(value=v, step=0.5) for v in self.value.flatten().tolist()]
        for cell in cells:
            cell.layout = narrow
        quiet = False

        menu = ipywidgets.Dropdown(options=list(self.presets), value=None, description=label)

        def tell() -> None:
            changed(torch.tensor([cell.value for cell in cells]).reshape(self.value.shape))

        def typed(_: object) -> None:
            if not quiet:
                menu.value = None  # it is no preset any more, and one can be chosen again
                tell()

        def fill(change: Any) -> None:
            nonlocal quiet
            if change["new"] is None:
                return
            quiet = True
            for cell, v in zip(cells, self.presets[change["new"]].flatten().tolist(), strict=True):
                cell.value = v
            quiet = False
            tell()

        for cell in cells:
            cell.observe(typed, names="value")
        k = self.value.shape[1]
        grid = [ipywidgets.HBox(cells[i : i + k]) for i in range(0, len(cells), k)]
        if not self.presets:
            return ipywidgets.VBox([ipywidgets.Label(label), *grid])
        menu.style.description_width = "initial"
        menu.observe(fill, names="value")
        return ipywidgets.VBox([menu, *grid])


def kernel_editor(start: Tensor, presets: Mapping[str, Tensor]) -> Control:
    """A small table of numbers (k, k) to type into; the presets fill it at once.

    Raises ValueError for presets of another shape.
    """
    for name, preset in presets.items():
        if preset.shape != start.shape:
            raise ValueError(
                f"kernel_editor wants presets of shape {tuple(start.shape)}, got "
                f"{tuple(preset.shape)} for {name!r}."
            )
    return _Kernel(start, presets)


@dataclass(frozen=True)
class _DragPad:
    low: float
    high: float
    value: tuple[float, float]

    def build(self, label: str, changed: Callable[[Any], None]) -> Any:
        import ipywidgets

        step = (self.high - self.low) / 100
        across, up = (
            ipywidgets.FloatSlider(
                value=v, min=self.low, max=self.high, step=step, description=f"{label} {axis}"
            )
            for v, axis in zip(self.value, ("across", "up"), strict=True)
        )

        def tell(_: object = None) -> None:
            changed((across.value, up.value))

        pad = drag.pad(self.low, self.high, self.value)
        for s in (across, up):
            s.style.description_width = "initial"
            s.observe(tell, names="value")
        if pad is None:
            return ipywidgets.VBox([across, up])
        pad.observe(lambda change: setattr(across, "value", change["new"]), names="x")
        pad.observe(lambda change: setattr(up, "value", change["new"]), names="y")
        across.observe(lambda change: setattr(pad, "x", change["new"]), names="value")
        up.observe(lambda change: setattr(pad, "y", change["new"]), names="value")
        return ipywidgets.HBox([pad, ipywidgets.VBox([across, up])])


def drag_pad(low: float, high: float, start: tuple[float, float] = (0.0, 0.0)) -> Control:
    """A point on a square, from low to high on both axes: drag it, or use the sliders or arrows.

    Where anywidget is missing or cannot load, the two sliders do the same. Raises ValueError for a
    start outside.
    """
    if not all(low <= v <= high for v in start):
        raise ValueError(f"drag_pad wants a start between {low} and {high}, got {start}.")
    return _DragPad(low, high, start)
