"""Contrastive training: which caption belongs to which picture, and how often CLIP knows.

A batch of random pictures is too easy: to tell a firefighter from a teapot one word is enough, and
the words that set two firefighters apart would be lost. So half of a batch are families: captions
that differ in a tone, a gender, a colour or a style (hard negatives; Robinson et al. 2021).
"""

import re
from collections import defaultdict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.clip import CLIP, contrastive_loss

TELLING = frozenset(
    """man woman person men women people boy girl child adult mr mrs
    light medium dark skin tone hair beard blond
    red orange yellow green blue purple brown black white pink grey gray
    noto twemoji openmoji fluent flat 3d style google""".split()
)


def family_of(caption: str) -> str:
    """The caption without the words in which members of a family differ.

    "woman firefighter: dark skin tone" and "man firefighter" are both of the family "firefighter".
    """
    kept = [word for word in re.findall(r"[^\W_]+", caption.lower()) if word not in TELLING]
    return " ".join(kept)


class HardNegativeSampler:
    """Draws row numbers of a training set, half at random and half as families of up to eight.

    Raises ValueError for batches too small for families.
    """

    def __init__(self, captions: Sequence[str], batch_size: int, members: int = 8) -> None:
        if batch_size < 2 * members:
            raise ValueError(
                f"HardNegativeSampler: {batch_size} rows have no room for families of {members} "
                "and as many others. Usual cause: a batch size for pictures; CLIP needs large ones."
            )
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for i, caption in enumerate(captions):
            rows[family_of(caption)].append(i)
        self.family = [rows[family_of(caption)] for caption in captions]
        self.batch_size, self.members = batch_size, members

    def draw(self, generator: torch.Generator) -> Int[Tensor, " n"]:
        """At most `batch_size` different rows (a row drawn twice is used once)."""
        first = torch.randint(
            len(self.family), (self.batch_size // 2 // self.members,), generator=generator
        )
        picked = []
        for row in first.tolist():
            family = torch.tensor(self.family[row])
            picked.append(family[torch.randperm(len(family), generator=generator)[: self.members]])
        rest = self.batch_size - sum(map(len, picked))
        picked.append(torch.randint(len(self.family), (rest,), generator=generator))
        return torch.cat(picked).unique()


def random_affine(
    pictures: Float[Tensor, "b 3 h w"], generator: torch.Generator
) -> Float[Tensor, "b 3 h w"]:
    """The pictures, in [-1, 1], each moved by up to 6 % and resized by up to 10 % on white.

    Colours stay, as captions name them, and nothing is mirrored: arrows and clocks have a side.
    """
    n = len(pictures)
    place = torch.zeros(n, 2, 3)
    place[:, 0, 0] = place[:, 1, 1] = 1 + 0.2 * (torch.rand(n, generator=generator) - 0.5)
    place[:, :, 2] = 0.24 * (torch.rand(n, 2, generator=generator) - 0.5)  # of half the width
    ink = 1 - pictures  # 0 where white, which is what lies outside too
    grid = F.affine_grid(place, list(pictures.shape), align_corners=False)
    return 1 - F.grid_sample(ink, grid, align_corners=False)


def encode_text_in_parts(clip: CLIP, ids: Int[Tensor, "b m"]) -> Float[Tensor, "b d"]:
    """The same as `clip.encode_text(ids)`, in half the time: short texts apart from long ones."""
    length = (ids != clip.text.end).sum(dim=1) + 1  # (b,) up to the first end
    order = length.argsort()
    parts = [clip.encode_text(ids[part][:, : length[part].max()]) for part in order.chunk(4)]
    return torch.cat(parts)[order.argsort()]


def clip_loss(
    clip: CLIP, pictures: Float[Tensor, "b 3 h w"], ids: Int[Tensor, "b m"]
) -> Float[Tensor, ""]:
    """The contrastive loss of a batch of pairs."""
    texts = encode_text_in_parts(clip, ids)
    return contrastive_loss(clip.scale() * clip.encode_image(pictures) @ texts.T)
