"""The bricks of the UNet: two convolutions around a shortcut, half the size, twice the size.

He et al. 2016 for the shortcut; Ho et al. 2020 for the rest, as Stable Diffusion has it.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.shapes import expect_shape


class ResBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; `emb` tells the block how noisy the picture is.

    The last convolution starts at zero, so a new block passes its input on unchanged (up to the
    1x1 shortcut) and a deep stack of them trains from the first step. Raises ValueError where the
    channels do not split into `groups`.
    """

    def __init__(self, c_in: int, c_out: int, d_emb: int, groups: int = 8) -> None:
        super().__init__()
        if c_in % groups or c_out % groups:
            raise ValueError(
                f"ResBlock: {c_in} and {c_out} channels do not split into {groups} groups. "
                "Usual cause: widths that are not multiples of `groups`."
            )
        self.c_in, self.d_emb = c_in, d_emb
        self.norm1 = nn.GroupNorm(groups, c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, kernel_size=3, padding=1)
        self.from_emb = nn.Linear(d_emb, c_out)
        self.norm2 = nn.GroupNorm(groups, c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, kernel_size=3, padding=1)
        self.shortcut = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, kernel_size=1)
        for p in self.conv2.parameters():
            nn.init.zeros_(p)

    def forward(
        self, x: Float[Tensor, "b c_in h w"], emb: Float[Tensor, "b d_emb"]
    ) -> Float[Tensor, "b c_out h w"]:
        expect_shape("ResBlock", x, "b c h w", c=self.c_in)
        expect_shape("ResBlock's emb", emb, "b d_emb", b=len(x), d_emb=self.d_emb)
        y = self.conv1(F.silu(self.norm1(x)))  # (b, c_out, h, w)
        y = y + self.from_emb(F.silu(emb))[:, :, None, None]  # one number per channel, everywhere
        y = self.conv2(F.silu(self.norm2(y)))
        return self.shortcut(x) + y


class Downsample(nn.Module):
    """Half the height and width (rounded up), by a 3x3 convolution with stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        return self.conv(x)


class Upsample(nn.Module):
    """Repeat pixels until the picture has `size` (h, w), then smooth with a 3x3 convolution.

    The size is that of the skip it will meet: twice its own, or one less where halving rounded up.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(
        self, x: Float[Tensor, "b c h w"], size: tuple[int, int]
    ) -> Float[Tensor, "b c h2 w2"]:
        return self.conv(F.interpolate(x, size=size, mode="nearest"))
