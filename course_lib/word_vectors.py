"""What to do with words as vectors, wherever they come from: nearest words and analogies.

Likeness is the cosine of the angle between two vectors, from -1 to 1. Mikolov, Yih and Zweig 2013,
"Linguistic Regularities in Continuous Space Word Representations".
"""

import difflib
from dataclasses import dataclass
from functools import cached_property

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Question = tuple[str, str, str, str]  # a is to b as c is to d


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and their vectors, one row each; any word list will do, the course's or GloVe's.

    Raises ValueError unless there are as many of each.
    """

    words: tuple[str, ...]
    vectors: Float[Tensor, "v d"]

    def __post_init__(self) -> None:
        if len(self.words) != len(self.vectors):
            raise ValueError(
                f"WordVectors wants a vector for each of {len(self.words)} words, got "
                f"{len(self.vectors)}. Usual cause: one of the two was cut shorter than the other."
            )

    @cached_property
    def ids(self) -> dict[str, int]:
        """The row of each word."""
        return {word: i for i, word in enumerate(self.words)}

    @cached_property
    def unit(self) -> Float[Tensor, "v d"]:
        """The vectors with length 1, so that a dot product is a cosine."""
        return F.normalize(self.vectors, dim=1)

    def id(self, word: str) -> int:
        """The row of a word, as it is written or in small letters.

        Raises ValueError, with the closest spelling, for an unknown one.
        """
        key = word.strip().lower()
        for written in (word.strip(), key):
            if written in self.ids:
                return self.ids[written]
        close = difflib.get_close_matches(key, self.words, n=1, cutoff=0.6)
        known = f"The closest known spelling is {close[0]!r}." if close else "No spelling is close."
        raise ValueError(
            f"no vector for {word!r} among {len(self.words):,} words. {known} Usual cause: a word "
            "too rare in the text that the vectors were learned from, or two words at once."
        )

    def __getitem__(self, word: str) -> Float[Tensor, " d"]:
        return self.vectors[self.id(word)]

    def cosine_similarity(self, word: str, other: str) -> float:
        """The cosine of two words' vectors, from -1 to 1."""
        return float(self.unit[self.id(word)] @ self.unit[self.id(other)])

    def nearest(self, word: str, n: int = 10) -> list[tuple[str, float]]:
        """The `n` words most like this one, the best first, with their cosines."""
        return self._best(self.unit[self.id(word)], {word}, n)

    def analogy(self, a: str, b: str, c: str, n: int = 5) -> list[tuple[str, float]]:
        """`a` is to `b` as `c` is to ...: the words nearest to b - a + c, these three left out.

        The sum is of vectors of length 1. Without leaving out, the answer is most often b or c.
        """
        i, j, k = self.id(a), self.id(b), self.id(c)
        return self._best(self.unit[j] - self.unit[i] + self.unit[k], {a, b, c}, n)

    def _best(self, query: Tensor, without: set[str], n: int) -> list[tuple[str, float]]:
        likeness = self.unit @ F.normalize(query, dim=0)  # (v,)
        for word in without:
            likeness[self.id(word)] = -2.0
        best = likeness.topk(min(n, len(self.words) - len(without)))
        return [
            (self.words[i], value)
            for i, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]


CAPITALS = (
    ("england", "london"),
    ("france", "paris"),
    ("germany", "berlin"),
    ("italy", "rome"),
    ("spain", "madrid"),
    ("japan", "tokyo"),
    ("russia", "moscow"),
    ("china", "beijing"),
    ("egypt", "cairo"),
    ("greece", "athens"),
    ("austria", "vienna"),
    ("portugal", "lisbon"),
    ("sweden", "stockholm"),
    ("poland", "warsaw"),
)
FAMILY = (
    ("man", "woman"),
    ("king", "queen"),
    ("boy", "girl"),
    ("father", "mother"),
    ("son", "daughter"),
    ("brother", "sister"),
    ("husband", "wife"),
    ("uncle", "aunt"),
    ("prince", "princess"),
    ("grandfather", "grandmother"),
)


def questions(pairs: tuple[tuple[str, str], ...]) -> list[Question]:
    """Every two pairs make two questions: man : woman = king : queen, and the other way round."""
    return [(a, b, c, d) for a, b in pairs for c, d in pairs if a != c]


def answered(vectors: WordVectors, asked: list[Question], first: int = 5) -> int:
    """How many questions have the right word among the `first` answers; unknown words count no."""
    known = [q for q in asked if all(word in vectors.ids for word in q)]
    return sum(d in dict(vectors.analogy(a, b, c, first)) for a, b, c, d in known)
