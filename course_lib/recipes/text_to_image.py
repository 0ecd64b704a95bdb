"""Lesson 12: the denoiser of emoji latents that listens to CLIP's text tower."""

from pathlib import Path

import torch
from torch import Tensor

from course_lib import unet
from course_lib.datasets import emoji
from course_lib.files import weights
from course_lib.files.pretrained import assemble
from course_lib.metrics.benchmark import quality
from course_lib.recipes.common import EMOJI_LICENCE, card, cycles, data_hashes, seeded
from course_lib.recipes.finetune import diffusion_loss, prepare


def emoji_text_to_image(
    folder: Path, steps: tuple[int, ...] = (10000, 10000), prediction: str = "v_prediction"
) -> Path:
    """The UNet that draws emoji from a sentence; VAE and text tower are the bundled ones, frozen.

    One caption in ten is dropped, so that the UNet also knows pictures in general, for guidance
    (Ho and Salimans 2022). "v_prediction" trains on the schedule that ends in pure noise, "epsilon"
    on Stable Diffusion's own. `steps` are those of each of its `cycles`. The card gets the shares
    of validation questions that are answered right.
    """
    schedule = "zero_terminal" if prediction == "v_prediction" else "scaled_linear"
    model = assemble(seeded(unet.emoji_latent), prediction, schedule)
    train = emoji.load(split="train")
    data = prepare(model, train.pictures, train.captions)

    def loss_of(g: torch.Generator) -> Tensor:
        return diffusion_loss(model, data, g, batch_size=64)

    lr = 1e-3
    settings = {"batch_size": 64, "prediction": prediction, "data": data_hashes("emoji/")}
    cycles(model.unet, loss_of, folder, steps=steps, lr=lr, settings=settings)
    facts = {"steps": list(steps), "batch_size": 64, "lr": lr, "licence": EMOJI_LICENCE}
    facts |= {"seed": 0, "prediction": prediction, "schedule": schedule}
    facts |= {"quality": quality(model, "validation")}
    made = card(folder, "emoji_text_to_image", "emoji/", **facts)
    return weights.save(model.unet.state_dict(), made, "emoji_text_to_image", folder)
