"""Other names of the emoji, and the groups that they belong to, from WordNet's nouns.

Unicode's keywords alone cannot tell a name from an association: "pizza" is a keyword of the brown
mushroom, "car" of the automobile. A keyword is taken as a name where WordNet has it in the same
synset, and as a group where it is a hypernym.
"""

import json
import re
from pathlib import Path
from typing import Any

from course_lib.datasets import emoji
from tools.data.archives import contents
from tools.data.corpus import SOURCES as CORPUS
from tools.data.sources import Made, Source

SOURCES: tuple[Source, ...] = tuple(s for s in CORPUS if s.name == "wordnet-base")
FILES = {"emoji/names.json": Made("other names and groups of the emoji", ("wordnet-base",))}

EVERYDAY = frozenset(
    """animal mammal bird insect fish reptile amphibian shellfish dinosaur dog cat bear monkey ape
    horse cow pig whale plant flower tree fruit vegetable food meat bread cake dessert sweet candy
    beverage drink dish vehicle car truck bus train boat ship aircraft bicycle building house church
    clothing garment shoe footwear hat tool weapon furniture bottle
    cup glass lamp computer telephone ball toy game clock watch timepiece book
    jewelry bag knife mountain star planet tableware cutlery seat
    medicine currency money musical_instrument sports_equipment berry citrus nut
    cheese soup sauce sandwich rodent primate canine feline herb mushroom worm spider snake lizard
    turtle frog shark road boot sandal coat skirt trousers helmet cap spectacles""".split()
)
WANTED = {  # a sense must be one of these, for emoji of this group
    "animals-nature": (
        "animal",
        "plant",
        "plant_part",
        "fungus",
        "microorganism",
        "natural_object",
    ),
    "food-drink": (
        "food",
        "beverage",
        "produce",
        "container",
        "tableware",
        "cutlery",
        "plant_part",
    ),
    "travel-places": ("artifact", "natural_object", "geological_formation", "phenomenon"),
    "objects": ("artifact", "substance", "document", "currency", "natural_object"),
    "activities": ("artifact", "natural_object", "substance"),
    "smileys-emotion": ("imaginary_being", "spiritual_being", "bone", "machine"),
}
COLOURS = "red orange yellow green blue purple pink brown black white grey"


class Nouns:
    """WordNet's nouns: the words of each synset, what it is a kind of, the senses of each word."""

    def __init__(self, data: str, index: str) -> None:
        self.words: dict[str, list[str]] = {}
        self.above: dict[str, list[str]] = {}
        for line in data.splitlines():
            if line.startswith(" "):  # the licence
                continue
            fields = line.split(" | ")[0].split()
            count = int(fields[3], 16)
            self.words[fields[0]] = [w.lower() for w in fields[4 : 4 + 2 * count : 2]]
            pointers = fields[5 + 2 * count :]
            self.above[fields[0]] = [
                pointers[i + 1]
                for i in range(0, len(pointers) - 1, 4)
                if pointers[i] in ("@", "@i") and pointers[i + 2] == "n"
            ]
        self.senses: dict[str, list[str]] = {}
        for line in index.splitlines():
            if not line.startswith(" "):
                fields = line.split()
                self.senses[fields[0]] = fields[-int(fields[2]) :]

    def kinds(self, synset: str) -> list[str]:
        """All that a synset is a kind of, the nearest first."""
        found: dict[str, None] = {}
        waiting = list(self.above[synset])
        while waiting:
            first = waiting.pop(0)
            if first not in found:
                found[first] = None
                waiting += self.above[first]
        return list(found)

    def sense(self, word: str, wanted: tuple[str, ...]) -> str | None:
        """The commonest sense of a word that is a kind of something wanted."""
        for synset in self.senses.get(word.replace(" ", "_"), []):
            over = {w for s in (synset, *self.kinds(synset)) for w in self.words[s]}
            if over & set(wanted):
                return synset
        return None


def candidates(label: str) -> list[tuple[str, bool]]:
    """Words to look a label up by, the best first, and whether each names the thing itself."""
    plain = re.sub(rf"\b({'|'.join(COLOURS.split())}) ", "", label)
    plain = re.sub(r" face$", "", plain)
    first = re.split(r" (?:with|of|in|on|behind|without|showing) ", plain)[0]
    return [(label, True), (plain, True), (first, False), (first.split()[-1], False)]


def names(rows: list[dict[str, Any]], nouns: Nouns) -> dict[str, dict[str, list[str]]]:
    """For each code without skin tone its other names and its groups, where there are any."""
    found = {}
    labels = {r["label"] for r in rows}
    for row in rows:
        wanted = WANTED.get(row["group"])
        if row["tone"] or wanted is None:
            continue
        senses = ((nouns.sense(w, wanted), itself) for w, itself in candidates(row["label"]))
        synset, itself = next((found for found in senses if found[0]), ("", False))
        if not synset:
            continue
        own = [w.replace("_", " ") for w in nouns.words[synset]]
        kinds = nouns.kinds(synset)
        over = [w.replace("_", " ") for s in kinds for w in nouns.words[s]]
        if not itself:  # "police car" is a car, but "car" is no other name of it
            over, own = own + over, []
        keep_name = [w for w in own if w in row["tags"] and w != row["label"] and w not in labels]
        heads = {re.split(r" (?:with|of|in|on) ", row["label"])[0].split()[-1]}
        everyday = {w.replace("_", " ") for w in EVERYDAY}
        groups = [
            w
            for w in dict.fromkeys(over)
            if (w in everyday or w in heads) and w not in own and w != row["label"]
        ]
        if keep_name or groups:
            found[row["code"]] = {"names": keep_name, "groups": groups}
    return found


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """One file, one line an emoji."""
    folder = "usr/share/wordnet/"
    files = contents(taken["wordnet-base"], folder)
    nouns = Nouns(files[folder + "data.noun"].decode(), files[folder + "index.noun"].decode())
    found = names(emoji.table(), nouns)
    (out / "emoji").mkdir()
    lines = ",\n".join(f"{json.dumps(c)}: {json.dumps(n)}" for c, n in found.items())
    (out / "emoji/names.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    return {}
