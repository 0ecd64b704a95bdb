"""Autoencoders for MNIST digits, small enough to train in a lesson: 784 pixels to a few numbers.

The plain one (Hinton and Salakhutdinov 2006) only has to give each digit back; the variational
one (Kingma and Welling 2014) also keeps its codes close together, so that there are no holes.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.autoencoder import Gaussian
from course_lib.shapes import expect_shape

Digits = Float[Tensor, "b 1 28 28"]


def _encoder(d_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.SiLU(), nn.Linear(256, 64), nn.SiLU(),
        nn.Linear(64, d_out),
    )  # fmt: skip


def _decoder(d_code: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(d_code, 64), nn.SiLU(), nn.Linear(64, 256), nn.SiLU(), nn.Linear(256, 784),
        nn.Tanh(), nn.Unflatten(1, (1, 28, 28)),
    )  # fmt: skip


class Autoencoder(nn.Module):
    """Three layers down to `d_code` numbers, three layers up again; digits in [-1, 1]."""

    def __init__(self, d_code: int) -> None:
        super().__init__()
        self.d_code = d_code
        self.encoder, self.decoder = _encoder(d_code), _decoder(d_code)

    def encode(self, x: Digits) -> Float[Tensor, "b d_code"]:
        expect_shape("Autoencoder", x, "b c h w", c=1, h=28, w=28)
        return self.encoder(x)

    def decode(self, code: Float[Tensor, "b d_code"]) -> Digits:
        expect_shape("Autoencoder.decode", code, "b d", d=self.d_code)
        return self.decoder(code)

    def loss(self, x: Digits) -> Float[Tensor, ""]:
        """The mean square error of what comes back."""
        return F.mse_loss(self.decode(self.encode(x)), x)


class DigitVAE(nn.Module):
    """The same layers, but the code is a small cloud: a mean and a spread for each number."""

    def __init__(self, d_code: int) -> None:
        super().__init__()
        self.d_code = d_code
        self.encoder, self.decoder = _encoder(2 * d_code), _decoder(d_code)

    def encode(self, x: Digits) -> Gaussian:
        expect_shape("DigitVAE", x, "b c h w", c=1, h=28, w=28)
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        return Gaussian(mean, log_var)

    def decode(self, code: Float[Tensor, "b d_code"]) -> Digits:
        expect_shape("DigitVAE.decode", code, "b d", d=self.d_code)
        return self.decoder(code)

    def loss(
        self, x: Digits, generator: torch.Generator, kl_weight: float = 1e-3
    ) -> Float[Tensor, ""]:
        """The error of what comes back from a sample of the code, plus the pull to the middle.

        With the error as a mean over pixels, `kl_weight` is 2 * variance / 784 of the Gaussian
        around each pixel in Kingma and Welling's bound (equation 7).
        """
        code = self.encode(x)
        return F.mse_loss(self.decode(code.sample(generator)), x) + kl_weight * code.kl().mean()
