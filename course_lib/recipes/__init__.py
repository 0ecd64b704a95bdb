"""The full training run of each bundled weight: `course train NAME`, or NAME(folder) from here.

A recipe trains on the train split only, checkpoints into `folder` and goes on from there when it
is started again, and at its end writes NAME.safetensors and its card NAME.json into `folder`.
"""

from course_lib.recipes.autoencoders import emoji_vae, mnist_vae
from course_lib.recipes.captions import emoji_clip
from course_lib.recipes.fish_segmentation import segmentation, segmentation_without_skips
from course_lib.recipes.latents import emoji_unconditional
from course_lib.recipes.pixels import pixel_diffusion
from course_lib.recipes.small_denoisers import denoisers
from course_lib.recipes.text_to_image import emoji_text_to_image
from course_lib.recipes.words import word2vec

__all__ = [
    "denoisers",
    "emoji_clip",
    "emoji_text_to_image",
    "emoji_unconditional",
    "emoji_vae",
    "mnist_vae",
    "pixel_diffusion",
    "segmentation",
    "segmentation_without_skips",
    "word2vec",
]
