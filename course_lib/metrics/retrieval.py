"""How often the right caption is found for a picture, and the right picture for a caption."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.clip import CLIP
from course_lib.datasets.emoji import Pictures


def recall_at_1(
    similarity: Float[Tensor, "n n"], among: int, generator: torch.Generator
) -> Float[Tensor, " n"]:
    """1 for each row whose own column (the diagonal) beats `among` - 1 others drawn at random.

    Raises ValueError when there are not that many others.
    """
    n = len(similarity)
    if not 2 <= among <= n:
        raise ValueError(
            f"recall_at_1: from 2 to {n} candidates can be compared, got {among}. "
            "Usual cause: fewer test pictures than candidates."
        )
    right = torch.empty(n)
    for i in range(n):
        others = torch.randperm(n - 1, generator=generator)[: among - 1]
        others = others + (others >= i).long()  # every row but i
        right[i] = float(similarity[i, i] > similarity[i, others].max())
    return right


@torch.no_grad()
def embed(
    clip: CLIP, pictures: Pictures | Float[Tensor, "n 3 h w"], ids: Int[Tensor, "n m"]
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """The vectors of n pictures and of their n captions, 256 at a time, without gradients."""
    parts = [slice(i, i + 256) for i in range(0, len(ids), 256)]
    images = torch.cat([clip.encode_image(pictures[part]) for part in parts])
    return images, torch.cat([clip.encode_text(ids[part]) for part in parts])
