"""Lesson 05: noise in one jump, the guess of the picture, the times, a ddim and a ddpm step."""

import torch
from torch import Tensor

from course_lib import samplers
from course_lib.exercises.exercise import Case, Exercise, Wrong


def _alpha_bar(g: torch.Generator, n: int) -> Tensor:
    """A falling list of n numbers between 1 and 0."""
    return torch.sort(0.03 + 0.94 * torch.rand(n, generator=g), descending=True).values


# --- add_noise


def add_noise(x0: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, each picture at its own time t (b,)."""
    abar = alpha_bar[t][:, None, None, None]  # (b, 1, 1, 1)
    return abar**0.5 * x0 + (1 - abar) ** 0.5 * noise


def _add_noise_in_a_loop(x0: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    abar = [float(alpha_bar[i]) for i in t]
    return torch.stack(
        [a**0.5 * x + (1 - a) ** 0.5 * n for x, n, a in zip(x0, noise, abar, strict=True)]
    )


def _add_noise_by_angle(x0: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    angle = alpha_bar[t].sqrt().acos().reshape(-1, 1, 1, 1)
    return angle.cos() * x0 + angle.sin() * noise


def without_the_roots(x0: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    abar = alpha_bar[t][:, None, None, None]
    return abar * x0 + (1 - abar) * noise


def axes_forgotten(x0: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    return alpha_bar[t] ** 0.5 * x0 + (1 - alpha_bar[t]) ** 0.5 * noise


def swapped(x0: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    return add_noise(noise, x0, t, alpha_bar)


def noise_at_full_strength(x0: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    return alpha_bar[t][:, None, None, None] ** 0.5 * x0 + noise


def picture_at_full_strength(x0: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    return x0 + (1 - alpha_bar[t][:, None, None, None]) ** 0.5 * noise


def one_minus_the_root(x0: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    root = alpha_bar[t][:, None, None, None] ** 0.5
    return root * x0 + (1 - root) * noise


def first_time_for_all(x0: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    return add_noise(x0, noise, t[:1].expand(len(t)), alpha_bar)


def _pictures(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for b, c, h, w, steps in ((3, 1, 4, 5, 10), (2, 3, 3, 2, 25), (4, 2, 4, 4, 7)):
        t = torch.randperm(steps, generator=g)[:b]
        x, noise = torch.randn(2, b, c, h, w, generator=g)
        cases.append((x, noise, t, _alpha_bar(g, steps)))
    return cases


ADD_NOISE = Exercise(
    id="05.add_noise",
    task="Jump straight to time t: sqrt(alpha_bar) of the picture, sqrt(1 - alpha_bar) of noise.",
    points=2,
    cases=_pictures,
    reference=add_noise,
    right=(_add_noise_in_a_loop, _add_noise_by_angle),
    wrong=(
        Wrong(without_the_roots, "alpha_bar shares out the VARIANCE; what multiplies is its root"),
        Wrong(axes_forgotten, "alpha_bar[t] (b,) lines up with the width: [:, None, None, None]"),
        Wrong(swapped, "picture and noise are swapped: at t = 0 nearly all should be picture"),
        Wrong(noise_at_full_strength, "the noise needs its share as well: sqrt(1 - alpha_bar)"),
        Wrong(picture_at_full_strength, "the picture must fade: multiply it by sqrt(alpha_bar)"),
        Wrong(one_minus_the_root, "the root of (1 - alpha_bar), not 1 minus the root"),
        Wrong(first_time_for_all, "each picture has its own t: alpha_bar[t] has b numbers"),
    ),
    hints=(
        "alpha_bar[t] has b numbers; [:, None, None, None] lets them multiply (b, c, h, w).",
        "The squares of the two factors must add up to 1.",
    ),
)


# --- predict_x0


def predict_x0(xt: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """x_0 = (x_t - sqrt(1 - abar_t) noise) / sqrt(abar_t)."""
    abar = alpha_bar[t][:, None, None, None]
    return (xt - (1 - abar) ** 0.5 * noise) / abar**0.5


def _predict_x0_in_y(xt: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    abar = alpha_bar[t][:, None, None, None]
    return xt / abar.sqrt() - (1 / abar - 1).sqrt() * noise


def _predict_x0_in_a_loop(xt: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    out = torch.empty_like(xt)
    for i, a in enumerate(alpha_bar[t].tolist()):
        out[i] = (xt[i] - noise[i] * (1 - a) ** 0.5) / a**0.5
    return out


def not_scaled_back(xt: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    return xt - (1 - alpha_bar[t][:, None, None, None]) ** 0.5 * noise


def roots_left_out(xt: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    abar = alpha_bar[t][:, None, None, None]
    return (xt - (1 - abar) * noise) / abar


def plain_subtraction(xt: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    return xt - noise


def divided_without_the_root(xt: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    abar = alpha_bar[t][:, None, None, None]
    return (xt - (1 - abar) ** 0.5 * noise) / abar


def only_the_picture_divided(xt: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    abar = alpha_bar[t][:, None, None, None]
    return xt / abar**0.5 - (1 - abar) ** 0.5 * noise


def noise_without_its_share(xt: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    return (xt - noise) / alpha_bar[t][:, None, None, None] ** 0.5


PREDICT_X0 = Exercise(
    id="05.predict_x0",
    task="Solve add_noise for the picture: give x_0, if this was the noise that was added.",
    points=2,
    cases=_pictures,
    reference=predict_x0,
    right=(_predict_x0_in_y, _predict_x0_in_a_loop),
    wrong=(
        Wrong(not_scaled_back, "the picture had faded: divide by sqrt(alpha_bar) at the end"),
        Wrong(roots_left_out, "alpha_bar is a share of variance: take the root in both places"),
        Wrong(plain_subtraction, "only a share of the noise was added, and the picture had faded"),
        Wrong(divided_without_the_root, "divide by the ROOT of alpha_bar"),
        Wrong(only_the_picture_divided, "divide the whole difference, not x_t alone: brackets"),
        Wrong(noise_without_its_share, "subtract sqrt(1 - alpha_bar) of the noise, not all of it"),
    ),
    hints=("Take the noise's part away, then undo the fading.",
           "Two steps: minus sqrt(1 - abar) * noise, then divided by sqrt(abar)."),
)  # fmt: skip


# --- times


def times(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    """Evenly spaced times from num_train_timesteps - 1 downwards, then -1, the clean picture."""
    return samplers.times(num_train_timesteps, num_inference_steps)


def _times_with_linspace(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    return [
        round(x) - 1
        for x in torch.linspace(num_train_timesteps, 0, num_inference_steps + 1).tolist()
    ]


def _times_by_walking(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    ts = []
    for i in range(num_inference_steps + 1):
        ts.append(round(num_train_timesteps - num_train_timesteps * i / num_inference_steps) - 1)
    return ts


def upwards(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    return samplers.times(num_train_timesteps, num_inference_steps)[::-1]


def without_the_clean_picture(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    return samplers.times(num_train_timesteps, num_inference_steps)[:-1]


def from_num_steps(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    return [t + 1 for t in samplers.times(num_train_timesteps, num_inference_steps)]


def leading(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    return [
        i * (num_train_timesteps // num_inference_steps)
        for i in reversed(range(num_inference_steps))
    ] + [-1]


def ending_at_zero(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    last = num_train_timesteps - 1
    return [
        round(last * i / (num_inference_steps - 1)) for i in reversed(range(num_inference_steps))
    ] + [-1]


def cut_off(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    return [
        num_train_timesteps * (num_inference_steps - i) // num_inference_steps - 1
        for i in range(num_inference_steps)
    ] + [-1]


def one_too_many(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    return [*range(num_train_timesteps - 1, -1, -(num_train_timesteps // num_inference_steps)), -1]


def _grids(seed: int) -> list[Case]:
    """No step down to 0 needs rounding; one down to -1 does with 7 steps only, and has no ties."""
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for num_inference_steps in (10, 4, 7):
        gaps = 1 + (num_inference_steps - 1) * int(torch.randint(2, 7, (), generator=g))
        cases.append(
            (gaps if num_inference_steps == 7 else gaps * num_inference_steps, num_inference_steps)
        )
    return cases


TIMES = Exercise(
    id="05.times",
    task="List `num_inference_steps` times and then -1: equal steps down from the last time, "
    "num_train_timesteps - 1, rounded.",
    points=1,
    cases=_grids,
    reference=times,
    right=(_times_with_linspace, _times_by_walking),
    wrong=(
        Wrong(upwards, "from the noise to the picture: the times go DOWN"),
        Wrong(without_the_clean_picture, "the last place is missing: -1, the clean picture"),
        Wrong(
            from_num_steps,
            "one too high: the noisiest time is num_train_timesteps - 1, the end is -1",
        ),
        Wrong(
            leading,
            "this never visits the noisiest time, so it starts from the wrong place",
        ),
        Wrong(ending_at_zero, "this squeezes in time 0 as well; go in equal steps down to -1"),
        Wrong(cut_off, "where a time is not whole, take the nearest: round, not int or //"),
        Wrong(
            one_too_many,
            "num_train_timesteps // num_inference_steps can be too short: multiply, then round",
        ),
    ),
    hints=(
        "For 1000 train timesteps and 4 inference steps: 999, 749, 499, 249, -1. What is the step?",
        "With n inference steps: round(num_train_timesteps * (n - i) / n) - 1, for i from 0 to n.",
    ),
)


# --- ddim_step


def ddim_step(x: Tensor, noise: Tensor, abar: float, abar_next: float) -> Tensor:
    """Guess the picture, then put the same noise back, at the next level (DDIM eq. 12)."""
    x0 = (x - (1 - abar) ** 0.5 * noise) / abar**0.5
    return abar_next**0.5 * x0 + (1 - abar_next) ** 0.5 * noise


def _ddim_step_as_euler(x: Tensor, noise: Tensor, abar: float, abar_next: float) -> Tensor:
    sigma, sigma_next = (1 / abar - 1) ** 0.5, (1 / abar_next - 1) ** 0.5
    return abar_next**0.5 * (x / abar**0.5 + (sigma_next - sigma) * noise)


def _ddim_step_in_one_line(x: Tensor, noise: Tensor, abar: float, abar_next: float) -> Tensor:
    ratio = (abar_next / abar) ** 0.5
    return ratio * x + ((1 - abar_next) ** 0.5 - ratio * (1 - abar) ** 0.5) * noise


def straight_to_the_guess(x: Tensor, noise: Tensor, abar: float, abar_next: float) -> Tensor:
    return (x - (1 - abar) ** 0.5 * noise) / abar**0.5


def noise_not_put_back(x: Tensor, noise: Tensor, abar: float, abar_next: float) -> Tensor:
    return abar_next**0.5 * (x - (1 - abar) ** 0.5 * noise) / abar**0.5


def back_to_where_we_were(x: Tensor, noise: Tensor, abar: float, abar_next: float) -> Tensor:
    return ddim_step(x, noise, abar, abar)


def from_x_in_place_of_the_guess(x: Tensor, noise: Tensor, abar: float, abar_next: float) -> Tensor:
    return abar_next**0.5 * x + (1 - abar_next) ** 0.5 * noise


def roots_forgotten(x: Tensor, noise: Tensor, abar: float, abar_next: float) -> Tensor:
    x0 = (x - (1 - abar) * noise) / abar
    return abar_next * x0 + (1 - abar_next) * noise


def now_and_next_swapped(x: Tensor, noise: Tensor, abar: float, abar_next: float) -> Tensor:
    return ddim_step(x, noise, abar_next, abar)


def _moves(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for shape in ((2, 1, 3, 4), (1, 3, 4, 2), (3, 2, 2, 3)):
        abar_next, abar = _alpha_bar(g, 2).tolist()
        x, noise = torch.randn(2, *shape, generator=g)
        cases.append((x, noise, abar, abar_next))
    return cases


DDIM_STEP = Exercise(
    id="05.ddim_step",
    task="One DDIM step: guess x_0, then put the same noise back at the next, lower level.",
    points=2,
    cases=_moves,
    reference=ddim_step,
    right=(_ddim_step_as_euler, _ddim_step_in_one_line),
    wrong=(
        Wrong(straight_to_the_guess, "this goes all the way at once: add noise again, less of it"),
        Wrong(noise_not_put_back, "the noise of the next level is missing: sqrt(1 - abar_next)"),
        Wrong(back_to_where_we_were, "this lands where it began: the second half uses abar_next"),
        Wrong(from_x_in_place_of_the_guess, "add the noise to the guess of x_0, not to x"),
        Wrong(roots_forgotten, "alpha_bar is a share of variance: take roots everywhere"),
        Wrong(now_and_next_swapped, "abar belongs to x, abar_next to where you are going"),
    ),
    hints=(
        "Two things you have written before: predict_x0, then add_noise.",
        "predict_x0 with abar; add_noise with abar_next and the same noise.",
    ),
)  # fmt: skip


# --- ddpm_step


def ddpm_step(x: Tensor, x0: Tensor, fresh: Tensor, abar: float, abar_next: float) -> Tensor:
    """A weighted mean of the guess x0 and of x, plus fresh noise of the small variance (eq. 7)."""
    alpha = abar / abar_next
    mean = (abar_next**0.5 * (1 - alpha) * x0 + alpha**0.5 * (1 - abar_next) * x) / (1 - abar)
    variance = (1 - abar_next) / (1 - abar) * (1 - alpha)
    return mean + variance**0.5 * fresh


def _ddpm_step_as_ddim(
    x: Tensor, x0: Tensor, fresh: Tensor, abar: float, abar_next: float
) -> Tensor:
    noise = (x - abar**0.5 * x0) / (1 - abar) ** 0.5
    variance = (1 - abar_next) / (1 - abar) * (1 - abar / abar_next)
    kept = (1 - abar_next - variance) ** 0.5
    return abar_next**0.5 * x0 + kept * noise + variance**0.5 * fresh


def _ddpm_step_by_bayes(
    x: Tensor, x0: Tensor, fresh: Tensor, abar: float, abar_next: float
) -> Tensor:
    """Two Gaussian opinions on x_next: from x0, and from x; precisions add."""
    alpha = abar / abar_next
    from_x0, from_x = 1 / (1 - abar_next), alpha / (1 - alpha)
    both = from_x0 + from_x
    mean = (from_x0 * abar_next**0.5 * x0 + from_x * x / alpha**0.5) / both
    return mean + both**-0.5 * fresh


def no_fresh_noise(x: Tensor, x0: Tensor, fresh: Tensor, abar: float, abar_next: float) -> Tensor:
    return ddpm_step(x, x0, torch.zeros_like(fresh), abar, abar_next)


def variance_not_rooted(
    x: Tensor, x0: Tensor, fresh: Tensor, abar: float, abar_next: float
) -> Tensor:
    variance = (1 - abar_next) / (1 - abar) * (1 - abar / abar_next)
    return no_fresh_noise(x, x0, fresh, abar, abar_next) + variance * fresh


def the_large_variance(
    x: Tensor, x0: Tensor, fresh: Tensor, abar: float, abar_next: float
) -> Tensor:
    return no_fresh_noise(x, x0, fresh, abar, abar_next) + (1 - abar / abar_next) ** 0.5 * fresh


def weights_swapped(x: Tensor, x0: Tensor, fresh: Tensor, abar: float, abar_next: float) -> Tensor:
    alpha = abar / abar_next
    mean = (abar_next**0.5 * (1 - alpha) * x + alpha**0.5 * (1 - abar_next) * x0) / (1 - abar)
    return mean + ((1 - abar_next) / (1 - abar) * (1 - alpha)) ** 0.5 * fresh


def alpha_is_abar(x: Tensor, x0: Tensor, fresh: Tensor, abar: float, abar_next: float) -> Tensor:
    mean = (abar_next**0.5 * (1 - abar) * x0 + abar**0.5 * (1 - abar_next) * x) / (1 - abar)
    return mean + (1 - abar_next) ** 0.5 * fresh


def _ddpm_moves(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed + 1)
    return [
        (x, x0, torch.randn(x.shape, generator=g), abar, abar_next)
        for x, x0, abar, abar_next in _moves(seed)
    ]


DDPM_STEP = Exercise(
    id="05.ddpm_step",
    task="One DDPM step: a weighted mean of the guess x_0 and of x, then a little fresh noise.",
    points=3,
    cases=_ddpm_moves,
    reference=ddpm_step,
    right=(_ddpm_step_as_ddim, _ddpm_step_by_bayes),
    wrong=(
        Wrong(no_fresh_noise, "the mean is right; the fresh noise is missing"),
        Wrong(variance_not_rooted, "multiply fresh noise by the ROOT of the variance"),
        Wrong(the_large_variance, "that is the large variance, 1 - alpha; here the small one: "
              "times (1 - abar_next) / (1 - abar)"),
        Wrong(weights_swapped, "the two weights are swapped: the first belongs to x0"),
        Wrong(alpha_is_abar, "alpha is the share of THIS step: abar / abar_next"),
    ),
    hints=(
        "Begin with alpha = abar / abar_next: what this one step keeps of the variance.",
        "mean = (sqrt(abar_next) (1 - alpha) x0 + sqrt(alpha) (1 - abar_next) x) / (1 - abar); "
        "variance = (1 - abar_next) / (1 - abar) * (1 - alpha).",
    ),
)  # fmt: skip

EXERCISES = (ADD_NOISE, PREDICT_X0, TIMES, DDIM_STEP, DDPM_STEP)
