"""Ten photographs, small copies of those that come with scikit-image and scikit-learn."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from course_lib.datasets import registry

NAMES = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "china",
    "coffee",
    "flower",
    "grass",
    "gravel",
    "rocket",
)


def load(name: str) -> Float[Tensor, "3 h w"]:
    """One photograph in [-1, 1], longer side 384 pixels.

    Brick, camera, grass and gravel are grey: their channels are equal, give or take one level of
    255. Raises ValueError for an unknown name. Source: scikit-image 0.26 (CC0 or public domain);
    china and flower: scikit-learn 1.9 (CC BY 2.0, danielbuechele and vultilion).
    """
    if name not in NAMES:
        raise ValueError(f"there is no photograph {name!r}; there are {', '.join(NAMES)}")
    with Image.open(registry.path(f"photographs/{name}.webp")) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=np.float32)
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1).contiguous()
