"""Captions of composed pictures: a colour, a number, a place, one thing beside another."""

import random

from course_lib.datasets.captions import sentence
from course_lib.datasets.compositions import Drawn, Recipe, without_colour
from course_lib.datasets.nouns import Phrase, name, plural, with_article

OTHER_WORDS = {
    "on the left": ("left", "on the left side", "to the left"),
    "on the right": ("right", "on the right side", "to the right"),
    "at the top": ("top", "on top", "up at the top"),
    "at the bottom": ("bottom", "down at the bottom"),
    "in the top left corner": ("top left", "in the upper left"),
    "in the top right corner": ("top right", "in the upper right"),
    "in the bottom left corner": ("bottom left", "in the lower left"),
    "in the bottom right corner": ("bottom right", "in the lower right"),
}


def _noun(part: Drawn, colour: str, draw: random.Random) -> str:
    if colour:
        names = [n for n in part.thing.names if n == without_colour(n)]
        label = without_colour(part.thing.label)
        return f"{colour} {draw.choice(names) if names and draw.random() < 0.25 else label}"
    return name(part.thing, draw)


def pair_phrases(a: str, b: str, layout: str) -> list[str]:
    """Ways to say where two things are; a and b with their articles. The first is the measure's."""
    if layout == "beside":
        return [
            f"{a} and {b}",
            f"{a} and {b}",
            f"{a} to the left of {b}",
            f"{b} to the right of {a}",
            f"{a} next to {b}",
            f"{a} beside {b}",
            f"{a} on the left and {b} on the right",
            f"{a} left, {b} right",
            f"{b} on the right, {a} on the left",
            f"{a}, {b}",
            f"{a} with {b}",
            f"{a} & {b}",
            f"{a} and {b} side by side",
        ]
    return [
        f"{a} above {b}",
        f"{a} above {b}",
        f"{b} below {a}",
        f"{a} over {b}",
        f"{b} under {a}",
        f"{a} on top of {b}",
        f"{a} at the top and {b} at the bottom",
        f"{b} at the bottom, {a} at the top",
        f"{b} beneath {a}",
    ]


def of_composed(recipe: Recipe, draw: random.Random) -> str:
    """A training caption of a composed picture, a new one each time."""
    style = recipe.parts[0].style
    nouns = [_noun(p, c, draw) for p, c in zip(recipe.parts, recipe.colours, strict=True)]
    forms = [with_article(n) for n in nouns]
    if draw.random() < 0.1:
        forms = [f"the {n}" for n in nouns]
    elif draw.random() < 0.15:
        forms = nouns
    if recipe.kind == "colour":
        return sentence(Phrase.of(nouns[0]), style, draw, exact=0.15)
    if recipe.kind == "pair":
        way = draw.randrange(len(pair_phrases("", "", recipe.detail)))
        text, plain = (pair_phrases(a, b, recipe.detail)[way] for a, b in (forms, nouns))
        return sentence(Phrase.fixed(text, plain), style, draw, exact=0.15)
    if recipe.kind == "count":
        words = {"2": ("two", "two", "two", "2", "a pair of"), "3": ("three", "three", "3")}
        text = f"{draw.choice(words[recipe.detail])} {plural(nouns[0])}"
        return sentence(Phrase.fixed(text), style, draw, exact=0.15)
    small = draw.choice(("small", "small", "small", "tiny", "little"))
    if recipe.detail == "small":
        return sentence(Phrase.of(f"{small} {nouns[0]}"), style, draw, exact=0.15)
    where = recipe.detail if draw.random() < 0.6 else draw.choice(OTHER_WORDS[recipe.detail])
    noun = f"{small} {nouns[0]}" if draw.random() < 0.7 else nouns[0]
    phrase = Phrase.fixed(f"{with_article(noun)} {where}", f"{noun} {where}")
    return sentence(phrase, style, draw, exact=0.15)
