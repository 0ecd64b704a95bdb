"""Lesson 11: a small denoiser that is given a caption of seven words."""

from pathlib import Path

import torch
from torch import Tensor

from course_lib.diffusion import noise_loss
from course_lib.files import weights
from course_lib.recipes.common import card, seeded
from course_lib.schedule import cosine
from course_lib.toys.two_shapes import ShapesDenoiser, draw, encode
from course_lib.training import long_run


def two_shapes(folder: Path, steps: int = 1200) -> Path:
    """Lesson 11's denoiser: two shapes from a caption of seven words."""
    world, schedule, empty = draw(2000, seed=0), cosine(1000), encode("")
    batch_size, lr, dropped = 32, 2e-3, 0.1
    model = seeded(ShapesDenoiser)

    def loss_of(g: torch.Generator) -> Tensor:
        rows = torch.randint(len(world.ids), (batch_size,), generator=g)
        drop = torch.rand(batch_size, 1, generator=g) < dropped  # for guidance, as in the lesson
        context = model.encoder(torch.where(drop, empty, world.ids[rows]))
        return noise_loss(lambda x, t: model.unet(x, t, context), world.pictures[rows], schedule, g)

    average = long_run(model, loss_of, folder, steps=steps, lr=lr, save_every=100, keep=False)
    facts = {"steps": steps, "batch_size": batch_size, "lr": lr, "seed": 0, "licence": "MIT"}
    quality = {"captions dropped": dropped}
    made = card(folder, "two_shapes", "none: drawn by course_lib.toys.two_shapes", **facts)
    return weights.save(average.state_dict(), made | {"quality": quality}, "two_shapes", folder)
