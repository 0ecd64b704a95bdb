import math
import warnings

import pytest
import torch

from course_lib import schedule
from course_lib.diffusion import V_PREDICTION, add_noise, noise_loss, predict_x0, v_loss, v_target
from course_lib.positional import positional_encoding
from course_lib.schedule import NoiseSchedule

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import DDPMScheduler
    from diffusers.models.embeddings import get_timestep_embedding

SCHEDULES = [schedule.linear(), schedule.scaled_linear(), schedule.cosine()]


def test_schedules_are_those_of_diffusers():
    linear = DDPMScheduler(beta_schedule="linear").alphas_cumprod
    scaled = DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012
    ).alphas_cumprod
    cosine = DDPMScheduler(1001, beta_schedule="squaredcos_cap_v2").alphas_cumprod[:-1]
    for mine, wanted in zip(SCHEDULES, [linear, scaled, cosine], strict=True):
        torch.testing.assert_close(mine.alpha_bar, wanted, atol=1e-6, rtol=1e-4)


def test_zero_terminal_is_that_of_diffusers():
    mine = schedule.zero_terminal(schedule.scaled_linear()).alpha_bar
    wanted = DDPMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        rescale_betas_zero_snr=True,
    ).alphas_cumprod
    torch.testing.assert_close(mine[:-1], wanted[:-1], atol=1e-6, rtol=1e-2)
    assert mine[-1] == 2**-24
    assert mine[0] == schedule.scaled_linear().alpha_bar[0]


@pytest.mark.parametrize("s", SCHEDULES)
def test_unit_variance_data_keeps_unit_variance_at_every_time(s):
    x0, noise = torch.randn(2, 4096, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    for t in (0, 250, 500, 999):
        xt = add_noise(x0, noise, torch.full((4096,), t), s)
        assert xt.var().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("s", SCHEDULES)
def test_adding_noise_in_small_steps_is_the_same_as_one_jump(s):
    """alpha_bar is a product: after 300 steps of alpha_t each, mean and variance are the jump's."""
    g = torch.Generator().manual_seed(0)
    x = torch.full((20_000, 1, 1, 1), 2.0)
    for t in range(300):
        alpha = s.item(t) / s.item(t - 1)
        x = alpha**0.5 * x + (1 - alpha) ** 0.5 * torch.randn(x.shape, generator=g)
    abar = s.item(299)
    assert x.mean().item() == pytest.approx(2 * abar**0.5, abs=0.03)
    assert x.var().item() == pytest.approx(1 - abar, abs=0.03)


@pytest.mark.parametrize("s", SCHEDULES)
def test_predict_x0_undoes_add_noise_and_minus_1_is_the_clean_picture(s):
    x0, noise = torch.randn(2, 3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([-1, 10, 600])
    xt = add_noise(x0, noise, t, s)
    assert torch.equal(xt[0], x0[0])
    torch.testing.assert_close(predict_x0(xt, noise, t, s), x0, atol=1e-4, rtol=1e-4)


def test_a_perfect_guess_has_no_loss_and_a_blind_one_has_loss_1():
    s = schedule.linear(100)
    x0 = torch.full((512, 1, 4, 4), 0.7)
    perfect = lambda x, t: (x - s.at(t).sqrt() * 0.7) / (1 - s.at(t)).sqrt()  # noqa: E731
    assert noise_loss(perfect, x0, s).item() < 1e-10
    assert noise_loss(lambda x, t: 0 * x, x0, s).item() == pytest.approx(1, abs=0.05)


def test_losses_draw_from_the_generator_they_are_given():
    s, x0 = schedule.linear(), torch.zeros(4, 1, 4, 4)

    def loss(seed):
        g = torch.Generator().manual_seed(seed)
        return noise_loss(lambda x, t: 0 * x, x0, s, g).item()

    assert loss(1) == loss(1) != loss(2)


def test_v_is_noise_where_there_is_none_and_minus_the_picture_where_there_is_nothing_else():
    s = schedule.zero_terminal(schedule.linear())
    x0, noise = torch.randn(2, 2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([-1, 999])
    v = v_target(x0, noise, t, s)
    torch.testing.assert_close(v[0], noise[0])
    torch.testing.assert_close(v[1], -x0[1], atol=2e-3, rtol=0)


@pytest.mark.parametrize("s", SCHEDULES)
def test_a_v_model_becomes_the_noise_model_it_stands_for(s):
    x0, noise = torch.randn(2, 3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0, 400, 999])
    xt = add_noise(x0, noise, t, s)
    guess = V_PREDICTION.to_noise(lambda x, t: v_target(x0, noise, t, s), s)(xt, t)
    torch.testing.assert_close(guess, noise, atol=1e-5, rtol=1e-5)


def test_v_loss_of_a_perfect_guess_is_0():
    s, x0 = schedule.cosine(), torch.full((64, 1, 4, 4), 0.7)

    def perfect(x, t):
        noise = (x - s.at(t).sqrt() * 0.7) / (1 - s.at(t)).sqrt()
        return s.at(t).sqrt() * noise - (1 - s.at(t)).sqrt() * 0.7

    assert v_loss(perfect, x0, s).item() < 1e-8
    assert v_loss(lambda x, t: 0 * x, x0, s).item() > 0.1


@pytest.mark.parametrize("bad", [[0.9, 0.9], [1.0, 0.5], [0.5, 0.0], [0.1, 0.2]])
def test_a_schedule_must_fall(bad):
    with pytest.raises(ValueError, match="fall strictly"):
        NoiseSchedule(torch.tensor(bad))


@pytest.mark.parametrize("t", [-2, 1000])
def test_a_time_out_of_range_is_a_sentence(t):
    s = schedule.linear()
    with pytest.raises(ValueError, match=r"times go from -1 .* to 999, got"):
        s.at(torch.tensor([5, t]))
    with pytest.raises(ValueError, match=f"got {t}"):
        s.item(t)


@pytest.mark.usefixtures("plain_shapes")
@pytest.mark.parametrize(("t", "got"), [(500, "500"), (torch.zeros(2, 1).long(), r"\(2, 1\)")])
def test_a_time_that_is_no_row_of_numbers_is_a_sentence(t, got):
    with pytest.raises(ValueError, match=rf"t expects .*shape \(b\), got {got}"):
        schedule.linear().at(t)


@pytest.mark.parametrize("width", [2, 32, 320])
def test_the_encoding_is_stable_diffusions(width):
    t = torch.tensor([0, 1, 17, 500, 999])
    wanted = get_timestep_embedding(t, width, flip_sin_to_cos=True, downscale_freq_shift=0)
    torch.testing.assert_close(positional_encoding(t, width), wanted, atol=1e-6, rtol=1e-5)


def test_the_encoding_is_unique_bounded_and_a_shift_is_a_rotation():
    code = positional_encoding(torch.arange(1000), 64)
    assert code.abs().max() <= 1
    assert torch.cdist(code, code).fill_diagonal_(9).min() > 0.1
    shift, (cos, sin) = 7, code.chunk(2, dim=1)
    angle = shift * 10_000.0 ** (-torch.arange(32) / 32)
    turned = torch.cat(
        [cos * angle.cos() - sin * angle.sin(), sin * angle.cos() + cos * angle.sin()], 1
    )
    torch.testing.assert_close(turned[:-shift], code[shift:], atol=1e-4, rtol=0)
    assert math.isclose(code[3].square().sum().item(), 32, rel_tol=1e-5)


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="must be even, got 5"):
        positional_encoding(torch.arange(3), 5)
