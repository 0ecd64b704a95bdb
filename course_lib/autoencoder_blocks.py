"""Autoencoder blocks: an encoder that shrinks a picture, and a decoder that enlarges it again.

The structure is that of Stable Diffusion's first stage (Rombach et al. 2022, appendix G; in code
diffusers' AutoencoderKL): blocks of convolutions, half the size from each level to the next, and
self-attention over all positions at the smallest one.
"""

from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class PlainResBlock(nn.Module):
    """Two 3x3 convolutions and a residual connection: the UNet's ResBlock without the time."""

    def __init__(self, c_in: int, c_out: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, c_in, eps=1e-6)
        self.conv1 = nn.Conv2d(c_in, c_out, kernel_size=3, padding=1)
        self.norm2 = nn.GroupNorm(groups, c_out, eps=1e-6)
        self.conv2 = nn.Conv2d(c_out, c_out, kernel_size=3, padding=1)
        self.shortcut = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, kernel_size=1)

    def forward(self, x: Float[Tensor, "b c_in h w"]) -> Float[Tensor, "b c_out h w"]:
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(F.silu(self.norm2(y)))
        return self.shortcut(x) + y


class PixelAttention(nn.Module):
    """One head of self-attention over all positions of a small feature map (lesson 11)."""

    def __init__(self, c: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, c, eps=1e-6)
        self.to_q = nn.Linear(c, c)
        self.to_k = nn.Linear(c, c)
        self.to_v = nn.Linear(c, c)
        self.to_out = nn.Linear(c, c)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        tokens = self.norm(x).flatten(2).transpose(1, 2)  # (b, h*w, c)
        q, k, v = self.to_q(tokens), self.to_k(tokens), self.to_v(tokens)
        out = self.to_out(F.scaled_dot_product_attention(q, k, v))
        return out.transpose(1, 2).unflatten(2, x.shape[2:]) + x  # this order keeps channels-last


def _middle(c: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        PlainResBlock(c, c, groups), PixelAttention(c, groups), PlainResBlock(c, c, groups)
    )


class Downsample(nn.Module):
    """A 3x3 convolution with stride 2, padded right and below only, as in Stable Diffusion."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, c, kernel_size=3, stride=2)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Repeat every pixel twice in both directions, then smooth with a 3x3 convolution."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, c, kernel_size=3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Encoder(nn.Module):
    """Pictures (b, c_in, h, w) to features (b, c_out, h/f, w/f), f = 2 ** (len(widths) - 1)."""

    def __init__(
        self, c_in: int, c_out: int, widths: tuple[int, ...], blocks: int, groups: int
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(c_in, widths[0], kernel_size=3, padding=1)
        levels: list[nn.Module] = []
        for i, (before, c) in enumerate(pairwise((widths[0], *widths))):
            level = [PlainResBlock(before if j == 0 else c, c, groups) for j in range(blocks)]
            levels.append(nn.Sequential(*level, *([Downsample(c)] if i < len(widths) - 1 else [])))
        self.levels = nn.Sequential(*levels)
        self.middle = _middle(widths[-1], groups)
        self.norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], c_out, kernel_size=3, padding=1)

    def forward(self, x: Float[Tensor, "b c_in h w"]) -> Float[Tensor, "b c_out h2 w2"]:
        y = self.middle(self.levels(self.conv_in(x)))
        return self.conv_out(F.silu(self.norm_out(y)))


class Decoder(nn.Module):
    """Features (b, c_in, h, w) to pictures (b, c_out, f h, f w); one block more per level."""

    def __init__(
        self, c_in: int, c_out: int, widths: tuple[int, ...], blocks: int, groups: int
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(c_in, widths[-1], kernel_size=3, padding=1)
        self.middle = _middle(widths[-1], groups)
        levels: list[nn.Module] = []
        for i, (before, c) in enumerate(pairwise((widths[-1], *reversed(widths)))):
            level = [PlainResBlock(before if j == 0 else c, c, groups) for j in range(blocks + 1)]
            levels.append(nn.Sequential(*level, *([Upsample(c)] if i < len(widths) - 1 else [])))
        self.levels = nn.Sequential(*levels)
        self.norm_out = nn.GroupNorm(groups, widths[0], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[0], c_out, kernel_size=3, padding=1)

    def forward(self, z: Float[Tensor, "b c_in h w"]) -> Float[Tensor, "b c_out h2 w2"]:
        y = self.levels(self.middle(self.conv_in(z)))
        return self.conv_out(F.silu(self.norm_out(y)))
