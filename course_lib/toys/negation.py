"""A small task that only attention to the right word solves: who was negated or emphasised?

"the film was not long and funny" and "the film was long and not funny" hold the same words, and one
of them is praise. Each sentence has one good and one bad adjective in either order, and before one
of them "not" or "very": praise is "not" before the bad one or "very" before the good one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.self_attention import EncoderBlock

GOOD = (
    *("funny", "clever", "lovely", "exciting", "warm", "fresh"),
    *("honest", "bright", "gentle", "rich", "elegant", "brave"),
)
BAD = (
    *("long", "dull", "boring", "cold", "noisy", "bitter"),
    *("clumsy", "dark", "sad", "cheap", "ugly", "slow"),
)
THINGS = ("film", "book", "soup", "song", "play", "party")
STARTS = ((), ("today",), ("they", "say"), ("to", "be", "fair"))
OTHER = ("the", "was", "and", "not", "very", "today", "they", "say", "to", "be", "fair")
WORDS = ("", *OTHER, *GOOD, *BAD, *THINGS)
LONGEST = 10  # words in a sentence; shorter ones are filled up with ""


@dataclass(frozen=True, eq=False)
class Sentences:
    """Sentences as word numbers, filled up with 0, and whether each is praise (1) or not (0)."""

    ids: Int[Tensor, "b n"]
    praise: Float[Tensor, " b"]

    def text(self, i: int) -> list[str]:
        """Sentence `i` in words."""
        return [WORDS[k] for k in self.ids[i].tolist() if k]


def sentences(split: str) -> Sentences:
    """All sentences of a split; a pair of adjectives is in "train" or in "test", never in both.

    Every adjective is in both splits, in other company. For every sentence there is another of the
    same words with the other label, so a bag of words can only guess. Raises ValueError for any
    other split.
    """
    if split not in ("train", "test"):
        raise ValueError(f"sentences: wanted the split 'train' or 'test', got {split!r}")
    ids, praise = [], []
    for (i, good), (j, bad) in product(enumerate(GOOD), enumerate(BAD)):
        if ((i + j) % 4 == 0) != (split == "test"):
            continue
        for start, thing, word in product(STARTS, THINGS, ("not", "very")):
            for (first, second), marked in product(((good, bad), (bad, good)), (0, 1)):
                adjectives = [first, "and", second]
                adjectives.insert(2 * marked, word)
                ids.append(encode([*start, "the", thing, "was", *adjectives]))
                marked_one = (first, second)[marked]
                praise.append(float((marked_one == good) == (word == "very")))
    return Sentences(torch.stack(ids), torch.tensor(praise))


def encode(words: Sequence[str]) -> Int[Tensor, " n"]:
    """A sentence as LONGEST word numbers. ValueError for unknown words, none, or too many."""
    unknown = [word for word in words if word not in WORDS[1:]]
    if unknown or not 1 <= len(words) <= LONGEST:
        wrong = f"{unknown[0]!r} is not among them" if unknown else f"these are {len(words)}"
        raise ValueError(
            f"a sentence may have 1 to {LONGEST} of these words: {', '.join(WORDS[1:])}; {wrong}. "
            "Usual cause: a capital letter or a comma."
        )
    return torch.tensor([WORDS.index(word) for word in [*words, *[""] * (LONGEST - len(words))]])


Places = Callable[[Int[Tensor, " n"], int], Float[Tensor, "n d"]]  # e.g. positional_encoding


def nowhere(positions: Int[Tensor, " n"], width: int) -> Float[Tensor, "n d"]:
    """The code of a place for a reader that is told no places: zeros."""
    return torch.zeros(len(positions), width, device=positions.device)


class Reader(nn.Module):
    """Word vectors plus places, blocks of attention, the mean over the words, one number.

    `places` gives the code of each position: `positional_encoding`, or `nowhere`. With no blocks it
    is a bag of words. A positive number means praise.
    """

    def __init__(self, places: Places, *, d: int = 32, heads: int = 2, blocks: int = 2) -> None:
        super().__init__()
        self.words = nn.Embedding(len(WORDS), d)
        nn.init.normal_(self.words.weight, std=0.5)  # beside the places, which are up to 1
        self.places: Tensor
        self.register_buffer("places", places(torch.arange(LONGEST), d))
        self.blocks = nn.ModuleList(EncoderBlock(d, heads) for _ in range(blocks))
        self.verdict = nn.Linear(d, 1)

    def forward(self, ids: Int[Tensor, "b n"]) -> Float[Tensor, " b"]:
        x, mask = self.start(ids), self.mask(ids)
        for block in self.blocks:
            x = block(x, mask)
        there = (ids > 0)[:, :, None]  # (b, n, 1)
        mean = (x * there).sum(1) / there.sum(1)  # (b, d)
        return self.verdict(mean)[:, 0]

    def start(self, ids: Int[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Each word's vector plus the code of its place."""
        return self.words(ids) + self.places[: ids.shape[1]]

    def mask(self, ids: Int[Tensor, "b n"]) -> Bool[Tensor, "b 1 1 n"]:
        """Nobody looks at the filling."""
        return (ids > 0)[:, None, None, :]

    def maps(self, ids: Int[Tensor, "b n"]) -> list[Float[Tensor, "b heads n n"]]:
        """How much each word looks at each word: a tensor for each block."""
        x, mask, found = self.start(ids), self.mask(ids), []
        for block in self.blocks:
            assert isinstance(block, EncoderBlock)  # a ModuleList forgets what it holds
            found.append(block.weights(x, mask))
            x = block(x, mask)
        return found
