"""Fashion-MNIST: its 7,000 ankle boots, one class of real photographs."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from course_lib.datasets import registry


def load(split: str) -> Float[Tensor, "n 1 32 32"]:
    """Grey pictures of one boot each in [-1, 1], background -1, padded from 28x28 to 32x32.

    6,000 "train", 500 each of "validation" and "test", in a random order; pictures of nearly the
    same boot are in the same part. ValueError for an unknown split. Source: Fashion-MNIST, Xiao,
    Rasul and Vollgraf 2017 (MIT).
    """
    chosen = registry.splits("fashion")[registry.pick("fashion.load", split)]
    with np.load(registry.path("fashion.npz")) as file:
        pictures = file["pictures"][chosen]
    pixels = torch.from_numpy(pictures)[:, None].float()  # (n, 1, 28, 28)
    return F.pad(pixels / 127.5 - 1, (2, 2, 2, 2), value=-1.0)
