"""Pictures in [-1, 1] as files that any viewer opens: a grid of them, or an animation."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

GAP = 4  # white pixels between two pictures
STILL = (".png", ".jpg", ".jpeg", ".webp")  # those that can say that they are generated


def grid(pictures: Float[Tensor, "n 3 h w"], columns: int, zoom: int = 1) -> Image.Image:
    """The pictures row by row on white, each of their pixels `zoom` times as wide and high."""
    n, _, h, w = pictures.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    size = (columns * (zoom * w + GAP) - GAP, rows * (zoom * h + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    for i, picture in enumerate(pictures):
        pixels = np.round(255 * to_rgb(picture)).astype(np.uint8)
        tile = Image.fromarray(pixels).resize((zoom * w, zoom * h), Image.Resampling.NEAREST)
        row, column = divmod(i, columns)
        sheet.paste(tile, (column * (zoom * w + GAP), row * (zoom * h + GAP)))
    return sheet


def expect_place(path: Path) -> None:
    """Raise ValueError unless a picture can be written there; to be asked before it is drawn."""
    if path.suffix.lower() not in STILL:
        raise ValueError(
            f"{path}: a picture's name ends in one of {', '.join(STILL)}, got {path.suffix!r}. "
            "Usual cause: the ending was left out; for an animation add --gif."
        )
    if path.is_dir() or not path.parent.is_dir():
        wrong = f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise ValueError(f"{wrong}. Give the name of a file in a folder that exists.")


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
