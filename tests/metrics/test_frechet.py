import pytest
import torch
import torch.nn.functional as F

from course_lib.datasets import fashion
from course_lib.metrics.frechet import frechet, nearest, picture_distance


def test_frechet_of_gaussians_is_the_formula():
    """Diagonal covariances: the distance is the sum of (mean gap)^2 + (std gap)^2."""
    g = torch.Generator().manual_seed(0)
    z = torch.randn(200_000, 3, generator=g)
    std, shift = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0.0, 1.0, -2.0])
    got = frechet(z, z.flip(0) * std + shift)
    assert got == pytest.approx(float(((std - 1) ** 2 + shift**2).sum()), rel=0.02)


def test_frechet_minds_how_numbers_go_together():
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 50_000, 1, generator=g)
    assert frechet(torch.cat([a, a], 1), torch.cat([a, b], 1)) > 0.5
    assert frechet(torch.cat([a, b], 1), torch.cat([b, a], 1)) < 0.01


def test_frechet_of_single_numbers():
    x = torch.tensor([[0.0], [2.0], [4.0]])
    assert abs(frechet(x, x + 3) - 9) < 1e-6


def test_frechet_needs_sets():
    with pytest.raises(ValueError, match="two or more rows on each side, got 1 and 4"):
        frechet(torch.zeros(1, 3), torch.zeros(4, 3))


def test_real_pictures_are_nearest_and_each_kind_of_damage_is_seen():
    boots = fashion.load("test")[:256]
    real = fashion.load("train")[:2000]
    g = torch.Generator().manual_seed(0)
    shape, texture = picture_distance(boots, real)
    blurred = F.avg_pool2d(boots, 3, stride=1, padding=1)
    noisy = boots + 0.2 * torch.randn(boots.shape, generator=g)
    assert picture_distance(blurred, real)[1] > 3 * texture
    assert picture_distance(noisy, real)[1] > 3 * texture
    assert picture_distance(boots.flip(3), real)[0] > 3 * shape
    assert picture_distance(boots[:16].repeat(16, 1, 1, 1), real)[0] > 2 * shape


def test_a_copy_is_at_no_distance():
    boots = fashion.load("test")  # by matrix products a copy among so many is up to .001 away
    index, apart = nearest(boots, boots)
    assert index.tolist() == list(range(len(boots)))
    assert apart.tolist() == [0] * len(boots)


def test_the_nearest_picture_is_found_with_its_distance():
    boots = fashion.load("test")
    index, apart = nearest(boots[[7, 3]] + 0.1, boots)
    assert index.tolist() == [7, 3]
    torch.testing.assert_close(apart, torch.full((2,), 0.1), atol=1e-3, rtol=0)
