"""Fish on backgrounds, with masks: scenes composed from a seed, as many as you like.

Composed, not photographed: fish that were cut out of pictures are pasted on photographs, together
with things that are not fish. Which fish, things and backgrounds are for training and which for
testing is written in data/splits.json. Cut-outs are only ever made smaller.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from course_lib.datasets import registry
from course_lib.datasets.compositing import (
    SIZE,
    between,
    camouflaged,
    levels,
    lit,
    paste,
    patterned,
    placed,
    recoloured,
    sometimes,
    thrown,
    windows,
)

CELL = 64  # a cut-out's cell; what is in it is at most 62 pixels long
Scenes = tuple[Float[Tensor, "n 3 64 64"], Float[Tensor, "n 1 64 64"]]


@dataclass(frozen=True, eq=False)
class Box:
    """What scenes are made of. Level 0 of each is sharp, level 1 is for drawing it small."""

    fish: Float[Tensor, "2 n_fish 4 64 64"]
    decoys: Float[Tensor, "2 n_decoys 4 64 64"]
    backgrounds: Float[Tensor, "2 n_backgrounds 3 160 208"]


def scenes(
    n: int,
    seed: int,
    split: str = "train",
    *,
    backgrounds: str = "same",
    decoys: bool = True,
    variety: float = 0.0,
) -> Scenes:
    """`n` pictures in [-1, 1] with their masks of zeros and ones; the same seed, the same scenes.

    `split` names the fish and the decoys ("train", "validation" or "test"), `backgrounds` whose
    backgrounds they swim on ("same": those of `split`). Each scene shows one fish or two, some of
    them tinted towards what is behind, and with `decoys` up to three things that are not fish.
    `variety` (0 to 1) is for training: it bends what is pasted, changes its colours and patterns,
    and mixes backgrounds.

    Raises ValueError for a split that there is not, or a variety outside 0 to 1.
    """
    if not 0 <= variety <= 1:
        raise ValueError(f"variety must be from 0 to 1, got {variety}")
    g = torch.Generator().manual_seed(seed)
    box = _box(split)
    behind = box if backgrounds == "same" else _box(backgrounds)
    picture = windows(behind.backgrounds, n, variety, g)
    texture, mask = picture, torch.zeros(n, 1, SIZE, SIZE)
    # (which, how often, from what share of its size, to what share), from the back to the front
    layers = [(box.fish, 1.0, 0.55, 1.0), (box.fish, 0.15, 0.45, 0.8)]
    if decoys:
        far = [(box.decoys, 0.6, 0.4, 1.0), (box.decoys, 0.2, 0.4, 0.9)]
        layers = [*far, *layers, (box.decoys, 0.15, 0.3, 0.45)]
    for things, often, smallest, largest in layers:
        thing = thrown(things, n, smallest, largest, variety, g)
        if variety:  # each with a piece of another scene's background
            texture = texture.roll(1, 0)
            thing = patterned(thing, texture, sometimes(0.6 * variety, between(0.3, 0.9, n, g), g))
        thing = lit(recoloured(thing, 0.6 * variety, g), between(0.75, 1.25, n, g))
        thing = camouflaged(thing, picture, sometimes(0.4, between(0.3, 0.8, n, g), g))
        thing = thing * (torch.rand(n, 1, 1, 1, generator=g) < often)
        picture = paste(picture, thing)
        is_fish = float(things is box.fish)
        mask = torch.where(thing[:, 3:] > 0.5, torch.tensor(is_fish), mask)
    grain = between(0.0, 0.04, n, g) * torch.randn(picture.shape, generator=g)
    return (picture + grain).clamp(0, 1) * 2 - 1, mask


def fixed_500() -> Scenes:
    """Five hundred training scenes, always the same: all that a learner of a small set has."""
    return scenes(500, seed=500)


def scene(
    kind: str, background: str, *, x: float = 32.0, y: float = 32.0, share: float = 0.8
) -> Scenes:
    """One scene of your own: this kind of fish, its middle at (x, y), on this background.

    `share` is the fish's size as a share of its cut-out's, at most 1. Gives a batch of one, like
    `scenes`. Raises ValueError for a larger share, and for a name that there is not; `kinds` and
    `places` list them.
    """
    if not 0 < share <= 1:
        raise ValueError(
            f"share must be above 0 and at most 1, got {share}: the cut-outs are small"
        )
    cells = _cells()
    fish = [name for name in cells["fish"] if name.partition("/")[0] == kind]
    if not fish or background not in cells["backgrounds"]:
        raise ValueError(
            f"no scene of {kind!r} on {background!r}: fish are {', '.join(kinds('train'))}, ...; "
            f"backgrounds are {', '.join(places('train'))}, ..."
        )
    i, j = cells["fish"].index(fish[0]), cells["backgrounds"].index(background)
    behind = F.interpolate(_sheets()[2][None, j], size=(80, 104), mode="area")[:, :, 8:72, 20:84]
    thing = placed(
        levels(_sheets()[0][None, i])[int(share < 0.6)],
        torch.tensor([[x, y]], dtype=torch.float32),
        torch.full((1, 2), share),
        torch.zeros(1),
    )
    return paste(behind, thing) * 2 - 1, (thing[:, 3:] > 0.5).float()


def kinds(split: str) -> list[str]:
    """The kinds of fish of a split, by name."""
    return list(_split(split)["fish"])


def places(split: str) -> list[str]:
    """The backgrounds of a split, by name."""
    return list(_split(split)["backgrounds"])


def photographs() -> Float[Tensor, "28 3 64 96"]:
    """Photographs of fish that nobody cut out, in [-1, 1]; there are no masks for them."""
    sheet = _opened("fish/photographs.webp", 96, 144)
    return F.interpolate(sheet, size=(64, 96), mode="area") * 2 - 1


@cache
def _box(split: str) -> Box:
    names, cells = _split(split), _cells()
    fish, decoys, backgrounds = _sheets()

    def pick(kind: str, wanted: list[str]) -> Int[Tensor, " m"]:
        return torch.tensor(
            [
                i
                for i, name in enumerate(cells[kind])
                if name in wanted or name.split("/")[0] in wanted
            ]
        )

    return Box(
        levels(fish[pick("fish", names["fish"])]),
        levels(decoys[pick("decoys", names["decoys"])]),
        levels(backgrounds[pick("backgrounds", names["backgrounds"])]),
    )


@cache
def _sheets() -> tuple[Tensor, Tensor, Tensor]:
    """All fish, decoys and backgrounds, in the order of `_cells`."""
    cut_outs = _opened("fish/cut_outs.webp", CELL, CELL)
    cut_outs = torch.cat([cut_outs[:, :3] * cut_outs[:, 3:], cut_outs[:, 3:]], dim=1)
    n_fish, n_decoys = (len(_cells()[kind]) for kind in ("fish", "decoys"))
    return (
        cut_outs[:n_fish],
        cut_outs[n_fish : n_fish + n_decoys],
        _opened("fish/backgrounds.webp", 160, 208)[: len(_cells()["backgrounds"])],
    )


def _opened(name: str, h: int, w: int) -> Float[Tensor, "m c h w"]:
    """The cells of a sheet, row by row, in [0, 1]."""
    with Image.open(registry.path(name)) as picture:
        sheet = torch.from_numpy(np.array(picture)).float() / 255  # (rows*h, columns*w, c)
    return sheet.unflatten(0, (-1, h)).unflatten(2, (-1, w)).permute(0, 2, 4, 1, 3).flatten(0, 1)


def _cells() -> dict[str, list[str]]:
    return registry.splits("fish")["cells"]


def _split(split: str) -> dict[str, list[str]]:
    return registry.splits("fish")[registry.pick("fish", split)]
