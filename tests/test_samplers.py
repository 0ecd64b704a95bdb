import math
import warnings
from itertools import pairwise

import pytest
import torch

from course_lib import schedule
from course_lib.diffusion import V_PREDICTION
from course_lib.samplers import clipped, ddim, ddpm, dpm_solver_pp, guided, heun, times

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import (
        DDIMScheduler,
        DDPMScheduler,
        DPMSolverMultistepScheduler,
        HeunDiscreteScheduler,
    )

# diffusers hands a tensor to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SCHEDULES = {
    "linear": schedule.linear(),
    "scaled linear": schedule.scaled_linear(),
    "cosine": schedule.cosine(),
}
PLAIN = {"ddim": ddim, "heun": heun, "dpm_solver_pp": dpm_solver_pp}
every_schedule = pytest.mark.parametrize("s", SCHEDULES.values(), ids=SCHEDULES.keys())
every_plain_sampler = pytest.mark.parametrize("sampler", PLAIN.values(), ids=PLAIN.keys())


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def toy(s):
    """A smooth made-up denoiser that depends on x, on its neighbours and on t."""

    def model(x, t):
        abar = s.at(t)
        rough = (1 - abar).sqrt() * x / (0.3 * abar + 1 - abar)
        return rough + 0.1 * torch.sin(3 * x.roll(1, dims=-1)) * (1 - abar)

    return model


# The same walk as diffusers. Its "trailing" grid is `times`; the picture after the last move is
# clean (final sigma zero, final alpha_bar 1); betas are handed over as numbers, so any schedule
# will do. DDIM and DDPM there need a number of steps that divides 1000.

SETTINGS = dict(timestep_spacing="trailing", steps_offset=1)


def betas(s):
    abar = torch.cat([torch.ones(1, dtype=torch.float64), s.alpha_bar.double()])
    return (1 - abar[1:] / abar[:-1]).numpy()


def theirs(name, s):
    if name == "ddpm":
        return DDPMScheduler(
            trained_betas=betas(s), variance_type="fixed_small", clip_sample=False, **SETTINGS
        )
    if name in ("ddim", "ddim with eta"):
        return DDIMScheduler(
            trained_betas=betas(s), clip_sample=False, set_alpha_to_one=True, **SETTINGS
        )
    if name == "heun":
        return HeunDiscreteScheduler(trained_betas=betas(s), **SETTINGS)
    return DPMSolverMultistepScheduler(
        trained_betas=betas(s),
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        final_sigmas_type="zero",
        **SETTINGS,
    )


def their_walk(name, s, x, num_inference_steps):
    """Every x after a move, with the variance put back to 1 where theirs is x / sqrt(abar)."""
    scheduler, model = theirs(name, s), toy(s)
    scheduler.set_timesteps(num_inference_steps)
    more = {"generator": seeded(7)} if name in ("ddpm", "ddim with eta") else {}
    if name == "ddim with eta":
        more["eta"] = 0.6
    if name == "heun":
        x = x * (1 + scheduler.sigmas[0] ** 2) ** 0.5
    walk = []
    for i, t in enumerate(scheduler.timesteps):
        t = t.round().long()
        noise = model(scheduler.scale_model_input(x, scheduler.timesteps[i]), t.expand(len(x)))
        x = scheduler.step(noise, scheduler.timesteps[i], x, **more).prev_sample
        if name == "heun":
            walk.append(x / (1 + scheduler.sigmas[scheduler.step_index] ** 2) ** 0.5)
        else:
            walk.append(x)
    return walk


@every_schedule
@pytest.mark.parametrize("num_inference_steps", [5, 10, 50])
@pytest.mark.parametrize("name", ["ddpm", "ddim", "ddim with eta", "heun", "dpm_solver_pp"])
def test_the_whole_walk_is_that_of_diffusers(name, num_inference_steps, s):
    x = torch.randn(2, 3, 6, 5, generator=seeded(1))
    ts = times(1000, num_inference_steps)
    walk = {
        "ddpm": lambda: ddpm(toy(s), x, s, ts, seeded(7)),
        "ddim": lambda: ddim(toy(s), x, s, ts),
        "ddim with eta": lambda: ddim(toy(s), x, s, ts, eta=0.6, generator=seeded(7)),
        "heun": lambda: heun(toy(s), x, s, ts),
        "dpm_solver_pp": lambda: dpm_solver_pp(toy(s), x, s, ts),
    }[name]()
    wanted = their_walk(name, s, x, num_inference_steps)
    if name == "heun":  # theirs counts both halves of a move; the last move has one
        wanted = [*wanted[1::2], wanted[-1]]
    got = [step.x for step in walk]
    assert len(got) == len(wanted) == num_inference_steps
    for mine, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("num_inference_steps", [1, 4, 7, 50, 999])
def test_times_are_the_trailing_grid_of_diffusers(num_inference_steps):
    scheduler = theirs("dpm_solver_pp", SCHEDULES["linear"])
    scheduler.set_timesteps(num_inference_steps)
    assert times(1000, num_inference_steps)[:-1] == scheduler.timesteps.tolist()


# Without a second implementation.


@pytest.mark.parametrize("num_inference_steps", [1, 2, 5, 30, 200])
@pytest.mark.parametrize("num_train_timesteps", [1000, 333])
def test_times_fall_from_pure_noise_to_the_clean_picture(num_train_timesteps, num_inference_steps):
    ts = times(num_train_timesteps, num_inference_steps)
    assert (ts[0], ts[-1], len(ts)) == (num_train_timesteps - 1, -1, num_inference_steps + 1)
    assert ts == sorted(set(ts), reverse=True)
    gaps = [a - b for a, b in pairwise(ts)]
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("num_inference_steps", [0, 101])
def test_times_says_what_it_can_do(num_inference_steps):
    with pytest.raises(ValueError, match=f"from 1 to 100, got {num_inference_steps}"):
        times(100, num_inference_steps)


def walk(sampler, model, x, s, ts):
    return sampler(model, x, s, ts, seeded(3)) if sampler is ddpm else sampler(model, x, s, ts)


@every_schedule
@pytest.mark.parametrize("num_inference_steps", [1, 2, 5, 50])
@pytest.mark.parametrize("sampler", [ddpm, *PLAIN.values()])
def test_with_a_perfect_denoiser_every_sampler_arrives_exactly(sampler, num_inference_steps, s):
    """If the only picture in the world is `target`, the perfect guess of the noise is known."""
    target = torch.linspace(-1, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)

    def perfect(x, t):
        abar = s.at(t)
        return (x - abar.sqrt() * target) / (1 - abar).sqrt()

    start = torch.randn(2, 3, 8, 8, generator=seeded(1))
    ts = times(s.num_train_timesteps, num_inference_steps)
    steps = list(walk(sampler, perfect, start, s, ts))
    assert [step.t for step in steps] == ts[1:]
    for step in steps:
        torch.testing.assert_close(step.x0, target.expand_as(start), atol=3e-3, rtol=0)
    torch.testing.assert_close(steps[-1].x, target.expand_as(start), atol=3e-4, rtol=0)


@every_schedule
@pytest.mark.parametrize(
    ("sampler", "num_inference_steps"),
    [(ddpm, 500), (ddim, 200), (heun, 200), (dpm_solver_pp, 200)],
)
def test_noise_becomes_the_right_gaussian(sampler, num_inference_steps, s):
    """For data ~ N(0.3, 0.25) the best denoiser is a formula: samplers can be tested untrained.

    With few steps the last move, straight to the best guess, leaves a little too little spread.
    """
    mean, var = 0.3, 0.25

    def best(x, t):
        abar = s.at(t)
        return (1 - abar).sqrt() * (x - abar.sqrt() * mean) / (abar * var + 1 - abar)

    start = torch.randn(2048, 1, 4, 4, generator=seeded(2))
    *_, last = walk(sampler, best, start, s, times(1000, num_inference_steps))
    assert last.x.std().item() == pytest.approx(0.5, abs=0.01)
    assert last.x.mean().item() == pytest.approx(0.3, abs=0.02)


@every_schedule
def test_ddim_with_eta_1_is_ddpm_with_the_small_variance(s):
    x, ts = torch.randn(2, 1, 5, 5, generator=seeded(1)), times(1000, 20)
    one = ddim(toy(s), x, s, ts, eta=1.0, generator=seeded(4))
    for a, b in zip(one, ddpm(toy(s), x, s, ts, seeded(4)), strict=True):
        torch.testing.assert_close(a.x, b.x, atol=1e-4, rtol=1e-4)


@every_schedule
def test_ddim_is_eulers_method_for_x_over_sqrt_abar(s):
    x, ts = torch.randn(2, 1, 5, 5, generator=seeded(1)), times(1000, 10)

    def sigma(t):
        return math.sqrt((1 - s.item(t)) / s.item(t))

    y = x / s.item(ts[0]) ** 0.5
    for step, (t, t_next) in zip(ddim(toy(s), x, s, ts), pairwise(ts), strict=True):
        slope = toy(s)(s.item(t) ** 0.5 * y, torch.full((2,), t))
        y = y + (sigma(t_next) - sigma(t)) * slope
        torch.testing.assert_close(step.x, s.item(t_next) ** 0.5 * y, atol=1e-4, rtol=1e-4)


def test_more_order_means_fewer_steps():
    """On a world with a known end, Heun and DPM-Solver++ in 10 steps beat DDIM in 10."""
    s = SCHEDULES["linear"]

    def best(x, t):  # data ~ N(0, 0.25): the walk is a scaling, and where it ends is a formula
        abar = s.at(t)
        return (1 - abar).sqrt() * x / (abar * 0.25 + 1 - abar)

    start = torch.ones(1, 1, 1, 1)
    abar = s.item(999)
    exact = (0.25 / (0.25 * abar + 1 - abar)) ** 0.5

    def miss(sampler):
        *_, last = sampler(best, start, s, times(1000, 20))
        return abs(last.x.item() - exact)

    assert miss(heun) < miss(ddim) / 3
    assert miss(dpm_solver_pp) < miss(ddim) / 2


@pytest.mark.parametrize("eta", [-0.1, 1.1])
def test_eta_outside_0_to_1_is_refused(eta):
    s = SCHEDULES["linear"]
    with pytest.raises(ValueError, match="eta goes from 0"):
        next(ddim(toy(s), torch.zeros(1, 1, 2, 2), s, times(1000, 2), eta=eta))


@every_plain_sampler
def test_a_time_out_of_range_is_a_sentence(sampler):
    s = schedule.linear(100)
    with pytest.raises(ValueError, match=r"times go from -1 .* to 99, got 999"):
        next(sampler(toy(s), torch.zeros(1, 1, 2, 2), s, times(1000, 2)))


@every_plain_sampler
@pytest.mark.parametrize("ts", [[], [99], [0, 50, 99], [99, 99, -1], [-1, 99]])
def test_times_that_do_not_fall_are_refused(sampler, ts):
    s = schedule.linear(100)
    with pytest.raises(ValueError, match=r"two or more falling times, got \["):
        next(sampler(toy(s), torch.zeros(1, 1, 2, 2), s, ts))


@every_plain_sampler
def test_gradients_are_off_inside_and_on_outside(sampler):
    w = torch.ones(1, requires_grad=True)
    s = schedule.linear(10)
    for step in sampler(lambda x, t: w * x, torch.ones(1, 1, 2, 2), s, times(10, 3)):
        assert not step.x.requires_grad
        assert torch.is_grad_enabled()


def test_guidance_at_0_and_1_is_the_plain_and_the_text_model():
    def cold(x, t):
        return torch.zeros_like(x)

    def warm(x, t):
        return torch.ones_like(x)

    x, t = torch.zeros(1, 1, 2, 2), torch.tensor([3])
    assert guided(warm, cold, 0.0)(x, t).mean() == 0
    assert guided(warm, cold, 1.0)(x, t).mean() == 1
    assert guided(warm, cold, 7.5)(x, t).mean() == 7.5


def test_clipping_keeps_a_bad_model_in_range_and_leaves_a_good_one_alone():
    s = SCHEDULES["cosine"]
    g = seeded(0)
    start = torch.randn(2, 3, 8, 8, generator=g)

    def bad(x, t):
        return torch.randn(x.shape, generator=g)

    *_, wild = ddim(bad, start, s, times(1000, 20))
    *_, tame = ddim(clipped(bad, s), start, s, times(1000, 20))
    assert wild.x.abs().max() > 10
    assert tame.x.abs().max() <= 1.001

    def good(x, t):
        return (x - s.at(t).sqrt() * 0.5) / (1 - s.at(t)).sqrt()

    x, t = torch.randn(2, 1, 4, 4, generator=g), torch.tensor([10, 900])
    torch.testing.assert_close(clipped(good, s)(x, t), good(x, t), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("num_inference_steps", [10, 50])
@pytest.mark.parametrize("name", ["ddim", "dpm_solver_pp"])
def test_v_prediction_to_zero_terminal_signal_walks_with_diffusers(name, num_inference_steps):
    s = schedule.zero_terminal(schedule.scaled_linear())

    def v(x, t):
        return 0.5 * torch.sin(2 * x.roll(1, dims=-1)) - 0.3 * x * (1 - s.at(t)).sqrt()

    x = torch.randn(2, 3, 6, 5, generator=seeded(1))
    scheduler = type(theirs(name, s)).from_config(
        theirs(name, s).config, prediction_type="v_prediction"
    )
    scheduler.set_timesteps(num_inference_steps)
    wanted = x
    for t in scheduler.timesteps:
        wanted = scheduler.step(v(wanted, t.expand(2)), t, wanted).prev_sample
    *_, last = PLAIN[name](V_PREDICTION.to_noise(v, s), x, s, times(1000, num_inference_steps))
    torch.testing.assert_close(last.x, wanted, atol=1e-3, rtol=1e-3)
