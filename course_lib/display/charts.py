"""Curves and tables, drawn into axes that plots.py hands over."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from course_lib.display.palette import PALETTE

Numbers = Sequence[int | float] | Tensor
Curve = Numbers | tuple[Numbers, Numbers]


def draw_curves(ax: Any, curves: Mapping[str, Curve]) -> list[str]:
    """Draw named curves, told apart by dash and marker; returns a word on where each one goes.

    Raises ValueError for a curve that is neither a list of y nor a pair (x, y) of equal lengths.
    """
    ways = []
    for i, (name, curve) in enumerate(curves.items()):
        x, y = _points(name, curve)
        style = PALETTE[i % len(PALETTE)]
        every = max(1, len(y) // 8)
        ax.plot(
            x,
            y,
            color=style.colour,
            linestyle=style.line,
            marker=style.marker,
            markevery=(min(i * every // 4, len(y) - 1), every),
            markersize=5,
            label=name,
        )
        change = y[-1] - y[0]
        way = "up" if change > 0 else "down"
        if abs(change) <= 0.02 * max(float(np.abs(y).max()), 1e-12):
            way = "level"
        went = f"{way} from first to last" if np.isfinite(y).all() else "not all of them numbers"
        ways.append(f"{name}: {len(y)} points, {went}")
    return ways


def _points(name: str, curve: Curve) -> tuple[Shaped[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    pair = isinstance(curve, tuple) and len(curve) == 2 and not isinstance(curve[0], int | float)
    y = np.asarray(torch.as_tensor(curve[1] if pair else curve).detach().cpu().double())
    x = np.asarray(torch.as_tensor(curve[0]).detach().cpu()) if pair else np.arange(y.size)
    if y.ndim != 1 or x.shape != y.shape or y.size == 0:
        raise ValueError(
            f"show_curves wants {name!r} as a list of y or a pair (x, y) of equal lengths, got "
            f"shapes {x.shape} and {y.shape}. Usual cause: one number instead of a list, or an "
            "x with one point more than y."
        )
    return x, y


def draw_heatmap(fig: Any, ax: Any, v: Float[np.ndarray, "h w"], decimals: int) -> None:
    """Draw a table; two colours that meet in white at 0 where its values lie on both sides of 0.

    Else one scale, which has 0 at its end: what is nearly equal looks so.
    """
    h, w = v.shape
    low, high = min(0.0, float(v.min())), max(0.0, float(v.max()))
    name = "cividis"
    if low < 0 < high:
        name, high = "PuOr_r", max(-low, high)
        low = -high
    look = {"cmap": name, "vmin": low, "vmax": high, "interpolation": "nearest"}
    image = ax.imshow(v, aspect="equal" if h == w else "auto", **look)
    fig.colorbar(image, ax=ax, shrink=0.8)
    ax.locator_params(integer=True)
    if max(h, w) <= 12:
        for i, j in np.ndindex(h, w):
            dark = sum(image.cmap(image.norm(v[i, j]))[:3]) < 1.4
            text = f"{v[i, j]:.{decimals}f}"
            ax.text(j, i, text, ha="center", va="center", fontsize=9, color="w" if dark else "k")
