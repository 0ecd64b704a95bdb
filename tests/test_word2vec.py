"""Skip-gram with negative sampling: its gradients, its dice, and that it learns."""

import ast
import inspect

import pytest
import torch

from course_lib import word2vec
from course_lib.vocabulary import Text, Vocabulary, as_numbers, count_words
from course_lib.word2vec import Embeddings

ANIMALS, PLACES = "cat dog cow hen pig fox".split(), "rome oslo bonn lima kiev bern".split()


def small_text(n=400, seed=0):
    """Sentences that are all animals or all places, so that it is known who belongs to whom."""
    g = torch.Generator().manual_seed(seed)
    groups = (ANIMALS, PLACES)
    picks = torch.randint(6, (n, 8), generator=g).tolist()
    return [[groups[i % 2][k] for k in row] for i, row in enumerate(picks)]


def learned(seed=0, epochs=6):
    sentences = small_text()
    vocabulary = count_words(sentences)
    text = as_numbers(sentences, vocabulary)
    lists = word2vec.new_embeddings(vocabulary, 16, seed=seed)
    for epoch in range(epochs):
        word2vec.read(lists, text, vocabulary, epoch=epoch, of=epochs, sample=1.0, seed=seed)
    return lists


def test_the_vocabulary_holds_the_commonest_words_first_and_leaves_rare_ones_out():
    sentences = [["a", "b", "a"], ["c", "a", "b"]]
    vocabulary = count_words(sentences, min_count=2)
    assert vocabulary.words == ("a", "b")
    assert vocabulary.counts.tolist() == [3, 2]
    assert count_words(sentences, min_count=1, at_most=1).words == ("a",)


def test_a_text_of_strings_is_told_what_is_wrong():
    with pytest.raises(ValueError, match=r"got 'the cat sat on the mat'.*split\(\)"):
        count_words(["the cat sat on the mat"] * 5)
    with pytest.raises(ValueError, match="none of 2 words is seen 5 times"):
        count_words([["cat"], ["dog"]])


def test_a_text_too_short_for_one_line_is_told_so():
    vocabulary = Vocabulary(("a", "b"), torch.tensor([30, 30]))
    text = as_numbers([["a", "b"] * 30], vocabulary)
    with pytest.raises(ValueError, match="got 60, of which"):
        word2vec.read(word2vec.new_embeddings(vocabulary, 8), text, vocabulary)


def test_numbers_skip_unknown_words_and_remember_the_sentence():
    vocabulary = Vocabulary(("a", "b"), torch.tensor([3, 2]))
    text = as_numbers([["a", "x", "b"], ["x"], ["b"]], vocabulary)
    assert text.ids.tolist() == [0, 1, 1]
    assert text.sentence.tolist() == [0, 0, 2]


def test_common_words_are_thinned_by_word2vecs_formula():
    vocabulary = Vocabulary(("the", "owl"), torch.tensor([999_000, 1_000]))
    keep = vocabulary.keep(1e-3)
    share = 0.999
    wanted = ((share / 1e-3) ** 0.5 + 1) * 1e-3 / share  # as written in word2vec.c
    torch.testing.assert_close(keep, torch.tensor([wanted, 1.0], dtype=torch.float64))


def test_pairs_reach_as_far_as_the_window_and_no_further():
    assert word2vec.pairs([7, 8, 9], 1) == [(7, 8), (8, 7), (8, 9), (9, 8)]
    assert word2vec.pairs([7, 8, 9], 2) == [(7, 8), (7, 9), (8, 7), (8, 9), (9, 7), (9, 8)]
    assert word2vec.pairs([7], 5) == []


def test_neighbours_in_lines_are_the_same_pairs():
    """With window 1 nothing is random, so a line must give exactly what `pairs` gives."""
    sentence = torch.tensor([[0, 0, 0, 1, 1, 2]])
    near = word2vec.neighbours(sentence, 1, torch.Generator().manual_seed(0))
    found = {tuple(p) for p in near[0].nonzero().tolist()}
    assert found == set(word2vec.pairs([0, 1, 2], 1) + word2vec.pairs([3, 4], 1))


def test_the_reach_is_drawn_evenly_from_one_to_the_window():
    sentence = torch.zeros(2000, 11, dtype=torch.int64)
    near = word2vec.neighbours(sentence, 4, torch.Generator().manual_seed(0))
    by_distance = [near[:, 5, 5 + k].double().mean().item() for k in range(1, 6)]
    torch.testing.assert_close(
        torch.tensor(by_distance), torch.tensor([1, 0.75, 0.5, 0.25, 0]), atol=0.05, rtol=0
    )


def test_blind_guesses_follow_the_counts_to_the_power_three_quarters():
    vocabulary = Vocabulary(("a", "b", "c"), torch.tensor([810_000, 10_000, 16]))
    noise = vocabulary.noise()
    power = torch.tensor([27_000.0, 1_000, 8], dtype=torch.float64)
    torch.testing.assert_close(noise, power / power.sum())
    drawn = word2vec.negative_samples(noise, (1000, 1000), torch.Generator().manual_seed(0))
    share = torch.bincount(drawn.flatten(), minlength=3) / drawn.numel()
    spread = 5 * (noise * (1 - noise) / drawn.numel()).sqrt()  # five standard deviations
    assert bool(((share - noise).abs() < spread).all()), (share, noise)


def test_labels_owe_each_neighbour_its_negatives():
    near = torch.tensor([[[False, True, True], [True, False, False], [False, False, False]]])
    label, weight = word2vec.labels(near, 4, 5)
    assert label[0].tolist()[0] == [0, 1, 1, 0, 0, 0, 0]
    torch.testing.assert_close(weight[0, :, :3].sum(1), torch.tensor([2.0, 1, 0]))
    torch.testing.assert_close(weight[0, :, 3:].sum(1), torch.tensor([10.0, 5, 0]))


def test_a_step_goes_down_the_gradient_that_autograd_finds():
    """Repeated words, in the line and among the guesses, must add up as they do in autograd."""
    g = torch.Generator().manual_seed(3)
    ids = torch.tensor([[0, 1, 2, 0], [4, 1, 1, 3]])
    guesses = torch.tensor([[2, 2, 0], [5, 1, 4]])
    near = word2vec.neighbours(torch.tensor([[0, 0, 0, 1], [2, 2, 2, 2]]), 2, g)
    label, weight = word2vec.labels(near, 3, 5)
    centre = torch.randn(6, 7, generator=g, dtype=torch.float64, requires_grad=True)
    around = torch.randn(6, 7, generator=g, dtype=torch.float64, requires_grad=True)
    beside = around[torch.cat([ids, guesses], dim=1)]
    word2vec.loss(centre[ids], beside, label.double(), weight.double()).backward()
    lists = Embeddings(tuple("abcdef"), centre.detach().clone(), around.detach().clone())
    word2vec.learn(lists, ids, guesses, label.double(), weight.double(), 0.1)
    torch.testing.assert_close(lists.input, (centre - 0.1 * centre.grad).detach())
    torch.testing.assert_close(lists.output, (around - 0.1 * around.grad).detach())


def test_the_loss_of_a_blind_guess_is_log_two_for_each_pair():
    zero, one = torch.zeros(1, 2, 3), torch.ones(1, 2, 4)
    got = word2vec.loss(zero, torch.zeros(1, 4, 3), one, one)
    torch.testing.assert_close(got, 8 * torch.tensor(2.0).log())


def test_words_of_one_group_end_up_near_each_other():
    first = learned().vectors
    for group in (ANIMALS, PLACES):
        for word in group:
            assert {w for w, _ in first.nearest(word, 5)} == set(group) - {word}


def test_the_second_list_tells_who_stands_beside_whom():
    lists = learned()
    inside = [lists.together(a, b) for a in ANIMALS for b in ANIMALS if a != b]
    outside = [lists.together(a, b) for a in ANIMALS for b in PLACES]
    assert min(inside) > max(outside)


def test_lists_survive_being_saved():
    lists = word2vec.new_embeddings(Vocabulary(("a", "it's", "b"), torch.tensor([3, 2, 1])), 4)
    again = word2vec.from_state(lists.state())
    assert again.words == lists.words
    torch.testing.assert_close(again.input, lists.input)
    torch.testing.assert_close(again.output, lists.output)


def test_the_same_seed_gives_the_same_vectors_and_another_seed_others():
    one, two, other = learned(1, 2), learned(1, 2), learned(2, 2)
    torch.testing.assert_close(one.input, two.input, rtol=0, atol=0)
    torch.testing.assert_close(one.output, two.output, rtol=0, atol=0)
    assert not torch.equal(one.input, other.input)


def test_every_option_of_reading_changes_what_is_learned():
    sentences = small_text()
    vocabulary = count_words(sentences)
    text = as_numbers(sentences, vocabulary)

    def once(**options):
        lists = word2vec.new_embeddings(vocabulary, 8)
        word2vec.read(lists, text, vocabulary, **{"sample": 1.0, **options})
        return lists.output

    usual = once()
    for option in (
        {"window": 2},
        {"negatives": 2},
        {"sample": 2e-2},
        {"lr": 0.01},
        {"seed": 1},
        {"of": 3},
        {"epoch": 1, "of": 2},
    ):
        assert not torch.equal(usual, once(**option)), option


def test_no_pair_crosses_the_end_of_a_sentence():
    """Two words that never share a sentence never meet, however the text is cut into lines."""
    text = Text(torch.tensor([0, 0, 1, 1] * 64), torch.arange(128).repeat_interleave(2))
    near_all = []
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        ids, sentence = word2vec.lines_of(text, torch.ones(2, dtype=torch.float64), g)
        near = word2vec.neighbours(sentence, 5, g)
        near_all.append((near & (ids[:, :, None] != ids[:, None, :])).any())
    assert not any(near_all)


def test_all_that_learns_fits_in_forty_lines():
    """Lines of code, without signatures' and docstrings' words."""
    parts = ("lines_of", "neighbours", "negative_samples", "labels", "learn", "read")
    lines = 0
    for name in parts:
        function = ast.parse(inspect.getsource(getattr(word2vec, name))).body[0]
        assert isinstance(function, ast.FunctionDef)
        last = function.body[-1].end_lineno
        assert last is not None
        lines += 1 + last - function.body[1].lineno + 1  # the def, and all after the docstring
    assert 20 < lines < 40, lines
