"""Lesson 12: the denoiser of emoji latents that listens to CLIP's text tower."""

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import unet
from course_lib.datasets import composed_captions, compositions, emoji
from course_lib.diffusion import add_noise
from course_lib.files import weights
from course_lib.files.pretrained import assemble
from course_lib.metrics.benchmark import quality
from course_lib.precision import mixed
from course_lib.recipes.common import EMOJI_LICENCE, card, cycles, data_hashes, seeded
from course_lib.recipes.finetune import diffusion_loss, prepare
from course_lib.recipes.prompted import Prompted, drawn_from, drawn_rows, pool
from course_lib.text_to_image import TextToImage
from course_lib.training import long_run

COMPOSED = 48_000  # pictures, made once
BATCH = 64


def emoji_text_to_image(
    folder: Path,
    steps: tuple[int, ...] = (10000, 10000),
    prompted: tuple[tuple[int, int, float], ...] = ((11600, 32, 6e-4), (3600, 40, 5e-4)),
    prediction: str = "v_prediction",
) -> Path:
    """The UNet that draws emoji from a sentence; VAE and text tower are the bundled ones, frozen.

    First cycles of `steps` on the emoji with their own captions, then `prompted` ones (steps, how
    many of a batch are plain pictures, learning rate) with composed pictures and new captions. One
    caption in ten is dropped, so that the UNet also knows pictures in general, for guidance (Ho and
    Salimans 2022). "v_prediction" trains on the schedule that ends in pure noise, "epsilon" on
    Stable Diffusion's own. The card gets the shares of validation questions that are answered
    right.
    """
    schedule = "zero_terminal" if prediction == "v_prediction" else "scaled_linear"
    model = assemble(seeded(unet.emoji_latent), prediction, schedule)
    train = emoji.load(split="train")
    data = prepare(model, train.pictures, train.captions)

    def exact_loss(g: torch.Generator) -> Tensor:
        return diffusion_loss(model, data, g, batch_size=BATCH)

    lr = 1e-3
    settings = {"batch_size": BATCH, "prediction": prediction, "data": data_hashes("emoji/")}
    cycles(model.unet, exact_loss, folder, steps=steps, lr=lr, settings=settings)
    batches = LatentPrompts(model, Prompted(train), data.latents, COMPOSED)
    for i, (length, plain, peak) in enumerate(prompted):
        model.unet.train().requires_grad_(True)
        average = long_run(
            model.unet,
            partial(batches.loss, plain),
            folder / f"prompted_{i}",
            steps=length,
            lr=peak,
            seed=i,
            save_every=250,
            keep=False,
            settings=settings | {"plain": plain},
        )
        model.unet.load_state_dict(average.state_dict())
    model.unet.eval().requires_grad_(False)
    facts = {"steps": [*steps, *(length for length, _, _ in prompted)], "batch_size": BATCH}
    facts |= {"lr": [lr, *(peak for _, _, peak in prompted)], "licence": EMOJI_LICENCE}
    facts |= {"seed": 0, "prediction": prediction, "schedule": schedule}
    facts |= {"quality": quality(model, "validation")}
    made = card(folder, "emoji_text_to_image", "emoji/", **facts)
    return weights.save(model.unet.state_dict(), made, "emoji_text_to_image", folder)


class LatentPrompts:
    """Latents of plain and of composed pictures, and captions made anew for each batch."""

    def __init__(self, model: TextToImage, data: Prompted, plain: Tensor, composed: int) -> None:
        self.model, self.data, self.plain = model, data, plain
        self.recipes = pool(data, composed)
        rows = range(0, composed, 64)
        made = (compositions.pictures(self.recipes[i : i + 64])[:] for i in rows)
        self.composed = torch.cat([model.encode(pictures) for pictures in made])

    def draw(self, plain: int, generator: torch.Generator) -> tuple[Tensor, list[str]]:
        """Latents (b, 4, 8, 8), `plain` of plain pictures, and captions, a tenth of them empty."""
        draw = drawn_from(generator)
        rows = drawn_rows(self.data.weights, plain, generator)
        made = torch.randint(len(self.recipes), (BATCH - plain,), generator=generator)
        texts = [self.data.caption(row, draw) for row in rows.tolist()]
        texts += [composed_captions.of_composed(self.recipes[i], draw) for i in made.tolist()]
        texts = ["" if draw.random() < 0.1 else text for text in texts]
        return torch.cat([self.plain[rows], self.composed[made]]), texts

    def loss(self, plain: int, generator: torch.Generator) -> Tensor:
        """The diffusion loss on one batch."""
        model = self.model
        x0, texts = self.draw(plain, generator)
        t = torch.randint(model.schedule.num_train_timesteps, (len(x0),), generator=generator)
        noise = torch.randn(x0.shape, generator=generator)
        with mixed(model.device):
            guess = model.unet(add_noise(x0, noise, t, model.schedule), t, model.context(texts))
        return F.mse_loss(guess.float(), model.prediction.target(x0, noise, t, model.schedule))
