"""Which words of a prompt the model has met in training, and what is spelled like the others.

The tokenizer takes any text to pieces, so an unknown word stops nothing; but no picture ever went
with it, and what the model draws for it is a guess.
"""

from difflib import get_close_matches
from functools import cache

from course_lib.datasets import emoji
from course_lib.tokenizer import clean, words

MOST = 5  # words that one sentence names
LONGEST = 20  # letters of a word that it shows


@cache
def known_words() -> frozenset[str]:
    """Every word of the training captions."""
    return frozenset(word for text in emoji.captions("train") for word in words(clean(text)))


def unknown_words(prompt: str) -> list[str]:
    """The words of `prompt` that no training caption has, each once; signs and numerals pass."""
    found = dict.fromkeys(words(clean(prompt)))
    return [w for w in found if w[0].isalpha() and w not in known_words()]


def about_unknown(prompt: str) -> str:
    """One sentence that names unknown words and known ones spelled like them, or "" for none."""
    unknown = unknown_words(prompt)
    if not unknown:
        return ""
    named = []
    for word in unknown[:MOST]:
        shown = word if len(word) <= LONGEST else f"{word[:LONGEST]}..."
        close = get_close_matches(word[: 2 * LONGEST], sorted(known_words()), n=2, cutoff=0.75)
        named.append(f"{shown} (known: {', '.join(close)})" if close else shown)
    more = f" and {len(unknown) - MOST} more" if len(unknown) > MOST else ""
    return f"Never seen in training: {', '.join(named)}{more}."
