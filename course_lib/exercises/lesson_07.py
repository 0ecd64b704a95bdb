"""Lesson 07: encode a data set once, the scale of the latents, and a sample decoded."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises.exercise import Answer, Case, Exercise, Wrong

Coder = Callable[[Tensor], Tensor]

# --- encode_all


def encode_all(encode: Coder, pictures: Tensor, batch_size: int) -> Tensor:
    """The latents of all pictures, a batch at a time and without gradients."""
    with torch.no_grad():
        return torch.cat([encode(batch) for batch in pictures.split(batch_size)])


@torch.no_grad()
def _encode_in_a_loop(encode: Coder, pictures: Tensor, batch_size: int) -> Tensor:
    parts = []
    for start in range(0, len(pictures), batch_size):
        parts.append(encode(pictures[start : start + batch_size]))
    return torch.cat(parts)


def _encode_then_detach(encode: Coder, pictures: Tensor, batch_size: int) -> Tensor:
    parts = [encode(batch).detach() for batch in torch.split(pictures, batch_size)]
    return torch.cat(parts, dim=0)


def all_at_once(encode: Coder, pictures: Tensor, batch_size: int) -> Tensor:
    with torch.no_grad():
        return encode(pictures)


def last_batch_lost(encode: Coder, pictures: Tensor, batch_size: int) -> Tensor:
    with torch.no_grad():
        whole = len(pictures) // batch_size * batch_size
        return torch.cat([encode(batch) for batch in pictures[:whole].split(batch_size)])


def with_gradients(encode: Coder, pictures: Tensor, batch_size: int) -> Tensor:
    return torch.cat([encode(batch) for batch in pictures.split(batch_size)])


def only_the_first_batch(encode: Coder, pictures: Tensor, batch_size: int) -> Tensor:
    with torch.no_grad():
        return encode(pictures[:batch_size])


def _watch_the_encoder(answer: Answer, case: Case) -> Any:
    """The latents, the largest batch the encoder was given, and whether gradients were kept."""
    weight, pictures, batch_size = case
    layer = weight.clone().requires_grad_()
    seen: list[int] = []

    def encode(x: Tensor) -> Tensor:
        seen.append(len(x))
        return F.conv2d(x, layer, stride=2)

    latents = answer(encode, pictures, batch_size)
    kept = isinstance(latents, Tensor) and latents.requires_grad
    values = latents.detach() if isinstance(latents, Tensor) else latents
    return values, max(seen, default=0), kept


def _encoders(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(4, 3, 2, 2, generator=g), torch.randn(n, 3, 6, 8, generator=g), size)
        for n, size in ((7, 3), (10, 4))
    ]


def not_put_together(encode: Coder, pictures: Tensor, batch_size: int) -> list[Tensor]:
    with torch.no_grad():
        return [encode(batch) for batch in pictures.split(batch_size)]


def one_at_a_time(encode: Coder, pictures: Tensor, batch_size: int) -> Tensor:
    with torch.no_grad():
        return torch.cat([encode(picture[None]) for picture in pictures])


ENCODE_ALL = Exercise(
    id="07.encode_all",
    task="Encode all pictures, `batch_size` at a time, without keeping gradients.",
    points=1,
    cases=_encoders,
    probe=_watch_the_encoder,
    reference=encode_all,
    right=(_encode_in_a_loop, _encode_then_detach),
    wrong=(
        Wrong(all_at_once, "a batch at a time: ten thousand pictures at once fill the memory"),
        Wrong(last_batch_lost, "the last batch may be smaller, but its pictures count as well"),
        Wrong(with_gradients, "put it under torch.no_grad(): nothing is trained here"),
        Wrong(only_the_first_batch, "this is the first batch only; the others come after it"),
        Wrong(not_put_together, "this is a list of batches: torch.cat makes one tensor of them"),
        Wrong(one_at_a_time, "that is slow: give the encoder `batch_size` pictures at a time"),
    ),
    hints=(
        "`pictures.split(batch_size)` gives the batches, `torch.cat` puts latents together.",
        "`with torch.no_grad(): return torch.cat([encode(b) for b in pictures.split(batch_size)])`",
    ),
)

# --- latent_scale


def latent_scale(codes: Tensor) -> Tensor:
    """The one number that brings codes (n, c, h, w) to a spread of 1."""
    return 1 / codes.std()


def _scale_of_the_mean_square(codes: Tensor) -> Tensor:
    return (codes - codes.mean()).square().sum().div(codes.numel() - 1).rsqrt()


def _scale_of_the_variance(codes: Tensor) -> Tensor:
    return codes.var() ** -0.5


def _scale_with_n(codes: Tensor) -> Tensor:
    return 1 / (codes - codes.mean()).square().mean().sqrt()


def around_zero(codes: Tensor) -> Tensor:
    return 1 / codes.square().mean().sqrt()


def the_spread_itself(codes: Tensor) -> Tensor:
    return codes.std()


def one_over_the_variance(codes: Tensor) -> Tensor:
    return 1 / codes.var()


def a_scale_for_each_channel(codes: Tensor) -> Tensor:
    return 1 / codes.std(dim=(0, 2, 3))


def one_over_the_largest(codes: Tensor) -> Tensor:
    return 1 / codes.abs().max()


def mean_of_the_pictures_spreads(codes: Tensor) -> Tensor:
    return (1 / codes.flatten(1).std(dim=1)).mean()


def mean_of_the_channels_spreads(codes: Tensor) -> Tensor:
    return 1 / codes.std(dim=(0, 2, 3)).mean()


def _codes(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    shapes = ((6, 4, 3, 5), (3, 2, 4, 4))
    cases = []
    for shape in shapes:
        spread = 1 + 3 * torch.rand(shape[0], 1, 1, 1, generator=g)
        level = torch.linspace(-1, 4, shape[1])[:, None, None]  # unequal channels, not around 0
        size = torch.linspace(0.5, 2, shape[1])[:, None, None]
        cases.append((level + size * spread * torch.randn(*shape, generator=g),))
    return cases


LATENT_SCALE = Exercise(
    id="07.latent_scale",
    task="Give the one number to multiply all codes with, so that their spread becomes 1.",
    points=1,
    cases=_codes,
    reference=latent_scale,
    right=(_scale_of_the_mean_square, _scale_of_the_variance, _scale_with_n),
    wrong=(
        Wrong(the_spread_itself, "multiplying by the spread makes it larger; divide by it"),
        Wrong(one_over_the_variance, "the spread is the root of the variance: std, not var"),
        Wrong(a_scale_for_each_channel, "one number for all channels, as Stable Diffusion has it"),
        Wrong(one_over_the_largest, "not the largest number counts but the spread of all: std"),
        Wrong(
            mean_of_the_pictures_spreads, "one spread over all pictures, not a mean of one by one"
        ),
        Wrong(
            mean_of_the_channels_spreads,
            "one spread over all channels together, not the mean of a spread for each: their "
            "means differ, and that counts, too",
        ),
        Wrong(around_zero, "the spread is measured around the mean, not around 0: std"),
    ),
    hints=("`codes.std()` is the spread of all the numbers together.", "`1 / codes.std()`"),
    tolerance=5e-3,  # so that dividing by n and by n - 1 both count
)

# --- sample_and_decode


def sample_and_decode(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    """DDIM over the times `ts` (the last is -1, the clean latent), then back to a picture."""
    abars = {t: alpha_bar[t] if t >= 0 else torch.tensor(1.0) for t in ts}
    for t, t_next in pairwise(ts):
        noise = guess_noise(x, t)
        x0 = (x - (1 - abars[t]) ** 0.5 * noise) / abars[t] ** 0.5
        x = abars[t_next] ** 0.5 * x0 + (1 - abars[t_next]) ** 0.5 * noise
    return decode(x / scale)


def _sample_in_sigmas(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    with_clean = torch.cat([alpha_bar, torch.ones(1)])
    y = x / with_clean[ts[0]].sqrt()
    for i in range(len(ts) - 1):
        now, after = with_clean[ts[i]], with_clean[ts[i + 1]]
        noise = guess_noise(now.sqrt() * y, ts[i])
        y = y + ((1 / after - 1).sqrt() - (1 / now - 1).sqrt()) * noise
    return decode(y / scale)


def _sample_with_v(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    here = alpha_bar[ts[0]]
    for t, t_next in pairwise(ts):
        noise = guess_noise(x, t)
        clean = x / here.sqrt() - (1 / here - 1).sqrt() * noise
        here = alpha_bar[t_next] if t_next != -1 else here.new_ones(())
        x = here.sqrt() * clean + (1 - here).sqrt() * noise
    return decode(x * (1 / scale))


def not_unscaled(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    return sample_and_decode(guess_noise, decode, x, alpha_bar, ts, 1.0)


def scaled_once_more(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    return sample_and_decode(guess_noise, decode, x, alpha_bar, ts, 1 / scale)


def not_decoded(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    return sample_and_decode(guess_noise, lambda z: z, x, alpha_bar, ts, scale)


def one_big_step(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    return sample_and_decode(guess_noise, decode, x, alpha_bar, [ts[0], -1], scale)


def last_step_left_out(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    return sample_and_decode(guess_noise, decode, x, alpha_bar, ts[:-1], scale)


def last_of_the_list(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    last = len(alpha_bar) - 1  # what alpha_bar[-1] reads
    return sample_and_decode(guess_noise, decode, x, alpha_bar, [*ts[:-1], last], scale)


def unscaled_after_decoding(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    return sample_and_decode(guess_noise, decode, x, alpha_bar, ts, 1.0) / scale


def never_quite_clean(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    return sample_and_decode(guess_noise, decode, x, alpha_bar, [*ts[:-1], 0], scale)


def guessed_at_the_next_time(
    guess_noise: Callable[[Tensor, int], Tensor],
    decode: Coder,
    x: Tensor,
    alpha_bar: Tensor,
    ts: Sequence[int],
    scale: float,
) -> Tensor:
    following = dict(pairwise(ts))
    return sample_and_decode(
        lambda x, t: guess_noise(x, following[t]), decode, x, alpha_bar, ts, scale
    )


def _with_stand_ins(answer: Answer, case: Case) -> Any:
    """A denoiser and a decoder made of a few numbers, so that the case holds values only."""
    mixing, up, x, alpha_bar, ts, scale = case

    def guess_noise(x: Tensor, t: int) -> Tensor:
        return torch.einsum("dc,bchw->bdhw", mixing, x).tanh() * (1 + t / len(alpha_bar))

    def decode(z: Tensor) -> Tensor:
        return torch.tanh(0.3 * F.conv_transpose2d(z, up, stride=2))  # not linear, as the real one

    return answer(guess_noise, decode, x, alpha_bar, ts, scale)


def _runs(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    alpha_bar = torch.cumprod(1 - torch.linspace(0.01, 0.2, 40), dim=0)
    return [
        (
            torch.randn(4, 4, generator=g),
            torch.randn(4, 3, 2, 2, generator=g),
            torch.randn(2, 4, 3, 5, generator=g),
            alpha_bar,
            ts,
            scale,
        )
        for ts, scale in (([39, 26, 12, 0, -1], 0.5), ([30, 15, -1], 2.5))
    ]


SAMPLE_AND_DECODE = Exercise(
    id="07.sample_and_decode",
    task="Walk the latents from noise to clean with DDIM, undo the scale, and decode.",
    points=3,
    cases=_runs,
    probe=_with_stand_ins,
    reference=sample_and_decode,
    right=(_sample_in_sigmas, _sample_with_v),
    wrong=(
        Wrong(not_unscaled, "the decoder knows codes of their old size: divide by scale first"),
        Wrong(scaled_once_more, "the latents were multiplied by scale before; now divide by it"),
        Wrong(
            unscaled_after_decoding,
            "divide the LATENT by scale, before decode; here the picture is divided",
        ),
        Wrong(
            never_quite_clean,
            "at t = -1 alpha_bar is 1, the clean latent; max(t, 0) stops at alpha_bar[0]",
        ),
        Wrong(
            guessed_at_the_next_time,
            "ask for the noise at the time where x is now, t, not at the time it goes to",
        ),
        Wrong(not_decoded, "this is still a latent: decode makes the picture"),
        Wrong(one_big_step, "walk through all the times of ts, not from the first to the end"),
        Wrong(last_step_left_out, "the last move goes to t = -1, where alpha_bar is 1"),
        Wrong(
            last_of_the_list,
            "alpha_bar[-1] is Python's LAST of the list, all noise; here it is 1",
        ),
    ),
    hints=(
        "Each move: the noise, the x_0 that it means, and both mixed again for the next time.",
        "At t = -1 alpha_bar is 1. After the loop: `decode(x / scale)`.",
    ),
)

EXERCISES = (ENCODE_ALL, LATENT_SCALE, SAMPLE_AND_DECODE)
