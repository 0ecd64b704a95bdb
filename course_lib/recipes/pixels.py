"""Lesson 05: diffusion on pixels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_lib import schedule, weights
from course_lib.datasets import fashion
from course_lib.diffusion import Denoiser, noise_loss
from course_lib.distance import picture_distance
from course_lib.precision import mixed
from course_lib.recipes.common import card, seeded
from course_lib.samplers import Step, clipped, ddim, ddpm, dpm_solver_pp, heun, times
from course_lib.training import long_run
from course_lib.unet import pixel_32


def sampler_distances(model: Denoiser, s: schedule.NoiseSchedule, n: int = 32) -> dict[str, Any]:
    """Lesson 05's table: (shape, texture) distance of `n` pictures to the training set.

    For each sampler and number of evaluations; "real" are `n` test pictures, the floor.
    """
    boots, evaluations = fashion.load("train"), (5, 10, 25, 50)
    x = torch.randn(n, *boots.shape[1:], generator=torch.Generator().manual_seed(0))

    def end(walk: Iterator[Step]) -> Tensor:
        *_, last = walk
        return last.x

    table: dict[str, Any] = {"real": picture_distance(fashion.load("test")[:n], boots)}
    for k in evaluations:
        ts = times(s.num_steps, k)
        walks = {
            "ddpm": ddpm(model, x, s, ts, torch.Generator().manual_seed(1)),
            "ddim": ddim(model, x, s, ts),
            "heun": heun(model, x, s, times(s.num_steps, (k + 1) // 2)),  # two evaluations a move
            "dpm_solver_pp": dpm_solver_pp(model, x, s, ts),
        }
        for name, walk in walks.items():
            table.setdefault(name, []).append(picture_distance(end(walk), boots))
    return {"distance": table, "evaluations": evaluations, "pictures": n}


def pixel_diffusion(folder: Path, steps: int = 8000) -> Path:
    """Lesson 05's denoiser: noise prediction on ankle boots of 32x32, cosine schedule."""
    model, s, boots = seeded(pixel_32), schedule.cosine(), fashion.load("train")
    batch_size, lr = 32, 1.5e-3

    def loss_of(g: torch.Generator) -> Tensor:
        x0 = boots[torch.randint(len(boots), (batch_size,), generator=g)]
        with mixed():
            return noise_loss(model, x0, s, g)

    average = long_run(model, loss_of, folder, steps=steps, lr=lr, save_every=200, keep=False)
    facts = card(
        folder,
        "pixel_diffusion",
        "fashion",
        seed=0,
        steps=steps,
        batch_size=batch_size,
        lr=lr,
        licence="MIT",
        **sampler_distances(clipped(average, s), s),
    )
    return weights.save(average.state_dict(), facts, "pixel_diffusion", folder)
