"""Lesson 08: word2vec."""

import csv
import os
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from course_lib import weights
from course_lib.datasets import corpus
from course_lib.recipes.common import card
from course_lib.word2vec import Text, TwoLists, Vocabulary, as_numbers, count_words, new_lists, read
from course_lib.word_vectors import CAPITALS, FAMILY, answered, questions


def word2vec(folder: Path) -> Path:
    """Lesson 08's two lists of 20,000 words; of three seeds all are measured, the first is kept."""
    sentences = corpus.sentences()
    vocabulary = count_words(sentences)
    text = as_numbers(sentences, vocabulary)
    runs = [_two_lists(folder / f"seed_{s}", vocabulary, text, seed=s, epochs=15) for s in range(3)]
    facts = card(
        folder / "seed_0",
        "word2vec",
        "corpus",
        seed=0,
        steps=runs[0][1],
        epochs=15,
        window=10,
        lr=0.05,
        quality={f"seed {s}": _analogies(lists) for s, (lists, _) in enumerate(runs)},
        licence="CC BY-SA 4.0, for the paragraphs of Wikipedia that they were learned from",
    )
    return weights.save(runs[0][0].state(), facts, "word2vec", folder)


def _two_lists(
    folder: Path, vocabulary: Vocabulary, text: Text, *, seed: int, epochs: int
) -> tuple[TwoLists, int]:
    """The lists of one seed and the steps taken; `folder` keeps them after every epoch."""
    folder.mkdir(parents=True, exist_ok=True)
    lists, done, steps = new_lists(vocabulary, seed=seed), 0, 0
    path = folder / "checkpoint.safetensors"
    if path.exists():
        state = load_file(path)
        lists = TwoLists(vocabulary.words, state["centre"], state["around"])
        done, steps = int(state["done"]), int(state["steps"])
    for epoch in range(done, epochs):
        since = time.monotonic()
        steps += read(
            lists, text, vocabulary, epoch=epoch, of=epochs, window=10, lr=0.05, seed=seed
        )
        counts = {"done": torch.tensor(epoch + 1), "steps": torch.tensor(steps)}
        save_file(lists.state() | counts, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)
        with (folder / "log.csv").open("a", newline="") as log:
            right = answered(lists.first, questions(FAMILY))
            csv.writer(log).writerow([epoch + 1, right, f"{time.monotonic() - since:.1f}"])
    return lists, steps


def _analogies(lists: TwoLists) -> dict[str, Any]:
    """How many analogies have the right word among the first five, and the places of two."""

    def place(a: str, b: str, c: str, d: str) -> int:
        found = [word for word, _ in lists.first.analogy(a, b, c, len(lists.words) - 3)]
        return found.index(d) + 1

    return {
        "capitals in first five": f"{answered(lists.first, questions(CAPITALS))} of 182",
        "family in first five": f"{answered(lists.first, questions(FAMILY))} of 90",
        "place of queen": place("man", "king", "woman", "queen"),
        "place of tokyo": place("england", "london", "japan", "tokyo"),
    }
