"""Lesson 10: CLIP."""

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import clip, weights
from course_lib.clip import CLIP, contrastive_loss
from course_lib.datasets import emoji
from course_lib.matching import Batches, embed, encode_text_in_parts, first_among, jitter
from course_lib.recipes.common import bfloat16, card
from course_lib.tokenizer import Tokenizer, learn_merges
from course_lib.training import long_run


def emoji_clip(folder: Path) -> Path:
    """Lesson 10's CLIP on the emoji of all styles, half of each batch families of captions.

    First both towers learn. Then the text tower is locked, for the UNets that read its states, and
    the image tower goes on alone (Zhai et al. 2022 lock the other one). Also writes
    emoji_tokenizer/ into `folder`, learned on the training captions.
    """
    train, lr, steps, batch_size = emoji.load(split="train"), 1e-3, (3000, 1500), 128
    tokenizer = Tokenizer(learn_merges(train.captions, 1500), clip.EMOJI_LENGTH)
    tokenizer.save(folder / "emoji_tokenizer")
    ids, batches = tokenizer(train.captions), Batches(train.captions, batch_size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = clip.emoji(len(tokenizer))

    def both(g: torch.Generator) -> Tensor:
        rows = batches.draw(g)
        with bfloat16():
            images = model.encode_image(jitter(train.pictures[rows], g))
            texts = encode_text_in_parts(model, ids[rows])
        return contrastive_loss(model.scale() * images.float() @ texts.float().T)

    model = cast(
        CLIP, long_run(model, both, folder / "both", steps=steps[0], lr=lr, save_every=100)
    )
    with torch.no_grad():
        at_end = torch.cat([model.text.at_end(model.text(i), i) for i in ids.split(256)])

    def image_alone(g: torch.Generator) -> Tensor:
        rows = batches.draw(g)
        texts = F.normalize(model.text_to_shared(at_end[rows]), dim=1)
        with bfloat16():
            images = model.encode_image(jitter(train.pictures[rows], g))
        return contrastive_loss(model.scale() * images.float() @ texts.T)

    model.train().requires_grad_(True)
    model.text.requires_grad_(False)
    model = cast(CLIP, long_run(model, image_alone, folder, steps=steps[1], lr=lr, save_every=100))
    held_out, g = emoji.load(split="validation"), torch.Generator().manual_seed(0)
    images, texts = embed(model, held_out.pictures, tokenizer(held_out.captions))
    quality = {
        "measured on": f"{len(held_out)} validation pictures, 99 random others of them",
        "right caption first among 100": first_among(images @ texts.T, 100, g).mean().item(),
        "right picture first among 100": first_among(texts @ images.T, 100, g).mean().item(),
    }
    facts = {"steps": steps, "batch_size": batch_size, "lr": lr, "seed": 0, "quality": quality}
    licence = "CC BY-SA 4.0, as the strictest of the emoji that it learned from"
    made = card(folder, "emoji_clip", "emoji/", **facts, licence=licence)
    made["minutes"] += card(folder / "both", "emoji_clip", "emoji/")["minutes"]
    return weights.save(model.state_dict(), made, "emoji_clip", folder)
