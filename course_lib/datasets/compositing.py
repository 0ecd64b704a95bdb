"""Cut-outs laid over pictures: placed, tinted, pasted; many at once, for training.

Everything is in [0, 1] here, and cut-outs hold colours already multiplied by their opacity, so
that they can be turned and shrunk without a dark seam (Porter and Duff 1984).
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SIZE = 64
CutOuts = Float[Tensor, "n 4 64 64"]  # red, green, blue times opacity, and opacity


def paste(picture: Float[Tensor, "n 3 64 64"], thing: CutOuts) -> Float[Tensor, "n 3 64 64"]:
    """Lay a cut-out over a picture in [0, 1] (Porter and Duff 1984, "over")."""
    return thing[:, :3] + (1 - thing[:, 3:]) * picture


def camouflaged(
    thing: CutOuts, picture: Float[Tensor, "n 3 64 64"], much: Float[Tensor, "n 1 1 1"]
) -> CutOuts:
    """Shift the mean colour of a cut-out towards that of what it covers, all the way at 1."""
    opacity = thing[:, 3:]
    area = opacity.sum((2, 3), keepdim=True).clamp(min=1)
    own = thing[:, :3].sum((2, 3), keepdim=True) / area  # (n, 3, 1, 1)
    covered = (picture * opacity).sum((2, 3), keepdim=True) / area
    colour = thing[:, :3] + much * (covered - own) * opacity
    return torch.cat([colour.clamp(min=0).minimum(opacity), opacity], dim=1)


def lit(thing: CutOuts, light: Float[Tensor, "n 1 1 1"]) -> CutOuts:
    """Darker or brighter; no colour may exceed the opacity that it was multiplied by."""
    return torch.cat([(thing[:, :3] * light).minimum(thing[:, 3:]), thing[:, 3:]], dim=1)


def recoloured(
    picture: Float[Tensor, "n c h w"], variety: float, g: torch.Generator
) -> Float[Tensor, "n c h w"]:
    """Turn the colours round the grey axis and make them paler or stronger; opacity stays."""
    if not variety:
        return picture
    n = len(picture)
    angle = sometimes(0.7, math.pi * variety * (2 * torch.rand(n, 1, 1, 1, generator=g) - 1), g)
    cos, sin = angle[:, 0].cos(), angle[:, 0].sin()  # (n, 1, 1)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn = cos * torch.eye(3) + (1 - cos) / 3 + sin * cross  # (n, 3, 3)
    strong = 1 + 0.6 * variety * (2 * torch.rand(n, 1, 1, generator=g) - 1)
    turn = strong * turn + (1 - strong) / 3
    colour = torch.einsum("n i j, n j h w -> n i h w", turn, picture[:, :3])
    top = picture[:, 3:] if picture.shape[1] == 4 else torch.ones(1)
    return torch.cat([colour.clamp(min=0).minimum(top), picture[:, 3:]], dim=1)


def patterned(
    thing: CutOuts, texture: Float[Tensor, "n 3 64 64"], share: Float[Tensor, "n 1 1 1"]
) -> CutOuts:
    """The colours of a cut-out mixed with a texture, which replaces them at 1; its shape stays."""
    opacity = thing[:, 3:]
    return torch.cat([torch.lerp(thing[:, :3], texture * opacity, share), opacity], dim=1)


def thrown(
    things: Float[Tensor, "2 m 4 64 64"],
    n: int,
    smallest: float,
    largest: float,
    variety: float,
    g: torch.Generator,
) -> CutOuts:
    """`n` cut-outs drawn at random, each at some size, angle and place, half of them mirrored.

    With variety they are bent as well.
    """
    which = torch.randint(things.shape[1], (n,), generator=g)
    share = smallest + (largest - smallest) * torch.rand(n, 1, generator=g)
    level = (share[:, 0] < 0.6).long()
    room = 32 - 22 * share  # how far from the middle the thing may be
    centre = 32 + room * (2 * torch.rand(n, 2, generator=g) - 1)
    stretch = 1 - 0.2 * torch.rand(n, 2, generator=g)  # a little thinner or flatter
    mirror = torch.randint(2, (n, 1), generator=g) * 2 - 1
    angle = math.radians(25) * (2 * torch.rand(n, generator=g) - 1)
    size = share * stretch * torch.cat([mirror, torch.ones(n, 1)], dim=1)
    bend = bends(n, 0.12 * variety, g) if variety else None
    return placed(things[level, which], centre, size, angle, bend)


def bends(n: int, much: float, g: torch.Generator) -> Float[Tensor, "n 64 64 2"]:
    """Smooth random shifts, as on a sheet of rubber (elastic deformation, Ronneberger 2015).

    `much` is their spread, as a share of half a cell.
    """
    knots = much * torch.randn(n, 2, 5, 5, generator=g)
    shifts = F.interpolate(knots, (SIZE, SIZE), mode="bilinear", align_corners=True)
    return shifts.permute(0, 2, 3, 1)


def placed(
    cells: CutOuts,
    centre: Float[Tensor, "n 2"],
    size: Float[Tensor, "n 2"],
    angle: Float[Tensor, " n"],
    bend: Float[Tensor, "n 64 64 2"] | None = None,
) -> CutOuts:
    """Each cut-out turned by `angle`, `size` (x, y) times as large, its middle at `centre`.

    `bend` shifts where each pixel comes from, in halves of a cell.
    """
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)  # (n, 2, 2)
    back = turn / size[:, :, None]  # from the scene's pixels to the cell's
    shift = -(back @ (centre[:, :, None] / 32 - 1))
    grid = F.affine_grid(torch.cat([back, shift], 2), [len(cells), 4, SIZE, SIZE], False)
    return F.grid_sample(cells, grid if bend is None else grid + bend, align_corners=False)


def windows(
    sheets: Float[Tensor, "2 m 3 160 208"], n: int, variety: float, g: torch.Generator
) -> Float[Tensor, "n 3 64 64"]:
    """`n` pieces of photographs: some window, perhaps mirrored, darker or brighter.

    With `variety` some are mixed with a second piece, and colours are turned.
    """
    picture = _window(sheets, n, g)
    if variety:
        share = sometimes(0.5 * variety, between(0.1, 0.6, n, g), g)
        picture = torch.lerp(picture, _window(sheets, n, g), share)
    picture = recoloured(picture, variety, g)
    return (picture * between(0.7, 1.25, n, g)).clamp(0, 1)


def _window(
    sheets: Float[Tensor, "2 m 3 160 208"], n: int, g: torch.Generator
) -> Float[Tensor, "n 3 64 64"]:
    h, w = sheets.shape[-2:]
    which = torch.randint(sheets.shape[1], (n,), generator=g)
    side = 64 * (h / 64) ** torch.rand(n, 1, generator=g)  # from 64 pixels to the whole height
    level = (side[:, 0] > 100).long()
    free = 1 - side / torch.tensor([[w, h]])  # (n, 2), the middle's range in [-1, 1] units
    middle = free * (2 * torch.rand(n, 2, generator=g) - 1)
    scale = side / torch.tensor([[w, h]])
    scale[:, 0] *= torch.randint(2, (n,), generator=g) * 2 - 1
    theta = torch.cat([torch.diag_embed(scale), middle[:, :, None]], dim=2)
    grid = F.affine_grid(theta, [n, 3, SIZE, SIZE], False)
    return F.grid_sample(sheets[level, which], grid, align_corners=False, padding_mode="border")


def levels(cells: Float[Tensor, "m c h w"]) -> Float[Tensor, "2 m c h w"]:
    """The cells as they are, and averaged over 2x2 pixels, so that small ones do not glitter."""
    return torch.stack(
        [cells, F.interpolate(F.avg_pool2d(cells, 2), scale_factor=2.0, mode="bilinear")]
    )


def between(low: float, high: float, n: int, g: torch.Generator) -> Float[Tensor, "n 1 1 1"]:
    """`n` numbers anywhere from `low` to `high`, shaped to multiply pictures."""
    return low + (high - low) * torch.rand(n, 1, 1, 1, generator=g)


def sometimes(
    often: float, value: Float[Tensor, "n 1 1 1"], g: torch.Generator
) -> Float[Tensor, "n 1 1 1"]:
    """The value in a share `often` of all cases, drawn one by one, and 0 in the others."""
    return value * (torch.rand(value.shape, generator=g) < often)
