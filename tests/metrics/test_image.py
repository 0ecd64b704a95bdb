"""The measures of pictures, on pictures whose measure is a formula."""

import pytest
import torch

from course_lib.metrics import image


def test_decibels_count_from_a_peak_of_two_and_inside_leaves_paper_out():
    true = torch.ones(2, 3, 4, 4)
    true[:, :, :2] = -1
    guess = true.clone()
    guess[0, :, :2] += 0.2  # wrong in the drawing
    guess[1, :, 2:] -= 0.2  # wrong on the paper
    assert image.psnr(guess, true).tolist() == pytest.approx([23.0103] * 2, abs=1e-3)
    inside = image.psnr_inside(guess, true)
    assert inside[0].item() == pytest.approx(20, abs=1e-3)
    assert inside[1].isinf()


def test_sets_of_one_kind_have_no_energy_distance():
    a, b = torch.randn(2, 10, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert abs(image.energy_distance(a, b)) < 0.1  # divided by n * n it would be 0.28
    assert image.energy_distance(a, b + 1) > 0.4
