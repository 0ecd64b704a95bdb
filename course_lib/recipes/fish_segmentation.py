"""Lesson 02: segmenting fish."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from course_lib.datasets import fish
from course_lib.files import weights
from course_lib.plain_unet import PlainUNet, WithoutSkips
from course_lib.precision import mixed
from course_lib.recipes.common import FISH_LICENCE, card, cycles, data_hashes, seeded
from course_lib.segmentation import iou, segmentation_loss

SEGMENTATION = (8, 24, 64, 96, 96)  # the widths of lesson 02
STEPS = (4000, 6000, 4000, 6000, 8000, 8000, 10000)
HALF_VARIETY = (3, 5)  # the numbers of these cycles


def segmentation(folder: Path, steps: tuple[int, ...] = STEPS) -> Path:
    """The plain UNet of lesson 02 on scenes of fish, composed afresh for every step."""
    return _segment(PlainUNet, "segmentation", folder, steps)


def segmentation_without_skips(folder: Path, steps: tuple[int, ...] = STEPS) -> Path:
    """The same run with nothing handed across, for lesson 02 to show what is lost."""
    return _segment(WithoutSkips, "segmentation_without_skips", folder, steps)


def _segment(kind: type[PlainUNet], name: str, folder: Path, steps: tuple[int, ...]) -> Path:
    """Steps on 16 fresh scenes each; the card gets the IoU on fish never trained on.

    Much variety keeps the few kinds of fish from being learned by heart; some cycles have half of
    it, to learn outlines on scenes that are less bent. The mean of the last two, one of each kind,
    is better on validation than either.
    """
    model = seeded(lambda: kind(SEGMENTATION))

    def with_variety(variety: float) -> Callable[[torch.Generator], Tensor]:
        def loss_of(generator: torch.Generator) -> Tensor:
            seed = int(torch.randint(2**31, (1,), generator=generator))
            pictures, masks = fish.scenes(16, seed, "train", variety=variety)
            with mixed():
                logits = model(pictures)
            return segmentation_loss(logits.float(), masks)

        return loss_of

    lr, mean_of = 2e-3, 2
    losses = [with_variety(0.5 if i in HALF_VARIETY else 1.0) for i in range(len(steps))]
    settings = {"batch_size": 16, "data": data_hashes("fish/")}
    cycles(model, losses, folder, steps=steps, lr=lr, mean_of=mean_of, settings=settings)
    quality = {}
    for split, backgrounds in (("validation", "validation"), ("test", "train"), ("test", "test")):
        pictures, masks = fish.scenes(500, 2015, split, backgrounds=backgrounds)
        with torch.no_grad():
            logits = torch.cat([model(batch) for batch in pictures.split(50)])
        quality[f"IoU, {split} fish on {backgrounds} backgrounds"] = round(
            float(iou(logits > 0, masks).mean()), 3
        )
    facts = {"steps": list(steps), "mean_of_last_cycles": mean_of, "batch_size": 16, "lr": lr}
    facts |= {"seed": 0, "quality": quality, "licence": FISH_LICENCE}
    made = card(folder, name, "fish/", **facts)
    return weights.save(model.state_dict(), made, name, folder)
