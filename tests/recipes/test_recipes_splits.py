"""Recipes to their end, but for the steps; what learns from emoji learns from train alone."""

import copy
import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from course_lib import recipes
from course_lib.datasets import emoji, fish, registry
from course_lib.files import weights
from course_lib.recipes import (
    autoencoders,
    captions,
    common,
    latents,
    pixels,
    small_denoisers,
    text_to_image,
)
from tools.data.emoji_measure import SETTINGS

RUNS = {  # recipe -> the module it stands in, and how often it trains
    "emoji_clip": (captions, 2),
    "emoji_vae": (autoencoders, 2),
    "emoji_unconditional": (latents, 1),
    "emoji_text_to_image": (text_to_image, 4),
}


def one_step(trained):
    """In place of `long_run`: one loss, its gradient, and a log; notes where."""

    def run(model, loss_of, folder, *, keep, **_):
        assert not keep  # or the stop button would lead to the weight and card of a whole run
        loss_of(torch.Generator().manual_seed(0)).backward()
        trained.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.csv").write_text("1,1.0,60.0\n")
        return copy.deepcopy(model).eval().requires_grad_(False)

    return run


@pytest.mark.parametrize("recipe", RUNS)
def test_a_recipe_asks_for_no_other_split_before_its_last_step(recipe, monkeypatch, tmp_path: Path):
    module, wanted = RUNS[recipe]
    trained, asked = [], []

    every = emoji.load(split="train")

    def load(styles=emoji.STYLES, split="train"):
        """A hundredth of the training pictures, whatever is asked for."""
        asked.append((len(trained), split))
        some = range(0, len(every), 90)
        words = (tuple(of[i] for i in some) for of in (every.labels, every.styles, every.codes))
        kinds = tuple(every.kinds[i] for i in some)
        pixels = every.pictures.pixels[list(some)]
        return emoji.Emoji(emoji.Pictures(pixels), *words, kinds, every.numbers[list(some)])

    monkeypatch.setattr(text_to_image, "COMPOSED", 64)
    monkeypatch.setattr(emoji, "load", load)
    monkeypatch.setattr(module, "long_run", one_step(trained), raising=False)
    monkeypatch.setattr(common, "long_run", one_step(trained))
    monkeypatch.setattr(text_to_image, "quality", lambda model, split: {"split": split})
    getattr(recipes, recipe)(tmp_path)
    assert len(trained) == wanted
    assert {split for done, split in asked if done < wanted} == {"train"}
    assert (tmp_path / f"{recipe}.safetensors").is_file()
    assert (tmp_path / f"{recipe}.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "module", "runs"),
    [
        ("mnist_vae", autoencoders, 1),
        ("pixel_diffusion", pixels, 1),
        ("denoisers", small_denoisers, 6),
        ("segmentation", common, 7),
        ("segmentation_without_skips", common, 7),
    ],
)
def test_other_recipes_end_with_weights_and_card(recipe, module, runs, monkeypatch, tmp_path: Path):
    trained = []
    monkeypatch.setattr(module, "long_run", one_step(trained))
    monkeypatch.setattr(pixels, "sampler_distances", partial(pixels.sampler_distances, n=2, sets=1))
    getattr(recipes, recipe)(tmp_path)
    assert len(trained) == runs
    assert load_file(tmp_path / f"{recipe}.safetensors").keys() == weights.load_state(recipe).keys()
    card = json.loads((tmp_path / f"{recipe}.json").read_text("utf-8"))
    bundled = weights.card(recipe)
    assert card.keys() == bundled.keys()
    assert card["data"] == bundled["data"]


def test_two_cycles_of_segmentation_have_half_the_variety(monkeypatch, tmp_path: Path):
    asked, scenes = [], fish.scenes

    def noted(n, seed, split, **options):
        if split == "train":
            asked.append(options["variety"])
        return scenes(2, seed, split, **options)

    monkeypatch.setattr(fish, "scenes", noted)
    monkeypatch.setattr(common, "long_run", one_step([]))
    recipes.segmentation(tmp_path)
    assert asked == [1, 1, 1, 0.5, 1, 0.5, 1]


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
    assert registry.splits("emoji")["measure"] == SETTINGS
