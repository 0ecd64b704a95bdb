"""Noise schedules: how much of the picture is left at step t.

One convention for the whole course. Time is a whole number t = 0 ... T-1; t = 0 is the *least*
noisy step and t = T-1 the most. The clean picture lies just before t = 0, at t = -1, where
alpha_bar is 1. `alpha_bar[t]` is the share of the clean picture's variance that is still there.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.shapes import expect_shape


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """A strictly falling list of alpha_bar, one number for each step; ValueError if it is not."""

    alpha_bar: Float[Tensor, " T"]

    def __post_init__(self) -> None:
        a = self.alpha_bar
        if not (1 > a[0] and a[-1] > 0 and bool((a[1:] < a[:-1]).all())):
            raise ValueError(
                f"alpha_bar must fall strictly from below 1 to above 0, got {a[0]:.4g} to "
                f"{a[-1]:.4g}. Usual cause: alphas or betas were given instead of their product."
            )

    @property
    def num_train_timesteps(self) -> int:
        """T, the number of noise levels."""
        return len(self.alpha_bar)

    def at(self, t: Int[Tensor, " b"]) -> Float[Tensor, "b 1 1 1"]:
        """alpha_bar for each picture of a batch, shaped to multiply a (b, c, h, w) batch.

        t = -1 is the clean picture. Raises ValueError for times outside -1 ... T-1, and for a t
        that is not a tensor (b,).
        """
        expect_shape("t", t, "b")
        if len(t) and not -1 <= int(t.min()) <= int(t.max()) < self.num_train_timesteps:
            raise ValueError(
                _outside(f"{int(t.min())} to {int(t.max())}", self.num_train_timesteps)
            )
        and_clean = torch.cat([self.alpha_bar, self.alpha_bar.new_ones(1)])  # index -1 is the 1
        return and_clean.to(t.device)[t][:, None, None, None]

    def item(self, t: int) -> float:
        """alpha_bar at one step; t = -1 is the clean picture. Raises ValueError as `at` does."""
        if not -1 <= t < self.num_train_timesteps:
            raise ValueError(_outside(str(t), self.num_train_timesteps))
        return 1.0 if t == -1 else float(self.alpha_bar[t])


def _outside(got: str, num_train_timesteps: int) -> str:
    return (
        f"times go from -1 (the clean picture) to {num_train_timesteps - 1}, got {got}. "
        "Usual cause: counting from 1, or times made for a schedule with more steps."
    )


def linear(
    num_train_timesteps: int = 1000, beta_first: float = 1e-4, beta_last: float = 0.02
) -> NoiseSchedule:
    """The straight line of betas in Ho et al. 2020 (DDPM), section 4."""
    return from_betas(
        torch.linspace(beta_first, beta_last, num_train_timesteps, dtype=torch.float64)
    )


def scaled_linear(
    num_train_timesteps: int = 1000, beta_first: float = 0.00085, beta_last: float = 0.012
) -> NoiseSchedule:
    """Stable Diffusion's (Rombach et al. 2022): a straight line of the *square roots* of beta."""
    root = torch.linspace(beta_first**0.5, beta_last**0.5, num_train_timesteps, dtype=torch.float64)
    return from_betas(root**2)


def cosine(num_train_timesteps: int = 1000, offset: float = 0.008) -> NoiseSchedule:
    """Nichol and Dhariwal 2021, equation 17, on T + 1 steps but the last, where nothing is left.

    They keep that step and cap its beta at 0.999 instead; 1 / sqrt(alpha_bar) is 20,000 there.
    """
    s = torch.arange(1, num_train_timesteps + 1, dtype=torch.float64) / (num_train_timesteps + 1)
    angle = (s + offset) / (1 + offset) * math.pi / 2
    start = math.cos(offset / (1 + offset) * math.pi / 2) ** 2
    return NoiseSchedule((angle.cos() ** 2 / start).float())


def zero_terminal(schedule: NoiseSchedule) -> NoiseSchedule:
    """Stretch a schedule so that (almost) nothing of the picture is left at the last step.

    Lin et al. 2023, algorithm 1: shift and scale sqrt(alpha_bar). A model that predicts the noise
    learns nothing from such a step, so this needs v-prediction (`diffusion.V_PREDICTION`). The last
    alpha_bar is at most 2**-24, not 0, so that x_0 = (x_t - ...) / sqrt(alpha_bar) is a number.
    """
    root = schedule.alpha_bar.double().sqrt()
    alpha_bar = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    alpha_bar[-1] = alpha_bar[-2:].mean().clamp(max=2.0**-24)
    return NoiseSchedule(alpha_bar.float())


def from_betas(beta: Float[Tensor, " T"]) -> NoiseSchedule:
    """alpha_bar is the running product of 1 - beta (DDPM, above eq. 4); rounded at the end."""
    return NoiseSchedule(torch.cumprod(1 - beta, dim=0).float())
