"""The first UNet, for segmentation (Ronneberger, Fischer, Brox 2015): down, up, and skips across.

Two things differ from the paper: convolutions are padded, so that a picture keeps its size, and
each convolution of a block sees a normalised input (without weights of its own), which makes
training from scratch a matter of seconds. The number of weights is the paper's.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.shapes import expect_shape

SMALL = (16, 32, 64, 128)
PAPER = (64, 128, 256, 512, 1024)


class ConvBlock(nn.Module):
    """Two 3x3 convolutions, each followed by a ReLU; height and width stay."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(c_out, c_out, kernel_size=3, padding=1)

    def forward(self, x: Float[Tensor, "b c_in h w"]) -> Float[Tensor, "b c_out h w"]:
        x = F.relu(self.conv1(normalised(x)))  # (b, c_out, h, w)
        return F.relu(self.conv2(normalised(x)))


def normalised(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Mean 0 and variance 1 in every 8 channels (Wu and He 2018); fewer are one group."""
    return F.group_norm(x, max(1, x.shape[1] // 8))


class PlainUNet(nn.Module):
    """Pictures to one number a pixel and class; above 0 means "more likely than not".

    `widths` are the channels of every level, top to bottom; each step down divides height and
    width by `shrink`, each step up multiplies them back. Height and width must be divisible by
    `shrink` once for every step: `divisor` says by what. `shrink=1` makes a network without
    down-sampling, to see what down-sampling is for.

    Raises ValueError for widths that are not multiples of 8, and for pictures that do not divide.
    """

    def __init__(
        self, widths: Sequence[int] = SMALL, *, c_in: int = 3, c_out: int = 1, shrink: int = 2
    ) -> None:
        super().__init__()
        if len(widths) < 2 or any(w % 8 for w in widths):
            raise ValueError(
                f"PlainUNet wants at least two widths, each a multiple of 8, got {tuple(widths)}. "
                "Usual cause: widths halved once too often."
            )
        self.c_in, self.shrink, self.divisor = c_in, shrink, shrink ** (len(widths) - 1)
        ins = [c_in, *widths[:-1]]
        self.encoder = nn.ModuleList(ConvBlock(i, o) for i, o in zip(ins, widths, strict=True))
        steps_up = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # (from, to) a step
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(i, o, kernel_size=shrink, stride=shrink) for i, o in steps_up
        )
        self.decoder = nn.ModuleList(ConvBlock(2 * o, o) for _, o in steps_up)
        self.to_mask = nn.Conv2d(widths[0], c_out, kernel_size=1)

    def forward(self, x: Float[Tensor, "b c_in h w"]) -> Float[Tensor, "b c_out h w"]:
        return self.to_mask(self.levels(x)[-1])

    def levels(self, x: Float[Tensor, "b c_in h w"]) -> list[Tensor]:
        """What comes out of every block, in the order it runs: down to the bottom and up again.

        Raises ValueError for other channels, and for sides that do not divide.
        """
        expect_shape("PlainUNet", x, "b c h w", c=self.c_in)
        h, w = x.shape[2:]
        if h % self.divisor or w % self.divisor:
            raise ValueError(
                f"PlainUNet expects a height and a width divisible by {self.divisor}, got {h}x{w}. "
                "Usual cause: a picture halved until a half pixel is left. Crop it, or pad it."
            )
        outs: list[Tensor] = []
        for i, block in enumerate(self.encoder):
            outs.append(block(F.max_pool2d(outs[-1], self.shrink) if i else x))
        skips = outs[:-1]
        for up, block in zip(self.ups, self.decoder, strict=True):
            outs.append(block(torch.cat([self.carried(skips.pop()), up(outs[-1])], dim=1)))
        return outs

    def carried(self, skip: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """What a skip hands across to the way up: here, all of it."""
        return skip


class WithoutSkips(PlainUNet):
    """The same network with every skip empty, to see what skips are for."""

    def carried(self, skip: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return torch.zeros_like(skip)


def paper() -> PlainUNet:
    """The sizes of the paper: one grey channel in, two classes out, 64 to 1,024 channels."""
    return PlainUNet(PAPER, c_in=1, c_out=2)
