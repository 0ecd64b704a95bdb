"""Pictures in [-1, 1] as files that any viewer opens: a grid of them, or an animation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from course_lib.display.palette import to_rgb

GAP = 4  # white pixels between two pictures
STILL = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


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


def save_animation(frames: Sequence[Image.Image], path: Path) -> None:
    """A GIF that shows each frame for a seventh of a second, the last for two, for ever."""
    each = [150] * (len(frames) - 1) + [2000]  # milliseconds
    frames[0].save(path, save_all=True, append_images=list(frames[1:]), duration=each, loop=0)
