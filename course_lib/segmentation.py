"""How well a mask fits: pixel accuracy, intersection over union, Dice, and the loss to train with.

Predictions come as `logits`, one number a pixel, above 0 for "fish"; masks are zeros and ones.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.shapes import expect_shape

Masks = Float[Tensor, "b 1 h w"]


def accuracy(predicted: Bool[Tensor, "b 1 h w"], mask: Masks) -> Float[Tensor, " b"]:
    """The share of pixels that are right. Misleads where most pixels are background.

    Raises ValueError for other shapes, and for logits.
    """
    _expect_answers("accuracy", predicted, mask)
    return (predicted == (mask > 0.5)).float().mean(dim=(1, 2, 3))


def iou(predicted: Bool[Tensor, "b 1 h w"], mask: Masks) -> Float[Tensor, " b"]:
    """Intersection over union, of each picture (Jaccard 1912); two empty masks fit perfectly: 1.

    Raises ValueError for other shapes, and for logits.
    """
    _expect_answers("iou", predicted, mask)
    true = mask > 0.5
    both = (predicted & true).sum(dim=(1, 2, 3)).float()
    either = (predicted | true).sum(dim=(1, 2, 3)).float()
    return (both / either.clamp(min=1)).where(either > 0, 1.0)


def soft_dice_loss(logits: Masks, mask: Masks) -> Float[Tensor, ""]:
    """1 - Dice, with probabilities instead of yes and no, so that it has a gradient.

    Dice is twice the overlap over the sum of both areas (Dice 1945; Milletari et al. 2016). The 1
    added above and below makes an empty mask, met by an empty prediction, a perfect one. Raises
    ValueError for other shapes.
    """
    _expect_fit("soft_dice_loss", logits, mask)
    p = logits.sigmoid()
    overlap = (p * mask).sum(dim=(1, 2, 3))  # (b,)
    areas = p.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + 1) / (areas + 1)).mean()


def segmentation_loss(logits: Masks, mask: Masks) -> Float[Tensor, ""]:
    """Cross-entropy, which judges every pixel, plus soft Dice, which judges the shape."""
    return F.binary_cross_entropy_with_logits(logits, mask) + soft_dice_loss(logits, mask)


def _expect_fit(who: str, x: Tensor, mask: Tensor) -> None:
    """Broadcasting would make a plausible number of shapes that do not fit."""
    expect_shape(who, x, "b c h w", c=1)
    b, _, h, w = x.shape
    expect_shape(f"{who}'s mask", mask, "b c h w", b=b, c=1, h=h, w=w)


def _expect_answers(who: str, predicted: Tensor, mask: Tensor) -> None:
    _expect_fit(who, predicted, mask)
    if predicted.dtype != torch.bool:
        raise ValueError(
            f"{who} wants True or False for each pixel, got {predicted.dtype}. "
            "Usual cause: logits; use logits > 0."
        )
