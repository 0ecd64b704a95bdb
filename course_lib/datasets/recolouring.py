"""A drawing of one main hue in another colour, its lights and shadows kept."""

import numpy as np
from numpy.typing import NDArray

PAINT = {  # the colours of Twemoji, nearly
    "red": (221, 46, 68),
    "orange": (244, 144, 12),
    "yellow": (253, 203, 78),
    "green": (105, 177, 79),
    "blue": (75, 160, 238),
    "purple": (160, 112, 224),
    "pink": (250, 140, 190),
    "brown": (150, 88, 60),
    "black": (49, 52, 58),
}

Pixels = NDArray[np.uint8]  # (64, 64, 3), on white


def _hue_and_chroma(picture: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hue in 0 ... 360 and chroma (largest less smallest channel) in 0 ... 1, of each pixel."""
    rgb = picture.astype(np.float32) / 255
    top, low = rgb.max(axis=-1), rgb.min(axis=-1)
    chroma = top - low
    safe = np.where(chroma > 0, chroma, 1)
    r, g, b = np.moveaxis(rgb, -1, 0)
    hue = np.select(
        [top == r, top == g], [(g - b) / safe % 6, (b - r) / safe + 2], (r - g) / safe + 4
    )
    return (hue * 60 % 360).astype(np.float32), chroma


def _far(hue: NDArray[np.float32], main: float) -> NDArray[np.float32]:
    return np.asarray(abs((hue - main + 180) % 360 - 180), dtype=np.float32)


def main_hue(picture: Pixels) -> float | None:
    """The one hue of a drawing, or None where it has several, or hardly any colour."""
    hue, chroma = _hue_and_chroma(picture)
    ink = (picture < 245).any(axis=-1)
    coloured = ink & (chroma > 0.2)
    if ink.sum() < 200 or coloured.sum() < 0.5 * ink.sum():
        return None
    votes, _ = np.histogram(hue[coloured], bins=72, range=(0, 360), weights=chroma[coloured])
    near = np.sum([np.roll(votes, k) for k in range(-4, 5)], axis=0)
    main = float(near.argmax() * 5 + 2.5)
    return main if votes[_bins(main)].sum() > 0.75 * votes.sum() else None


def _bins(main: float) -> NDArray[np.bool_]:
    return _far((np.arange(72) * 5 + 2.5).astype(np.float32), main) < 30


def _main_part(picture: Pixels, main: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much each pixel belongs to the part of the main hue (0 ... 1), and its luminance."""
    hue, chroma = _hue_and_chroma(picture)
    near = np.clip((45 - _far(hue, main)) / 15, 0, 1) * np.clip((chroma - 0.06) / 0.12, 0, 1)
    luminance = (picture.astype(np.float32) @ np.array([0.3, 0.59, 0.11], np.float32)) / 255
    return near.astype(np.float32), luminance.astype(np.float32)


def own_colour(picture: Pixels, main: float) -> str:
    """The colour word for the main part of a drawing."""
    near, _ = _main_part(picture, main)
    middle = np.median(picture[near > 0.9].astype(np.float32), axis=0)
    return min(PAINT, key=lambda c: float(((np.array(PAINT[c]) - middle) ** 2).sum()))


def recoloured(picture: Pixels, main: float, colour: str) -> Pixels:
    """The part of the main hue in another colour, its lights and shadows kept."""
    near, luminance = _main_part(picture, main)
    middle = float(np.median(luminance[near > 0.9]))
    light = luminance / middle  # 1 where the drawing has its usual brightness
    target = np.array(PAINT[colour], np.float32)
    up = np.clip((light - 1) / max(1 / middle - 1, 0.15), 0, 1)[..., None]
    dark = np.clip(light, 0, 1)[..., None]
    new = target * dark + (255 - target) * up * 0.8
    share = near[..., None]
    return np.asarray((share * new + (1 - share) * picture).round().clip(0, 255), dtype=np.uint8)
