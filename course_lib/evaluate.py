"""How good the bundled weights are, measured: `python -m course_lib.evaluate` prints it all."""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from course_lib import autoencoder, weights
from course_lib.autoencoder import VAE
from course_lib.datasets import emoji
from course_lib.diffusion import from_v
from course_lib.samplers import ddim, times
from course_lib.schedule import NoiseSchedule
from course_lib.unet import UNet


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
    """How far two sets of pictures are apart as sets: 0 if they could have been swapped.

    The energy distance of Szekely and Rizzo 2013 on pictures shrunk to side x side, per number:
    twice the mean distance between the sets, less the mean distances within each. It sees wrong
    colours, wrong shapes and too little variety; fine detail it does not see.
    """
    a, b = (F.adaptive_avg_pool2d(x, side).flatten(1) for x in (drawn, real))
    within = [torch.cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b)]
    between = torch.cdist(a, b).mean()
    return float(2 * between - within[0] - within[1]) / a.shape[1] ** 0.5


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


@torch.no_grad()
def drawn_quality(model: UNet, schedule: NoiseSchedule, n: int = 200) -> dict[str, float]:
    """Energy distance to validation pictures: of `n` drawn ones, of real ones, of white paper."""
    vae = cast(VAE, weights.load_into(autoencoder.emoji(), "emoji_vae"))
    g = torch.Generator().manual_seed(0)
    start = torch.randn(n, 4, 8, 8, generator=g)
    denoiser = from_v(model, schedule)
    *_, last = ddim(denoiser, start, schedule, times(schedule.num_steps, 20))
    real = emoji.load(split="validation").pictures[:]
    train = emoji.load(split="train").pictures
    some = train[torch.randint(len(train), (n,), generator=g)]
    compared = {
        "drawn": vae.to_pictures(last.x),
        "training pictures": some,
        "white paper": torch.ones_like(some) + 0.01 * torch.randn(some.shape, generator=g),
    }
    return {name: round(energy_distance(x, real), 4) for name, x in compared.items()}
