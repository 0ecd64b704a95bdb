"""What people might type for a picture: captions made by a small grammar, endlessly many.

A picture's own caption, "red apple, noto style", is one of thousands of ways to ask for it. Here a
noun phrase (the label, another name, a group, a part left out) goes into a frame (a request, a
style, an order), and words that carry nothing are put in at random, so that the text tower learns
to pass over what it does not know. The frames of `held_out` are kept back for the measure.
"""

import random
import re
from collections import Counter
from functools import cache

from course_lib.datasets import corpus, emoji, registry
from course_lib.datasets.nouns import (
    COLOURS,
    TONES,
    Phrase,
    Thing,
    is_plural,
    name,
    things,
)

# {n} bare, {a} with its article, {the}; {s} the style. The number is how often it is drawn.
WITH_STYLE = {
    "{n}, {s} style": 16,
    "{a}, {s} style": 7,
    "{the}, {s} style": 3,
    "{n} in {s} style": 2,
    "{a} in {s} style": 5,
    "{the} in {s} style": 1,
    "{a} in the style of {s}": 2,
    "{n} in the {s} style": 1,
    "{s} style {n}": 3,
    "a {s} style {n}": 2,
    "{s} {n}": 2,
    "{n} {s}": 2,
    "{n} {s} style": 2,
    "{n}, {s}": 2,
    "{a}, {s}": 1,
    "{s}: {n}": 2,
    "{s} style: {a}": 1,
    "{n} ({s})": 2,
    "{a} ({s} style)": 1,
    "{n} / {s}": 1,
    "{s}, {n}": 1,
    "{s} style, {a}": 1,
    "{n} emoji, {s} style": 1,
    "{s} emoji of {a}": 1,
    "{a} like {s} draws it": 1,
    "{a} with {s} style": 1,
    "{a} using {s} style": 1,
    "in {s} style, {a}": 1,
    "style {s}: {n}": 1,
}
WITHOUT_STYLE = {"{n}": 8, "{a}": 6, "{the}": 2, "{n} emoji": 1, "an emoji of {a}": 1}
REQUESTS = (
    "draw {np}",
    "draw me {np}",
    "draw {np} please",
    "please draw {np}",
    "please draw me {np}",
    "can you draw {np}",
    "a picture of {np}",
    "picture of {np}",
    "an image of {np}",
    "a drawing of {np}",
    "drawing of {np}",
    "show me {np}",
    "show {np}",
    "give me {np}",
    "i want {np}",
    "i want to see {np}",
    "make {np}",
    "make me {np}",
    "create {np}",
    "generate {np}",
    "paint {np}",
    "paint me {np}",
    "this is {np}",
    "here is {np}",
    "it is {np}",
    "look at {np}",
    "i see {np}",
    "one picture of {np}",
    "an emoji of {np}",
    "the emoji of {np}",
    "i like {np}",
    "{np} please",
    "{np} on white",
    "{np} on a white background",
    "just {np}",
    "only {np}",
    "some {n}",
    "this {n}",
    "that {n}",
    "any {n}",
    "your {n}",
    "a nice {n}",
    "a beautiful {n}",
    "a cute {n}",
    "a simple {n}",
)


@cache
def _listeners() -> frozenset[str]:
    """Words that mean something here, and may not be put in as fillers."""
    kept = set(COLOURS) | set(" ".join(emoji.STYLES).split()) | set(" ".join(TONES).split())
    kept |= set(
        """and next beside left right top bottom above below over under between small large big
        tiny little huge one two three four five pair couple corner middle centre center
        style emoji skin tone male female with without of grey gray white colour color
        other another many several few""".split()
    )
    for thing in things().values():
        for text in (thing.label, *thing.names, *thing.groups, *thing.row["tags"]):
            kept |= set(re.findall(r"[a-z]+", text))
            kept |= {f"{word}s" for word in re.findall(r"[a-z]+", text)}
    return frozenset(kept)


@cache
def fillers() -> tuple[str, ...]:
    """The corpus's commonest words that name nothing and no property in the pictures."""
    count = Counter(corpus.words("wikipedia", "wordnet"))
    found = [w for w, _ in count.most_common(5000) if len(w) > 1 and w not in _listeners()]
    return tuple(found[:3000])


@cache
def _held_out_frames() -> re.Pattern[str]:
    """Matches any caption of a held-out frame, whatever the case and the end."""
    found = []
    style = "|".join(re.escape(s) for s in emoji.STYLES)
    frames = registry.splits("compositions")["frames"]
    for frame in (f for of_part in frames.values() for f in of_part):
        text = re.escape(frame.lower().rstrip(".?!"))
        for slot in ("n", "a", "the"):
            text = text.replace(re.escape(f"{{{slot}}}"), ".+")
        found.append(text.replace(re.escape("{s}"), f"(?:{style})"))
    return re.compile(f"(?:{'|'.join(found)})[.?! ]*")


def is_held_out(caption: str) -> bool:
    """Whether a caption follows a frame that is kept back for validation or test."""
    return _held_out_frames().fullmatch(caption.lower()) is not None


def fill(frame: str, phrase: Phrase, style: str) -> str:
    """A frame with its slots filled."""
    forms = {"n": phrase.bare, "a": phrase.article, "the": phrase.definite, "np": phrase.article}
    return frame.format(**forms, s=style)


def _frame(draw: random.Random, styled: bool) -> str:
    frames = WITH_STYLE if styled else WITHOUT_STYLE
    (frame,) = draw.choices(list(frames), list(frames.values()))
    if draw.random() < 0.3 and ("{a}" in frame or "{n}" in frame):
        slot = "{a}" if "{a}" in frame else "{n}"
        request = draw.choice(REQUESTS)
        forms = ["{a}", "{a}", "{a}", "{n}", "{the}"]
        frame = frame.replace(slot, request.replace("{np}", draw.choice(forms)))
    return frame


def _with_fillers(frame: str, draw: random.Random) -> str:
    """One to three words that carry nothing, at random places of a frame, most often its start."""
    words = frame.split(" ")
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3))):
        place = 0 if draw.random() < 0.4 else draw.randint(0, len(words))
        words.insert(place, draw.choice(fillers()))
    return " ".join(words)


def _ended(text: str, draw: random.Random) -> str:
    """Articles left out, a sign at the end, no commas: each now and then."""
    if draw.random() < 0.06:
        text = re.sub(r"\b(a|an|the) ", "", text)
    chance = draw.random()
    if chance < 0.19:
        return text.replace(",", "") if chance < 0.02 else text + draw.choice("......!!?")
    return text


def sentence(phrase: Phrase, style: str, draw: random.Random, *, exact: float = 0.0) -> str:
    """A training caption around a noun phrase, never one of a held-out frame.

    `style` is left out of three captions in ten; a share `exact` is "noun, S style" as it stands.
    Capitals do not matter: the tokenizer lowers them.
    """
    if draw.random() < exact:
        return fill("{n}, {s} style", phrase, style)
    while True:
        frame = _frame(draw, draw.random() >= 0.3)
        if draw.random() < 0.25:
            frame = _with_fillers(frame, draw)
        text = _ended(fill(frame, phrase, style), draw)
        if not is_held_out(text):
            return text


def of_plain(thing: Thing, style: str, draw: random.Random) -> str:
    """A training caption of one emoji as it is."""
    if draw.random() < 0.18:
        return emoji.caption(thing.label, style)
    noun = draw.choice(thing.groups) if thing.groups and draw.random() < 0.12 else name(thing, draw)
    chance = draw.random()
    if chance < 0.03:
        noun = f"{draw.choice(('large', 'big', 'huge'))} {noun}"
    elif chance < 0.05:
        noun = f"{noun} in the middle"
    elif chance < 0.07 and not is_plural(noun):
        return sentence(Phrase.fixed(f"one {noun}"), style, draw)
    return sentence(Phrase.of(noun), style, draw)


def asked(frame: str, noun: str, style: str) -> str:
    """The caption of a held-out frame, as the measure asks it."""
    return fill(frame, Phrase.of(noun), style)
