"""The recipe of the bundled CLIP, and what its frozen text tower must keep apart."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from course_lib import recipes
from course_lib.datasets import emoji
from course_lib.files import paths, weights
from course_lib.files.pretrained import load_clip
from course_lib.recipes import captions


class Watched(emoji.Pictures):
    """Pictures that note when they are looked at."""

    def __init__(self, n: int, note) -> None:
        super().__init__(torch.randint(0, 256, (n, 64, 64, 3), dtype=torch.uint8))
        self.note = note

    def __getitem__(self, rows):
        self.note()
        return super().__getitem__(rows)


def test_training_looks_at_the_train_split_alone(monkeypatch, tmp_path: Path):
    seen, training = [], [False]

    def load(styles=emoji.STYLES, split="train"):
        labels = tuple(f"thing {i}" for i in range(120))
        pictures = Watched(120, lambda: seen.append((training[0], split)))
        same = ("noto",) * 120
        return emoji.Emoji(pictures, labels, same, labels, same, torch.arange(120))

    def one_step(model, loss_of, folder, **_):
        training[0] = True
        loss_of(torch.Generator().manual_seed(0)).backward()
        training[0] = False
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.csv").write_text("1,1.0,60.0\n")
        return model.eval()

    monkeypatch.setattr(emoji, "load", load)
    monkeypatch.setattr(captions, "long_run", one_step)
    recipes.emoji_clip(tmp_path)
    assert {split for during, split in seen if during} == {"train"}
    assert {split for _, split in seen} == {"train", "validation"}
    card = json.loads((tmp_path / "emoji_clip.json").read_text("utf-8"))
    assert card["split"] == "train"


def test_the_card_names_the_data_there_is():
    files = json.loads((paths.bundled("data") / "manifest.json").read_text("utf-8"))["files"]
    del files["emoji/measure.npz"]  # the questions: nothing is learned from them
    del files["emoji/names.json"]  # for captions of the next training
    hashes = {k: v["sha256"] for k, v in files.items() if k.startswith("emoji/")}
    assert weights.card("emoji_clip")["data"] == hashes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("woman pilot: dark skin tone", "man pilot: dark skin tone"),
        ("woman pilot: dark skin tone", "woman pilot: light skin tone"),
        ("woman pilot: medium skin tone", "woman pilot: medium-dark skin tone"),
        ("woman pilot: dark skin tone", "woman farmer: dark skin tone"),
        ("red heart", "blue heart"),
        ("red heart", "red square"),
    ],
)
@torch.no_grad()
def test_one_word_moves_the_context_of_the_unet(one, other):
    clip, tokenizer = load_clip()
    ids = tokenizer([emoji.caption(label, "noto") for label in (one, other)])
    states = clip.text(ids)
    apart = 1 - F.cosine_similarity(states[0], states[1], dim=1)  # (m,)
    assert apart.max() > 0.1
    assert not clip.training
