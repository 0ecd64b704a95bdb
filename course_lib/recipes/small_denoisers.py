"""Lessons 03 and 04: denoising, told how much noise there is and not told."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from course_lib.files import weights
from course_lib.recipes.common import FISH_LICENCE, card, seeded
from course_lib.recipes.precision import mixed
from course_lib.toys.denoising import (
    Guesser,
    denoising_loss,
    error_left,
    small_scenes,
    told,
    untold,
)
from course_lib.training import long_run
from course_lib.unet import UNet, tiny


def denoisers(folder: Path) -> Path:
    """Lessons 03 and 04's six denoisers: told the noise level and not, three seeds of each."""
    scenes = small_scenes(3000, seed=0)
    steps, batch_size, lr = 400, 16, 2e-3

    def train(guesser: Callable[[UNet], Guesser], seed: int, run: Path) -> UNet:
        unet = seeded(tiny, seed)

        def loss_of(g: torch.Generator) -> Tensor:
            pictures = scenes[torch.randint(len(scenes), (batch_size,), generator=g)]
            with mixed():
                return denoising_loss(guesser(unet), pictures, g)

        return long_run(
            unet, loss_of, run, steps=steps, lr=lr, seed=seed, save_every=100, keep=False
        )

    state: weights.State = {}
    quality: dict[str, list[float]] = {}
    unseen = small_scenes(64, seed=1, split="validation")
    for seed in range(3):
        for which, guesser in (("told", told), ("untold", untold)):
            run = folder / f"{which}_{seed}"
            unet = train(guesser, seed, run)
            state |= {f"{which}.{seed}.{key}": value for key, value in unet.state_dict().items()}
            for level in (0.02, 0.1, 0.5, 1.0):
                left = round(error_left(guesser(unet), unseen, level), 5)
                quality.setdefault(f"{which}, error left at level {level}", []).append(left)
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
