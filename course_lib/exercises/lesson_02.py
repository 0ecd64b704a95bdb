"""Lesson 02: the shapes inside a UNet, one step up with its skip, IoU, the soft Dice loss."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import segmentation
from course_lib.exercises.exercise import Answer, Case, Exercise, Wrong

Shape = tuple[int, int, int]

# --- block_shapes


def block_shapes(h: int, w: int, widths: Sequence[int]) -> list[Shape]:
    """(channels, height, width) of what each block gives out: down to the bottom, and up again."""
    down = [(c, h // 2**i, w // 2**i) for i, c in enumerate(widths)]
    return down + down[-2::-1]


def _shapes_by_walking(h: int, w: int, widths: Sequence[int]) -> list[Shape]:
    shapes = [(widths[0], h, w)]
    for c in widths[1:]:
        h, w = h // 2, w // 2
        shapes.append((c, h, w))
    for c in reversed(widths[:-1]):
        h, w = h * 2, w * 2
        shapes.append((c, h, w))
    return shapes


def _shapes_mirrored(h: int, w: int, widths: Sequence[int]) -> list[Shape]:
    levels = [*range(len(widths)), *reversed(range(len(widths) - 1))]
    return [(widths[i], h >> i, w >> i) for i in levels]


def only_down(h: int, w: int, widths: Sequence[int]) -> list[Shape]:
    return [(c, h // 2**i, w // 2**i) for i, c in enumerate(widths)]


def bottom_twice(h: int, w: int, widths: Sequence[int]) -> list[Shape]:
    down = only_down(h, w, widths)
    return down + down[::-1]


def halved_at_once(h: int, w: int, widths: Sequence[int]) -> list[Shape]:
    down = [(c, h // 2 ** (i + 1), w // 2 ** (i + 1)) for i, c in enumerate(widths)]
    return down + down[-2::-1]


def never_smaller(h: int, w: int, widths: Sequence[int]) -> list[Shape]:
    return [(c, h, w) for c in [*widths, *widths[-2::-1]]]


def divided_by_the_level(h: int, w: int, widths: Sequence[int]) -> list[Shape]:
    down = [(c, h // (i + 1), w // (i + 1)) for i, c in enumerate(widths)]
    return down + down[-2::-1]


def width_before_height(h: int, w: int, widths: Sequence[int]) -> list[Shape]:
    return [(c, b, a) for c, a, b in block_shapes(h, w, widths)]


def _sizes(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    h, w = (16 * int(n) for n in torch.randint(1, 5, (2,), generator=g))
    return [(64, 96, (16, 32, 64)), (h, w + 64, (8, 16, 24, 40, 72)), (48, 32, (24, 8))]


BLOCK_SHAPES = Exercise(
    id="02.block_shapes",
    task="List (channels, height, width) after every block: all the way down, then up again.",
    points=2,
    cases=_sizes,
    reference=block_shapes,
    right=(_shapes_by_walking, _shapes_mirrored),
    wrong=(
        Wrong(
            only_down, "that is the way down. The way up passes every level but the bottom again."
        ),
        Wrong(bottom_twice, "the bottom has one block, not two: it ends the way down."),
        Wrong(halved_at_once, "the first block sees the picture at its full size."),
        Wrong(never_smaller, "each step down halves height and width."),
        Wrong(
            divided_by_the_level,
            "the third level is a quarter as high, not a third: each step halves what is left.",
        ),
        Wrong(width_before_height, "PyTorch's order is channels, height, width."),
    ),
    hints=(
        "Level 0 has the picture's size, level 1 half of it, level 2 half of that.",
        "`2**i` is how often a side goes into the picture's at level i; use // to divide.",
        "With the way down in a list, `down[-2::-1]` is the way up: backwards, bottom left out.",
    ),
)

# --- step_up


def step_up(below: Tensor, skip: Tensor, up: Callable[[Tensor], Tensor]) -> Tensor:
    """Bring `below` to the size of `skip` with `up`, and lay the two on each other as channels."""
    return torch.cat([skip, up(below)], dim=1)


def _filled_in(below: Tensor, skip: Tensor, up: Callable[[Tensor], Tensor]) -> Tensor:
    above = up(below)
    b, c, h, w = skip.shape
    joined = torch.empty(b, c + above.shape[1], h, w)
    joined[:, :c], joined[:, c:] = skip, above
    return joined


def _with_a_negative_axis(below: Tensor, skip: Tensor, up: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.concat((skip, up(below)), -3)


def added(below: Tensor, skip: Tensor, up: Callable[[Tensor], Tensor]) -> Tensor:
    return skip + up(below)


def skip_last(below: Tensor, skip: Tensor, up: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.cat([up(below), skip], dim=1)


def side_by_side(below: Tensor, skip: Tensor, up: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.cat([skip, up(below)], dim=3)


def one_batch_after_the_other(
    below: Tensor, skip: Tensor, up: Callable[[Tensor], Tensor]
) -> Tensor:
    return torch.cat([skip, up(below)], dim=0)


def skip_forgotten(below: Tensor, skip: Tensor, up: Callable[[Tensor], Tensor]) -> Tensor:
    return up(below)


def skip_made_small(below: Tensor, skip: Tensor, up: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.cat([F.max_pool2d(skip, 2), below], dim=1)


def twice_as_large(x: Tensor) -> Tensor:
    """Every pixel repeated, two by two: the plainest way up."""
    return F.interpolate(x, scale_factor=2.0)


def _meetings(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    sizes = ((2, 3, 4, 6), (1, 5, 2, 4))
    return [
        (torch.randn(b, c, h // 2, w // 2, generator=g), torch.randn(b, c, h, w, generator=g))
        for b, c, h, w in sizes
    ]


def _with_an_up(answer: Answer, case: Case) -> Tensor:
    below, skip = case
    return answer(below, skip, twice_as_large)


STEP_UP = Exercise(
    id="02.step_up",
    task="Enlarge what comes from below and put it behind the skip's channels.",
    points=1,
    cases=_meetings,
    reference=step_up,
    right=(_filled_in, _with_a_negative_axis),
    wrong=(
        Wrong(
            added,
            "that is ResNet's shortcut, which adds. The UNet keeps both: twice as many channels.",
        ),
        Wrong(skip_last, "the other way round: first the skip's channels, then those from below."),
        Wrong(side_by_side, "this puts them side by side; channels are axis 1: dim=1."),
        Wrong(one_batch_after_the_other, "axis 0 counts the pictures; channels are axis 1: dim=1."),
        Wrong(skip_forgotten, "where is the skip? Without it nobody knows where the edges were."),
        Wrong(skip_made_small, "do not shrink the skip: enlarge what comes from below, with `up`."),
    ),
    hints=(
        "`up(below)` is as high and wide as `skip`.",
        "`torch.cat([one, other], dim=...)` joins tensors along an axis; channels are axis 1.",
    ),
    probe=_with_an_up,
)

# --- iou


def _iou_by_counting(predicted: Tensor, mask: Tensor) -> Tensor:
    scores = []
    for p, m in zip(predicted.flatten(1), mask.flatten(1), strict=True):
        both = sum(bool(a) and b > 0.5 for a, b in zip(p, m, strict=True))
        either = sum(bool(a) or b > 0.5 for a, b in zip(p, m, strict=True))
        scores.append(float(both) / float(either))
    return torch.tensor(scores)


def _iou_by_arithmetic(predicted: Tensor, mask: Tensor) -> Tensor:
    p, m = predicted.float().flatten(1), mask.flatten(1)
    both = (p * m).sum(1)
    return both / (p.sum(1) + m.sum(1) - both)


def dice_instead(predicted: Tensor, mask: Tensor) -> Tensor:
    p, m = predicted.float().flatten(1), mask.flatten(1)
    return 2 * (p * m).sum(1) / (p.sum(1) + m.sum(1))


def both_areas_added(predicted: Tensor, mask: Tensor) -> Tensor:
    p, m = predicted.float().flatten(1), mask.flatten(1)
    return (p * m).sum(1) / (p.sum(1) + m.sum(1))


def right_pixels(predicted: Tensor, mask: Tensor) -> Tensor:
    return segmentation.accuracy(predicted, mask)


def share_of_the_fish_found(predicted: Tensor, mask: Tensor) -> Tensor:
    p, m = predicted.float().flatten(1), mask.flatten(1)
    return (p * m).sum(1) / m.sum(1)


def all_pictures_together(predicted: Tensor, mask: Tensor) -> Tensor:
    m = mask > 0.5
    return (predicted & m).sum() / (predicted | m).sum()


def upside_down(predicted: Tensor, mask: Tensor) -> Tensor:
    return 1 / segmentation.iou(predicted, mask)


def _guesses(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (
            torch.rand(b, 1, h, w, generator=g) > 0.4,
            (torch.rand(b, 1, h, w, generator=g) > 0.6) * 1.0,
        )
        for b, h, w in ((3, 6, 8), (2, 9, 5))
    ]


IOU = Exercise(
    id="02.iou",
    task="Give the intersection over the union of prediction and mask, one number a picture.",
    points=2,
    cases=_guesses,
    reference=segmentation.iou,
    right=(_iou_by_counting, _iou_by_arithmetic),
    wrong=(
        Wrong(dice_instead, "this is Dice: twice the intersection over the SUM of both areas."),
        Wrong(
            both_areas_added, "adding the two areas counts the overlap twice; the union does not."
        ),
        Wrong(right_pixels, "this is accuracy: it also counts the background, where all is easy."),
        Wrong(share_of_the_fish_found, "a prediction of fish everywhere would score 1 here."),
        Wrong(all_pictures_together, "one number for EACH picture: sum over dim=(1, 2, 3)."),
        Wrong(upside_down, "intersection over union, not union over intersection: at most 1."),
    ),
    hints=(
        "With truths, `a & b` is where both are true and `a | b` where at least one is.",
        "`mask > 0.5` makes truths of zeros and ones.",
        "`.sum(dim=(1, 2, 3))` counts the truths of each picture.",
    ),
)

# --- soft_dice_loss


def _dice_flat(logits: Tensor, mask: Tensor) -> Tensor:
    p, m = logits.sigmoid().flatten(1), mask.flatten(1)
    return 1 - ((2 * (p * m).sum(1) + 1) / (p.sum(1) + m.sum(1) + 1)).mean()


def _dice_in_a_loop(logits: Tensor, mask: Tensor) -> Tensor:
    losses = []
    for logit, m in zip(logits, mask, strict=True):
        p = 1 / (1 + (-logit).exp())
        losses.append(1 - (2 * (p * m).sum() + 1) / (p.sum() + m.sum() + 1))
    return torch.stack(losses).mean()


def without_the_sigmoid(logits: Tensor, mask: Tensor) -> Tensor:
    overlap = (logits * mask).sum(dim=(1, 2, 3))
    areas = logits.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + 1) / (areas + 1)).mean()


def dice_not_loss(logits: Tensor, mask: Tensor) -> Tensor:
    return 1 - segmentation.soft_dice_loss(logits, mask)


def yes_or_no(logits: Tensor, mask: Tensor) -> Tensor:
    p = (logits > 0).float() + 0 * logits  # the last part keeps a gradient: all zeros
    overlap = (p * mask).sum(dim=(1, 2, 3))
    areas = p.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + 1) / (areas + 1)).mean()


def without_the_two(logits: Tensor, mask: Tensor) -> Tensor:
    p = logits.sigmoid()
    overlap = (p * mask).sum(dim=(1, 2, 3))
    areas = p.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3))
    return (1 - (overlap + 1) / (areas + 1)).mean()


def whole_batch_at_once(logits: Tensor, mask: Tensor) -> Tensor:
    p = logits.sigmoid()
    return 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)


def without_the_ones(logits: Tensor, mask: Tensor) -> Tensor:
    p = logits.sigmoid()
    overlap = (p * mask).sum(dim=(1, 2, 3))
    return (1 - 2 * overlap / (p.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3)))).mean()


def one_loss_a_picture(logits: Tensor, mask: Tensor) -> Tensor:
    one_by_one = zip(logits.split(1), mask.split(1), strict=True)
    return torch.stack([segmentation.soft_dice_loss(a, b) for a, b in one_by_one])


def summed(logits: Tensor, mask: Tensor) -> Tensor:
    return segmentation.soft_dice_loss(logits, mask) * len(logits)


def _logits(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (
            2 * torch.randn(b, 1, h, w, generator=g),
            (torch.rand(b, 1, h, w, generator=g) > 0.6) * 1.0,
        )
        for b, h, w in ((3, 4, 6), (2, 5, 3))
    ]


def _value_and_gradient(answer: Answer, case: Case) -> list[Tensor]:
    """The loss, and where it pushes each pixel: a loss without a gradient teaches nothing."""
    logits = case[0].clone().requires_grad_()
    loss = answer(logits, case[1])
    if not (isinstance(loss, Tensor) and loss.ndim == 0 and loss.requires_grad):
        return [loss, torch.zeros_like(logits)]
    (gradient,) = torch.autograd.grad(loss, logits, allow_unused=True)
    return [loss.detach(), torch.zeros_like(logits) if gradient is None else gradient]


SOFT_DICE_LOSS = Exercise(
    id="02.soft_dice_loss",
    task="Give 1 - Dice with probabilities for yes and no, 1 added above and below, as a mean.",
    points=2,
    cases=_logits,
    reference=segmentation.soft_dice_loss,
    right=(_dice_flat, _dice_in_a_loop),
    wrong=(
        Wrong(
            without_the_sigmoid,
            "logits run from minus to plus infinity: .sigmoid() makes them probabilities.",
        ),
        Wrong(dice_not_loss, "this is Dice, best at 1. A loss is best at 0: take it from 1."),
        Wrong(
            yes_or_no, "yes and no have no slope to learn from: keep the probabilities as they are."
        ),
        Wrong(without_the_two, "Dice is TWICE the overlap: it stands in both areas below."),
        Wrong(
            whole_batch_at_once,
            "one Dice for each picture, then the mean: large fish should not outvote small ones.",
        ),
        Wrong(
            without_the_ones,
            "add 1 above and below the line, or a picture without fish divides 0 by 0.",
        ),
        Wrong(summed, "take the mean over the pictures, not the sum."),
        Wrong(
            one_loss_a_picture,
            "this is one loss for each picture: `.mean()` makes one of them.",
        ),
    ),
    hints=(
        "`p = logits.sigmoid()` is how sure the network is of fish, from 0 to 1.",
        "The overlap is `(p * mask)`, summed over dim=(1, 2, 3).",
        "`1 - (2 * overlap + 1) / (areas + 1)`, and the mean of that.",
    ),
    probe=_value_and_gradient,
)

EXERCISES = (BLOCK_SHAPES, STEP_UP, IOU, SOFT_DICE_LOSS)
