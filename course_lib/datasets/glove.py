"""GloVe: vectors of words, learned from six billion words of text, ready made."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.datasets import registry


def load() -> tuple[tuple[str, ...], Float[Tensor, "words 50"]]:
    """The 20,000 commonest words and their vectors, float32 (20000, 50), in the same order.

    Stored in half precision. Source: GloVe 6B, Pennington, Socher and Manning 2014 (PDDL).
    """
    with np.load(registry.path("glove.npz")) as file:
        words, vectors = file["words"], file["vectors"]
    return tuple(words.tobytes().decode().split("\n")), torch.from_numpy(vectors).float()
