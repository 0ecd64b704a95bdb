"""How good the bundled weights are, measured: `course evaluate` prints it all.

Settings (guidance, steps, checkpoint) are chosen on validation; the test split is always drawn with
the settings that stand in data/splits.json, and no option changes that.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from course_lib import autoencoder, text_to_image, unet
from course_lib.autoencoder import VAE
from course_lib.clip import CLIP
from course_lib.datasets import emoji
from course_lib.diffusion import from_v
from course_lib.files import weights
from course_lib.metrics.benchmark import (
    Settings,
    Share,
    compare,
    frozen,
    measures,
    question_names,
    shares,
)
from course_lib.recipes import contrastive
from course_lib.samplers import ddim, times
from course_lib.schedule import NoiseSchedule
from course_lib.text_to_image import TextToImage
from course_lib.tokenizer import Tokenizer
from course_lib.unet import UNet

MEASURES = ("vae", "clip", "text_to_image")


def psnr(guess: Float[Tensor, "b c h w"], picture: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio of each picture in [-1, 1], in decibels; the peak is 2."""
    return 10 * torch.log10(4 / (guess - picture).square().mean(dim=(1, 2, 3)))


def psnr_inside(
    guess: Float[Tensor, "b 3 h w"], picture: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, " b"]:
    """PSNR over the drawing alone: only pixels that are not white paper in the true picture."""
    inside = (picture < 0.98).any(dim=1, keepdim=True)  # (b, 1, h, w)
    error = ((guess - picture).square() * inside).sum(dim=(1, 2, 3))
    return 10 * torch.log10(4 * 3 * inside.sum(dim=(1, 2, 3)) / error)


def energy_distance(
    drawn: Float[Tensor, "n c h w"], real: Float[Tensor, "m c h w"], side: int = 16
) -> float:
    """How far two sets of pictures are apart as sets: about 0 if they could have been swapped.

    The energy distance of Szekely and Rizzo 2013 on pictures shrunk to side x side, per number:
    twice the mean distance between the sets, less the mean distances within each. It sees wrong
    colours, wrong shapes and too little variety; fine detail it does not see.
    """
    a, b = (F.adaptive_avg_pool2d(x, side).flatten(1) for x in (drawn, real))
    within = [torch.cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b)]
    between = torch.cdist(a, b).mean()
    return float(2 * between - within[0] - within[1]) / a.shape[1] ** 0.5


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
    denoiser = from_v(model, schedule)
    *_, last = ddim(denoiser, start, schedule, times(schedule.num_steps, 20))
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
def search_quality(clip: CLIP, tokenizer: Tokenizer, split: str) -> dict[str, dict[str, Share]]:
    """In sets of 100 held-out pairs: is the right one the first, for each style and for all?"""
    every, sets = emoji.load(split="all"), emoji.questions(f"{split}_search")
    names, captions, pictures = every.captions, [], []
    g = torch.Generator()  # all 99 others are asked, so nothing hangs on it
    for rows in sets:
        ids = tokenizer([names[i] for i in rows.tolist()])
        images, texts = contrastive.embed(clip, every.pictures[rows], ids)
        captions.append(contrastive.first_among(images @ texts.T, 100, g))
        pictures.append(contrastive.first_among(texts @ images.T, 100, g))
    styles = [every.styles[i] for i in sets.flatten().tolist()]
    return {
        "caption for a picture": shares(torch.cat(captions) > 0, styles),
        "picture for a caption": shares(torch.cat(pictures) > 0, styles),
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
    return text_to_image.around(model, "v", "zero_terminal")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measures asked for; 1, with a sentence, where weights or options are wrong."""
    options = _parser().parse_args(arguments)
    chosen = (options.scale, options.steps, options.checkpoint)
    try:
        if unknown := set(options.measures) - set(MEASURES):
            raise ValueError(f"no measure {min(unknown)!r}; there are {', '.join(MEASURES)}")
        if options.split == "test" and (chosen != (None, None, None) or options.every != 1):
            raise ValueError(
                "--scale, --steps, --checkpoint and --every are for choosing, which is done on "
                "validation: add --split validation. Test pictures are drawn as data/splits.json "
                "has it."
            )
        for measure in options.measures or MEASURES:
            print(f"{'':=<112}\n{measure}, {options.split} split\n", flush=True)
            {"vae": _vae, "clip": _clip, "text_to_image": _text_to_image}[measure](options)
    except (ValueError, OSError) as error:
        print(f"course_lib.metrics.evaluate: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m course_lib.metrics.evaluate", description=__doc__)
    parser.add_argument(
        "measures", nargs="*", metavar="MEASURE", help=f"of {', '.join(MEASURES)}; else all"
    )
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--scale", type=float, help="guidance, for choosing")
    parser.add_argument("--steps", type=int, help="steps of a drawing, for choosing")
    parser.add_argument("--checkpoint", type=Path, help="of an unfinished run, for choosing")
    parser.add_argument("--every", type=int, default=1, help="each Nth question, for choosing")
    return parser


def _vae(options: argparse.Namespace) -> None:
    vae = weights.load_into(autoencoder.emoji(), "emoji_vae")
    found = vae_quality(vae, options.split)
    names = found["all"]
    columns = {name: {style: of[name] for style, of in found.items()} for name in names}
    print(table("How alike a picture is after encoding and decoding, in decibels", columns))


def _clip(options: argparse.Namespace) -> None:
    found = search_quality(*contrastive.trained(), options.split)
    print(table("Is the right one first among 100? Chance: 0.01", found))


def _text_to_image(options: argparse.Namespace) -> None:
    known = frozen()
    settings = Settings(
        known.steps if options.steps is None else options.steps,
        known.scale if options.scale is None else options.scale,
        known.seed,
    )
    model = of_checkpoint(options.checkpoint) if options.checkpoint else text_to_image.trained()
    print(
        f"Of 100 pictures, is the true one nearest to the drawing? Chance: 0.01\n{settings.steps} "
        f"steps of DDIM, guidance {settings.scale}, seeds from {settings.seed}. Copied is the "
        "training picture nearest to the truth:\na sibling stands among the 99 itself, so its copy "
        "never wins ('-': there is nothing to copy).\n"
    )
    for measure in measures(question_names(options.split), max(1, options.every)):
        print(table(measure.name, compare(measure, model, settings)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
