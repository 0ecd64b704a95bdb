"""How alike two pictures, or two sets of pictures, are: PSNR and the energy distance."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def psnr(guess: Float[Tensor, "b c h w"], picture: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio of each picture in [-1, 1], in decibels; the peak is 2."""
    return 10 * torch.log10(4 / (guess - picture).square().mean(dim=(1, 2, 3)))


def psnr_inside(
    guess: Float[Tensor, "b 3 h w"], picture: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, " b"]:
    """PSNR over the drawing alone: only pixels that are not white paper in the true picture."""
    inside = (picture < 0.98).any(dim=1, keepdim=True)  # (b, 1, h, w)
    error = ((guess - picture).square() * inside).sum(dim=(1, 2, 3))
    return 10 * torch.log10(4 * 3 * inside.sum(dim=(1, 2, 3)) / error)


def energy_distance(
    drawn: Float[Tensor, "n c h w"], real: Float[Tensor, "m c h w"], side: int = 16
) -> float:
    """How far two sets of pictures are apart as sets: about 0 if they could have been swapped.

    The energy distance of Szekely and Rizzo 2013 on pictures shrunk to side x side, per number:
    twice the mean distance between the sets, less the mean distances within each. It sees wrong
    colours, wrong shapes and too little variety; fine detail it does not see.
    """
    a, b = (F.adaptive_avg_pool2d(x, side).flatten(1) for x in (drawn, real))
    within = [torch.cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b)]
    between = torch.cdist(a, b).mean()
    return float(2 * between - within[0] - within[1]) / a.shape[1] ** 0.5
