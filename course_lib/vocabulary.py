"""A text as numbers: which words get a vector, and which word stands at each place.

Counts, negative sampling and subsampling after Mikolov et al. 2013 (sections 2.2 and 2.3).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words that get a vector, the commonest first, and how often each was seen."""

    words: tuple[str, ...]
    counts: Int[Tensor, " v"]

    def noise(self) -> Float[Tensor, " v"]:
        """How often each word is drawn as a negative: counts to the power 3/4 (section 2.2)."""
        power = self.counts.double() ** 0.75
        return power / power.sum()

    def keep(self, sample: float) -> Float[Tensor, " v"]:
        """Subsampling: the share of each word's occurrences that is kept; "the" teaches little.

        The formula of the authors' word2vec.c, sqrt(s/f) + s/f; section 2.3's keeps a little less.
        """
        rarity = sample / (self.counts.double() / self.counts.sum())
        return (rarity.sqrt() + rarity).clamp(max=1)


@dataclass(frozen=True, eq=False)
class Text:
    """A text as numbers: the word at each place, and which sentence the place is in."""

    ids: Int[Tensor, " n"]
    sentence: Int[Tensor, " n"]


def count_words(
    sentences: Iterable[Sequence[str]], *, min_count: int = 5, at_most: int = 20_000
) -> Vocabulary:
    """The words seen at least `min_count` times, `at_most` so many.

    Raises ValueError if there is none, and for sentences that are not lists of words.
    """
    counts: Counter[str] = Counter()
    for sentence in sentences:
        if isinstance(sentence, str):
            raise ValueError(
                f"count_words wants each sentence as a list of words, got {sentence[:40]!r}. "
                "Usual cause: .split() was forgotten."
            )
        counts.update(sentence)
    kept = [(word, n) for word, n in counts.most_common(at_most) if n >= min_count]
    if not kept:
        raise ValueError(
            f"count_words: none of {len(counts)} words is seen {min_count} times, so there is "
            "nothing to learn. Usual cause: a short text; give more, or a smaller `min_count`."
        )
    return Vocabulary(tuple(w for w, _ in kept), torch.tensor([n for _, n in kept]))


def as_numbers(sentences: Iterable[Sequence[str]], vocabulary: Vocabulary) -> Text:
    """The text in numbers; words without a vector are left out, as if they were not there."""
    ids = {word: i for i, word in enumerate(vocabulary.words)}
    known = [[ids[word] for word in sentence if word in ids] for sentence in sentences]
    lengths = torch.tensor([len(sentence) for sentence in known])
    flat = torch.tensor([i for sentence in known for i in sentence], dtype=torch.int64)
    return Text(flat, torch.arange(len(known)).repeat_interleave(lengths))
