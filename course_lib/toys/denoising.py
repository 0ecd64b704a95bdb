"""Plain denoising (lessons 03 and 04): picture + level * noise, and a network that finds the noise.

The network is told the level, or it is not: the same UNet, whose time is the level or always 0.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from course_lib.datasets import fish
from course_lib.files import weights
from course_lib.unet import UNet, tiny

# From noisy pictures (b, c, h, w) and their noise levels (b,) to a guess of level * noise.
Guesser = Callable[[Tensor, Tensor], Tensor]


def small_scenes(n: int, seed: int, split: str = "train") -> Float[Tensor, "n 3 32 32"]:
    """Fish scenes at half size, in [-1, 1]; the same seed gives the same ones."""
    pictures, _ = fish.scenes(n, seed, split)
    return F.avg_pool2d(pictures, 2)


def told(unet: UNet) -> Guesser:
    """The guesser that is told the level: 0 ... 1 becomes the time 0 ... 999."""
    return lambda noisy, levels: unet(noisy, (999 * levels).round().long())


def untold(unet: UNet) -> Guesser:
    """The guesser that is not: its time is always 0."""
    return lambda noisy, levels: unet(noisy, torch.zeros_like(levels, dtype=torch.long))


def denoising_loss(
    guesser: Guesser, pictures: Float[Tensor, "b c h w"], generator: torch.Generator
) -> Float[Tensor, ""]:
    """Mean squared error of the guess, at a random level (0 ... 1) for each picture; on the CPU."""
    levels = torch.rand(len(pictures), generator=generator)
    noise = levels[:, None, None, None] * torch.randn(pictures.shape, generator=generator)
    return F.mse_loss(guesser(pictures + noise, levels), noise)


@torch.no_grad()
def error_left(guesser: Guesser, pictures: Float[Tensor, "b c h w"], level: float) -> float:
    """Mean squared error of the cleaned pictures at one noise level; level^2 as they come. CPU."""
    noise = level * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(5))
    return F.mse_loss(guesser(pictures + noise, torch.full((len(pictures),), level)), noise).item()


def trained(which: str, seed: int) -> UNet:
    """A bundled denoiser: "told" or "untold", seed 0, 1 or 2. ValueError for any other."""
    state = weights.load_state("denoisers")
    prefix = f"{which}.{seed}."
    mine = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    if not mine:
        raise ValueError(
            f"no bundled denoiser is called {which!r} with seed {seed}; "
            'there are "told" and "untold", each with seeds 0, 1 and 2'
        )
    unet = tiny()
    unet.load_state_dict(mine)
    return unet.eval()
