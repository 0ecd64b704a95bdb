"""Composed pictures: what they show, and what training never shows."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.datasets import (
    captions,
    composed_captions,
    compositions,
    emoji,
    recolouring,
    registry,
)
from course_lib.datasets.compositions import COUNTS, LAYOUTS, PLACES, Recipe, Sampler


@pytest.fixture(scope="module")
def parts():
    return compositions.drawn(emoji.load(split="train"))


@pytest.fixture(scope="module")
def sampler(parts):
    return Sampler(parts, compositions.held_out())


def of(parts, label, style):
    (part,) = [p for p in parts if p.thing.label == label and p.style == style]
    return part


def ink(picture):
    """Where something is drawn: (64, 64)."""
    return (picture < 245).any(axis=-1)


def test_only_training_pictures_are_used(parts):
    train = emoji.load(split="train")
    known = set(zip(train.styles, train.codes, strict=True))
    assert {(p.style, p.code) for p in parts} <= known


def test_the_sampler_draws_nothing_that_is_held_out(sampler):
    split, draw = registry.splits("compositions"), random.Random(1)
    colours = {(c, code) for of_part in split["colours"].values() for c, code, _ in of_part}
    pairs = {frozenset(e[:2]) for of_part in split["pairs"].values() for e in of_part}
    counts = {(n, code) for of_part in split["counts"].values() for n, code, _ in of_part}
    for kind in compositions.KINDS:
        for _ in range(4000):
            recipe = sampler.draw(kind, draw)
            codes = [part.code for part in recipe.parts]
            assert not colours & set(zip(recipe.colours, codes, strict=True))
            if kind == "pair":
                assert frozenset(codes) not in pairs
            if kind == "count":
                assert (int(recipe.detail), codes[0]) not in counts


def test_what_is_held_out_would_be_drawn_if_it_were_not(parts):
    """Without its refusals it meets held-out colours and counts: the test above can fail."""
    nothing = compositions.HeldOut(frozenset(), frozenset(), frozenset())
    free, draw, out = Sampler(parts, nothing), random.Random(1), compositions.held_out()
    for kind in ("colour", "count"):
        met = sum(compositions.is_held_out(free.draw(kind, draw), out) for _ in range(4000))
        assert met > 20


@pytest.mark.parametrize("kind", ["colours", "pairs", "counts"])
def test_validation_and_test_have_nothing_in_common(kind):
    split = registry.splits("compositions")[kind]
    keys = {part: {tuple(sorted(map(str, entry[:2]))) for entry in split[part]} for part in split}
    assert not keys["validation"] & keys["test"]
    assert all(len(keys[part]) == len(split[part]) for part in split)


def test_every_held_out_thing_is_known_in_other_colours_and_numbers(parts):
    split = registry.splits("compositions")
    paints = {}
    for part in parts:
        paints.setdefault(part.code, set()).update(part.paints())
    for of_part in split["colours"].values():
        for colour, code, style in of_part:
            assert len(paints[code] - {colour}) >= 3
            (own,) = [p for p in parts if p.code == code and p.style == style]
            assert colour in own.paints()
    held = [(n, code) for of_part in split["counts"].values() for n, code, _ in of_part]
    assert len({code for _, code in held}) == len(held)  # of no thing both numbers


def test_a_new_colour_changes_the_main_part_and_keeps_the_shape(parts):
    for part in [p for p in parts if p.paints()][::100]:
        painted = {c: recolouring.recoloured(part.pixels, part.main, c) for c in part.paints()}
        for new in painted.values():
            assert (ink(new) == ink(part.pixels)).mean() > 0.95
        every = np.stack(list(painted.values())).astype(int)
        main = (every.max(axis=0) - every.min(axis=0)).max(axis=-1) > 60  # what is painted
        for colour, new in painted.items():
            middle = np.median(new[main], axis=0)
            near = min(painted, key=lambda c: abs(np.array(recolouring.PAINT[c]) - middle).sum())
            assert near == colour, part.thing.label
            assert (new[~main & ~ink(part.pixels)] == part.pixels[~main & ~ink(part.pixels)]).all()


def test_no_new_colour_makes_a_picture_that_another_emoji_is_named_after(parts):
    labels = {row["label"] for row in emoji.table()}
    for part in parts:
        for colour in part.paints():
            assert f"{colour} {compositions.without_colour(part.thing.label)}" not in labels


def test_hearts_circles_squares_and_people_are_not_painted(parts):
    """Their colours are the held-out combinations of the benchmark, or skin."""
    for part in parts:
        if "shape" in part.thing.row or part.thing.row["group"] == "people-body":
            assert part.paints() == []


def test_first_and_second_of_a_pair_stand_where_the_words_say(parts):
    a, b = of(parts, "banana", "twemoji"), of(parts, "rocket", "twemoji")
    for layout, ((y, x), _) in LAYOUTS.items():
        made = compositions.picture(Recipe("pair", (a, b), ("", ""), layout))
        np.testing.assert_array_equal(made[y : y + 32, x : x + 32], compositions.halved(a.pixels))
        swapped = compositions.picture(Recipe("pair", (b, a), ("", ""), layout))
        assert (made != swapped).any()
        first = a.thing.label
        for text in composed_captions.pair_phrases(f"a {first}", "a thing", layout):
            left_first = text.index(first) < text.index("thing")
            turned = any(w in text for w in ("right of", "below", "under", "beneath"))
            turned = turned or text.startswith(("a thing on the right", "a thing at the bottom"))
            assert left_first != turned, text


@pytest.mark.parametrize("number", COUNTS)
def test_so_many_of_a_kind(parts, number):
    part = next(p for p in parts if p.thing.label.endswith(" circle") and p.colour)
    one = ink(compositions.picture(Recipe("place", (part,), ("",), "small"))).sum()
    many = ink(compositions.picture(Recipe("count", (part,), ("",), str(number)))).sum()
    assert many == number * one


@pytest.mark.parametrize("place", PLACES)
def test_a_small_one_is_where_its_caption_says(parts, place):
    part = next(p for p in parts if p.thing.label.endswith(" circle") and p.colour)
    y, x = (
        axis.mean() - 31.5
        for axis in ink(compositions.picture(Recipe("place", (part,), ("",), place))).nonzero()
    )
    for word, way in (("left", x < -8), ("right", x > 8), ("top", y < -8), ("bottom", y > 8)):
        assert (word in place) == way


def test_captions_say_what_is_drawn(sampler):
    draw = random.Random(2)
    numbers = {"2": ("two", "2", "pair"), "3": ("three", "3")}
    for kind in compositions.KINDS:
        for _ in range(300):
            recipe = sampler.draw(kind, draw)
            text = composed_captions.of_composed(recipe, draw)
            for colour in filter(None, recipe.colours):
                assert colour in text
            if kind == "count":
                assert any(word in text for word in numbers[recipe.detail]), text
            assert not captions.is_held_out(text)


def test_the_same_seed_composes_the_same_pictures(sampler):
    numbers = dict.fromkeys(compositions.KINDS, 3)
    one, again, other = (compositions.recipes(sampler, numbers, seed) for seed in (0, 0, 1))
    assert one == again
    assert one != other
    made = compositions.pictures(one)
    assert made.pixels.shape == (12, 64, 64, 3)
    assert torch.equal(made.pixels, compositions.pictures(again).pixels)
    assert replace(one[0], detail="x") != one[0]
