"""What of a prompt the model has met in training, and what is close to the rest.

The tokenizer takes any text to pieces, so an unknown word stops nothing; but no picture ever went
with it, and what the model draws for it is a guess. Nor did it ever read an emoji character,
another alphabet, or a number above three.
"""

import re
import unicodedata
from difflib import get_close_matches
from functools import cache

from course_lib.datasets import captions, composed_captions, compositions, emoji, nouns
from course_lib.tokenizer import Tokenizer, clean, words

MOST = 5  # words that one sentence names
LONGEST = 20  # letters of a word that it shows
_DRESS = re.compile("[\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff]")  # of an emoji: not a sign itself


@cache
def known_vocabulary() -> frozenset[str]:
    """Every word of the training captions that says something, and those of the ways to ask."""
    labels = emoji.captions("train")
    texts = [*labels, *captions.WITH_STYLE, *captions.WITHOUT_STYLE, *captions.REQUESTS]
    trained_on = {text.rsplit(", ", 1)[0] for text in labels}
    for thing in nouns.things().values():
        if thing.label in trained_on:
            for noun in (thing.label, *thing.names, *thing.groups):
                texts += [noun, nouns.plural(noun)]
    texts += [*nouns.COLOURS, "one two three pair small tiny little large big huge male female"]
    texts += ["skinned", "in the middle", *compositions.PLACES]
    texts += [way for ways in composed_captions.OTHER_WORDS.values() for way in ways]
    for layout in compositions.LAYOUTS:
        texts += composed_captions.pair_phrases("a", "b", layout)
    return frozenset(word for text in texts for word in words(clean(text)))


def unknown_words(prompt: str) -> list[str]:
    """The words and numbers of `prompt` that no training caption has, each once; signs pass."""
    text = clean(prompt)
    found = dict.fromkeys(re.findall(r"[^\W_]+(?:'[^\W_]+)?", text))
    return [w for w in found if not (_number(w, text) if w.isdigit() else _word(w))]


def _word(word: str) -> bool:
    return all(part in known_vocabulary() for part in words(word))


def _number(number: str, text: str) -> bool:
    """One to three of a thing, or a number in a label that stands in the text: "pool 8 ball"."""
    labels = (caption.rsplit(", ", 1)[0] for caption in emoji.captions("train"))
    return number in ("1", "2", "3") or any(
        label in text and number in label.split() for label in set(labels) if number in label
    )


def about_unknown(prompt: str) -> str:
    """Sentences on what is unknown and what is close to it, or "" where all is known."""
    said = [_about_words(prompt), _about_emoji(prompt)]
    if prompt.strip() and not re.search(r"[^\W_]", prompt) and not said[1]:
        said.append("There is no word in it: the model chooses what to draw.")
    return " ".join(filter(None, said))


def _about_words(prompt: str) -> str:
    unknown = unknown_words(prompt)
    if not unknown:
        return ""
    named = []
    for word in unknown[:MOST]:
        shown = word if len(word) <= LONGEST else f"{word[:LONGEST]}..."
        named.append(shown + _close(word))
    more = f" and {len(unknown) - MOST} more" if len(unknown) > MOST else ""
    return f"Never seen in training: {', '.join(named)}{more}."


def _close(word: str) -> str:
    if word.isdigit():
        return " (it draws one, two or three of a thing)"
    if not word.isascii() and not unicodedata.normalize("NFKD", word)[0].isascii():
        return " (it reads English only)"
    if word in captions.fillers():
        return " (passed over: it names nothing that can be drawn)"
    close = get_close_matches(word[: 2 * LONGEST], sorted(known_vocabulary()), n=2, cutoff=0.75)
    return f" (known: {', '.join(close)})" if close else ""


def _about_emoji(prompt: str) -> str:
    """The names of emoji characters, which the model knows by name only."""
    signs = [c for c in _DRESS.sub("", prompt) if unicodedata.category(c) in ("So", "Sk", "Cs")]
    if not signs:
        return ""
    label = {row["code"]: row["label"] for row in emoji.table()}
    named = []
    for sign in list(dict.fromkeys(signs))[:MOST]:
        name = label.get(f"{ord(sign):X}") or unicodedata.name(sign, "a sign").lower()
        named.append(f'"{name}"')
    return f"It reads words, not emoji or signs: try {', '.join(named)}."


def fitted(tokenizer: Tokenizer, caption: str) -> tuple[str, str]:
    """A caption cut to what the text tower can read, and what was cut, "" for nothing.

    Whole words go, the last ones before a style at the very end, which stays.
    """
    style = next((s for s in emoji.STYLES if caption.strip().endswith(emoji.caption("", s))), "")
    ending = emoji.caption("", style) if style else ""
    kept, cut = caption.strip().removesuffix(ending).split(" "), list[str]()
    room = tokenizer.length - 2 - len(tokenizer.split(ending))  # start and end take two
    while len(kept) > 1 and len(tokenizer.split(" ".join(kept))) > room:
        cut.insert(0, kept.pop())
    return (" ".join(kept) + ending if cut else caption), " ".join(cut)


def about_cut(cut: str) -> str:
    """One sentence on what of a long prompt was not read, or ""."""
    if not cut:
        return ""
    shown = cut if len(cut) <= 3 * LONGEST else f"{cut[: 3 * LONGEST]}..."
    return f'The prompt is too long; this was not read: "{shown}".'
