"""Names of things as people write them: articles, plurals, other names, groups, parts left out."""

import json
import random
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from course_lib.datasets import emoji, registry

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black")
TONES = ("", "light", "medium-light", "medium", "medium-dark", "dark")

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
    """By code, what each emoji may be called: WordNet's synonyms and groups, parts left out.

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
