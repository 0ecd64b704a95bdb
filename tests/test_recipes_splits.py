"""Whatever learns from emoji learns from the train split alone, which holds nothing asked about."""

from pathlib import Path

import pytest
import torch

from course_lib import recipes
from course_lib.datasets import emoji, registry
from course_lib.recipes import autoencoders, captions, common, latents, text_to_image

RUNS = {  # recipe -> the module it stands in, and how often it trains
    "emoji_clip": (captions, 1),
    "emoji_vae": (autoencoders, 2),
    "emoji_unconditional": (latents, 1),
    "emoji_text_to_image": (text_to_image, 2),
}


class HeldOut(Exception):
    """Another split than train was asked for."""


@pytest.mark.parametrize("recipe", RUNS)
def test_a_recipe_asks_for_no_other_split_before_its_last_step(recipe, monkeypatch, tmp_path: Path):
    module, wanted = RUNS[recipe]
    trained, asked = [], []

    def load(styles=emoji.STYLES, split="train"):
        if split != "train":
            raise HeldOut
        asked.append(split)
        labels = tuple(f"thing {i}" for i in range(130))
        pixels = torch.randint(0, 256, (130, 64, 64, 3), dtype=torch.uint8)
        noto = ("noto",) * 130
        return emoji.Emoji(emoji.Pictures(pixels), labels, noto, labels, labels, torch.arange(130))

    def one_step(model, loss_of, folder, **_):
        loss_of(torch.Generator().manual_seed(0)).backward()
        trained.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.csv").write_text("1,1.0,60.0\n")
        return model.eval()

    def measure(*_):
        raise HeldOut

    monkeypatch.setattr(emoji, "load", load)
    monkeypatch.setattr(module, "long_run", one_step, raising=False)
    monkeypatch.setattr(common, "long_run", one_step)
    for name in ("vae_quality", "drawn_quality"):
        monkeypatch.setattr(module, name, measure, raising=False)
    try:
        getattr(recipes, recipe)(tmp_path)
    except HeldOut:
        pass  # measuring, after the last step
    assert len(trained) == wanted
    assert asked


def test_every_recipe_that_reads_emoji_is_watched():
    for name in recipes.__all__:
        module = getattr(recipes, name).__module__
        source = Path(__import__(module, fromlist=[""]).__file__).read_text("utf-8")
        reads = "emoji" in source.partition('"""')[2].partition('"""')[2]
        assert not reads or name in RUNS or name == "mnist_vae", name


def test_nothing_that_is_asked_about_is_in_the_train_split():
    train = set(emoji.load(split="train").numbers.tolist())
    for name in emoji.QUESTIONS:
        numbers = emoji.questions(name)
        about = set((numbers.flatten() if name.endswith("search") else numbers[:, 0]).tolist())
        assert about <= train if name == "train_seen" else not about & train


def test_the_settings_of_the_measure_are_those_of_its_builder():
    pytest.importorskip("tools.data.emoji_measure")
    from tools.data.emoji_measure import SETTINGS

    assert registry.splits("emoji")["measure"] == SETTINGS
