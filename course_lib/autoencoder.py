"""The autoencoder of latent diffusion: pictures to small latents and back.

A convolutional encoder, a code of a few channels with a mean and a spread, and a decoder
(Kingma and Welling 2014; Rombach et al. 2022). The emoji autoencoder of this course and Stable
Diffusion's are the same class in two sizes.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.autoencoder_blocks import Decoder, Encoder
from course_lib.shapes import expect_shape


@dataclass(frozen=True, eq=False)
class Gaussian:
    """What the encoder says: for every number of the code a mean and the log of a variance."""

    mean: Float[Tensor, " b *code"]
    log_var: Float[Tensor, " b *code"]

    def sample(self, generator: torch.Generator) -> Float[Tensor, " b *code"]:
        """mean + std * noise: the reparameterisation of Kingma and Welling 2014, equation 10."""
        noise = torch.randn(
            self.mean.shape, generator=generator, device=generator.device, dtype=self.mean.dtype
        )
        return self.mean + (0.5 * self.log_var).exp() * noise.to(self.mean.device)

    def kl(self) -> Float[Tensor, " b"]:
        """KL divergence from N(0, 1), in nats a picture (Kingma and Welling 2014, appendix B)."""
        terms = self.mean**2 + self.log_var.exp() - 1 - self.log_var
        return 0.5 * terms.flatten(1).sum(dim=1)


class VAE(nn.Module):
    """A variational autoencoder for pictures in [-1, 1] (Kingma and Welling 2014).

    `scale` is the one number that brings the latents to unit spread, which diffusion expects:
    `to_latents` multiplies by it and `to_pictures` divides. It is found from data after training.
    Raises ValueError for widths that do not split into `groups`.
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
        self.quant_conv = nn.Conv2d(2 * c_latent, 2 * c_latent, kernel_size=1)
        self.post_quant_conv = nn.Conv2d(c_latent, c_latent, kernel_size=1)
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
        if x.numel() and x.device.type != "meta" and (x.min() < -1.5 or x.max() > 1.5):
            raise ValueError(
                f"VAE.encode expects pictures in [-1, 1], got numbers from {x.min():.3g} to "
                f"{x.max():.3g}. Usual cause: bytes from 0 to 255; use x / 127.5 - 1."
            )
        mean, log_var = self.quant_conv(self.encoder(x)).chunk(2, dim=1)
        return Gaussian(mean, log_var.clamp(-30, 20))

    def decode(self, z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Codes (b, c_latent, h, w) to pictures (b, c_picture, factor h, factor w)."""
        expect_shape("VAE.decode", z, "b c h w", c=self.c_latent)
        return self.decoder(self.post_quant_conv(z))

    def to_latents(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Pictures to latents of unit spread: the mean of the code, times `scale`."""
        return self.encode(x).mean * self.scale

    def to_pictures(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Latents of unit spread back to pictures, clamped to [-1, 1]."""
        return self.decode(latents / self.scale).clamp(-1, 1)


def vae_loss(
    vae: VAE,
    x: Float[Tensor, "b c h w"],
    generator: torch.Generator,
    kl_weight: float = 2e-6,
) -> Float[Tensor, ""]:
    """How far decoded samples are from the pictures, plus a gentle pull of the codes to N(0, 1).

    The distance is each picture's root mean square error plus its mean absolute error: the first
    is what PSNR measures, the second keeps edges crisp. Stable Diffusion adds a perceptual and an
    adversarial loss, which need a second and a third network.
    """
    code = vae.encode(x)
    difference = (vae.decode(code.sample(generator)) - x).float()
    rmse = difference.square().mean(dim=(1, 2, 3)).sqrt().mean()
    return rmse + difference.abs().mean() + kl_weight * code.kl().mean()


@torch.no_grad()
def normalise_latents(vae: VAE, mean: Float[Tensor, " c"], std: Float[Tensor, " c"]) -> None:
    """Fold a shift and a size for each latent channel into the 1x1 convolutions around the code.

    `mean` and `std` are those of the codes of the training pictures. Afterwards every channel has
    mean 0 and the same spread, the mean of `std`, so that the single number `scale`, set to one
    over it, brings all of them to unit spread. What the VAE decodes does not change.
    """
    c = vae.c_latent
    size = std / std.mean()
    weight, bias = vae.quant_conv.weight, vae.quant_conv.bias
    assert bias is not None
    assert vae.post_quant_conv.bias is not None
    weight[:c] /= size[:, None, None, None]
    bias[:c] = (bias[:c] - mean) / size
    bias[c:] -= 2 * size.log()  # the log of a variance
    vae.post_quant_conv.bias += vae.post_quant_conv.weight[:, :, 0, 0] @ mean
    vae.post_quant_conv.weight *= size[None, :, None, None]
    vae.scale.fill_(1 / std.mean())


def stable_diffusion() -> VAE:
    """The first stage of Stable Diffusion 1: 512x512x3 to 64x64x4, 83,653,863 parameters."""
    return VAE((128, 256, 512, 512))


def emoji() -> VAE:
    """The course's own, for 64x64 emoji: 64x64x3 to 8x8x4, the same 48 to 1."""
    return VAE((16, 32, 96, 160), blocks=1, groups=8)
