"""The bundled networks, ready to use. Their weights and cards are in data/weights/.

Everything here raises what `weights.load_state` raises where a file is missing or damaged.
"""

from collections.abc import Callable

from course_lib import autoencoder, clip, unet
from course_lib.clip import CLIP
from course_lib.diffusion import PREDICTIONS
from course_lib.files import weights
from course_lib.files.paths import bundled
from course_lib.schedule import NoiseSchedule, scaled_linear, zero_terminal
from course_lib.text_to_image import TextToImage
from course_lib.tokenizer import Tokenizer
from course_lib.unet import UNet

SCHEDULES: dict[str, Callable[[], NoiseSchedule]] = {
    "scaled_linear": scaled_linear,
    "zero_terminal": lambda: zero_terminal(scaled_linear()),
}


def load_clip() -> tuple[CLIP, Tokenizer]:
    """The course's own CLIP, in eval mode and without gradients, and its tokenizer."""
    folder = bundled("data") / "weights" / "emoji_tokenizer"
    tokenizer = Tokenizer.load(folder, clip.EMOJI_LENGTH)
    model = weights.load_into(clip.emoji(len(tokenizer)), "emoji_clip")
    return model.requires_grad_(False), tokenizer


def load_pretrained() -> TextToImage:
    """The course's own text-to-image model, ready to draw with."""
    card = weights.card("emoji_text_to_image")
    model = weights.load_into(unet.emoji_latent(), "emoji_text_to_image")
    return assemble(
        model.requires_grad_(False), str(card.get("prediction")), str(card.get("schedule"))
    )


def assemble(model: UNet, prediction: str, schedule: str) -> TextToImage:
    """The course's frozen parts (tokenizer, text tower, VAE) with a UNet of emoji latents.

    `prediction` and `schedule` are keys of `diffusion.PREDICTIONS` and of SCHEDULES, as the card
    of a weight has them; ValueError for others.
    """
    for name, known in ((prediction, list(PREDICTIONS)), (schedule, list(SCHEDULES))):
        if name not in known:
            raise ValueError(
                f"expected {' or '.join(known)}, got {name!r}. "
                "Usual cause: weights whose card was made by another version of the course."
            )
    text_and_image, tokenizer = load_clip()
    vae = weights.load_into(autoencoder.emoji(), "emoji_vae")
    return TextToImage(
        tokenizer,
        text_and_image.text,
        model.eval(),
        vae.requires_grad_(False),
        SCHEDULES[schedule](),
        PREDICTIONS[prediction],
    )


def load_denoiser(name: str, seed: int) -> UNet:
    """A denoiser of lessons 03 and 04: "noise_conditioned" or "unconditioned", seed 0, 1 or 2.

    Raises ValueError for any other.
    """
    state = weights.load_state("denoisers")
    prefix = f"{name}.{seed}."
    mine = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    if not mine:
        raise ValueError(
            f'expected "noise_conditioned" or "unconditioned" and a seed of 0, 1 or 2, got '
            f"{name!r} and {seed}. Usual cause: a seed that was not trained."
        )
    model = unet.tiny()
    model.load_state_dict(mine)
    return model.eval()
