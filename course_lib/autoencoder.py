"""The autoencoder of latent diffusion: pictures to small latents and back.

The structure is that of Stable Diffusion's first stage (Rombach et al. 2022, appendix G; in code
diffusers' AutoencoderKL): a convolutional encoder that halves the picture at every level, a code
of a few channels with a mean and a spread, and a decoder that mirrors the encoder. The emoji
autoencoder of this course and the real one are the same class in two sizes.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.shapes import expect_shape


@dataclass(frozen=True, eq=False)
class Gaussian:
    """What the encoder says: for every number of the code a mean and the log of a variance."""

    mean: Float[Tensor, "b c h w"]
    log_var: Float[Tensor, "b c h w"]

    def sample(self, generator: torch.Generator) -> Float[Tensor, "b c h w"]:
        """mean + std * noise: the reparameterisation of Kingma and Welling 2014, equation 10."""
        noise = torch.randn(
            self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype
        )
        return self.mean + (0.5 * self.log_var).exp() * noise

    def kl(self) -> Float[Tensor, " b"]:
        """KL divergence from N(0, 1), in nats a picture (Kingma and Welling 2014, appendix B)."""
        terms = self.mean**2 + self.log_var.exp() - 1 - self.log_var
        return 0.5 * terms.sum(dim=(1, 2, 3))


class ConvBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut: the UNet's ResBlock without a time to listen to."""

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
    """One head of self-attention over all places of a small feature map (lesson 11)."""

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
        return x + out.transpose(1, 2).unflatten(2, x.shape[2:])


def _middle(c: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        ConvBlock(c, c, groups), PixelAttention(c, groups), ConvBlock(c, c, groups)
    )


class Halve(nn.Module):
    """A convolution with stride 2, padded on the right and below only, as Stable Diffusion's."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, c, kernel_size=3, stride=2)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Double(nn.Module):
    """Every pixel four times, then a convolution to smooth the blocks."""

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
            level = [ConvBlock(before if j == 0 else c, c, groups) for j in range(blocks)]
            levels.append(nn.Sequential(*level, *([Halve(c)] if i < len(widths) - 1 else [])))
        self.levels = nn.Sequential(*levels)
        self.middle = _middle(widths[-1], groups)
        self.norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], c_out, kernel_size=3, padding=1)

    def forward(self, x: Float[Tensor, "b c_in h w"]) -> Float[Tensor, "b c_out h2 w2"]:
        y = self.middle(self.levels(self.conv_in(x)))
        return self.conv_out(F.silu(self.norm_out(y)))


class Decoder(nn.Module):
    """The encoder run backwards, with one block more at each level."""

    def __init__(
        self, c_in: int, c_out: int, widths: tuple[int, ...], blocks: int, groups: int
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(c_in, widths[-1], kernel_size=3, padding=1)
        self.middle = _middle(widths[-1], groups)
        levels: list[nn.Module] = []
        for i, (before, c) in enumerate(pairwise((widths[-1], *reversed(widths)))):
            level = [ConvBlock(before if j == 0 else c, c, groups) for j in range(blocks + 1)]
            levels.append(nn.Sequential(*level, *([Double(c)] if i < len(widths) - 1 else [])))
        self.levels = nn.Sequential(*levels)
        self.norm_out = nn.GroupNorm(groups, widths[0], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[0], c_out, kernel_size=3, padding=1)

    def forward(self, z: Float[Tensor, "b c_in h w"]) -> Float[Tensor, "b c_out h2 w2"]:
        y = self.levels(self.middle(self.conv_in(z)))
        return self.conv_out(F.silu(self.norm_out(y)))


class VAE(nn.Module):
    """A variational autoencoder for pictures in [-1, 1] (Kingma and Welling 2014).

    `scale` is the one number that brings the latents to unit spread, which diffusion expects:
    `to_latents` multiplies by it and `to_pictures` divides. It is found from data after training.
    """

    scale: Tensor

    def __init__(
        self,
        widths: tuple[int, ...],
        *,
        c_picture: int = 3,
        c_latent: int = 4,
        blocks: int = 2,
        groups: int = 32,
    ) -> None:
        super().__init__()
        if any(c % groups for c in widths):
            raise ValueError(f"VAE: widths {widths} do not all split into {groups} groups")
        self.c_picture, self.c_latent = c_picture, c_latent
        self.factor = 2 ** (len(widths) - 1)
        self.encoder = Encoder(c_picture, 2 * c_latent, widths, blocks, groups)
        self.to_gaussian = nn.Conv2d(2 * c_latent, 2 * c_latent, kernel_size=1)
        self.from_code = nn.Conv2d(c_latent, c_latent, kernel_size=1)
        self.decoder = Decoder(c_latent, c_picture, widths, blocks, groups)
        self.register_buffer("scale", torch.tensor(1.0))

    def encode(self, x: Float[Tensor, "b c h w"]) -> Gaussian:
        """Pictures in [-1, 1] to the mean and log-variance of their codes.

        Raises ValueError for other channels, for sides that `factor` does not divide, and for
        numbers far outside [-1, 1].
        """
        expect_shape("VAE.encode", x, "b c h w", c=self.c_picture)
        if x.shape[2] % self.factor or x.shape[3] % self.factor:
            raise ValueError(
                f"VAE.encode needs sides that {self.factor} divides, got "
                f"{x.shape[2]}x{x.shape[3]}. Pad or crop the picture first."
            )
        if x.device.type != "meta" and (x.min() < -1.5 or x.max() > 1.5):
            raise ValueError(
                f"VAE.encode expects pictures in [-1, 1], got numbers from {x.min():.3g} to "
                f"{x.max():.3g}. Usual cause: bytes from 0 to 255; use x / 127.5 - 1."
            )
        mean, log_var = self.to_gaussian(self.encoder(x)).chunk(2, dim=1)
        return Gaussian(mean, log_var.clamp(-30, 20))

    def decode(self, z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Codes (b, c_latent, h, w) to pictures (b, c_picture, factor h, factor w)."""
        expect_shape("VAE.decode", z, "b c h w", c=self.c_latent)
        return self.decoder(self.from_code(z))

    def to_latents(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Pictures to latents of unit spread: the mean of the code, times `scale`."""
        return self.encode(x).mean * self.scale

    def to_pictures(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Latents of unit spread back to pictures, clamped to [-1, 1]."""
        return self.decode(latents / self.scale).clamp(-1, 1)


def stable_diffusion() -> VAE:
    """The first stage of Stable Diffusion 1: 512x512x3 to 64x64x4, 83,653,863 parameters."""
    return VAE((128, 256, 512, 512))


def emoji() -> VAE:
    """The course's own, for 64x64 emoji: 64x64x3 to 8x8x4, the same 48 to 1."""
    return VAE((16, 48, 96, 160), blocks=1, groups=8)
