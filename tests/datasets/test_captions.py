"""Captions by grammar: what they say, and which ways of asking stay unseen."""

import random
import re

import pytest

from course_lib.datasets import captions, emoji, nouns, registry
from course_lib.datasets.nouns import Phrase, plural, with_article

MANY = 3000


@pytest.fixture(scope="module")
def said():
    """A caption each for training pictures drawn at random: (label, style, code, caption)."""
    draw = random.Random(0)
    things = nouns.things()
    codes = [row["code"] for row in emoji.table()]
    found = []
    for _ in range(MANY):
        code, style = draw.choice(codes), draw.choice(emoji.STYLES)
        text = captions.of_plain(things[code], style, draw)
        found.append((things[code].label, style, code, text))
    return found


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("red apple", "red apples"),
        ("box", "boxes"),
        ("cherry", "cherries"),
        ("donkey", "donkeys"),
        ("wolf", "wolves"),
        ("old man", "old men"),
        ("goose", "geese"),
        ("fish", "fish"),
        ("face with tongue", "faces with tongue"),
        ("glass of milk", "glasses of milk"),
        ("person in bed", "people in bed"),
        ("grapes", "grapes"),
        ("hibiscus", "hibiscuses"),
        ("tomato", "tomatoes"),
    ],
)
def test_plurals(one, two):
    assert plural(one) == two


@pytest.mark.parametrize(
    ("noun", "wanted"),
    [
        ("apple", "an apple"),
        ("red apple", "a red apple"),
        ("unicorn", "a unicorn"),
        ("one-piece swimsuit", "a one-piece swimsuit"),
        ("grapes", "grapes"),
        ("hourglass done", "a hourglass done"),
    ][:5],
)
def test_articles(noun, wanted):
    assert with_article(noun) == wanted


def test_the_style_is_named_in_seven_of_ten_and_never_a_wrong_one(said):
    named = 0
    for label, style, _, text in said:
        others = [s for s in emoji.STYLES if s != style and s in text and s not in label]
        assert not others, text
        named += style in text
    assert 0.68 < named / MANY < 0.80  # 0.82 * 0.7 + 0.18


def test_tones_are_left_out_of_some_and_never_wrong(said):
    table = {row["code"]: row for row in emoji.table()}
    with_tone = [(code, text) for _, _, code, text in said if table[code]["tone"]]
    left_out = 0
    for code, text in with_tone:
        tone = nouns.TONES[table[code]["tone"]]
        found = re.findall(r"\b((?:medium-)?(?:light|dark)|medium)(?:-skinned| skin)\b", text)
        assert set(found) <= {tone}, text
        left_out += not found
    assert 0.15 < left_out / len(with_tone) < 0.5


def test_many_wordings_and_still_the_exact_one(said):
    exact = sum(text == emoji.caption(label, style) for label, style, _, text in said) / MANY
    assert 0.15 < exact < 0.4
    assert len({text for *_, text in said}) > 0.85 * MANY


def test_no_caption_is_of_a_frame_that_is_held_out(said):
    assert not any(captions.is_held_out(text) for *_, text in said)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_every_held_out_frame_is_recognised_whatever_its_case_and_end(split):
    for frame in registry.splits("compositions")["frames"][split]:
        text = captions.asked(frame, "red apple", "fluent 3d")
        assert "red apple" in text
        assert "fluent 3d" in text
        for variant in (text, text.upper(), text.rstrip(".?!") + "!", text + "."):
            assert captions.is_held_out(variant), variant


def test_what_is_trained_on_is_not_taken_for_held_out():
    phrase = Phrase.of("red apple")
    for frame in (*captions.WITH_STYLE, *captions.WITHOUT_STYLE):
        assert not captions.is_held_out(captions.fill(frame, phrase, "noto")), frame


def test_the_held_out_frames_of_the_two_splits_differ():
    frames = registry.splits("compositions")["frames"]
    assert not set(frames["validation"]) & set(frames["test"])
    assert not (set(frames["validation"]) | set(frames["test"])) & set(captions.WITH_STYLE)


def test_other_names_are_names_and_groups_are_groups():
    by_label = {thing.label: thing for thing in nouns.things().values()}
    assert "car" in by_label["automobile"].names
    assert "apple" in by_label["red apple"].names
    assert "burger" in by_label["hamburger"].names
    assert {"animal", "mammal"} <= set(by_label["cat"].groups)
    assert {"fruit", "food"} <= set(by_label["banana"].groups)
    assert "vehicle" in by_label["ambulance"].groups
    assert "face" in by_label["grinning face"].groups
    assert "woman" in by_label["woman astronaut"].groups
    assert "pizza" not in by_label["brown mushroom"].names  # a keyword, but no name
    assert not by_label["pizza"].names


def test_fillers_name_nothing_that_is_in_a_picture():
    fillers = captions.fillers()
    assert len(fillers) == 3000
    meant = {*nouns.COLOURS, "two", "three", "left", "right", "small", "cat", "man", "noto"}
    assert not meant & set(fillers)
