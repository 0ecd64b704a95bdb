"""The course's own model, put together from bundled weights and what their card says."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import nn

from course_lib import unet
from course_lib.cli import main
from course_lib.diffusion import EPSILON, V_PREDICTION
from course_lib.files import paths, pretrained, weights
from course_lib.files.pretrained import SCHEDULES, assemble, load_pretrained


@pytest.fixture
def bundle(monkeypatch, tmp_path):
    """A function that stands in for the lead's recipe: random weights with a card of these facts.

    All other bundled weights stay.
    """
    folder = tmp_path / "weights"
    folder.mkdir()
    for path in (paths.bundled("data") / "weights").iterdir():
        if path.stem != "emoji_text_to_image":
            (folder / path.name).symlink_to(path.resolve())
    monkeypatch.setattr(weights, "bundled", lambda name: tmp_path)

    def write(**facts) -> unet.UNet:
        torch.manual_seed(3)
        model = unet.emoji_latent()
        for p in model.parameters():
            if not p.any():
                nn.init.normal_(p, std=0.02)
        weights.save(model.state_dict(), facts, "emoji_text_to_image", folder)
        return model

    return write


@pytest.mark.parametrize(
    ("facts", "answers"),
    [
        ({"prediction": "v_prediction", "schedule": "zero_terminal"}, V_PREDICTION),
        ({"prediction": "epsilon", "schedule": "scaled_linear"}, EPSILON),
    ],
)
def test_the_card_says_what_the_unet_answers_and_on_which_schedule(bundle, facts, answers):
    made = bundle(**facts)
    model = load_pretrained()
    assert model.prediction is answers
    at_the_end = model.schedule.item(999)
    assert at_the_end == SCHEDULES[facts["schedule"]]().item(999)
    assert (at_the_end < 1e-6) == (facts["schedule"] == "zero_terminal")
    halves = {key: x.half().float() for key, x in made.state_dict().items()}
    torch.testing.assert_close(dict(model.unet.state_dict()), halves, rtol=0, atol=0)
    assert not any(part.training for part in (model.unet, model.vae, model.text_tower))
    assert not any(p.requires_grad for p in model.unet.parameters())


def test_the_text_is_read_by_the_bundled_clip(bundle):
    bundle(prediction="v_prediction", schedule="zero_terminal")
    clip, tokenizer = pretrained.load_clip()
    prompts = ["red apple, noto style"]
    with torch.no_grad():
        wanted = clip.text(tokenizer(prompts))
    torch.testing.assert_close(load_pretrained().context(prompts), wanted)


@pytest.mark.parametrize("words", [("w", "zero_terminal"), ("v_prediction", "cosine")])
def test_a_card_of_another_version_is_refused(words):
    with pytest.raises(ValueError, match=f"got '{'w' if 'w' in words else 'cosine'}'"):
        assemble(unet.emoji_latent(), *words)


def test_a_card_that_says_nothing_is_refused(bundle):
    bundle()
    with pytest.raises(ValueError, match="got 'None'"):
        load_pretrained()


def test_missing_weights_are_a_sentence_with_the_command_that_makes_them(bundle):
    with pytest.raises(FileNotFoundError, match="course train emoji_text_to_image"):
        load_pretrained()


def test_damaged_weights_are_refused(bundle, tmp_path: Path):
    bundle(prediction="v_prediction", schedule="zero_terminal")
    path = tmp_path / "weights" / "emoji_text_to_image.json"
    card = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(card | {"sha256": "0" * 64}), "utf-8")
    with pytest.raises(ValueError, match="is damaged"):
        load_pretrained()


# course export


def differences(folder: Path) -> list[float]:
    """Mean absolute difference of our pictures and diffusers', in [0, 1], for several prompts."""
    model = load_pretrained()
    theirs = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    theirs.set_progress_bar_config(disable=True)
    found = []
    for seed, prompt in enumerate(["red apple, noto style", "woman pilot, openmoji style", ""]):
        picture = theirs(
            prompt,
            latents=model.noise([seed]),
            num_inference_steps=20,
            guidance_scale=4.0,
            output_type="np",
        ).images
        ours = model.draw([prompt], [seed], num_inference_steps=20, guidance_scale=4.0)
        ours = ((ours + 1) / 2).permute(0, 2, 3, 1).numpy()
        assert picture.std() > 0.01  # not an empty picture
        found.append(float(np.abs(picture - ours).mean()))
    return found


@pytest.mark.filterwarnings("ignore")
def test_export_writes_a_folder_that_diffusers_opens_and_draws_the_same_from(
    bundle, tmp_path, capsys
):
    bundle(prediction="v_prediction", schedule="zero_terminal")
    folder = tmp_path / "model"
    assert main(["export", str(folder)]) == 0
    assert f"StableDiffusionPipeline.from_pretrained('{folder}')" in capsys.readouterr().out
    assert max(differences(folder)) < 1 / 255
    assert main(["export", str(folder)]) == 1
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_the_bundled_model_draws_the_same_in_diffusers(tmp_path):
    assert main(["export", str(tmp_path / "model")]) == 0
    assert max(differences(tmp_path / "model")) < 1 / 255


def test_export_without_weights_is_a_sentence_and_leaves_nothing(bundle, tmp_path, capsys):
    assert main(["export", str(tmp_path / "model")]) == 1
    assert "no bundled weights called 'emoji_text_to_image'" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
