"""`course draw --model` and `course inspect` on other people's files."""

import numpy as np
import pytest
import specimens
import torch
from PIL import Image
from safetensors.torch import save_file

from course_lib import cli
from course_lib.commands import draw
from course_lib.files.provenance import marks, says_generated
from course_lib.formats import loading, lora_files

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def drawn(original, tmp_path, monkeypatch):
    """A function that calls `course draw --model` and gives the pixels, or None."""
    monkeypatch.setattr("course_lib.display.notebook.pick_device", lambda: torch.device("cpu"))
    monkeypatch.setattr("course_lib.precision.half_of", lambda device: torch.float32)

    def call(*arguments):
        out = tmp_path / "x.png"
        out.unlink(missing_ok=True)
        given = ["draw", "a red apple", "--model", str(original), "--steps", "2", "--out", str(out)]
        code = cli.main([*given, *arguments])
        assert out.is_file() == (code == 0)
        return np.asarray(Image.open(out)).astype(int) if code == 0 else None

    return call


def test_the_picture_is_that_of_the_model(drawn, original, tmp_path):
    pixels = drawn("--seed", "5")
    wanted = loading.load(original).draw(
        ["a red apple"], [5], num_inference_steps=2, guidance_scale=7.5
    )
    want = ((wanted[0].permute(1, 2, 0) + 1) * 127.5).numpy()
    assert np.abs(pixels - want).max() < 0.51
    assert says_generated(tmp_path / "x.png")
    assert marks(tmp_path / "x.png")["Prompt"] == "a red apple"  # no style is added


def test_every_option_changes_the_picture(drawn, original, tmp_path):
    plain = drawn()
    torch.manual_seed(4)
    save_file({"<x>": torch.randn(64)}, tmp_path / "words.safetensors")
    specimens.vae(scaling_factor=0.5).save_pretrained(tmp_path / "vae")
    model = loading.load(original)
    from course_lib import lora

    for layer in lora.attach(model.unet, ["to_q"], rank=2, alpha=2.0).values():
        torch.nn.init.normal_(layer.up.weight)
    lora_files.save(model, tmp_path / "lora.safetensors")
    file = str(tmp_path / "lora.safetensors")
    seen = [plain]
    for options in (
        ["--vae", str(tmp_path / "vae")],
        ["--lora", file],
        ["--lora", f"{file}:0.5"],
        ["--lora", file, "--lora", f"{file}:0.5"],
        ["--half"],
        ["--style", "noto"],
    ):
        pixels = drawn(*options)
        assert all((pixels != other).any() for other in seen), options
        seen.append(pixels)
    assert (drawn("--lora", f"{file}:0") == plain).all()
    assert (drawn("--words", str(tmp_path / "words.safetensors")) == plain).all()
    with_word = drawn("--words", str(tmp_path / "words.safetensors"), "--negative", "<x>")
    assert (with_word != drawn("--negative", "<x>")).any()


def test_sizes_and_mistakes(drawn, tmp_path, capsys):
    assert drawn("--size", "128").shape == (128, 128, 3)
    assert drawn("--size", "100") is None
    assert "--size goes in steps of 64 up to 2048, got 100" in capsys.readouterr().err
    assert drawn("--lora", str(tmp_path / "no.safetensors")) is None
    assert "no.safetensors is missing" in capsys.readouterr().err
    assert draw.strength("a:0.8")[1] == 0.8
    assert draw.strength("C:\\a.safetensors") == (draw.Path("C:\\a.safetensors"), 1.0)


def test_a_long_walk_says_how_long_it_takes(monkeypatch, capsys):
    clock = iter([0.0, 5.0, 10.0, 15.0, 20.0])
    monkeypatch.setattr(draw.time, "monotonic", lambda: next(clock))
    assert list(draw.with_time_left(range(4), 4)) == [0, 1, 2, 3]
    said = capsys.readouterr().err
    assert "step 1 of 4, 15 s left" in said
    assert "step 4 of 4, 20 s" in said
    clock = iter([0.0, 1.0, 2.0])
    assert list(draw.with_time_left(range(2), 2)) == [0, 1]
    assert capsys.readouterr().err == ""


def test_inspect_says_what_is_where(original, tmp_path, capsys):
    assert cli.main(["inspect", str(original)]) == 0
    said = capsys.readouterr().out
    assert "Stable Diffusion 1, folder" in said
    assert "UNet (lessons 02, 04, 11)" in said
    file = tmp_path / "flux.safetensors"
    save_file({"double_blocks.0.img_attn.qkv.weight": torch.ones(2, 2)}, file)
    assert cli.main(["inspect", str(file), "--hash"]) == 1
    said = capsys.readouterr().out
    assert "Flux" in said
    assert "4 numbers" in said
    assert "none that is known" in said
    (tmp_path / "m.ckpt").write_bytes(b"PK\x03\x04")
    assert cli.main(["inspect", str(tmp_path / "m.ckpt")]) == 1
    assert "is a pickle" in capsys.readouterr().err
