"""The course's own model, put together from bundled weights and what their card says."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from course_lib import matching, paths, unet, weights
from course_lib.diffusion import from_v
from course_lib.text_to_image import SCHEDULES, around, as_noise, trained


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
        ({"prediction": "v", "schedule": "zero_terminal"}, from_v),
        ({"prediction": "noise", "schedule": "scaled_linear"}, as_noise),
    ],
)
def test_the_card_says_what_the_unet_answers_and_on_which_schedule(bundle, facts, answers):
    made = bundle(**facts)
    model = trained()
    assert model.answers is answers
    at_the_end = model.schedule.item(999)
    assert at_the_end == SCHEDULES[facts["schedule"]]().item(999)
    assert (at_the_end < 1e-6) == (facts["schedule"] == "zero_terminal")
    halves = {key: x.half().float() for key, x in made.state_dict().items()}
    torch.testing.assert_close(dict(model.unet.state_dict()), halves, rtol=0, atol=0)
    assert not any(part.training for part in (model.unet, model.vae, model.text_tower))
    assert not any(p.requires_grad for p in model.unet.parameters())


def test_the_text_is_read_by_the_bundled_clip(bundle):
    bundle(prediction="v", schedule="zero_terminal")
    clip, tokenizer = matching.trained()
    prompts = ["red apple, noto style"]
    with torch.no_grad():
        wanted = clip.text(tokenizer(prompts))
    torch.testing.assert_close(trained().context(prompts), wanted)


@pytest.mark.parametrize("words", [("w", "zero_terminal"), ("v", "cosine")])
def test_a_card_of_another_version_is_refused(words):
    with pytest.raises(ValueError, match=f"is wanted, got '{'w' if 'w' in words else 'cosine'}'"):
        around(unet.emoji_latent(), *words)


def test_a_card_that_says_nothing_is_refused(bundle):
    bundle()
    with pytest.raises(ValueError, match="got 'None'"):
        trained()


def test_missing_weights_are_a_sentence_with_the_command_that_makes_them(bundle):
    with pytest.raises(FileNotFoundError, match="course train emoji_text_to_image"):
        trained()


def test_damaged_weights_are_refused(bundle, tmp_path: Path):
    bundle(prediction="v", schedule="zero_terminal")
    path = tmp_path / "weights" / "emoji_text_to_image.json"
    card = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(card | {"sha256": "0" * 64}), "utf-8")
    with pytest.raises(ValueError, match="is damaged"):
        trained()
