"""Lesson 10: CLIP."""

from pathlib import Path

import torch
from torch import Tensor

from course_lib import clip
from course_lib.clip import contrastive_loss
from course_lib.datasets import emoji
from course_lib.files import weights
from course_lib.files.atomic import sha256
from course_lib.metrics.retrieval import embed, recall_at_1
from course_lib.precision import mixed
from course_lib.recipes.common import EMOJI_LICENCE, card, data_hashes, seeded
from course_lib.recipes.contrastive import HardNegativeSampler, encode_text_in_parts, random_affine
from course_lib.tokenizer import Tokenizer, learn_merges
from course_lib.training import long_run


def emoji_clip(folder: Path) -> Path:
    """Lesson 10's CLIP on the emoji of all styles, half of each batch families of captions.

    Also writes emoji_tokenizer/ into `folder`, learned on the training captions.
    """
    train, lr, steps, batch_size = emoji.load(split="train"), 1e-3, 3000, 128
    tokenizer = Tokenizer(learn_merges(train.captions, 1500), clip.EMOJI_LENGTH)
    tokenizer.save(folder / "emoji_tokenizer")
    ids, batches = tokenizer(train.captions), HardNegativeSampler(train.captions, batch_size)
    model = seeded(lambda: clip.emoji(len(tokenizer)))

    def loss_of(g: torch.Generator) -> Tensor:
        rows = batches.draw(g)
        with mixed():
            images = model.encode_image(random_affine(train.pictures[rows], g))
            texts = encode_text_in_parts(model, ids[rows])
        return contrastive_loss(model.scale() * images.float() @ texts.float().T)

    settings = {"batch_size": batch_size, "data": data_hashes("emoji/")}
    average = long_run(
        model, loss_of, folder, steps=steps, lr=lr, save_every=100, keep=False, settings=settings
    )
    held_out, g = emoji.load(split="validation"), torch.Generator().manual_seed(0)
    images, texts = embed(average, held_out.pictures, tokenizer(held_out.captions))
    quality = {
        "measured on": f"{len(held_out)} validation pictures, 99 random others of them",
        "right caption first among 100": recall_at_1(images @ texts.T, 100, g).mean().item(),
        "right picture first among 100": recall_at_1(texts @ images.T, 100, g).mean().item(),
    }
    facts = {"steps": steps, "batch_size": batch_size, "lr": lr, "seed": 0, "quality": quality}
    parts = [f"emoji_tokenizer/{name}" for name in ("merges.txt", "vocab.json")]
    facts["beside"] = {p: sha256(folder / p) for p in parts}
    made = card(folder, "emoji_clip", "emoji/", **facts, licence=EMOJI_LICENCE)
    return weights.save(average.state_dict(), made, "emoji_clip", folder)
