"""The bundled sets: what one call gives, and that it is the right thing. Fish and emoji: theirs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from course_lib.datasets import corpus, digits, fashion, glove, photographs, vocabulary


def assert_pictures(x: Tensor) -> None:
    """float32, within [-1, 1], and using that range."""
    assert x.dtype == torch.float32
    assert -1 <= x.min() < -0.9
    assert 0.9 < x.max() <= 1


@pytest.mark.parametrize("name", photographs.NAMES)
def test_a_photograph_is_whole(name):
    x = photographs.load(name)
    assert x.ndim == 3
    assert max(x.shape) == 384
    assert x.dtype == torch.float32
    assert x.min() >= -1
    assert x.max() <= 1
    assert x.std() > 0.15
    grey = name in ("brick", "camera", "grass", "gravel")
    assert ((x[0] - x[1]).abs().max() < 2.5 / 127.5) == grey


def test_photographs_are_those_of_the_package():
    """Scikit-image's own array, made smaller by another hand, is nearly the same picture."""
    from skimage import data

    ours = photographs.load("coffee")
    theirs = torch.from_numpy(data.coffee()).permute(2, 0, 1)[None] / 127.5 - 1
    small = torch.nn.functional.interpolate(theirs, size=ours.shape[1:], mode="area")[0]
    assert (ours - small).square().mean().sqrt() < 0.05


def test_an_unknown_photograph_is_refused():
    with pytest.raises(
        ValueError, match="there is no photograph 'cat'; there are astronaut, brick"
    ):
        photographs.load("cat")


@pytest.mark.parametrize(("split", "n"), [("train", 8000), ("validation", 1000), ("test", 1000)])
def test_digits(split, n):
    pictures, labels = digits.load(split)
    assert pictures.shape == (n, 1, 28, 28)
    assert_pictures(pictures)
    assert labels.shape == (n,)
    assert labels.dtype == torch.int64
    assert labels.bincount().min() > 0.06 * n  # all ten digits
    assert labels[:50].unique().numel() > 5  # not in the order of the digits


def test_the_labels_are_of_their_digits():
    """The nearest mean of training names most test digits: labels and pictures belong together."""
    pictures, labels = digits.load("train")
    means = torch.stack([pictures[labels == d].mean(0).flatten() for d in range(10)])
    pictures, labels = digits.load("test")
    guess = torch.cdist(pictures.flatten(1), means).argmin(1)
    assert (guess == labels).float().mean() > 0.75


@pytest.mark.parametrize(("split", "n"), [("train", 6000), ("validation", 500), ("test", 500)])
def test_boots(split, n):
    pictures = fashion.load(split)
    assert pictures.shape == (n, 1, 32, 32)
    assert_pictures(pictures)
    frame = torch.ones(32, 32, dtype=torch.bool)
    frame[2:-2, 2:-2] = False
    assert (pictures[:, 0, frame] == -1).all()
    assert pictures[:, 0, 2:-2, 2:-2].mean() > -0.6


def test_the_corpus_is_plain_words_of_three_parts():
    parts = [corpus.sentences(part) for part in corpus.PARTS]
    together = corpus.sentences()
    assert together == [sentence for part in parts for sentence in part]
    words = corpus.words()
    assert len(words) == sum(map(len, together)) > 3_000_000
    assert set("".join(set(words))) <= set("abcdefghijklmnopqrstuvwxyz'")
    assert all(len(sentence) > 1 for sentence in together)
    assert parts[2][0] == "in the beginning god created the heaven and the earth".split()
    assert "a male sovereign" in " ".join(corpus.words("wordnet"))


def test_an_unknown_part_of_the_corpus_is_refused():
    with pytest.raises(ValueError, match="no part 'news'; it has wikipedia, wordnet, bible"):
        corpus.sentences("bible", "news")


def test_glove_knows_what_is_safe_to_say():
    words, vectors = glove.load()
    assert len(words) == len(set(words)) == 20_000
    assert words[:3] == ("the", ",", ".")
    assert vectors.shape == (20_000, 50)
    assert vectors.dtype == torch.float32
    row = {word: i for i, word in enumerate(words)}
    unit = torch.nn.functional.normalize(vectors, dim=1)
    for a, b, c, answer in (
        ("man", "king", "woman", "queen"),
        ("england", "london", "japan", "tokyo"),
    ):
        wanted = vectors[row[b]] - vectors[row[a]] + vectors[row[c]]
        near = (unit @ wanted).argsort(descending=True).tolist()
        assert next(words[i] for i in near if words[i] not in (a, b, c)) == answer


def test_clips_merges():
    merges = vocabulary.merges()
    assert len(merges) == vocabulary.COUNT
    assert merges[:2] == [("i", "n"), ("t", "h")]
    assert len(set(merges)) == len(merges)


LOAD_ALL = """
import json, time
from course_lib.files import paths, weights
from course_lib.datasets import corpus, digits, emoji, fashion, fish, glove, photographs
from course_lib.datasets import registry, vocabulary
seconds = {}
for name, load in {
    "photographs": lambda: [photographs.load(n) for n in photographs.NAMES],
    "digits": lambda: digits.load("train"),
    "fashion": lambda: fashion.load("train"),
    "corpus": corpus.sentences,
    "glove": glove.load,
    "vocabulary": vocabulary.merges,
    "fish": fish.fixed_500,
    "uncut fish": fish.photographs,
    "emoji": emoji.load,
    "questions": lambda: [emoji.questions(n) for n in emoji.QUESTIONS],
}.items():
    start = time.process_time()
    load()
    seconds[name] = time.process_time() - start
data = paths.bundled("data")
files = json.loads((data / "manifest.json").read_text(encoding="utf-8"))["files"]
found = [str(registry.path(name)) for name in files]
states = [weights.load_state(name) for name in weights.names()]
print(json.dumps({"found": found, "states": len(states), "seconds": seconds}))
"""
SECONDS = {"emoji": 4}  # of two processors, which decode side by side; 2 for the others


@pytest.mark.slow
def test_an_installed_wheel_loads_every_set_outside_any_checkout(tmp_path):
    """In 2 s each, of computing time: a busy machine is not the loader's fault."""
    from tools.data.build_data import MANIFEST, ROOT, read

    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--target", tmp_path / "installed", ROOT),
        ],
        check=True,
    )
    assert (tmp_path / "installed" / "course_lib" / "bundled" / "data").is_dir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        text=True,
    )
    said = json.loads(done.stdout)
    assert len(said["found"]) == len(read(MANIFEST)["files"])
    assert all(Path(file).is_relative_to(tmp_path / "installed") for file in said["found"])
    assert said["states"] == len(list((ROOT / "data" / "weights").glob("*.json")))
    slow = {name: s for name, s in said["seconds"].items() if s > SECONDS.get(name, 2)}
    assert not slow
