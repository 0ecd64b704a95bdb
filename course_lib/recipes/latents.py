"""Lesson 07: diffusion on latents."""

from pathlib import Path

import torch
from torch import Tensor

from course_lib import autoencoder, schedule, unet
from course_lib.datasets import emoji
from course_lib.diffusion import v_loss
from course_lib.files import weights
from course_lib.metrics.evaluate import drawn_quality
from course_lib.precision import mixed
from course_lib.recipes.common import EMOJI_LICENCE, card, data_hashes, seeded
from course_lib.training import long_run


def emoji_unconditional(folder: Path, steps: int = 2500) -> Path:
    """Lesson 07's denoiser of emoji latents, told nothing: v-prediction, schedule to zero."""
    latents = emoji_latents()
    s = schedule.zero_terminal(schedule.scaled_linear())
    model = seeded(unet.emoji_unconditional)

    def loss_of(g: torch.Generator) -> Tensor:
        def guess(x: Tensor, t: Tensor) -> Tensor:
            with mixed():
                return model(x, t).float()

        return v_loss(guess, latents[torch.randint(len(latents), (64,), generator=g)], s, g)

    lr = 1e-3
    settings = {"batch_size": 64, "data": data_hashes("emoji/")}
    average = long_run(
        model, loss_of, folder, steps=steps, lr=lr, save_every=200, keep=False, settings=settings
    )
    facts = {"steps": steps, "batch_size": 64, "lr": lr, "seed": 0, "licence": EMOJI_LICENCE}
    made = card(folder, "emoji_unconditional", "emoji/", **facts, quality=drawn_quality(average, s))
    return weights.save(average.state_dict(), made, "emoji_unconditional", folder)


@torch.no_grad()
def emoji_latents() -> Tensor:
    """All training pictures through the bundled autoencoder, once: latents (n, 4, 8, 8)."""
    vae = weights.load_into(autoencoder.emoji(), "emoji_vae")
    pictures = emoji.load(split="train").pictures
    rows = torch.arange(len(pictures)).split(100)
    return torch.cat([vae.to_latents(pictures[r]) for r in rows])
