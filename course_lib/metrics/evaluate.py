"""How good the bundled weights are: quality of the autoencoder, of CLIP, and of what is drawn."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from course_lib import autoencoder, unet
from course_lib.autoencoder import VAE
from course_lib.clip import CLIP
from course_lib.datasets import emoji
from course_lib.diffusion import V_PREDICTION
from course_lib.files import pretrained, weights
from course_lib.metrics import retrieval
from course_lib.metrics.benchmark import (
    Proportion,
    proportions,
)
from course_lib.metrics.image import energy_distance, psnr, psnr_inside
from course_lib.samplers import ddim, times
from course_lib.schedule import NoiseSchedule
from course_lib.text_to_image import TextToImage
from course_lib.tokenizer import Tokenizer
from course_lib.unet import UNet


@torch.no_grad()
def vae_quality(vae: VAE, split: str) -> dict[str, dict[str, float]]:
    """Mean PSNR in decibels on a split of the emoji, for each style and for all."""
    data = emoji.load(split=split)
    rows = torch.arange(len(data)).split(100)
    back = torch.cat([vae.to_pictures(vae.to_latents(data.pictures[r])) for r in rows])
    true = data.pictures[:]
    whole, inside = psnr(back, true), psnr_inside(back, true)
    found = {}
    for style in ("all", *emoji.STYLES):
        of_style = torch.tensor([style in ("all", s) for s in data.styles])
        found[style] = {
            "pictures": float(of_style.sum()),
            "PSNR, whole picture": round(float(whole[of_style].mean()), 2),
            "PSNR, inside the drawing": round(float(inside[of_style].mean()), 2),
        }
    return found


@torch.no_grad()
def drawn_quality(model: UNet, schedule: NoiseSchedule, n: int = 200) -> dict[str, float]:
    """Energy distance to validation pictures: of `n` drawn ones, of real ones, of white paper."""
    vae = weights.load_into(autoencoder.emoji(), "emoji_vae")
    g = torch.Generator().manual_seed(0)
    start = torch.randn(n, 4, 8, 8, generator=g)
    denoiser = V_PREDICTION.to_noise(model, schedule)
    *_, last = ddim(denoiser, start, schedule, times(schedule.num_train_timesteps, 20))
    real = emoji.load(split="validation").pictures[:]
    train = emoji.load(split="train").pictures
    some = train[torch.randint(len(train), (n,), generator=g)]
    compared = {
        "drawn": vae.to_pictures(last.x),
        "training pictures": some,
        "white paper": torch.ones_like(some) + 0.01 * torch.randn(some.shape, generator=g),
    }
    return {name: round(energy_distance(x, real), 4) for name, x in compared.items()}


@torch.no_grad()
def search_quality(
    clip: CLIP, tokenizer: Tokenizer, split: str
) -> dict[str, dict[str, Proportion]]:
    """In sets of 100 held-out pairs: is the right one the first, for each style and for all?"""
    every, sets = emoji.load(split="all"), emoji.questions(f"{split}_search")
    names, captions, pictures = every.captions, [], []
    g = torch.Generator()  # all 99 others are asked, so nothing hangs on it
    for rows in sets:
        ids = tokenizer([names[i] for i in rows.tolist()])
        images, texts = retrieval.embed(clip, every.pictures[rows], ids)
        captions.append(retrieval.recall_at_1(images @ texts.T, 100, g))
        pictures.append(retrieval.recall_at_1(texts @ images.T, 100, g))
    styles = [every.styles[i] for i in sets.flatten().tolist()]
    return {
        "caption for a picture": proportions(torch.cat(captions) > 0, styles),
        "picture for a caption": proportions(torch.cat(pictures) > 0, styles),
    }


def table(title: str, columns: Mapping[str, Mapping[str, object]]) -> str:
    """Lines of text: a title and the names of the columns, then a line for each style."""
    rows = [r for r in ("all", *emoji.STYLES) if any(r in found for found in columns.values())]
    lines = [title, f"{'':<12}" + "".join(f"{name:>25}" for name in columns)]
    for row in rows:
        cells = (found.get(row, "-") for found in columns.values())
        texts = (f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in cells)
        lines.append(f"{row:<12}" + "".join(f"{text:>25}" for text in texts))
    return "\n".join(lines) + "\n"


def of_checkpoint(path: Path) -> TextToImage:
    """The averaged weights of an unfinished `recipes.emoji_text_to_image` that predicts v.

    Raises ValueError for a file that is something else.
    """
    model = unet.emoji_latent()
    try:
        state = load_file(path)
        mine = {k.removeprefix("average."): v for k, v in state.items() if k.startswith("average.")}
        model.load_state_dict(mine)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"{path} is not a checkpoint of emoji_text_to_image. Usual cause: finished weights, or "
            "a run of another recipe."
        ) from error
    return pretrained.assemble(model, "v_prediction", "zero_terminal")
