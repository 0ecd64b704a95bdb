"""Lesson 12: the denoiser of emoji latents that listens to CLIP's text tower."""

from pathlib import Path

import torch
from torch import Tensor

from course_lib import matching, schedule, unet, weights
from course_lib.datasets import emoji
from course_lib.diffusion import noise_loss, v_loss
from course_lib.precision import mixed
from course_lib.recipes.common import EMOJI_LICENCE, card, cycles, seeded
from course_lib.recipes.latents import emoji_latents


def emoji_text_to_image(
    folder: Path, steps: tuple[int, ...] = (6400, 10000), prediction: str = "v"
) -> Path:
    """The UNet that draws emoji from a sentence; VAE and text tower are the bundled ones, frozen.

    One caption in ten is dropped, so that the UNet also knows pictures in general, for guidance
    (Ho and Salimans 2022). `prediction` "v" trains on the schedule that ends in pure noise, "noise"
    on Stable Diffusion's own. `steps` are those of each of its `cycles`.
    """
    latents = emoji_latents()
    contexts, empty = caption_contexts()
    scaled = schedule.scaled_linear()
    s, loss = (
        (schedule.zero_terminal(scaled), v_loss) if prediction == "v" else (scaled, noise_loss)
    )
    model = seeded(lambda: unet.emoji_latent(contexts.shape[-1]))

    def loss_of(g: torch.Generator) -> Tensor:
        rows = torch.randint(len(latents), (64,), generator=g)
        dropped = torch.rand(len(rows), 1, 1, generator=g) < 0.1
        context = torch.where(dropped, empty, contexts[rows])

        def told(x: Tensor, t: Tensor) -> Tensor:
            with mixed():
                return model(x, t, context).float()

        return loss(told, latents[rows], s, g)

    lr = 1e-3
    cycles(model, loss_of, folder, steps=steps, lr=lr)
    facts = {"steps": list(steps), "batch_size": 64, "lr": lr, "licence": EMOJI_LICENCE}
    facts |= {"seed": 0, "prediction": prediction}
    facts |= {"schedule": "zero_terminal" if prediction == "v" else "scaled_linear"}
    made = card(folder, "emoji_text_to_image", "emoji/", **facts)
    return weights.save(model.state_dict(), made, "emoji_text_to_image", folder)


@torch.no_grad()
def caption_contexts() -> tuple[Tensor, Tensor]:
    """What the text tower says of each training caption, (n, m, d), and of none at all, (1, m, d).

    It is frozen, so once is enough.
    """
    clip, tokenizer = matching.trained()
    ids = tokenizer(emoji.load(split="train").captions).split(256)
    return torch.cat([clip.text(part) for part in ids]), clip.text(tokenizer([""]))
