import pytest
import torch

from course_lib.files import weights
from course_lib.files.pretrained import load_denoiser
from course_lib.toys.denoising import (
    denoising_loss,
    mse,
    noise_conditioned,
    small_scenes,
    unconditioned,
)
from course_lib.unet import tiny


def test_small_scenes_are_repeatable_and_in_range():
    a = small_scenes(4, seed=3)
    assert torch.equal(a, small_scenes(4, seed=3))
    assert a.shape == (4, 3, 32, 32)
    assert a.abs().max() <= 1
    assert not torch.equal(a, small_scenes(4, seed=4))


def test_only_the_one_who_is_told_minds_the_level():
    unet = tiny()
    for p in unet.parameters():
        p.data += 0.05 * torch.randn(p.shape)
    x = torch.randn(2, 3, 16, 16)
    faint, strong = torch.full((2,), 0.1), torch.full((2,), 0.9)
    with torch.no_grad():
        assert (
            noise_conditioned(unet)(x, faint) - noise_conditioned(unet)(x, strong)
        ).abs().max() > 1e-3
        assert torch.equal(unconditioned(unet)(x, faint), unconditioned(unet)(x, strong))


def test_guessing_nothing_scores_a_third_and_the_truth_scores_nothing():
    pictures = torch.zeros(4000, 1, 2, 2)
    g = torch.Generator().manual_seed(0)
    nothing = denoising_loss(lambda x, levels: 0 * x, pictures, g)
    assert nothing.item() == pytest.approx(1 / 3, abs=0.02)
    assert denoising_loss(lambda x, levels: x, pictures, g).item() == 0


def test_the_bundled_denoisers_clean_and_telling_helps_at_faint_noise():
    quality = weights.card("denoisers")["quality"]
    scenes = small_scenes(64, seed=1, split="validation")
    for seed in range(3):
        with_level, without = (
            noise_conditioned(load_denoiser("noise_conditioned", seed)),
            unconditioned(load_denoiser("unconditioned", seed)),
        )
        assert mse(with_level, scenes, 0.5) < 0.3 * 0.5**2
        assert mse(without, scenes, 0.5) < 0.3 * 0.5**2
        faint = mse(with_level, scenes, 0.02)
        assert faint < mse(without, scenes, 0.02)
        said = quality["noise_conditioned, mean squared error at level 0.02"][seed]
        assert faint == pytest.approx(said, rel=0.05)
    with pytest.raises(ValueError, match='"noise_conditioned" or "unconditioned"'):
        load_denoiser("noise_conditioned", 7)
