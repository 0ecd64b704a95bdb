"""Sinusoidal encoding: of a noise level, of a word's place in a sentence.

Vaswani et al. 2017, section 3.5. A number becomes the hands of many clocks, from fast to slow.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def positional_encoding(
    positions: Int[Tensor, " n"], width: int, longest: float = 10_000.0
) -> Float[Tensor, "n width"]:
    """`width` cosines and sines of each position, all in [-1, 1]; the fastest of each come first.

    Columns i and i + width / 2 have the frequency longest ** (-i / (width / 2)). The cosines fill
    the first half and the sines the second, as in Stable Diffusion (`flip_sin_to_cos`); which
    column is which does not matter to what is learned. Raises ValueError if `width` is odd.
    """
    if width % 2:
        raise ValueError(
            f"positional_encoding: the width must be even, got {width}. "
            "Usual cause: each frequency needs two numbers, a cosine and a sine."
        )
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=positions.device)
    frequency = torch.exp(-math.log(longest) * steps / half)
    angle = positions[:, None].float() * frequency  # (n, width/2)
    return torch.cat([angle.cos(), angle.sin()], dim=1)
