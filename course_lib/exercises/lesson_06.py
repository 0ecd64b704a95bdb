"""Lesson 06: what an encoder gives, a sample of a code, its KL divergence, and PSNR."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from course_lib.exercises.exercise import Case, Exercise, Wrong

# --- encode


def encode(picture: Tensor, weight_in: Tensor, weight_out: Tensor) -> Tensor:
    """A digit (28, 28) through two layers without biases, SiLU between them: the code (d,)."""
    return weight_out @ F.silu(weight_in @ picture.flatten())


def _encode_in_steps(picture: Tensor, weight_in: Tensor, weight_out: Tensor) -> Tensor:
    hidden = F.linear(picture.reshape(1, -1), weight_in)
    return F.linear(hidden * hidden.sigmoid(), weight_out)[0]


def _encode_by_einsum(picture: Tensor, weight_in: Tensor, weight_out: Tensor) -> Tensor:
    rows = weight_in.reshape(len(weight_in), *picture.shape)
    return torch.einsum("dh,h->d", weight_out, F.silu(torch.einsum("hrc,rc->h", rows, picture)))


def column_by_column(picture: Tensor, weight_in: Tensor, weight_out: Tensor) -> Tensor:
    return weight_out @ F.silu(weight_in @ picture.T.flatten())


def without_silu(picture: Tensor, weight_in: Tensor, weight_out: Tensor) -> Tensor:
    return weight_out @ (weight_in @ picture.flatten())


def silu_at_the_end(picture: Tensor, weight_in: Tensor, weight_out: Tensor) -> Tensor:
    return F.silu(encode(picture, weight_in, weight_out))


def relu_instead(picture: Tensor, weight_in: Tensor, weight_out: Tensor) -> Tensor:
    return weight_out @ F.relu(weight_in @ picture.flatten())


def only_the_first_layer(picture: Tensor, weight_in: Tensor, weight_out: Tensor) -> Tensor:
    return F.silu(weight_in @ picture.flatten())


def _pictures_and_layers(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (
            torch.rand(h, w, generator=g) * 2 - 1,
            torch.randn(hidden, h * w, generator=g) / math.sqrt(h * w) * 3,
            torch.randn(d, hidden, generator=g),
        )
        for h, w, hidden, d in ((28, 28, 16, 2), (5, 7, 6, 4))
    ]


ENCODE = Exercise(
    id="06.encode",
    task="Lay the picture out as one row, put it through the first layer, SiLU and the second.",
    points=1,
    cases=_pictures_and_layers,
    reference=encode,
    right=(_encode_in_steps, _encode_by_einsum),
    wrong=(
        Wrong(column_by_column, "the pixels are laid out row by row; the picture was turned first"),
        Wrong(without_silu, "there is a SiLU between the two layers, or they would be only one"),
        Wrong(silu_at_the_end, "no SiLU after the last layer: a code may be any number"),
        Wrong(relu_instead, "the layers of this lesson have SiLU between them, not ReLU"),
        Wrong(only_the_first_layer, "the code comes out of the second layer"),
    ),
    hints=(
        "`picture.flatten()` has the pixels in one row; `weight @ x` is a layer without a bias.",
        "`weight_out @ F.silu(weight_in @ picture.flatten())`",
    ),
)

# --- sample_code


def sample_code(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """A sample from the cloud: the mean, plus the noise made as wide as the cloud."""
    return mean + (0.5 * log_var).exp() * noise


def _root_of_the_variance(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    return mean + noise * log_var.exp().sqrt()


def _in_place_on_a_copy(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    return torch.addcmul(mean, torch.exp(log_var / 2), noise)


def with_the_variance(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    return mean + log_var.exp() * noise


def log_var_as_it_is(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    return mean + log_var * noise


def noise_of_its_own(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    return mean + (0.5 * log_var).exp() * torch.randn_like(mean)


def without_the_mean(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    return (0.5 * log_var).exp() * noise


def noise_of_width_one(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    return mean + noise


def mean_inside_the_spread(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    return (0.5 * log_var).exp() * (mean + noise)


def _clouds(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [tuple(torch.randn(*shape, generator=g) for _ in range(3)) for shape in ((5, 2), (3, 7))]


SAMPLE_CODE = Exercise(
    id="06.sample_code",
    task="Turn a mean, a log-variance and plain noise into a sample of the cloud.",
    points=1,
    cases=_clouds,
    reference=sample_code,
    right=(_root_of_the_variance, _in_place_on_a_copy),
    wrong=(
        Wrong(with_the_variance, "the spread is the ROOT of the variance: exp(log_var / 2)"),
        Wrong(log_var_as_it_is, "log_var is a logarithm: exp takes it back"),
        Wrong(without_the_mean, "the cloud lies around its mean, not around 0"),
        Wrong(noise_of_width_one, "the noise must be made as wide as the cloud: times the spread"),
        Wrong(mean_inside_the_spread, "only the noise is stretched, the mean stays what it is"),
        Wrong(noise_of_its_own, "use the `noise` you are given, in place of torch.randn"),
    ),
    hints=(
        "The spread (standard deviation) is the root of the variance, exp(log_var).",
        "`mean + (0.5 * log_var).exp() * noise`",
    ),
)

# --- kl


def kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """For each row of the batch (b, d): how far its cloud is from N(0, 1), in nats: (b,)."""
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1)


def _kl_of_torch(mean: Tensor, log_var: Tensor) -> Tensor:
    return kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(dim=1)


def _kl_term_by_term(mean: Tensor, log_var: Tensor) -> Tensor:
    return -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp(), dim=1)


def without_the_half(mean: Tensor, log_var: Tensor) -> Tensor:
    return 2 * kl(mean, log_var)


def the_other_sign(mean: Tensor, log_var: Tensor) -> Tensor:
    return -kl(mean, log_var)


def averaged_over_the_code(mean: Tensor, log_var: Tensor) -> Tensor:
    return kl(mean, log_var) / mean.shape[1]


def over_the_batch(mean: Tensor, log_var: Tensor) -> Tensor:
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=0)


def without_the_one(mean: Tensor, log_var: Tensor) -> Tensor:
    return 0.5 * (mean**2 + log_var.exp() - log_var).sum(dim=1)


def log_var_taken_for_the_spread(mean: Tensor, log_var: Tensor) -> Tensor:
    return 0.5 * (mean**2 + (2 * log_var).exp() - 1 - 2 * log_var).sum(dim=1)


def _codes(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [tuple(torch.randn(*shape, generator=g) for _ in range(2)) for shape in ((5, 2), (3, 7))]


KL = Exercise(
    id="06.kl",
    task="Give the KL divergence of each row's cloud from N(0, 1), summed over the code.",
    points=2,
    cases=_codes,
    reference=kl,
    right=(_kl_of_torch, _kl_term_by_term),
    wrong=(
        Wrong(without_the_half, "half of this: the formula starts with 1/2"),
        Wrong(the_other_sign, "KL is never below 0: the sign is turned round"),
        Wrong(averaged_over_the_code, "the numbers of a code are summed, not averaged"),
        Wrong(over_the_batch, "one KL for each row: sum over the code, dim=1"),
        Wrong(without_the_one, "a cloud that is N(0, 1) already must give 0: subtract the 1"),
        Wrong(log_var_taken_for_the_spread, "log_var is the log of the variance, not of its root"),
    ),
    hints=(
        "For one number: half of mean squared plus variance minus 1 minus log-variance.",
        "`0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1)`",
    ),
)

# --- psnr


def psnr(guess: Tensor, picture: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture (b, c, h, w) in [-1, 1], in decibels: (b,)."""
    error = ((guess - picture) ** 2).mean(dim=(1, 2, 3))
    return 10 * torch.log10(4 / error)


def _psnr_from_the_root(guess: Tensor, picture: Tensor) -> Tensor:
    root = (guess - picture).flatten(1).norm(dim=1) / math.sqrt(picture[0].numel())
    return 20 * torch.log10(2 / root)


def _psnr_in_a_loop(guess: Tensor, picture: Tensor) -> Tensor:
    each = [F.mse_loss(a, b).item() for a, b in zip(guess, picture, strict=True)]
    return torch.tensor([10 * (math.log10(4) - math.log10(e)) for e in each])


def peak_of_one(guess: Tensor, picture: Tensor) -> Tensor:
    return psnr(guess, picture) - 10 * math.log10(4)


def one_error_for_all(guess: Tensor, picture: Tensor) -> Tensor:
    return 10 * torch.log10(4 / ((guess - picture) ** 2).mean())


def twenty_for_a_square(guess: Tensor, picture: Tensor) -> Tensor:
    return 2 * psnr(guess, picture)


def natural_logarithm(guess: Tensor, picture: Tensor) -> Tensor:
    return psnr(guess, picture) * math.log(10)


def upside_down(guess: Tensor, picture: Tensor) -> Tensor:
    return -psnr(guess, picture)


def _pairs_of_pictures(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for shape in ((3, 3, 6, 8), (2, 1, 5, 4)):
        picture = torch.rand(*shape, generator=g) * 2 - 1
        wide = torch.rand(shape[0], 1, 1, 1, generator=g)
        cases.append((picture + wide * torch.randn(*shape, generator=g), picture))
    return cases


PSNR = Exercise(
    id="06.psnr",
    task="Give the PSNR of each picture of the batch; the peak, from -1 to 1, is 2.",
    points=1,
    cases=_pairs_of_pictures,
    reference=psnr,
    right=(_psnr_from_the_root, _psnr_in_a_loop),
    wrong=(
        Wrong(peak_of_one, "from -1 to 1 the peak is 2, and its square 4"),
        Wrong(one_error_for_all, "an error for each picture: mean over channels, height and width"),
        Wrong(twenty_for_a_square, "10 times the logarithm of a squared error; 20 is for the root"),
        Wrong(natural_logarithm, "decibels count in powers of ten: torch.log10"),
        Wrong(upside_down, "a small error is a large PSNR: peak over error, not error over peak"),
    ),
    hints=(
        "First the mean squared error of each picture: `.mean(dim=(1, 2, 3))`.",
        "`10 * torch.log10(4 / error)`",
    ),
)

EXERCISES = (ENCODE, SAMPLE_CODE, KL, PSNR)
