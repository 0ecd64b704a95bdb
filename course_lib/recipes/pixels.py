"""Lesson 05: diffusion on pixels."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_lib import schedule
from course_lib.datasets import fashion
from course_lib.diffusion import Denoiser, noise_loss
from course_lib.files import weights
from course_lib.metrics.frechet import picture_distance
from course_lib.precision import mixed
from course_lib.recipes.common import card, data_hashes, seeded
from course_lib.samplers import Step, clipped, ddim, ddpm, dpm_solver_pp, heun, times
from course_lib.training import long_run
from course_lib.unet import pixel_32


def sampler_distances(
    model: Denoiser, s: schedule.NoiseSchedule, n: int = 32, sets: int = 4
) -> dict[str, Any]:
    """Lesson 05's table: (shape, texture) distance to the training set, mean over sets of `n`.

    For each sampler and number of evaluations; "real" is the mean of 15 sets of test pictures: the
    best that can be expected.
    """
    boots, evaluations = fashion.load("train"), (5, 10, 25, 50)
    g = torch.Generator().manual_seed(0)
    starts = torch.randn(sets, n, *boots.shape[1:], generator=g)
    samplers: dict[str, Callable[..., Iterator[Step]]] = {
        "ddpm": partial(ddpm, generator=g),
        "ddim": ddim,
        "heun": heun,
        "dpm_solver_pp": dpm_solver_pp,
    }

    def distance(several: Sequence[Tensor]) -> list[float]:
        return torch.tensor([picture_distance(x, boots) for x in several]).mean(dim=0).tolist()

    table: dict[str, Any] = {"real": distance(fashion.load("test")[: 15 * n].split(n))}
    for k in evaluations:
        for name, sampler in samplers.items():
            num_inference_steps = (k + 1) // 2 if name == "heun" else k  # two evaluations a move
            ts = times(s.num_train_timesteps, num_inference_steps)
            made = [list(sampler(model, x, s, ts))[-1].x for x in starts]
            table.setdefault(name, []).append(distance(made))
    return {"distance": table, "evaluations": evaluations, "pictures": n, "sets": sets}


def pixel_diffusion(folder: Path, steps: int = 8000) -> Path:
    """Lesson 05's denoiser: noise prediction on ankle boots of 32x32, cosine schedule."""
    model, s, boots = seeded(pixel_32), schedule.cosine(), fashion.load("train")
    batch_size, lr = 32, 1.5e-3

    def loss_of(g: torch.Generator) -> Tensor:
        x0 = boots[torch.randint(len(boots), (batch_size,), generator=g)]
        with mixed():
            return noise_loss(model, x0, s, g)

    settings = {"batch_size": batch_size, "data": data_hashes("fashion")}
    average = long_run(
        model, loss_of, folder, steps=steps, lr=lr, save_every=200, keep=False, settings=settings
    )
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
