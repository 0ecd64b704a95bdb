"""Lesson 06: the autoencoders of digits and of emoji."""

from pathlib import Path

import torch
from torch import Tensor

from course_lib import autoencoder
from course_lib.autoencoder import normalise_latents, vae_loss
from course_lib.datasets import digits, emoji
from course_lib.files import weights
from course_lib.metrics.evaluate import vae_quality
from course_lib.precision import mixed
from course_lib.recipes.common import EMOJI_LICENCE, card, cycles, data_hashes, seeded
from course_lib.toys.digit_autoencoder import DigitVAE
from course_lib.training import long_run


def emoji_vae(folder: Path, steps: tuple[int, ...] = (2500, 3500)) -> Path:
    """The autoencoder of lessons 06, 07 and 12: 64x64 emoji to 8x8x4, all styles.

    `steps` are those of each of its `cycles`. At the end the latents are brought to unit spread;
    the card gets the PSNR on the test pictures.
    """
    train = emoji.load(split="train").pictures
    vae = seeded(autoencoder.emoji)

    def loss_of(g: torch.Generator) -> Tensor:
        with mixed():
            return vae_loss(vae, train[torch.randint(len(train), (16,), generator=g)], g)

    lr = 1e-3
    settings = {"batch_size": 16, "data": data_hashes("emoji/")}
    cycles(vae, loss_of, folder, steps=steps, lr=lr, save_every=100, settings=settings)
    with torch.no_grad():
        parts = torch.arange(0, len(train), 8).split(100)
        codes = torch.cat([vae.encode(train[rows]).mean for rows in parts])
    normalise_latents(vae, codes.mean(dim=(0, 2, 3)), codes.std(dim=(0, 2, 3)))
    facts = {"steps": list(steps), "batch_size": 16, "lr": lr, "licence": EMOJI_LICENCE}
    facts |= {"seed": 0, "quality": vae_quality(vae, "test")}
    made = card(folder, "emoji_vae", "emoji/", **facts)
    return weights.save(vae.state_dict(), made, "emoji_vae", folder)


def mnist_vae(folder: Path) -> Path:
    """Lesson 06's plane of digits: a variational autoencoder to 2 numbers, ten times as long."""
    pictures, _ = digits.load("train")
    model = seeded(lambda: DigitVAE(2))

    def loss_of(g: torch.Generator) -> Tensor:
        return model.loss(pictures[torch.randint(len(pictures), (128,), generator=g)], g)

    steps, lr = 12000, 2e-3
    settings = {"batch_size": 128, "data": data_hashes("digits")}
    average = long_run(
        model, loss_of, folder, steps=steps, lr=lr, save_every=2000, keep=False, settings=settings
    )
    test, _ = digits.load("test")
    with torch.no_grad():
        error = float((average.decode(average.encode(test).mean) - test).square().mean())
    facts = {"steps": steps, "batch_size": 128, "lr": lr, "seed": 0, "licence": "MIT"}
    made = card(folder, "mnist_vae", "digits", **facts, quality={"test error": round(error, 4)})
    return weights.save(average.state_dict(), made, "mnist_vae", folder)
