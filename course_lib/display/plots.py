"""Every figure of the course: static, small, with a caption in words and a line of rounded numbers.

Pictures are float tensors in [-1, 1] here as everywhere. Figures are made without pyplot, so no
backend is chosen and no state is left behind.
"""

import base64
import io
import logging
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from course_lib.display.charts import Curve, draw_curves, draw_heatmap
from course_lib.display.diagram import HEIGHT, PARTS, draw_diagram
from course_lib.display.palette import PALETTE
from course_lib.files.image_files import to_rgb

# The first import on a machine may take seconds and would log so into the learner's notebook.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import Patch  # noqa: E402

DPI = 72  # a typographic point is a pixel
WIDTH = 720  # pixels: what a notebook shows without scaling
COLOURS = 128  # in one figure; what fifteen figures in a notebook of 400 KB allow


def new_figure(
    rows: int = 1, columns: int = 1, *, width: int = 480, height: int = 300, **each: Any
) -> tuple[Figure, list[Axes]]:
    """An empty figure of width x height pixels and its axes, row by row; show it with show_figure.

    `each` goes to every `add_subplot`, e.g. projection="3d".
    """
    fig = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    fig.set_layout_engine("constrained", w_pad=0.06, h_pad=0.05)  # inches around each
    axes = [fig.add_subplot(rows, columns, i + 1, **each) for i in range(rows * columns)]
    for ax in axes:
        if ax.name == "rectilinear":
            ax.spines[["top", "right"]].set_visible(False)
    return fig, axes


def png(fig: Figure) -> bytes:
    """The figure as a PNG of few colours: a third of the bytes, hardly a difference to see."""
    raw = io.BytesIO()
    fig.savefig(raw, format="png", dpi=DPI)
    small = io.BytesIO()
    few = Image.open(raw).convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1)
    few.save(small, format="png", optimize=True)
    return small.getvalue()


def show_figure(fig: Figure, *, caption: str, numbers: str = "") -> None:
    """Show `fig`, then print what to see in it, then `numbers`: ranges and truths, no last digits.

    The caption is the picture's alternative text as well. Raises ValueError without a caption.
    """
    if not caption.strip():
        raise ValueError(
            "a figure needs a caption: one sentence that says what to see in it. Usual cause: "
            'caption="" was left for later.'
        )
    from IPython.display import display  # slow to import, and needed only here

    data = {"image/png": base64.b64encode(png(fig)).decode(), "text/plain": "[figure]"}
    display(data, raw=True, metadata={"image/png": {"alt": caption}})
    print(_wrapped(f"What to see: {caption}"))
    if numbers:
        print(_wrapped(f"Numbers: {numbers}"))


def _wrapped(text: str) -> str:
    """In lines of at most 100 characters: not every viewer of notebooks wraps what is printed."""
    return "\n".join(line for part in text.split("\n") for line in textwrap.wrap(part, 100) or [""])


def pictures_figure(
    pictures: Tensor | Sequence[Tensor],
    titles: Sequence[str] = (),
    *,
    columns: int = 8,
    size: int = 0,
) -> Figure:
    """The figure of show_pictures, for widgets.explore: a grid of pictures in [-1, 1].

    Raises ValueError for a single picture or none, and for too few or too many titles.
    """
    if len(pictures) == 0 or (isinstance(pictures, Tensor) and pictures.ndim != 4):
        got = tuple(pictures.shape) if isinstance(pictures, Tensor) else "an empty list"
        raise ValueError(
            f"show_pictures wants pictures of shape (n, 3, h, w) or a list, got {got}. "
            "Usual cause: a single picture; put it into a list: [picture]."
        )
    if titles and len(titles) != len(pictures):
        raise ValueError(
            f"show_pictures wants a title for each of {len(pictures)} pictures, got {len(titles)}."
            " Usual cause: the list of titles was written for another grid."
        )
    shown = [to_rgb(p) for p in pictures]
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    w = size or min(240, WIDTH // columns)
    tall = max(a.shape[0] / a.shape[1] for a in shown)
    wrapped = [textwrap.fill(t, max(8, int(w / 5.6))) for t in titles]
    lines = max((t.count("\n") + 1 for t in wrapped), default=0)
    height = int(rows * (w * tall + 16 * lines + 4))
    fig, axes = new_figure(rows, columns, width=columns * w, height=height)
    for i, ax in enumerate(axes):
        ax.axis("off")
        if i < len(shown):
            small = shown[i].shape[1] <= w  # whole pixels when enlarged, smooth when reduced
            ax.imshow(shown[i], interpolation="nearest" if small else "antialiased")
            ax.set_title(wrapped[i] if wrapped else "", fontsize=10, pad=3)
    return fig


def show_pictures(
    pictures: Tensor | Sequence[Tensor],
    titles: Sequence[str] = (),
    *,
    caption: str,
    columns: int = 8,
    numbers: str = "",
    size: int = 0,
) -> None:
    """A grid of pictures in [-1, 1]: a batch (n, 1 or 3, h, w) or a list of single ones.

    What lies beyond [-1, 1] is shown clamped. `size` is the width of one in pixels, 0 for a
    fitting one. Without `numbers` their count, sizes and range are printed, the range in halves.
    """
    fig = pictures_figure(pictures, titles, columns=columns, size=size)
    sizes = sorted({f"{p.shape[-1]} x {p.shape[-2]}" for p in pictures})
    low = min(_halves(float(to_rgb(p).min())) for p in pictures)
    high = max(_halves(float(to_rgb(p).max())) for p in pictures)
    count = "1 picture" if len(pictures) == 1 else f"{len(pictures)} pictures"
    usual = f"{count} of {', '.join(sizes)} pixels, shown from {low} to {high}"
    show_figure(fig, caption=caption, numbers=numbers or usual)


def _halves(shade: float) -> float:
    """A shade in [0, 1] as a value in [-1, 1], to the nearest half."""
    return round(shade * 4 - 2) / 2


def show_overlay(
    picture: Tensor,
    masks: Tensor,
    labels: Sequence[str] = (),
    *,
    caption: str,
    numbers: str = "",
    width: int = 360,
) -> None:
    """A picture (c, h, w) with masks (n, h, w) of bool over it, each tinted, hatched, named.

    Raises ValueError for masks of another size, and for too few or too many labels.
    """
    if masks.ndim != 3 or masks.shape[1:] != picture.shape[-2:]:
        raise ValueError(
            f"show_overlay wants masks of shape (n, {picture.shape[-2]}, {picture.shape[-1]}), got "
            f"{tuple(masks.shape)}. Usual cause: a single mask; try mask[None]."
        )
    if labels and len(labels) != len(masks):
        raise ValueError(f"show_overlay wants {len(masks)} labels, got {len(labels)}.")
    shown = to_rgb(picture)
    fig, (ax,) = new_figure(width=width, height=int(width * shown.shape[0] / shown.shape[1]) + 30)
    ax.imshow(shown)
    ax.axis("off")
    for i, mask in enumerate(masks.cpu().numpy().astype(float)):
        style = PALETTE[(i + 1) % len(PALETTE)]
        if mask.any():
            ax.contourf(mask, [0.5, 1.5], colors=[style.colour], alpha=0.45, hatches=[style.hatch])
        if mask.max() > mask.min():
            ax.contour(mask, [0.5], colors=[style.colour], linewidths=2)
    if labels:
        patches = [
            Patch(facecolor=s.colour, hatch=s.hatch, label=label)
            for s, label in zip((PALETTE * len(labels))[1:], labels, strict=False)
        ]
        ax.legend(handles=patches, fontsize=9, loc="upper right")
    parts = [f"{m.float().mean().item():.0%}" for m in masks]
    show_figure(fig, caption=caption, numbers=numbers or f"covers {', '.join(parts)}")


def show_curves(
    curves: Mapping[str, Curve],
    *,
    x_label: str,
    y_label: str,
    caption: str,
    numbers: str = "",
    log_x: bool = False,
    log_y: bool = False,
    width: int = 480,
    height: int = 280,
) -> None:
    """Named curves in one frame, each a list of y or a pair (x, y), told apart by dash and marker.

    Without `numbers` it prints which way each curve goes, which is the same on every machine.
    Raises ValueError where there is no curve.
    """
    if not curves:
        raise ValueError(
            'show_curves wants at least one named curve, e.g. {"loss": losses}, got none. '
            "Usual cause: the loop that fills it did not run."
        )
    fig, (ax,) = new_figure(width=width, height=height)
    ways = draw_curves(ax, curves)
    ax.set_xscale("log" if log_x else "linear")
    ax.set_yscale("log" if log_y else "linear")
    ax.set(xlabel=x_label, ylabel=y_label)
    ax.grid(alpha=0.25)
    if len(curves) > 1:
        ax.legend(fontsize=9, handlelength=4)
    show_figure(fig, caption=caption, numbers=numbers or "; ".join(ways))


def show_heatmap(
    values: Tensor,
    *,
    caption: str,
    x_labels: Sequence[str] = (),
    y_labels: Sequence[str] = (),
    x_label: str = "",
    y_label: str = "",
    numbers: str = "",
    decimals: int = 1,
    width: int = 400,
) -> None:
    """A table (h, w) of numbers as colours, written into the cells too where they have room.

    Values on both sides of zero get two colours that meet in white at zero. Raises ValueError for
    other shapes, and for too few or too many labels.
    """
    if values.ndim != 2 or values.numel() == 0:
        raise ValueError(
            f"show_heatmap wants a table of shape (h, w), got {tuple(values.shape)}. Usual cause: "
            "a batch or head axis is left; try values[0]."
        )
    for axis, labels, length in (("x", x_labels, values.shape[1]), ("y", y_labels, len(values))):
        if labels and len(labels) != length:
            raise ValueError(f"show_heatmap wants {length} {axis}_labels, got {len(labels)}.")
    v = values.detach().cpu().double().numpy()
    h, w = v.shape
    height = int(
        min(560, max(120, width * 0.8 * h / w)) + 40 + 6 * max(map(len, x_labels), default=0)
    )
    fig, (ax,) = new_figure(width=width, height=height)
    draw_heatmap(fig, ax, v, decimals)
    ax.set(xlabel=x_label, ylabel=y_label)
    if x_labels:
        ax.set_xticks(range(w), x_labels, rotation=90)
    if y_labels:
        ax.set_yticks(range(h), y_labels)
    row, column = np.unravel_index(int(v.argmax()), v.shape)
    found = f"{h} rows, {w} columns, the largest in row {row}, column {column}"
    show_figure(fig, caption=caption, numbers=numbers or found)


def course_diagram(lit: str) -> None:
    """The drawing of Stable Diffusion with one box lit: a name of diagram.PARTS, or "all".

    Raises ValueError for any other name, listing those there are.
    """
    share = "all" if lit == "all" else f"box {PARTS.index(lit) + 1}" if lit in PARTS else ""
    show_figure(
        diagram_figure(lit),
        caption="words become a context (top); the UNet, told how noisy the latents are, predicts "
        "their noise again and again (middle); the decoder makes the picture (right). Lit, with a "
        f"thick frame: {'every part that a lesson builds' if lit == 'all' else lit}.",
        numbers=f"{share} of {len(PARTS)}",
    )


def diagram_figure(lit: str) -> Figure:
    """The figure of course_diagram, for a file; the patch of each box has the gid "part:state"."""
    fig = Figure(figsize=(WIDTH / DPI, WIDTH * HEIGHT / 100 / DPI), dpi=DPI)
    draw_diagram(fig.add_axes((0, 0, 1, 1)), lit)
    return fig
