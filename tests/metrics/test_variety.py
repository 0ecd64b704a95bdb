"""Spread between seeds and copies, on models whose answer is known."""

import pytest
import torch

from course_lib.cli import main
from course_lib.datasets import emoji
from course_lib.files import pretrained
from course_lib.metrics import variety
from course_lib.metrics.benchmark import Settings
from course_lib.text_to_image import TextToImage

SETTINGS = Settings(2, 1.0, 0)


@pytest.fixture(scope="module")
def train():
    return emoji.load(split="train")


class Fake(TextToImage):
    """Draws what a function of prompts and seeds gives; its codec is off by 0.01."""

    def __init__(self, pictures_of):
        object.__setattr__(self, "pictures_of", pictures_of)

    def draw(self, prompts, seeds, **_):
        return self.pictures_of(prompts, seeds)

    def encode(self, pictures):
        return pictures

    def decode(self, latents):
        return latents + 0.01


def test_spread_of_equal_pictures_is_nothing_and_of_black_and_white_is_two():
    white = torch.ones(1, 3, 64, 64)
    assert variety.spread(torch.cat([white, white])) == 0
    assert variety.spread(torch.cat([white, -white])) == pytest.approx(2)


def test_one_picture_for_all_seeds_has_no_spread_and_true_pictures_have_all(train):
    asked = variety.open_captions(train, groups=4)
    same = Fake(lambda prompts, seeds: torch.zeros(len(prompts), 3, 64, 64))
    assert str(variety.seed_spread(same, asked, train, SETTINGS)).startswith("0.00")
    rows = {question.caption: question.rows for question in asked}

    def true(prompts, seeds):
        lots = [torch.Generator().manual_seed(s) for s in seeds]
        picked = [
            rows[p][int(torch.randint(len(rows[p]), (1,), generator=g))]
            for p, g in zip(prompts, lots, strict=True)
        ]
        return train.pictures[picked]

    found = variety.seed_spread(Fake(true), asked, train, SETTINGS)
    share = sum(d / t for d, t in zip(found.drawn, found.true, strict=True)) / len(found.true)
    assert 0.8 < share < 1.2


def test_open_captions_fit_their_pictures(train):
    for question in variety.open_captions(train):
        assert len(question.rows) >= 10
        if question.caption.endswith("style"):
            style = question.caption.split(", ")[1].removesuffix(" style")
            assert {train.styles[r] for r in question.rows} == {style}
    animal = next(q for q in variety.open_captions(train) if q.caption == "an animal")
    assert "cat" in {train.labels[r] for r in animal.rows}
    assert "pizza" not in {train.labels[r] for r in animal.rows}


def test_copies_are_found_and_grey_paper_is_none(train):
    of_caption = dict(zip(train.captions, range(len(train)), strict=True))
    by_heart = Fake(lambda prompts, seeds: train.pictures[[of_caption[p] for p in prompts]])
    found = variety.copies(by_heart, train, SETTINGS, n=20)
    assert all(share.right == share.n == 20 for share in found.values())
    grey = Fake(lambda prompts, seeds: torch.zeros(len(prompts), 3, 64, 64))
    assert all(share.right == 0 for share in variety.copies(grey, train, SETTINGS, n=20).values())


def test_the_command_asks_wordings_compositions_and_variety(monkeypatch, capsys):
    asked = []

    def grey(prompts, seeds):
        asked.extend(prompts)
        return torch.zeros(len(prompts), 3, 64, 64)

    monkeypatch.setattr(pretrained, "load_pretrained", lambda: Fake(grey))
    measures = ["wordings", "compositions", "variety"]
    assert main(["evaluate", *measures, "--split", "validation", "--every", "25"]) == 0
    out = capsys.readouterr().out
    for title in ("held-out wordings", "validation_colours", "validation_pairs", "another style"):
        assert title in out
    assert out.count("0.00 (0.00-") > 8
    assert "mean of the shares              0.00" in out
    assert sum(text.endswith(" style") for text in asked) > 0.8 * len(asked) - 30
