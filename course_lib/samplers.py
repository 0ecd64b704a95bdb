"""Samplers: from pure noise back to a picture, step by step.

A sampler knows nothing about networks, text or latents. It takes a function that predicts the
noise, a starting x, and a list of times, and it *yields* what it has after each step, so that a
lesson can watch it with a plain `for`:  `*_, last = ddim(...)` is the end of the run. All of them
raise ValueError, at the first step, unless the times fall.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.diffusion import Denoiser, predict_x0
from course_lib.schedule import NoiseSchedule


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a sampler."""

    t: int  # the time we have arrived at; -1 is the clean picture
    x: Float[Tensor, "b c h w"]  # where we are
    x0: Float[Tensor, "b c h w"]  # where the model thought we were going


def times(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    """Evenly spaced times, the first of them num_train_timesteps - 1, then -1: the clean picture.

    Each time costs one call of the model (Heun's method: two, except for the last). This is the
    "trailing" grid of Lin et al. 2023, table 2. Raises ValueError unless `num_inference_steps` is
    from 1 to `num_train_timesteps`.
    """
    if not 1 <= num_inference_steps <= num_train_timesteps:
        raise ValueError(
            f"num_inference_steps must be from 1 to {num_train_timesteps}, got "
            f"{num_inference_steps}. Usual cause: more steps than the schedule has."
        )
    return [
        round(num_train_timesteps * (num_inference_steps - i) / num_inference_steps) - 1
        for i in range(num_inference_steps)
    ] + [-1]


def ddpm(
    model: Denoiser,
    x: Float[Tensor, "b c h w"],
    schedule: NoiseSchedule,
    ts: Sequence[int],
    generator: torch.Generator,
) -> Iterator[Step]:
    """Ho et al. 2020, algorithm 2 with the small variance, on any list of times.

    A weighted mean of the guess and of where we are (eq. 7), and then a little fresh noise.
    """
    for t, t_next in _moves(ts):
        abar, abar_next = schedule.item(t), schedule.item(t_next)
        alpha = abar / abar_next  # the share of variance that this one move would keep, forwards
        x0 = _clean(x, _guess(model, x, t), abar)
        mean = (abar_next**0.5 * (1 - alpha) * x0 + alpha**0.5 * (1 - abar_next) * x) / (1 - abar)
        variance = (1 - abar_next) / (1 - abar) * (1 - alpha)
        x = mean + variance**0.5 * _noise_like(x, generator) if t_next > -1 else mean
        yield Step(t_next, x, x0)


def ddim(
    model: Denoiser,
    x: Float[Tensor, "b c h w"],
    schedule: NoiseSchedule,
    ts: Sequence[int],
    *,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Song et al. 2020 (DDIM), equations 12 and 16. With eta = 0 a starting x is a picture.

    With more, part of the noise that was found is put back as fresh noise from `generator`; at
    eta = 1 this is `ddpm`. Raises ValueError for an eta outside 0 ... 1.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta goes from 0 (no fresh noise) to 1 (as much as ddpm), got {eta}")
    for t, t_next in _moves(ts):
        abar, abar_next = schedule.item(t), schedule.item(t_next)
        noise = _guess(model, x, t)
        x0 = _clean(x, noise, abar)
        fresh = eta**2 * (1 - abar_next) / (1 - abar) * (1 - abar / abar_next)  # its variance
        x = abar_next**0.5 * x0 + (1 - abar_next - fresh) ** 0.5 * noise
        if fresh > 0:
            x = x + fresh**0.5 * _noise_like(x, generator)
        yield Step(t_next, x, x0)


def heun(
    model: Denoiser, x: Float[Tensor, "b c h w"], schedule: NoiseSchedule, ts: Sequence[int]
) -> Iterator[Step]:
    """Karras et al. 2022, algorithm 1: look where DDIM would land, average both slopes, then move.

    Works in y = x / sqrt(abar), where the noise is the slope along sigma. Two calls a move, but
    one for the last: at sigma = 0 there is no slope to ask for.
    """
    for t, t_next in _moves(ts):
        abar, abar_next = schedule.item(t), schedule.item(t_next)
        sigma, sigma_next = ((1 / abar - 1) ** 0.5, (1 / abar_next - 1) ** 0.5)
        noise = _guess(model, x, t)
        x0 = _clean(x, noise, abar)
        y = x / abar**0.5 + (sigma_next - sigma) * noise  # Euler's step, which is DDIM's
        if t_next > -1:
            there = _guess(model, abar_next**0.5 * y, t_next)
            y = y + (sigma_next - sigma) * (there - noise) / 2
        x = abar_next**0.5 * y
        yield Step(t_next, x, x0)


def dpm_solver_pp(
    model: Denoiser, x: Float[Tensor, "b c h w"], schedule: NoiseSchedule, ts: Sequence[int]
) -> Iterator[Step]:
    """Lu et al. 2022 (DPM-Solver++), algorithm 2 (2M): one call a move, and the last guess as well.

    A straight line through the last two guesses of x_0, over lambda = log(signal / noise), says
    where the guess will be half-way. The first and last moves have one guess only: DDIM's step.
    """
    before: tuple[float, Tensor] | None = None
    for t, t_next in _moves(ts):
        abar, abar_next = schedule.item(t), schedule.item(t_next)
        x0 = _clean(x, _guess(model, x, t), abar)
        here = _half_log_snr(abar)
        if t_next == -1:
            x = x0
        else:
            h = _half_log_snr(abar_next) - here
            target = x0
            if before is not None:
                target = x0 + h / (here - before[0]) * (x0 - before[1]) / 2
            shrink = ((1 - abar_next) / (1 - abar)) ** 0.5
            x = shrink * x - abar_next**0.5 * math.expm1(-h) * target
        before = (here, x0)
        yield Step(t_next, x, x0)


def guided(cond: Denoiser, uncond: Denoiser, guidance_scale: float) -> Denoiser:
    """Classifier-free guidance (Ho and Salimans 2022) turns two denoisers into one.

    A scale of 0 is `uncond`, 1 is `cond`, more goes on in the same direction.
    """

    def guided_model(x: Tensor, t: Tensor) -> Tensor:
        without = uncond(x, t)
        return without + guidance_scale * (cond(x, t) - without)

    return guided_model


def clipped(model: Denoiser, schedule: NoiseSchedule, limit: float = 1.0) -> Denoiser:
    """Never believe in a picture outside [-limit, limit]. For pixels; latents have no limits."""

    def clipped_model(x: Tensor, t: Tensor) -> Tensor:
        abar = schedule.at(t)
        x0 = predict_x0(x, model(x, t), t, schedule)
        return (x - abar.sqrt() * x0.clamp(-limit, limit)) / (1 - abar).sqrt()

    return clipped_model


def _moves(ts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From each time to the next. Raises ValueError unless there are two or more, falling."""
    if len(ts) < 2 or any(t <= t_next for t, t_next in pairwise(ts)):
        raise ValueError(
            f"a sampler wants two or more falling times, got {str(list(ts))[:40]}. "
            "Usual cause: a range that rises, or no -1 at its end; `times` makes the list."
        )
    return pairwise(ts)


def _guess(model: Denoiser, x: Tensor, t: int) -> Tensor:
    """The model's guess of the noise in x at time t, without gradients.

    Not `no_grad` around a whole sampler: with a yield inside, it would switch gradients off for
    the caller too.
    """
    with torch.no_grad():
        return model(x, torch.full((len(x),), t, device=x.device))


def _clean(x: Tensor, noise: Tensor, abar: float) -> Tensor:
    """x_0, if `noise` is the noise in x: DDPM's equation 4 solved for it."""
    return (x - (1 - abar) ** 0.5 * noise) / abar**0.5


def _half_log_snr(abar: float) -> float:
    """lambda = log(sqrt(abar) / sqrt(1 - abar))."""
    return 0.5 * math.log(abar / (1 - abar))


def _noise_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    device = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, device=device).to(x)
