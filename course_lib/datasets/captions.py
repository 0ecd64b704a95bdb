"""What people might type for a picture: captions made by a small grammar, endlessly many.

A picture's own caption, "red apple, noto style", is one of thousands of ways to ask for it. Here a
noun phrase (the label, another name, a group, a part left out) goes into a frame (a request, a
style, an order), and words that carry nothing are put in at random, so that the text tower learns
to pass over what it does not know. The frames of `held_out` are kept back for the measure.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from course_lib.datasets import corpus, emoji, registry

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black")
TONES = ("", "light", "medium-light", "medium", "medium-dark", "dark")

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
HELD_OUT = {
    "validation": (
        "my {n} - {s} style",
        "could we see {a} in {s} style?",
        "{n} as a {s} emoji",
        "i would love {a}, {s} style",
        "the {s} version of {a}",
        "{a}! {s} style",
        "let us have {the}, done in {s} style",
        "a photo of {a}, {s} style",
    ),
    "test": (
        "sketch {a} for me, {s} style",
        "i need {a} in {s} style.",
        "our {n} [{s} style]",
        "a lovely {n}, {s} style",
        "what does {a} look like in {s} style?",
        "an icon of {a} - {s} style",
        "{n}... {s} style...",
        "{s} style would suit {the}",
        "may i have {a} ({s} style), thank you",
        "do {the} the {s} way",
    ),
}

IRREGULAR = {
    "man": "men",
    "woman": "women",
    "person": "people",
    "child": "children",
    "mouse": "mice",
    "goose": "geese",
    "foot": "feet",
    "tooth": "teeth",
    "ox": "oxen",
    "leaf": "leaves",
    "wolf": "wolves",
    "knife": "knives",
    "scarf": "scarves",
    "loaf": "loaves",
    "fish": "fish",
    "sheep": "sheep",
    "deer": "deer",
    "moose": "moose",
    "bison": "bison",
    "shrimp": "shrimp",
    "squid": "squid",
    "sushi": "sushi",
    "spaghetti": "spaghetti",
    "broccoli": "broccoli",
}
_SPLIT = re.compile(
    r" (?:with|of|in|on|behind|without|showing|and|from|blowing|for|holding|over|wearing|savoring"
    r"|screaming|exhaling|vomiting|fluttering|tilted|facing)\b"
)


def is_plural(noun: str) -> bool:
    """Whether a label names several things already ("grapes", "musical notes")."""
    head = _SPLIT.split(noun)[0].split(":")[0].split()[-1]
    plural = head.endswith("s") and not head.endswith(("ss", "us", "is", "'s", "as"))
    return plural or head in ("people", "men", "women", "feet", "teeth")


def plural(noun: str) -> str:
    """Two of them: "red apple" gives "red apples", "face with tongue" "faces with tongue"."""
    cut = _SPLIT.search(noun)
    first, rest = (noun[: cut.start()], noun[cut.start() :]) if cut else (noun, "")
    before, space, head = first.rpartition(" ")
    if head in IRREGULAR:
        head = IRREGULAR[head]
    elif is_plural(head):
        pass
    elif head.endswith(("s", "x", "z", "ch", "sh")) or head in ("tomato", "potato", "mango"):
        head += "es"
    elif head.endswith("y") and head[-2:-1] not in tuple("aeiou-"):
        head = head[:-1] + "ies"
    else:
        head += "s"
    return f"{before}{space}{head}{rest}"


def with_article(noun: str) -> str:
    """ "a red apple", "an orange heart"; a plural stays as it is."""
    if is_plural(noun):
        return noun
    vowel = noun[:1] in "aeiou" and not noun.startswith(("uni", "eu", "one", "u-"))
    return f"{'an' if vowel else 'a'} {noun}"


@dataclass(frozen=True)
class Phrase:
    """A noun phrase in the forms that frames ask for."""

    bare: str
    article: str
    definite: str

    @classmethod
    def of(cls, noun: str) -> "Phrase":
        return cls(noun, with_article(noun), f"the {noun}")

    @classmethod
    def fixed(cls, text: str, bare: str = "") -> "Phrase":
        """Of a text that has its articles already, or wants none: "two cats"."""
        return cls(bare or text, text, text)


@dataclass(frozen=True)
class Thing:
    """What is known of one emoji's names; `row` is its line of `emoji.table`."""

    row: dict[str, Any] = field(repr=False)
    names: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def label(self) -> str:
        return str(self.row["label"])


@cache
def things() -> dict[str, Thing]:
    """By code, what each emoji may be called: WordNet's synonyms and groups, and the parts left out.

    "red apple" may be an apple; "cat face" a cat; "woman astronaut: dark skin tone" an astronaut.
    """
    known = json.loads(registry.path("emoji/names.json").read_text(encoding="utf-8"))
    found = {}
    for row in emoji.table():
        label = row["label"]
        of = known.get(row["code"], {"names": [], "groups": []})
        names, groups = list(of["names"]), list(of["groups"])
        if "shape" not in row:
            plain = re.sub(rf"^({'|'.join(COLOURS)}) ", "", label)
            names += [plain] if plain != label else []
        if row["group"] == "animals-nature" and label.endswith(" face"):
            names.append(label.removesuffix(" face"))
        if row["group"] == "smileys-emotion" and re.search(r"\bface\b", label):
            groups += ["face", "smiley"]
        if "role" in row:
            groups += ["person"] if row["gender"] == "person" else [row["gender"], "person"]
        elif re.match(r"(man|woman|boy|girl|child|baby|older person|old man|old woman)\b", label):
            groups.append("person")
        found[row["code"]] = Thing(row, tuple(dict.fromkeys(names)), tuple(dict.fromkeys(groups)))
    return found


def person_name(thing: Thing, draw: random.Random) -> str:
    """A person's label, with tone and gender said in another way, or left out."""
    label, row = thing.label, thing.row
    tone = TONES[row["tone"]]
    said = f"{tone} skin tone"
    if tone:
        way = draw.random()
        bare = label.replace(f": {said}, ", ": ").replace(f", {said}", "").replace(f": {said}", "")
        if way < 0.25:
            label = bare
        elif way < 0.4:
            label = f"{bare} with {tone} skin"
        elif way < 0.5:
            label = f"{bare} with {said}"
        elif way < 0.58:
            label = f"{bare}, {said}"
        elif way < 0.64:
            label = f"{tone}-skinned {bare}"
    if "role" in row and row["gender"] != "person" and draw.random() < 0.15:
        role, gender = row["role"], row["gender"]
        if label.startswith(f"{gender} ") and not role.startswith("person"):
            adjective = {"man": "male", "woman": "female"}[gender]
            label = f"{adjective} " + label.removeprefix(f"{gender} ")
    elif "role" in row and row["gender"] != "person" and draw.random() < 0.1:
        label = (
            label.replace(f"{row['gender']} ", "", 1) if not row["role"].startswith("p") else label
        )
    return label


def name(thing: Thing, draw: random.Random) -> str:
    """One of a thing's names, its label most often; groups are for whole captions only."""
    if thing.row["group"] == "people-body":
        return person_name(thing, draw)
    if thing.names and draw.random() < 0.3:
        return draw.choice(thing.names)
    return thing.label


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
    for frame in (f for part in HELD_OUT.values() for f in part):
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


def every_style(frames: Sequence[str]) -> bool:
    """Whether each of these frames names the style, so that a drawing can be judged by it."""
    return all("{s}" in frame for frame in frames)
