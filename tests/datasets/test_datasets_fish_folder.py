"""The reader for Kaggle's fish, on a tiny folder of the same shape."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.datasets import fish_folder


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two kinds, three photographs each; a photograph's red says which, its fish is on the left."""
    for i, kind in enumerate(("Trout", "Red Mullet")):
        for number in range(3):
            photograph = np.zeros((45, 59, 3), np.uint8)
            photograph[:, :, 0] = 50 * i + 10 * number
            mask = np.zeros((45, 59), bool)
            mask[:, :30] = True  # the middle of the picture is column 29.5
            for name, pixels in ((kind, photograph), (f"{kind} GT", mask)):
                place = tmp_path / "Fish_Dataset" / kind / name
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place / f"{number + 1:05}.png")
    return tmp_path


def test_photographs_and_masks_belong_together(folder):
    pictures, masks = fish_folder.load(folder, n=6)
    assert pictures.shape == (6, 3, 64, 64)
    assert masks.shape == (6, 1, 64, 64)
    reds = ((pictures[:, 0, 0, 0] + 1) * 127.5).round().sort().values
    assert reds.tolist() == [0, 10, 20, 50, 60, 70]  # each once
    assert sorted(masks.unique().tolist()) == [0, 1]
    assert masks[:, :, :, :32].mean() > 0.99  # the middle square, not its corner
    assert masks[:, :, :, 33:].mean() < 0.01


def test_the_seed_says_which(folder):
    first, again, other = (fish_folder.load(folder, n=3, seed=s)[0] for s in (1, 1, 2))
    torch.testing.assert_close(first, again)
    assert not torch.equal(first, other)


def test_missing_masks_are_counted_and_the_first_is_named(folder):
    (folder / "Fish_Dataset/Trout/Trout GT/00002.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 photographs have no mask in 'Trout GT', 00002"):
        fish_folder.load(folder, n=1)


def test_a_folder_without_masks_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder of masks .*NA_Fish_Dataset"):
        fish_folder.load(tmp_path / "nowhere", n=1)


def test_more_than_there_is_is_refused(folder):
    with pytest.raises(ValueError, match="has 6 photographs with masks, 7 were wanted"):
        fish_folder.load(folder, n=7)
