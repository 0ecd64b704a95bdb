"""The UNet of Stable Diffusion: looks at a noisy picture and guesses the noise.

Rombach et al. 2022 (latent diffusion), after Ho et al. 2020 and Ronneberger et al. 2015. Given the
sizes of `stable_diffusion()` it holds that model's weights; given small ones it trains on a CPU.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.attention import SpatialTransformer
from course_lib.blocks import Downsample, ResBlock, Upsample
from course_lib.positional import positional_encoding
from course_lib.shapes import expect_shape

Context = Float[Tensor, "b m d_context"] | None  # None where the UNet was built without one


class Layer(nn.Module):
    """A ResBlock and, where this level looks across the whole picture, a transformer after it."""

    def __init__(
        self, c_in: int, c_out: int, d_emb: int, groups: int, transformer: SpatialTransformer | None
    ) -> None:
        super().__init__()
        self.block = ResBlock(c_in, c_out, d_emb, groups)
        self.transformer = transformer

    def forward(self, x: Tensor, emb: Tensor, context: Context) -> Tensor:
        x = self.block(x, emb)
        return x if self.transformer is None else self.transformer(x, context)


class DownLevel(nn.Module):
    """Layers at one size, then (except at the bottom) half the size; remembers all it made."""

    def __init__(self, layers: Sequence[Layer], resize: Downsample | None) -> None:
        super().__init__()
        self.layers, self.resize = nn.ModuleList(layers), resize

    def forward(self, x: Tensor, emb: Tensor, context: Context, skips: list[Tensor]) -> Tensor:
        for layer in self.layers:
            x = layer(x, emb, context)
            skips.append(x)
        if self.resize is not None:
            x = self.resize(x)
            skips.append(x)
        return x


class UpLevel(nn.Module):
    """Layers at one size, each given a skip as well, then (except at the top) twice the size."""

    def __init__(self, layers: Sequence[Layer], resize: Upsample | None) -> None:
        super().__init__()
        self.layers, self.resize = nn.ModuleList(layers), resize

    def forward(self, x: Tensor, emb: Tensor, context: Context, skips: list[Tensor]) -> Tensor:
        for layer in self.layers:
            x = layer(torch.cat([x, skips.pop()], dim=1), emb, context)
        if self.resize is not None:
            height, width = skips[-1].shape[-2:]
            x = self.resize(x, (height, width))
        return x


class UNet(nn.Module):
    """Down to small pictures with many channels, and up again, with a skip from every layer.

    `widths` has the channels of each level, `attend` says which of them look across the whole
    picture (the middle always does). With `d_context` = 0 the answer depends on (x, t) alone, so
    the UNet is a Denoiser as it stands; otherwise `context` (b, m, d_context) is required. Any
    height and width will do. Raises ValueError for shapes that do not fit, and for widths that do
    not split into `groups` or `heads`.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        attend: Sequence[bool],
        *,
        layers: int = 1,
        d_context: int = 0,
        heads: int = 4,
        groups: int = 8,
    ) -> None:
        super().__init__()
        if len(attend) != len(widths):
            raise ValueError(
                f"UNet: `attend` needs one True or False for each of the {len(widths)} widths, "
                f"got {len(attend)}. Usual cause: a level was added to one list only."
            )
        self.channels, self.width, self.d_context = channels, widths[0], d_context
        d_emb = 4 * widths[0]

        def layer(c_in: int, c_out: int, looks: bool) -> Layer:
            transformer = SpatialTransformer(c_out, d_context, heads, groups) if looks else None
            return Layer(c_in, c_out, d_emb, groups, transformer)

        self.time_embedding = nn.Sequential(
            nn.Linear(widths[0], d_emb), nn.SiLU(), nn.Linear(d_emb, d_emb)
        )
        self.conv_in = nn.Conv2d(channels, widths[0], kernel_size=3, padding=1)

        c, bottom = widths[0], len(widths) - 1
        skips = [c]  # the channels of each thing the way down will remember
        self.down = nn.ModuleList()
        for i, width in enumerate(widths):
            stack = [layer(c if j == 0 else width, width, attend[i]) for j in range(layers)]
            self.down.append(DownLevel(stack, Downsample(width) if i < bottom else None))
            skips += [width] * (layers + (i < bottom))
            c = width

        self.middle = nn.ModuleList([layer(c, c, True), layer(c, c, False)])

        self.up = nn.ModuleList()
        for i, width in reversed(list(enumerate(widths))):
            stack = []
            for _ in range(layers + 1):
                stack.append(layer(c + skips.pop(), width, attend[i]))
                c = width
            self.up.append(UpLevel(stack, Upsample(width) if i > 0 else None))

        self.norm_out = nn.GroupNorm(groups, c)
        self.conv_out = nn.Conv2d(c, channels, kernel_size=3, padding=1)
        for p in self.conv_out.parameters():
            nn.init.zeros_(p)

    def forward(
        self, x: Float[Tensor, "b c h w"], t: Int[Tensor, " b"], context: Context = None
    ) -> Float[Tensor, "b c h w"]:
        self._expect(x, t, context)
        emb = self.time_embedding(positional_encoding(t, self.width).to(x.dtype))  # (b, d_emb)
        x = self.conv_in(x)
        skips = [x]
        for level in self.down:
            x = level(x, emb, context, skips)
        for layer in self.middle:
            x = layer(x, emb, context)
        for level in self.up:
            x = level(x, emb, context, skips)
        return self.conv_out(F.silu(self.norm_out(x)))

    def _expect(self, x: Tensor, t: Tensor, context: Context) -> None:
        expect_shape("UNet", x, "b c h w", c=self.channels)
        expect_shape("UNet's t", t, "b", b=len(x))
        if (context is None) != (self.d_context == 0):
            wanted = f"a context (b, m, {self.d_context})" if self.d_context else "no context"
            raise ValueError(
                f"this UNet was built with d_context={self.d_context}, so it takes {wanted}, got "
                f"{'none' if context is None else tuple(context.shape)}. "
                "Usual cause: the text was forgotten, or the UNet built for another lesson."
            )
        if context is not None:
            expect_shape("UNet's context", context, "b m d", b=len(x), d=self.d_context)


def tiny() -> UNet:
    """A UNet of 0.7 M parameters for colour pictures; learns in seconds (lessons 03 and 04)."""
    return UNet(3, (16, 32, 64), (False, False, False))


def pixel_32() -> UNet:
    """For grey pictures of 32x32, without text (lesson 05); looks across them where they are 8x8.

    Narrow at full size, where nearly all the time goes.
    """
    return UNet(1, (16, 32, 64), (False, False, True))


def emoji_unconditional() -> UNet:
    """For the emoji's latents (4, 8, 8), told nothing (lesson 07)."""
    return UNet(4, (64, 128), (True, False))


def emoji_latent(d_context: int = 128) -> UNet:
    """For the emoji's latents (4, 8, 8), told what to draw by a text (lessons 07, 11 and 12)."""
    return UNet(4, (96, 192), (True, False), d_context=d_context, heads=4)


def emoji_large(d_context: int = 128) -> UNet:
    """For a GPU (lesson 12): 55 M parameters, twice as wide and deep, looking in all levels."""
    return UNet(4, (192, 384), (True, True), layers=2, d_context=d_context, heads=8)


def stable_diffusion() -> UNet:
    """Stable Diffusion 1.5's UNet: 859,520,964 parameters, 3.4 GB in float32."""
    return UNet(
        4,
        (320, 640, 1280, 1280),
        (True, True, True, False),
        layers=2,
        d_context=768,
        heads=8,
        groups=32,
    )
