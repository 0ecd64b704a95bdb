"""How good the bundled weights are, measured: `python -m course_lib.evaluate` prints it all."""

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.autoencoder import VAE
from course_lib.datasets import emoji


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


@torch.no_grad()
def vae_quality(vae: VAE, split: str) -> dict[str, dict[str, float]]:
    """Mean PSNR in decibels on a split of the emoji, for each style and for all."""
    data = emoji.load(split=split)
    rows = torch.arange(len(data)).split(100)
    back = torch.cat([vae.to_pictures(vae.to_latents(data.pictures[r])) for r in rows])
    true = data.pictures[:]
    whole, inside = psnr(back, true), psnr_inside(back, true)
    found = {}
    for style in ("all", *emoji.STYLES):
        of_style = torch.tensor([style in ("all", s) for s in data.styles])
        found[style] = {
            "pictures": float(of_style.sum()),
            "PSNR, whole picture": round(float(whole[of_style].mean()), 2),
            "PSNR, inside the drawing": round(float(inside[of_style].mean()), 2),
        }
    return found
