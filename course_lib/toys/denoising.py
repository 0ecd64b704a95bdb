"""Plain denoising (lessons 03 and 04): picture + level * noise, and a network that finds the noise.

A noise-conditioned network gets the level as its time; for an unconditioned one it is always 0.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from course_lib.datasets import fish
from course_lib.unet import UNet

# From noisy pictures (b, c, h, w) and their noise levels (b,) to a guess of level * noise.
Denoiser = Callable[[Tensor, Tensor], Tensor]


def small_scenes(n: int, seed: int, split: str = "train") -> Float[Tensor, "n 3 32 32"]:
    """Fish scenes at half size, in [-1, 1]; the same seed gives the same ones."""
    pictures, _ = fish.scenes(n, seed, split)
    return F.avg_pool2d(pictures, 2)


def noise_conditioned(unet: UNet) -> Denoiser:
    """A denoiser that gets the noise level: 0 ... 1 becomes the time 0 ... 999."""
    return lambda noisy, levels: unet(noisy, (999 * levels).round().long())


def unconditioned(unet: UNet) -> Denoiser:
    """A denoiser that does not know the noise level: its time is always 0."""
    return lambda noisy, levels: unet(noisy, torch.zeros_like(levels, dtype=torch.long))


def denoising_loss(
    denoiser: Denoiser, pictures: Float[Tensor, "b c h w"], generator: torch.Generator
) -> Float[Tensor, ""]:
    """Mean squared error of the guess, at a random level (0 ... 1) for each picture; on the CPU."""
    levels = torch.rand(len(pictures), generator=generator)
    noise = levels[:, None, None, None] * torch.randn(pictures.shape, generator=generator)
    return F.mse_loss(denoiser(pictures + noise, levels), noise)


@torch.no_grad()
def mse(denoiser: Denoiser, pictures: Float[Tensor, "b c h w"], level: float) -> float:
    """Mean squared error of the cleaned pictures at one noise level; level^2 as they come. CPU."""
    noise = level * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(5))
    return F.mse_loss(denoiser(pictures + noise, torch.full((len(pictures),), level)), noise).item()
