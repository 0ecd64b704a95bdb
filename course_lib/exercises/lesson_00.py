"""The one toy exercise of lesson 00, and the pattern for all others."""

import torch
from torch import Tensor

from course_lib.exercises.exercise import Case, Exercise, Wrong


def _pictures(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    return [(torch.rand(3, h, w, generator=g) * 2 - 1,) for h, w in ((2, 3), (4, 2))]


def negative(picture: Tensor) -> Tensor:
    """The photographic negative of a picture in [-1, 1]."""
    return -picture


def _subtract_from_zero(picture: Tensor) -> Tensor:
    return torch.zeros_like(picture) - picture


def _in_a_loop(picture: Tensor) -> Tensor:
    return torch.stack([channel * -1 for channel in picture])


def as_if_from_0_to_1(picture: Tensor) -> Tensor:
    return 1 - picture


def upside_down(picture: Tensor) -> Tensor:
    return picture.flip(1)


def first_channel_only(picture: Tensor) -> Tensor:
    out = picture.clone()
    out[0] = -out[0]
    return out


EXERCISES = (
    Exercise(
        id="00.negative",
        task="Turn a picture into its negative: what was -1 becomes 1, and the other way round.",
        points=1,
        cases=_pictures,
        reference=negative,
        right=(_subtract_from_zero, _in_a_loop),
        wrong=(
            Wrong(
                as_if_from_0_to_1,
                "that is right for pictures from 0 to 1. Ours go from -1 to 1: which one "
                "operation turns -1 into 1, 0 into 0, and 1 into -1?",
            ),
            Wrong(upside_down, "this turns the picture upside down; its colours stay as they are."),
            Wrong(first_channel_only, "only the first of the three channels is turned round."),
        ),
        hints=("Half-way between -1 and 1 is 0. What stays 0?", "A minus sign is enough."),
    ),
)
