"""`course draw`: whatever is typed, a picture or a sentence."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from course_lib import unet
from course_lib.cli import main
from course_lib.commands import draw
from course_lib.datasets import emoji, prompt_vocabulary
from course_lib.files import image_files, pretrained
from course_lib.files.pretrained import assemble
from course_lib.files.provenance import marks, says_generated
from course_lib.metrics.benchmark import default_settings


@pytest.fixture(scope="module")
def model():
    """The course's own tokenizer, text tower and VAE, around a UNet of random numbers."""
    torch.manual_seed(3)
    made = unet.emoji_latent()
    for p in made.parameters():
        if not p.any():
            nn.init.normal_(p, std=0.02)
    return assemble(made.requires_grad_(False), "v_prediction", "zero_terminal")


@pytest.fixture
def drawing(model, monkeypatch, tmp_path):
    """A function that calls `course draw` with two steps and gives the picture, or None."""
    monkeypatch.setattr(pretrained, "load_pretrained", lambda: model)

    def call(*arguments, out="x.png"):
        given = ["draw", *arguments, "--out", str(tmp_path / out)]
        code = main(given if "--steps" in arguments else [*given, "--steps", "2"])
        assert code == (0 if (tmp_path / out).is_file() else 1)
        return np.asarray(Image.open(tmp_path / out)) if code == 0 else None

    return call


def test_the_picture_is_that_of_the_model(drawing, model, capsys):
    pixels = drawing("red apple", "--style", "openmoji", "--seed", "3", "--zoom", "1")
    wanted = model.draw(
        ["red apple, openmoji style"],
        [3],
        num_inference_steps=2,
        guidance_scale=default_settings().guidance_scale,
    )
    want = ((wanted[0].permute(1, 2, 0) + 1) * 127.5).numpy()
    assert np.abs(pixels - want).max() < 0.51
    assert pixels.std() > 5
    assert "1 drawn, seed 3" in capsys.readouterr().out


def test_a_picture_says_that_it_is_generated_and_from_what(drawing, tmp_path):
    drawing("red apple", "--seed", "3")
    assert says_generated(tmp_path / "x.png")
    assert marks(tmp_path / "x.png")["Prompt"] == "red apple, noto style"
    assert marks(tmp_path / "x.png")["Seed"] == "3"
    for ending in ("jpg", "webp"):
        assert drawing("red apple", out=f"x.{ending}") is not None
        assert says_generated(tmp_path / f"x.{ending}")


def test_every_option_changes_the_picture(drawing):
    plain = drawing("red apple", "--zoom", "1")
    for option in (
        ["--style", "twemoji"],
        ["--style", "none"],
        ["--seed", "1"],
        ["--steps", "3"],
        ["--scale", "8"],
        ["--negative", "green apple"],
    ):
        other = drawing("red apple", "--zoom", "1", *option)
        assert (plain != other).any(), option
    three = drawing("red apple", "--zoom", "1", "--steps", "3")
    for sampler in ("heun", "dpm_solver_pp"):
        other = drawing("red apple", "--zoom", "1", "--steps", "3", "--sampler", sampler)
        assert (three != other).any(), sampler


def test_several_prompts_make_a_grid_and_each_is_as_if_drawn_alone(drawing):
    grid = drawing("red apple", "blue car", "dog", "--zoom", "1")
    side, gap = 64, image_files.GAP
    assert grid.shape == (2 * side + gap, 2 * side + gap, 3)
    assert (grid[-side:, -side:] == 255).all()  # three pictures leave one place white
    alone = drawing("dog", "--zoom", "1").astype(int)
    assert np.abs(grid[-side:, :side] - alone).max() <= 1


def test_count_makes_a_row_for_each_prompt(drawing):
    grid = drawing("red apple", "dog", "--count", "3", "--seed", "5", "--zoom", "1").astype(int)
    side, gap = 64, image_files.GAP
    assert grid.shape == (2 * side + gap, 3 * side + 2 * gap, 3)
    alone = drawing("dog", "--seed", "7", "--zoom", "1")
    assert np.abs(grid[-side:, -side:] - alone).max() <= 1


def test_the_animation_has_a_frame_a_step_and_ends_with_the_picture(drawing, tmp_path):
    pixels = drawing("red apple", "--gif", "--steps", "3", "--zoom", "2")
    with Image.open(tmp_path / "x.gif") as animation:
        assert animation.n_frames == 3
        assert animation.size == (128, 128)
        animation.seek(2)
        last = np.asarray(animation.convert("RGB")).astype(int)
    assert np.abs(last - pixels).mean() < 8  # a GIF has 256 colours


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "   ",
        "apple " * 1700,
        "x" * 10_000,
        "苹果 яблоко ไทย عربي",
        "xqzt vrrp",
        "a\x00b\x1b[2J\n\t",
        "🍎",
        "\udcff\udc80",
        "<|endoftext|>",
        "'s",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_any_prompt_gives_a_picture(drawing, prompt, encoding, monkeypatch, capsys):
    monkeypatch.setattr(type(draw.sys.stdout), "encoding", encoding, raising=False)
    assert drawing(prompt, "--steps", "1", "--negative", prompt) is not None
    out = capsys.readouterr().out
    assert len(out) < 700
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--style", "nato"], "no style 'nato'; there are noto, twemoji"),
        (["--steps", "0"], "num_inference_steps must be from 1 to 1000, got 0"),
        (["--steps", "1001"], "num_inference_steps must be from 1 to 1000, got 1001"),
        (["--seed", "-1"], "--seed from 0"),
        (["--seed", str(2**64)], "--seed from 0"),
        (["--scale", "nan"], "--scale from 0 to 50, got nan"),
        (["--scale", "-1"], "--scale from 0 to 50"),
        (["--count", "65"], "1 to 64 pictures, got 65"),
        (["--count", "0"], "1 to 64 pictures"),
        (["--zoom", "99"], "--zoom from 1 to 16"),
    ],
)
def test_a_wrong_option_is_a_sentence(drawing, arguments, words, capsys):
    assert drawing("apple", *arguments) is None
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "words"),
    [("x", "ends in one of .png"), ("x.gif", "add --gif"), ("no/x.png", "there is no folder")],
)
def test_a_place_that_cannot_be_written_is_said_beforehand(drawing, out, words, capsys):
    assert drawing("apple", out=out) is None
    assert words in capsys.readouterr().err


def test_styles_are_added_as_in_the_training_captions():
    assert draw.styled("red apple ", "fluent-3d") == emoji.caption("red apple", "fluent 3d")
    assert draw.styled("red apple, noto style", "twemoji") == "red apple, noto style"
    assert draw.styled("red apple", "none") == "red apple"
    assert draw.styled("red apple", "noto") in {f"red apple, {s} style" for s in emoji.STYLES}


# Words


def test_words_of_training_captions_are_known_and_others_are_named_with_what_is_close():
    for text in emoji.captions("train")[::500]:
        assert prompt_vocabulary.unknown_words(text) == []
    said = prompt_vocabulary.about_unknown("a red appel, an aardvark and 7 Aardvarks!")
    assert said.startswith("Never seen in training: ")
    assert "appel (known: apple" in said
    assert "aardvark" in said
    assert "red" not in said.replace("training", "")
    assert prompt_vocabulary.about_unknown("RED Apple") == ""


def test_only_captions_of_the_train_split_make_a_word_known():
    train = " ".join(emoji.captions("train"))
    elsewhere = {
        word
        for split in ("validation", "test")
        for text in emoji.captions(split)
        for word in prompt_vocabulary.unknown_words(text)
    }
    assert all(f" {word} " not in train for word in elsewhere)
    everything = emoji.load(["noto"], "train")
    assert set(everything.captions) <= set(emoji.captions("train"))


def test_many_and_long_unknown_words_are_one_short_line():
    said = prompt_vocabulary.about_unknown(" ".join(f"zz{'q' * i}" for i in range(1, 400)))
    assert said.endswith("and 394 more.")
    assert len(said) < 300


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("1234", "1234 (it draws one, two or three of a thing)"),
        ("7 cats", "7 (it draws one, two or three of a thing)"),
        ("\N{RED APPLE}", 'try "red apple"'),
        ("\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4} hi", 'try "waving hand"'),
        ("\N{CYRILLIC SMALL LETTER KA}\N{CYRILLIC SMALL LETTER O}", "(it reads English only)"),
        ("!!!", "There is no word in it"),
        ("a government", "government (passed over: it names nothing that can be drawn)"),
        ("a rokcet", "rokcet (known: rocket"),
    ],
)
def test_what_the_model_never_met_is_answered_with_what_is_close(prompt, said):
    assert said in prompt_vocabulary.about_unknown(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "draw me a red apple, please!",
        "two cats",
        "3 dogs, noto style",
        "a small car on the left",
        "A CAT AND A BLUE HEART",
        "medium-dark skin tone",
        "it's a man's shoe",
        "one o'clock",
        "",
    ],
)
def test_what_it_knows_is_not_remarked_upon(prompt):
    assert prompt_vocabulary.about_unknown(prompt) == ""


def test_a_prompt_that_is_too_long_is_cut_with_a_sentence_and_keeps_its_style(
    drawing, model, tmp_path, capsys
):
    long = "a red apple and " * 20 + "a cat"
    kept, cut = prompt_vocabulary.fitted(model.tokenizer, f"{long}, openmoji style")
    assert kept.endswith(", openmoji style")
    assert len(model.tokenizer.split(kept)) <= model.tokenizer.length - 2
    assert f"{kept.removesuffix(', openmoji style')} {cut}" == long
    drawing(long, "--style", "openmoji")
    assert "too long; this was not read: " in capsys.readouterr().out
    assert marks(tmp_path / "x.png")["Prompt"] == kept


def test_a_prompt_that_fits_is_left_as_it_is(model):
    for caption in ("red apple, noto style", "  a cat ", ""):
        assert prompt_vocabulary.fitted(model.tokenizer, caption) == (caption, "")
    assert prompt_vocabulary.about_cut("") == ""


def test_one_endless_word_is_left_to_the_tokenizer(model):
    assert prompt_vocabulary.fitted(model.tokenizer, "x" * 500) == ("x" * 500, "")
