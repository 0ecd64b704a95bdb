import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.files.provenance import marks, save_png, says_generated

PICTURE = torch.linspace(-1, 1, 3 * 6 * 5).reshape(3, 6, 5)


def test_a_saved_picture_says_that_it_is_generated_and_how(tmp_path):
    path = tmp_path / "apple.png"
    save_png(PICTURE, path, prompt="red <apple> & Äpfel 🍎", seed=3, model_name="emoji")
    assert says_generated(path)
    found = marks(path)
    assert found["Prompt"] == "red <apple> & Äpfel 🍎"
    assert (found["Seed"], found["Model name"]) == ("3", "emoji")
    assert "neural network" in found["Comment"]


def test_the_pixels_are_those_of_the_picture(tmp_path):
    path = tmp_path / "apple.png"
    save_png(PICTURE, path)
    with Image.open(path) as image:
        again = torch.from_numpy(np.asarray(image.convert("RGB")).copy()).long()
    wanted = ((PICTURE.permute(1, 2, 0) + 1) / 2 * 255).round().long()
    assert torch.equal(again, wanted)


def test_a_picture_saved_again_by_others_has_lost_its_marks(tmp_path):
    save_png(PICTURE, tmp_path / "apple.png", prompt="red apple")
    with Image.open(tmp_path / "apple.png") as image:
        image.save(tmp_path / "again.jpg")
        Image.fromarray(np.asarray(image)).save(tmp_path / "screenshot.png")
    for name in ("again.jpg", "screenshot.png"):
        assert not says_generated(tmp_path / name)
        assert marks(tmp_path / name) == {}


def test_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"kept in a .png file, got 'apple.jpg'"):
        save_png(PICTURE, tmp_path / "apple.jpg")
