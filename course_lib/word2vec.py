"""Words as vectors, learned from their neighbours: skip-gram with negative sampling.

Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their Compositionality".
Each word has two vectors: an input embedding (in the middle of a window) and an output embedding
(beside another word). What is done with finished vectors is in word_vectors.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.vocabulary import Text, Vocabulary
from course_lib.word_vectors import WordVectors

LINE = 32  # words that are processed together
NEGATIVES = 32  # negative samples drawn for a line, shared by all its words
MAX_UPDATE = 8  # bound on what one step adds up for the commonest word; at 24 it diverges (tried)


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Two vectors per word: for a word in the middle of a window, and for a word beside it."""

    words: tuple[str, ...]
    input: Float[Tensor, "v d"]
    output: Float[Tensor, "v d"]

    @property
    def vectors(self) -> WordVectors:
        """The input embeddings, which are kept: words with like neighbours are close together."""
        return WordVectors(self.words, self.input)

    def together(self, word: str, other: str) -> float:
        """The score of `word` in the middle and `other` beside it: a dot product, any real number.

        After long training about log(times seen together / times expected by chance) - log(number
        of negatives): Levy and Goldberg 2014. Raises ValueError for an unknown word.
        """
        vectors = self.vectors
        return float(self.input[vectors.id(word)] @ self.output[vectors.id(other)])

    def state(self) -> dict[str, Tensor]:
        """Both embeddings and the words (as bytes, one per line), to be saved with weights.save."""
        text = torch.tensor(list("\n".join(self.words).encode()), dtype=torch.uint8)
        return {"words": text, "input": self.input, "output": self.output}


def from_state(state: dict[str, Tensor]) -> Embeddings:
    """The embeddings that `Embeddings.state` describes."""
    words = bytes(state["words"].tolist()).decode().split("\n")
    return Embeddings(tuple(words), state["input"], state["output"])


def pairs(ids: Sequence[int], window: int) -> list[tuple[int, int]]:
    """Every (word in the middle, word at most `window` places away) of a sentence, in order."""
    return [
        (ids[i], ids[j])
        for i in range(len(ids))
        for j in range(max(0, i - window), min(len(ids), i + window + 1))
        if i != j
    ]


def new_embeddings(vocabulary: Vocabulary, width: int = 100, *, seed: int = 0) -> Embeddings:
    """Small random input embeddings and zero output embeddings, as in word2vec.c."""
    g = torch.Generator().manual_seed(seed)
    v = len(vocabulary.words)
    inputs = (torch.rand(v, width, generator=g) - 0.5) / width
    return Embeddings(vocabulary.words, inputs, torch.zeros(v, width))


def loss(
    centre: Float[Tensor, "b n d"],
    beside: Float[Tensor, "b k d"],
    label: Float[Tensor, "b n k"],
    weight: Float[Tensor, "b n k"],
) -> Float[Tensor, ""]:
    """-log sigmoid(score) for each neighbour (label 1), -log sigmoid(-score) for a negative (0).

    Equation 4; the weight says how often a pair counts. `learn` follows its gradient.
    """
    score = centre @ beside.mT  # (b, n, k)
    return -(weight * F.logsigmoid((2 * label - 1) * score)).sum()


def _in_whole_lines(words: int, text: int) -> int:
    """How many of `words`, those that are read of a `text` this long, fill lines of LINE words."""
    if words < LINE:
        raise ValueError(
            f"word2vec wants a text of some hundred words, got {text}, of which {max(0, words)} "
            f"are left to read, less than a line of {LINE}. Usual cause: a short text, whose few "
            "words are all common, so that most are skipped; give more, or a larger `sample`."
        )
    return words // LINE * LINE


# From here to the end is all that learns; tests/test_word2vec.py counts its lines (under 40).


def lines_of(
    text: Text, keep: Float[Tensor, " v"], generator: torch.Generator
) -> tuple[Int[Tensor, "lines n"], Int[Tensor, "lines n"]]:
    """The subsampled text in lines of LINE words, and the sentence of each word."""
    read = torch.rand(len(text.ids), generator=generator) < keep[text.ids]
    skip = int(torch.randint(LINE, (), generator=generator))  # other line ends in each epoch
    whole = _in_whole_lines(int(read.sum()) - skip, len(read))
    ids, sentence = (x[read][skip : skip + whole] for x in (text.ids, text.sentence))
    return ids.unflatten(0, (-1, LINE)), sentence.unflatten(0, (-1, LINE))


def neighbours(
    sentence: Int[Tensor, "b n"], window: int, generator: torch.Generator
) -> Bool[Tensor, "b n n"]:
    """Which words of a line are neighbours: in one sentence, and near. A word is not its own.

    How near is drawn for each word, from 1 to `window`, so that the nearest count most.
    """
    place = torch.arange(sentence.shape[1])
    distance = (place[:, None] - place).abs()  # (n, n)
    reach = torch.randint(1, window + 1, (*sentence.shape, 1), generator=generator)  # (b, n, 1)
    return (sentence[:, :, None] == sentence[:, None]) & (distance > 0) & (distance <= reach)


def negative_samples(
    noise: Float[Tensor, " v"], shape: tuple[int, int], generator: torch.Generator
) -> Int[Tensor, "b m"]:
    """Words drawn at random, each as often as `noise` says."""
    dice = torch.rand(shape, generator=generator, dtype=noise.dtype)
    return torch.searchsorted(noise.cumsum(0), dice).clamp(max=len(noise) - 1)


def labels(
    near: Bool[Tensor, "b n n"], drawn: int, negatives: int
) -> tuple[Float[Tensor, "b n k"], Float[Tensor, "b n k"]]:
    """For each word of a line and each other (the line, then the negatives): label and weight.

    A word with p neighbours needs p * negatives samples; the `drawn` ones of its line share that.
    """
    each = near.sum(2, keepdim=True) * negatives / drawn  # (b, n, 1)
    return F.pad(near.float(), (0, drawn)), torch.cat([near, each.expand(-1, -1, drawn)], dim=2)


def learn(
    embeddings: Embeddings,
    ids: Int[Tensor, "b n"],
    negatives: Int[Tensor, "b m"],
    label: Float[Tensor, "b n k"],
    weight: Float[Tensor, "b n k"],
    lr: float,
) -> None:
    """One gradient step on `loss`, in place: true neighbours together, negatives apart."""
    others = torch.cat([ids, negatives], dim=1)  # (b, k): everything these words are compared with
    centre, beside = embeddings.input[ids], embeddings.output[others]  # (b, n, d), (b, k, d)
    error = weight * (label - torch.sigmoid(centre @ beside.mT))  # (b, n, k)
    embeddings.input.index_add_(0, ids.flatten(), (error @ beside).flatten(0, 1), alpha=lr)
    embeddings.output.index_add_(0, others.flatten(), (error.mT @ centre).flatten(0, 1), alpha=lr)


def read(
    embeddings: Embeddings,
    text: Text,
    vocabulary: Vocabulary,
    *,
    epoch: int = 0,
    of: int = 1,
    window: int = 5,
    negatives: int = 5,
    sample: float = 1e-3,
    lr: float = 0.025,
    seed: int = 0,
) -> int:
    """Train for one epoch, number `epoch` of `of`, in place; returns the number of steps.

    The learning rate falls in a straight line from `lr` at the start of the first epoch to zero at
    the end of the last. An epoch depends on its number and seed alone, so a run can be resumed.
    """
    g = torch.Generator().manual_seed(1000 * seed + epoch)
    noise = vocabulary.noise()
    ids, sentence = lines_of(text, vocabulary.keep(sample), g)
    commonest = int(ids.flatten().bincount().max()) / len(ids)  # times per line
    lines = max(
        1, int(MAX_UPDATE / (lr * commonest * (window + 1) * (1 + negatives)))
    )  # lines per step
    batches = torch.randperm(len(ids), generator=g).split(lines)
    for i, rows in enumerate(batches):
        near = neighbours(sentence[rows], window, g)
        drawn = negative_samples(noise, (len(rows), NEGATIVES), g)
        label, weight = labels(near, NEGATIVES, negatives)
        done = (epoch + i / len(batches)) / of
        learn(embeddings, ids[rows], drawn, label, weight, lr * (1 - done))
    return len(batches)
