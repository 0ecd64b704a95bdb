"""How values become screen colours: pictures in [-1, 1], and a palette that nobody needs to see."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Style:
    """How one series looks: a colour and, as colour never stands alone, dash, marker and hatch."""

    name: str
    colour: str
    line: str | tuple[int, tuple[int, ...]]
    marker: str
    hatch: str


# Okabe and Ito, "Color Universal Design" (2008), without the yellow that white paper swallows.
PALETTE = (
    Style("blue", "#0072B2", "-", "o", "//"),
    Style("orange", "#E69F00", "--", "s", "\\\\"),
    Style("green", "#009E73", "-.", "^", ".."),
    Style("black", "#000000", ":", "D", "xx"),
    Style("sky", "#56B4E9", (0, (5, 1, 1, 1, 1, 1)), "v", "--"),
    Style("vermilion", "#D55E00", (0, (8, 2)), "P", "||"),
    Style("purple", "#CC79A7", (0, (2, 1)), "X", "oo"),
)


def to_rgb(picture: Tensor) -> Float[np.ndarray, "h w 3"]:
    """A picture (h, w), (1, h, w) or (3, h, w) in [-1, 1] as (h, w, 3) in [0, 1]; clamps the rest.

    A bool picture is black and white. Raises ValueError for other shapes, integers, and NaN.
    """
    x = picture.detach().cpu()
    if x.dtype == torch.bool:
        x = x.float() * 2 - 1
    if not x.is_floating_point():
        raise ValueError(
            f"a picture is float in [-1, 1], got {x.dtype}. Usual cause: it comes straight from a "
            "file; use picture.float() / 127.5 - 1."
        )
    if x.ndim == 2:
        x = x[None]
    if x.ndim != 3 or x.shape[0] not in (1, 3):
        raise ValueError(
            f"a picture has shape (3, h, w), (1, h, w) or (h, w), got {tuple(picture.shape)}. "
            "Usual cause: the batch axis is still there (try picture[0]) or the channels come last."
        )
    if not bool(x.isfinite().all()):
        raise ValueError(
            "a picture wants finite numbers, got NaN or infinity. Usual cause: a division by zero "
            "or a step that was too large."
        )
    return ((x.float().clamp(-1, 1) + 1) / 2).expand(3, -1, -1).permute(1, 2, 0).numpy()
