"""Kaggle's "A Large Scale Fish Dataset", if you have it: a reader for its folders.

Nine kinds from a fishmonger's, 1,000 photographs each with a mask; Ulucan, Karakaya and Turkan
2020. Nothing of it is bundled. Trout/Trout/00001.png has its mask in Trout/Trout GT/00001.png.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

SIZE = 64
PICTURES = (".png", ".jpg", ".jpeg")


def pairs(folder: str | Path) -> list[tuple[Path, Path]]:
    """Every photograph below `folder` with its mask, kind by kind.

    Raises FileNotFoundError where there is no such folder, or no folder of masks in it, and
    ValueError where photographs have no mask.
    """
    found = []
    of_masks = sorted(p for p in Path(folder).rglob("* GT") if p.is_dir())
    if not of_masks:
        raise FileNotFoundError(
            f"no folder of masks (its name ends in ' GT') below {folder}. Usual cause: it is not "
            "the folder Fish_Dataset of the unpacked archive, or it is NA_Fish_Dataset, which has "
            "photographs only."
        )
    for masks in of_masks:
        photographs = masks.with_name(masks.name.removesuffix(" GT"))
        with_mask = {p.stem: p for p in sorted(masks.iterdir()) if p.suffix.lower() in PICTURES}
        wanted = [p for p in sorted(photographs.glob("*")) if p.suffix.lower() in PICTURES]
        without = [p for p in wanted if p.stem not in with_mask]
        if without or not wanted:
            raise ValueError(
                f"{photographs}: {len(without):,} of {len(wanted):,} photographs have no mask in "
                f"{masks.name!r}, {without[0].name if without else 'none'} first. Usual cause: the "
                "archive was not unpacked whole; unpack it again."
            )
        found += [(p, with_mask[p.stem]) for p in wanted]
    return found


def load(
    folder: str | Path, n: int, seed: int = 0
) -> tuple[Float[Tensor, "n 3 64 64"], Float[Tensor, "n 1 64 64"]]:
    """`n` photographs in [-1, 1] and their masks of zeros and ones, drawn at random from a seed.

    The middle square of each, made smaller: the same shapes as `fish.scenes`. Raises as `pairs`
    does, and ValueError if there are fewer than `n`.
    """
    known = pairs(folder)
    if not 1 <= n <= len(known):
        raise ValueError(f"{folder} has {len(known):,} photographs with masks, {n:,} were wanted")
    drawn = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))[:n]
    chosen = [known[i] for i in drawn.tolist()]
    photographs = np.stack([_square(p, "RGB", Image.Resampling.BOX) for p, _ in chosen])
    masks = np.stack([_square(m, "L", Image.Resampling.NEAREST) for _, m in chosen])
    pictures = torch.from_numpy(photographs).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pictures, (torch.from_numpy(masks)[:, None] > 0).float()


def _square(file: Path, mode: str, how: Image.Resampling) -> NDArray[np.uint8]:
    with Image.open(file) as picture:
        w, h = picture.size
        side = min(w, h)
        box = ((w - side) // 2, (h - side) // 2, (w + side) // 2, (h + side) // 2)
        return np.asarray(picture.convert(mode).resize((SIZE, SIZE), how, box))
