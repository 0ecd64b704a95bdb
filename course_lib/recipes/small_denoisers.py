"""Lessons 03 and 04: denoisers that get the noise level, and denoisers that do not."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from course_lib.files import weights
from course_lib.precision import mixed
from course_lib.recipes.common import FISH_LICENCE, card, data_hashes, seeded
from course_lib.toys.denoising import (
    Denoiser,
    denoising_loss,
    mse,
    noise_conditioned,
    small_scenes,
    unconditioned,
)
from course_lib.training import long_run
from course_lib.unet import UNet, tiny


def denoisers(folder: Path) -> Path:
    """Lessons 03 and 04: with and without the noise level, three seeds each."""
    scenes = small_scenes(3000, seed=0)
    steps, batch_size, lr = 400, 16, 2e-3

    def train(denoiser_of: Callable[[UNet], Denoiser], seed: int, run: Path) -> UNet:
        unet = seeded(tiny, seed)

        def loss_of(g: torch.Generator) -> Tensor:
            pictures = scenes[torch.randint(len(scenes), (batch_size,), generator=g)]
            with mixed():
                return denoising_loss(denoiser_of(unet), pictures, g)

        settings = {"batch_size": batch_size, "data": data_hashes("fish/")}
        return long_run(
            unet,
            loss_of,
            run,
            steps=steps,
            lr=lr,
            seed=seed,
            save_every=100,
            keep=False,
            settings=settings,
        )

    state: weights.State = {}
    quality: dict[str, list[float]] = {}
    unseen = small_scenes(64, seed=1, split="validation")
    for seed in range(3):
        for which, denoiser_of in (
            ("noise_conditioned", noise_conditioned),
            ("unconditioned", unconditioned),
        ):
            run = folder / f"{which}_{seed}"
            unet = train(denoiser_of, seed, run)
            state |= {f"{which}.{seed}.{key}": value for key, value in unet.state_dict().items()}
            for level in (0.02, 0.1, 0.5, 1.0):
                left = round(mse(denoiser_of(unet), unseen, level), 5)
                quality.setdefault(f"{which}, mean squared error at level {level}", []).append(left)
    facts = card(
        folder,
        "denoisers",
        "fish",
        seed=[0, 1, 2],
        steps=steps,
        batch_size=batch_size,
        lr=lr,
        quality=quality,
        licence=FISH_LICENCE,
    )
    return weights.save(state, facts, "denoisers", folder)
