"""Lesson 06: encoder, decoder, a sample of a code, its KL divergence, the VAE's loss, PSNR."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from course_lib.exercises.exercise import Answer, Case, Exercise, Wrong

Layer = Callable[[Tensor], Tensor]

# --- encode


def encode(x: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    """Digits (b, 1, h, w) through two layers with SiLU between them: the codes (b, d)."""
    return layer_out(F.silu(layer_in(x.flatten(1))))


def _encode_in_steps(x: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    hidden = layer_in(x.reshape(len(x), -1))
    return layer_out(hidden * hidden.sigmoid())


def _encode_by_sequential(x: Tensor, layer_in: nn.Module, layer_out: nn.Module) -> Tensor:
    return nn.Sequential(nn.Flatten(), layer_in, nn.SiLU(), layer_out)(x)


def column_by_column(x: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    return layer_out(F.silu(layer_in(x.mT.flatten(1))))


def without_silu(x: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    return layer_out(layer_in(x.flatten(1)))


def silu_at_the_end(x: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    return F.silu(encode(x, layer_in, layer_out))


def relu_instead(x: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    return layer_out(F.relu(layer_in(x.flatten(1))))


def only_the_first_layer(x: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    return F.silu(layer_in(x.flatten(1)))


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return layer


def _with_layers(answer: Answer, case: Case) -> Tensor:
    x, *numbers = case
    return answer(x, _linear(*numbers[:2]), _linear(*numbers[2:]))


def _two_layers(sizes: tuple[int, int, int], g: torch.Generator) -> list[Tensor]:
    return [
        part
        for d_in, d_out in pairwise(sizes)
        for part in (
            2 * torch.randn(d_out, d_in, generator=g) / math.sqrt(d_in),
            torch.randn(d_out, generator=g),
        )
    ]


def _digits_and_layers(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.rand(b, 1, h, w, generator=g) * 2 - 1, *_two_layers((h * w, hidden, d), g))
        for b, h, w, hidden, d in ((3, 28, 28, 16, 2), (4, 5, 7, 6, 4))
    ]


ENCODE = Exercise(
    id="06.encode",
    task="Lay each picture of the batch out as one row, and put it through `layer_in`, SiLU and "
    "`layer_out`.",
    points=1,
    cases=_digits_and_layers,
    reference=encode,
    right=(_encode_in_steps, _encode_by_sequential),
    wrong=(
        Wrong(column_by_column, "the pixels are laid out row by row; the picture was turned first"),
        Wrong(without_silu, "there is a SiLU between the two layers, or they would be only one"),
        Wrong(silu_at_the_end, "no SiLU after the last layer: a code may be any number"),
        Wrong(relu_instead, "the layers of this lesson have SiLU between them, not ReLU"),
        Wrong(only_the_first_layer, "the code comes out of the second layer"),
    ),
    hints=(
        "`x.flatten(1)` keeps the batch and has the pixels of each picture in one row; a layer is "
        "called like a function.",
        "`layer_out(F.silu(layer_in(x.flatten(1))))`",
    ),
    probe=_with_layers,
)

# --- decode


def decode(code: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    """Codes (b, d) through two layers with SiLU between them, and tanh: digits (b, 1, 28, 28)."""
    return torch.tanh(layer_out(F.silu(layer_in(code)))).unflatten(1, (1, 28, 28))


def _decode_in_steps(code: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    hidden = layer_in(code)
    return layer_out(hidden * hidden.sigmoid()).tanh().reshape(-1, 1, 28, 28)


def _decode_by_sequential(code: Tensor, layer_in: nn.Module, layer_out: nn.Module) -> Tensor:
    layers = nn.Sequential(layer_in, nn.SiLU(), layer_out, nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    return layers(code)


def decoded_without_silu(code: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    return torch.tanh(layer_out(layer_in(code))).unflatten(1, (1, 28, 28))


def without_tanh(code: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    return layer_out(F.silu(layer_in(code))).unflatten(1, (1, 28, 28))


def sigmoid_at_the_end(code: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    return layer_out(F.silu(layer_in(code))).sigmoid().unflatten(1, (1, 28, 28))


def tanh_on_the_code(code: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    return decode(torch.tanh(code), layer_in, layer_out)


def columns_and_rows_swapped(code: Tensor, layer_in: Layer, layer_out: Layer) -> Tensor:
    return decode(code, layer_in, layer_out).mT


def _codes_and_layers(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (2 * torch.randn(b, d, generator=g), *_two_layers((d, hidden, 784), g))
        for b, d, hidden in ((3, 2, 16), (2, 5, 9))
    ]


DECODE = Exercise(
    id="06.decode",
    task="The way back: put each code through `layer_in`, SiLU, `layer_out` and tanh, and fold "
    "the 784 numbers into a picture of shape (1, 28, 28).",
    points=1,
    cases=_codes_and_layers,
    reference=decode,
    right=(_decode_in_steps, _decode_by_sequential),
    wrong=(
        Wrong(decoded_without_silu, "there is a SiLU between the two layers here, too"),
        Wrong(without_tanh, "pixels lie in [-1, 1]: tanh after the last layer keeps them there"),
        Wrong(sigmoid_at_the_end, "a sigmoid ends at 0 ... 1, but pixels go from -1 to 1: tanh"),
        Wrong(tanh_on_the_code, "tanh is for the pixels, at the end; a code may be any number"),
        Wrong(columns_and_rows_swapped, "rows and columns are swapped: fold, do not transpose"),
    ),
    hints=(
        "First the 784 pixels, (b, 784): two layers, SiLU between them, `torch.tanh` at the end.",
        "`.unflatten(1, (1, 28, 28))` folds axis 1.",
    ),
    probe=_with_layers,
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
    """For each row of the batch (b, d): how far its cloud is from N(0, 1): (b,)."""
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

# --- vae_loss


def vae_loss(x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float) -> Tensor:
    """Mean squared error of what a sample of the code decodes to, plus the weighted mean KL."""
    mean, log_var = encoder(x).chunk(2, dim=1)
    back = decoder(sample_code(mean, log_var, noise))
    return F.mse_loss(back, x) + kl_weight * kl(mean, log_var).mean()


def _loss_by_slices(
    x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float
) -> Tensor:
    code = encoder(x)
    d = code.shape[1] // 2
    mean, log_var = code[:, :d], code[:, d:]
    error = (decoder(mean + noise * (log_var / 2).exp()) - x).square().mean()
    return error + kl_weight * (mean**2 + log_var.exp() - 1 - log_var).sum() / (2 * len(x))


def _loss_of_each_picture(
    x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float
) -> Tensor:
    mean, log_var = torch.tensor_split(encoder(x), 2, dim=1)
    back = decoder(sample_code(mean, log_var, noise))
    return ((back - x).flatten(1).pow(2).mean(dim=1) + kl_weight * kl(mean, log_var)).mean()


def without_the_kl(
    x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float
) -> Tensor:
    return vae_loss(x, encoder, decoder, noise, 0.0)


def weight_forgotten(
    x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float
) -> Tensor:
    return vae_loss(x, encoder, decoder, noise, 1.0)


def weight_on_both(
    x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float
) -> Tensor:
    return kl_weight * vae_loss(x, encoder, decoder, noise, 1.0)


def decoded_from_the_mean(
    x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float
) -> Tensor:
    mean, log_var = encoder(x).chunk(2, dim=1)
    return F.mse_loss(decoder(mean), x) + kl_weight * kl(mean, log_var).mean()


def halves_swapped(
    x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float
) -> Tensor:
    log_var, mean = encoder(x).chunk(2, dim=1)
    back = decoder(sample_code(mean, log_var, noise))
    return F.mse_loss(back, x) + kl_weight * kl(mean, log_var).mean()


def kl_summed_over_the_batch(
    x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float
) -> Tensor:
    return vae_loss(x, encoder, decoder, noise, kl_weight * len(x))


def squares_summed(
    x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float
) -> Tensor:
    return x[0].numel() * vae_loss(x, encoder, decoder, noise, kl_weight / x[0].numel())


def gradient_cut_at_the_sample(
    x: Tensor, encoder: Layer, decoder: Layer, noise: Tensor, kl_weight: float
) -> Tensor:
    mean, log_var = encoder(x).chunk(2, dim=1)
    back = decoder(sample_code(mean, log_var, noise).detach())
    return F.mse_loss(back, x) + kl_weight * kl(mean, log_var).mean()


def _loss_and_gradient(answer: Answer, case: Case) -> list[Tensor]:
    """The loss, and its gradients at the first layer of each side. The decoder is not linear."""
    x, e1, e2, d1, d2, noise, kl_weight = case
    e1, d1 = e1.clone().requires_grad_(), d1.clone().requires_grad_()

    def encoder(pictures: Tensor) -> Tensor:
        return F.silu(pictures.flatten(1) @ e1.T) @ e2.T

    def decoder(code: Tensor) -> Tensor:
        return torch.tanh(F.silu(code @ d1.T) @ d2.T).reshape(len(code), *x.shape[1:])

    loss = answer(x, encoder, decoder, noise, kl_weight)
    if not (isinstance(loss, Tensor) and loss.ndim == 0 and loss.requires_grad):
        return [loss]
    return [loss, *torch.autograd.grad(loss, (e1, d1), allow_unused=False)]


def _vaes(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (
            torch.rand(b, 1, h, w, generator=g) * 2 - 1,
            torch.randn(6, h * w, generator=g) / math.sqrt(h * w),
            torch.randn(2 * d, 6, generator=g),
            torch.randn(8, d, generator=g),
            torch.randn(h * w, 8, generator=g),
            torch.randn(b, d, generator=g),
            kl_weight,
        )
        for b, h, w, d, kl_weight in ((3, 4, 5, 2, 0.1), (5, 3, 6, 3, 0.02))
    ]


VAE_LOSS = Exercise(
    id="06.vae_loss",
    task="Write the whole loss: encode, split into mean and log_var, sample, decode; then the "
    "mean squared error plus `kl_weight` times the mean KL of the batch.",
    points=3,
    cases=_vaes,
    reference=vae_loss,
    right=(_loss_by_slices, _loss_of_each_picture),
    wrong=(
        Wrong(without_the_kl, "the KL is missing: add `kl_weight` times its mean"),
        Wrong(weight_forgotten, "the KL counts in full: multiply it by `kl_weight`"),
        Wrong(weight_on_both, "`kl_weight` multiplies the KL only, not the error of the picture"),
        Wrong(
            decoded_from_the_mean,
            "the decoder gets the mean itself here: give it a sample, made with `noise`",
        ),
        Wrong(halves_swapped, "the first half of the code is the mean, the second is log_var"),
        Wrong(kl_summed_over_the_batch, "take the MEAN of the KL over the batch, not its sum"),
        Wrong(squares_summed, "the squared error is a mean over all pixels, not a sum per picture"),
        Wrong(
            gradient_cut_at_the_sample,
            "the loss is right, but detach() or no_grad() keeps its gradient from the encoder",
        ),
    ),
    hints=(
        "`mean, log_var = encoder(x).chunk(2, dim=1)` splits axis 1 into two halves.",
        "`back = decoder(sample_code(mean, log_var, noise))`",
        "`F.mse_loss(back, x) + kl_weight * kl(mean, log_var).mean()`",
    ),
    probe=_loss_and_gradient,
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

EXERCISES = (PSNR, ENCODE, DECODE, SAMPLE_CODE, KL, VAE_LOSS)
