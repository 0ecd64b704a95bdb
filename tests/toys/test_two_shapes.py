"""The small world of lesson 11: what its captions say is what its pictures show."""

import pytest
import torch

from course_lib.toys.two_shapes import COLOURS, SHAPES, WORDS, colours_found, decode, draw, encode


def test_the_first_shape_of_the_caption_is_at_the_first_place_in_its_colour():
    world = draw(200, seed=0)
    for picture, ids, places in zip(world.pictures, world.ids, world.places, strict=True):
        words = decode(ids).split()
        for colour, place in zip((words[1], words[5]), places, strict=True):
            assert (picture[:, place] == torch.tensor(COLOURS[colour])[:, None]).all()
        assert (picture[:, ~places.any(0)] == 1).all()


def test_a_disc_has_no_corners_and_a_square_has():
    world = draw(200, seed=1)
    for ids, places in zip(world.ids, world.places, strict=True):
        for word, place in zip((ids[2], ids[6]), places, strict=True):
            rows, columns = place.any(1).nonzero(), place.any(0).nonzero()
            corner = bool(place[rows[0], columns[0]])
            assert WORDS[word] == SHAPES[int(corner)]


def test_captions_go_to_numbers_and_back():
    for ids in draw(20, seed=2).ids:
        assert torch.equal(encode(decode(ids)), ids)
    assert encode("").tolist() == [0] * 7
    assert decode(encode("")) == ""


def test_either_shape_may_be_left_and_every_word_occurs():
    world = draw(300, seed=3)
    left = world.places[:, 0, :, :8].flatten(1).any(dim=1)
    assert 100 < left.sum() < 200
    assert set(world.ids.flatten().tolist()) == set(range(1, len(WORDS)))


def test_the_same_seed_draws_the_same():
    assert torch.equal(draw(9, seed=4).pictures, draw(9, seed=4).pictures)
    assert not torch.equal(draw(9, seed=4).pictures, draw(9, seed=5).pictures)


def test_colours_are_found_in_true_pictures_and_not_in_others():
    world = draw(300, seed=6)
    assert colours_found(world.pictures, world.ids).float().mean() > 0.99
    assert not colours_found(torch.ones(3, 3, 16, 16), world.ids[:3]).any()
    other = colours_found(world.pictures, world.ids.roll(1, 0))
    assert 0.2 < other.float().mean() < 0.65


@pytest.mark.parametrize("caption", ["a red disc", "a pink disc and a blue square"])
def test_another_caption_is_told_what_one_looks_like(caption):
    with pytest.raises(ValueError, match="a red disc and a blue square"):
        encode(caption)


def test_seven_known_words_make_a_caption_in_any_order():
    assert encode("red " * 7).tolist() == [WORDS.index("red")] * 7
