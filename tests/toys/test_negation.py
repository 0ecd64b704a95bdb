"""The task is fair: a bag of words can only guess; attention with positions solves it."""

from collections import defaultdict

import pytest
import torch
import torch.nn.functional as F

from course_lib.positional import positional_encoding
from course_lib.toys import negation
from course_lib.toys.negation import BAD, GOOD, WORDS, Reader, encode, nowhere, sentences
from course_lib.training import train


def right(reader, split="test"):
    s = sentences(split)
    with torch.no_grad():
        return ((reader(s.ids) > 0) == (s.praise > 0)).double().mean().item()


def taught(places, steps, blocks=2):
    s, g = sentences("train"), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    reader = Reader(places, blocks=blocks)
    batches = [torch.randint(len(s.ids), (128,), generator=g) for _ in range(steps)]

    def loss_of(rows):
        return F.binary_cross_entropy_with_logits(reader(s.ids[rows]), s.praise[rows])

    train(reader.parameters(), batches, loss_of, steps=steps, lr=3e-3)
    return reader.eval()


def test_the_same_words_stand_on_both_sides_of_every_label():
    for split in ("train", "test"):
        s, bags = sentences(split), defaultdict(list)
        for ids, praise in zip(s.ids.tolist(), s.praise.tolist(), strict=True):
            bags[tuple(sorted(ids))].append(praise)
        assert {tuple(sorted(labels)) for labels in bags.values()} == {(0, 0, 1, 1)}


def test_labels_say_who_was_negated_or_emphasised():
    s = sentences("train")
    label = {" ".join(s.text(i)): s.praise[i].item() for i in range(len(s.ids))}
    assert label["the film was not long and clever"] == 1
    assert label["the film was long and not clever"] == 0
    assert label["they say the song was very clever and long"] == 1
    assert label["today the soup was clever and very long"] == 0


def test_no_pair_of_adjectives_is_in_both_splits_and_every_word_is():
    pairs, words = {}, {}
    for split in ("train", "test"):
        s = sentences(split)
        texts = [s.text(i) for i in range(len(s.ids))]
        pairs[split] = {frozenset(t) & frozenset(GOOD + BAD) for t in texts}
        words[split] = {word for text in texts for word in text}
    assert not pairs["train"] & pairs["test"]
    assert all(len(pair) == 2 for pair in pairs["train"] | pairs["test"])
    assert words["train"] == words["test"] == set(WORDS[1:])


def test_a_sentence_of_your_own_is_filled_up_and_odd_ones_are_explained():
    assert encode(["the", "film"]).tolist() == [1, WORDS.index("film"), *[0] * 8]
    with pytest.raises(ValueError, match="'Film' is not among them"):
        encode(["the", "Film"])
    with pytest.raises(ValueError, match="these are 0"):
        encode([])
    with pytest.raises(ValueError, match="these are 11"):
        encode(["the"] * 11)
    with pytest.raises(ValueError, match="wanted the split 'train' or 'test', got 'all'"):
        sentences("all")


def test_filling_is_neither_looked_at_nor_counted():
    torch.manual_seed(0)
    reader = Reader(positional_encoding)
    ids = encode("the film was not long and funny".split())[None]
    torch.testing.assert_close(reader(ids), reader(ids[:, :7]))
    for maps in reader.maps(ids):
        assert maps[..., 7:].abs().max() == 0
        torch.testing.assert_close(maps.sum(-1), torch.ones(1, 2, 10))


def test_without_positions_two_orders_of_the_same_words_are_one():
    torch.manual_seed(0)
    reader, other = Reader(nowhere), Reader(positional_encoding)
    texts = ("the film was not long and funny", "the film was long and not funny")
    ids = torch.stack([encode(text.split()) for text in texts])
    a, b = reader(ids)
    torch.testing.assert_close(a, b)
    a, b = other(ids)
    assert (a - b).abs() > 1e-4


@pytest.mark.slow
def test_only_attention_with_positions_solves_it():
    assert right(taught(positional_encoding, 900)) > 0.97
    for guesser in (taught(nowhere, 150), taught(positional_encoding, 150, blocks=0)):
        assert abs(right(guesser) - 0.5) < 0.02


def test_the_task_has_as_many_of_each_label():
    assert negation.sentences("test").praise.mean() == 0.5
    assert len(negation.sentences("test").ids) == 6912
