"""The forward process: adding noise, removing it again, and what a network is trained to predict.

Ho et al. 2020 (DDPM); Salimans and Ho 2022 for v-prediction.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.schedule import NoiseSchedule

# Anything that looks at noisy pictures (b, c, h, w) and their times (b,) and returns its guess
# of the noise, (b, c, h, w). A UNet is one; so is a lambda in a test.
Denoiser = Callable[[Tensor, Tensor], Tensor]


def add_noise(
    x0: Float[Tensor, "b c h w"],
    noise: Float[Tensor, "b c h w"],
    t: Int[Tensor, " b"],
    schedule: NoiseSchedule,
) -> Float[Tensor, "b c h w"]:
    """Jump straight to step t:  x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise  (DDPM eq. 4)."""
    abar = schedule.at(t)
    return abar.sqrt() * x0 + (1 - abar).sqrt() * noise


def predict_x0(
    xt: Float[Tensor, "b c h w"],
    noise: Float[Tensor, "b c h w"],
    t: Int[Tensor, " b"],
    schedule: NoiseSchedule,
) -> Float[Tensor, "b c h w"]:
    """The clean picture, if `noise` is what was added: equation 4 solved for x_0."""
    abar = schedule.at(t)
    return (xt - (1 - abar).sqrt() * noise) / abar.sqrt()


def noise_loss(
    model: Denoiser,
    x0: Float[Tensor, "b c h w"],
    schedule: NoiseSchedule,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """Draw a time and a noise for each picture; how far off is the model's guess? (DDPM eq. 14)"""
    t, noise = _draw(x0, schedule, generator)
    return F.mse_loss(model(add_noise(x0, noise, t, schedule), t), noise)


def v_target(
    x0: Float[Tensor, "b c h w"],
    noise: Float[Tensor, "b c h w"],
    t: Int[Tensor, " b"],
    schedule: NoiseSchedule,
) -> Float[Tensor, "b c h w"]:
    """v = sqrt(abar) noise - sqrt(1 - abar) x_0 (Salimans and Ho 2022, appendix D).

    Where there is little noise v is the noise; where there is nothing else it is minus the
    picture: there is something to learn at every step.
    """
    abar = schedule.at(t)
    return abar.sqrt() * noise - (1 - abar).sqrt() * x0


def v_loss(
    model: Denoiser,
    x0: Float[Tensor, "b c h w"],
    schedule: NoiseSchedule,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """As `noise_loss`, for a model that predicts v."""
    t, noise = _draw(x0, schedule, generator)
    return F.mse_loss(model(add_noise(x0, noise, t, schedule), t), v_target(x0, noise, t, schedule))


def _noise_from_v(model: Denoiser, schedule: NoiseSchedule) -> Denoiser:
    """noise = sqrt(abar) v + sqrt(1 - abar) x_t (Salimans and Ho 2022, appendix D)."""

    def noise_model(x: Tensor, t: Tensor) -> Tensor:
        abar = schedule.at(t)
        return abar.sqrt() * model(x, t) + (1 - abar).sqrt() * x

    return noise_model


@dataclass(frozen=True)
class Prediction:
    """What a network predicts: its training target, and how its output becomes noise.

    `name` is diffusers' `prediction_type`. `target(x0, noise, t, schedule)` is what the network
    is trained towards; `to_noise(model, schedule)` is the Denoiser that every sampler takes.
    """

    name: str
    target: Callable[[Tensor, Tensor, Tensor, NoiseSchedule], Tensor]
    to_noise: Callable[[Denoiser, NoiseSchedule], Denoiser]


EPSILON = Prediction("epsilon", lambda x0, noise, t, schedule: noise, lambda model, schedule: model)
V_PREDICTION = Prediction("v_prediction", v_target, _noise_from_v)
PREDICTIONS = {p.name: p for p in (EPSILON, V_PREDICTION)}


def _draw(
    x0: Tensor, schedule: NoiseSchedule, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """A random time and a random noise for each picture of a batch."""
    where = x0.device if generator is None else generator.device
    t = torch.randint(schedule.num_train_timesteps, (len(x0),), generator=generator, device=where)
    return t.to(x0.device), torch.randn(x0.shape, generator=generator, device=where).to(x0.device)
