import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.files.provenance import marks, save, save_animation, save_png, says_generated

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


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp", "gif"])
def test_every_format_that_is_written_carries_the_mark(ending, tmp_path):
    image = Image.fromarray(np.zeros((6, 5, 3), dtype=np.uint8))
    path = tmp_path / f"x.{ending}"
    save(image, path, seed=3)
    assert says_generated(path)
    with Image.open(path) as bare:
        bare.convert("RGB").save(tmp_path / "bare.bmp")
    assert not says_generated(tmp_path / "bare.bmp")


def test_an_animation_carries_the_mark_and_all_frames(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    save_animation(frames, tmp_path / "x.gif")
    assert says_generated(tmp_path / "x.gif")
    with Image.open(tmp_path / "x.gif") as image:
        assert image.n_frames == 3


def test_a_format_that_cannot_say_so_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match=r"which can say that it is generated; got '.bmp'"):
        save(Image.new("RGB", (2, 2)), tmp_path / "x.bmp")
    assert not list(tmp_path.iterdir())
