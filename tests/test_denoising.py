import pytest
import torch

from course_lib import weights
from course_lib.denoising import denoising_loss, small_scenes, told, trained, untold
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
        assert (told(unet)(x, faint) - told(unet)(x, strong)).abs().max() > 1e-3
        assert torch.equal(untold(unet)(x, faint), untold(unet)(x, strong))


def test_guessing_nothing_scores_a_third_and_the_truth_scores_nothing():
    pictures = torch.zeros(4000, 1, 2, 2)
    g = torch.Generator().manual_seed(0)
    nothing = denoising_loss(lambda x, levels: 0 * x, pictures, g)
    assert nothing.item() == pytest.approx(1 / 3, abs=0.02)
    assert denoising_loss(lambda x, levels: x, pictures, g).item() == 0


@pytest.mark.skipif("denoisers" not in weights.names(), reason="the weights are not there yet")
def test_the_bundled_denoisers_clean_and_telling_helps_at_faint_noise():
    scenes = small_scenes(16, seed=5, split="validation")
    noise = torch.randn(scenes.shape, generator=torch.Generator().manual_seed(1))

    def left(guesser, level):
        with torch.no_grad():
            guess = guesser(scenes + level * noise, torch.full((16,), level))
        return (guess - level * noise).square().mean().item()

    for seed in range(3):
        assert left(untold(trained("untold", seed)), 0.5) < 0.3 * 0.5**2
        assert left(told(trained("told", seed)), 0.5) < 0.3 * 0.5**2
    with pytest.raises(ValueError, match='"told" and "untold", each with seeds 0, 1 and 2'):
        trained("told", 7)
