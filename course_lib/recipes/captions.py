"""Lesson 10: CLIP."""

from pathlib import Path

import torch
from torch import Tensor

from course_lib import clip
from course_lib.clip import CLIP, contrastive_loss
from course_lib.datasets import emoji
from course_lib.files import weights
from course_lib.files.atomic import sha256
from course_lib.metrics.retrieval import embed, recall_at_1
from course_lib.precision import mixed
from course_lib.recipes.common import EMOJI_LICENCE, card, data_hashes, seeded
from course_lib.recipes.contrastive import HardNegativeSampler, encode_text_in_parts, random_affine
from course_lib.recipes.prompted import PairBatches, Prompted
from course_lib.tokenizer import Tokenizer, learn_merges
from course_lib.training import long_run

BATCH, LR, PROMPTED_LR = 128, 1e-3, 6e-4


def emoji_clip(folder: Path, steps: tuple[int, int] = (3000, 3400)) -> Path:
    """Lesson 10's CLIP: first on the emoji with their own captions, then on what people might type.

    Half of a batch are families of captions (hard negatives). In the second run captions come from
    the grammar of `datasets.captions` and more than half of the pictures are composed. Also writes
    emoji_tokenizer/ into `folder`, learned on the training captions.
    """
    train = emoji.load(split="train")
    tokenizer = Tokenizer(learn_merges(train.captions, 1500), clip.EMOJI_LENGTH)
    tokenizer.save(folder / "emoji_tokenizer")
    ids, batches = tokenizer(train.captions), HardNegativeSampler(train.captions, BATCH)
    model = seeded(lambda: clip.emoji(len(tokenizer)))

    def loss_of(g: torch.Generator) -> Tensor:
        rows = batches.draw(g)
        return _loss(model, random_affine(train.pictures[rows], g), ids[rows])

    settings = {"batch_size": BATCH, "data": data_hashes("emoji/")}
    average = long_run(
        model,
        loss_of,
        folder / "exact",
        steps=steps[0],
        lr=LR,
        save_every=100,
        keep=False,
        settings=settings,
    )
    model.load_state_dict(average.state_dict())
    pairs = PairBatches(Prompted(train), plain=56, composed=72)

    def prompted_loss(g: torch.Generator) -> Tensor:
        pictures, texts = pairs.draw(g)
        return _loss(model, random_affine(pictures, g), tokenizer(texts))

    average = long_run(
        model,
        prompted_loss,
        folder / "prompted",
        steps=steps[1],
        lr=PROMPTED_LR,
        save_every=100,
        keep=False,
        settings=settings,
    )
    facts = {"steps": list(steps), "batch_size": BATCH, "lr": [LR, PROMPTED_LR], "seed": 0}
    parts = [f"emoji_tokenizer/{name}" for name in ("merges.txt", "vocab.json")]
    facts["beside"] = {p: sha256(folder / p) for p in parts}
    facts["quality"] = quality(average, tokenizer)
    made = card(folder, "emoji_clip", "emoji/", **facts, licence=EMOJI_LICENCE)
    return weights.save(average.state_dict(), made, "emoji_clip", folder)


def quality(model: CLIP, tokenizer: Tokenizer) -> dict[str, str | float]:
    """For the card: retrieval among 100 validation pictures, by their own captions."""
    held_out, g = emoji.load(split="validation"), torch.Generator().manual_seed(0)
    images, texts = embed(model, held_out.pictures, tokenizer(held_out.captions))
    return {
        "measured on": f"{len(held_out)} validation pictures, 99 random others of them",
        "right caption first among 100": recall_at_1(images @ texts.T, 100, g).mean().item(),
        "right picture first among 100": recall_at_1(texts @ images.T, 100, g).mean().item(),
    }


def _loss(model: CLIP, pictures: Tensor, ids: Tensor) -> Tensor:
    with mixed():
        images = model.encode_image(pictures)
        texts = encode_text_in_parts(model, ids)
    return contrastive_loss(model.scale() * images.float() @ texts.float().T)
