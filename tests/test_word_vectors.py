"""Nearest words and analogies, beside gensim's on the same vectors."""

import pytest
import torch
from gensim.models import KeyedVectors

from course_lib import word_vectors
from course_lib.datasets import glove
from course_lib.files import weights
from course_lib.word2vec import from_state
from course_lib.word_vectors import CAPITALS, FAMILY, WordVectors


@pytest.fixture
def vectors():
    g = torch.Generator().manual_seed(0)
    words = tuple(f"{a}{b}" for a in "abcdefgh" for b in "aeiou")
    return WordVectors(words, 3 * torch.randn(40, 12, generator=g) + 0.5)


@pytest.fixture
def keyed(vectors):
    found = KeyedVectors(12)
    found.add_vectors(list(vectors.words), vectors.vectors.numpy())
    return found


def same(ours, theirs):
    assert [w for w, _ in ours] == [w for w, _ in theirs]
    torch.testing.assert_close(
        torch.tensor([v for _, v in ours]), torch.tensor([v for _, v in theirs])
    )


def test_the_nearest_words_are_gensims(vectors, keyed):
    for word in vectors.words[::7]:
        same(vectors.nearest(word, 6), keyed.most_similar(word, topn=6))


def test_analogies_are_gensims(vectors, keyed):
    for a, b, c in (("aa", "be", "ci"), ("ho", "gu", "fa"), ("ee", "da", "aa")):
        same(vectors.analogy(a, b, c, 7), keyed.most_similar([b, c], [a], topn=7))


def test_cosine_similarity_is_gensims(vectors, keyed):
    assert vectors.cosine_similarity("aa", "hu") == pytest.approx(
        float(keyed.similarity("aa", "hu"))
    )


def test_a_word_is_found_whatever_its_capitals(vectors):
    torch.testing.assert_close(vectors[" Aa "], vectors.vectors[0])
    assert "aa" not in dict(vectors.nearest("AA", 39))
    assert not {"aa", "be", "ci"} & set(dict(vectors.analogy("AA", "Be", "cI", 37)))


def test_a_list_of_its_own_may_have_capitals():
    few = WordVectors(("Paris", "paris", "Rome"), torch.eye(3))
    assert [few.id(word) for word in ("Paris", "paris", " Rome")] == [0, 1, 2]


def test_an_unknown_word_gets_the_closest_spelling():
    few = WordVectors(("electricity", "building"), torch.eye(2))
    with pytest.raises(ValueError, match="closest known spelling is 'electricity'"):
        few.nearest("electrisity")
    with pytest.raises(ValueError, match="No spelling is close"):
        few["xylophone"]
    with pytest.raises(ValueError, match="no vector for ''"):
        few.nearest("")


def test_words_and_vectors_must_be_as_many():
    with pytest.raises(ValueError, match="each of 2 words, got 3"):
        WordVectors(("a", "b"), torch.eye(3))


def test_each_two_pairs_make_two_questions():
    asked = word_vectors.questions(FAMILY)
    assert len(asked) == 90
    assert len(word_vectors.questions(CAPITALS)) == 182
    assert ("man", "woman", "king", "queen") in asked
    assert ("king", "queen", "man", "woman") in asked
    assert len(set(asked)) == 90


def test_answers_are_counted_within_the_first_few():
    """In a plane of sexes and ranks every answer is right; with two swapped, none is."""
    words = ("man", "woman", "king", "queen", "far")
    plane = torch.tensor([[1.0, 0, 1], [1, 1, 1], [1, 0, 3], [1, 1, 3], [9, -9, -9]])
    asked = [("man", "woman", "king", "queen"), ("man", "king", "woman", "queen")]
    assert word_vectors.answered(WordVectors(words, plane), asked, 1) == 2
    swapped = ("man", "woman", "king", "far", "queen")
    assert word_vectors.answered(WordVectors(swapped, plane), asked, 1) == 0
    assert word_vectors.answered(WordVectors(swapped, plane), asked, 2) == 2
    assert word_vectors.answered(WordVectors(words[:3], plane[:3]), asked, 1) == 0


def test_with_glove_queen_and_tokyo_come_first():
    """The two famous examples; with the course's own lists they are measured, not asserted."""
    vectors = WordVectors(*glove.load())
    assert vectors.analogy("man", "king", "woman", 1)[0][0] == "queen"
    assert vectors.analogy("england", "london", "japan", 1)[0][0] == "tokyo"


def test_the_bundled_lists_are_whole_and_hold_what_their_card_says():
    lists, card = from_state(weights.load_state("word2vec")), weights.card("word2vec")
    assert len(lists.words) == len(set(lists.words)) == 20_000
    assert lists.input.shape == lists.output.shape == (20_000, 100)
    right = word_vectors.answered(lists.vectors, word_vectors.questions(FAMILY))
    said = int(card["quality"][f"seed {card['seed']}"]["family in first five"].split()[0])
    assert abs(right - said) <= 3  # half precision may move a close call
    assert lists.together("tall", "building") > lists.together("tall", "electricity")
