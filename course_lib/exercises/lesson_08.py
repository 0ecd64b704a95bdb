"""Exercises of lesson 08: words as vectors."""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import word2vec
from course_lib.exercises.exercise import Answer, Case, Exercise, Wrong

Pairs = list[tuple[int, int]]


def _sentences(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    sizes = ((6, 2), (5, 1), (4, 7), (9, 3))
    cases: list[Case] = [
        (torch.randperm(50, generator=g)[:n].tolist(), window) for n, window in sizes
    ]
    return [*cases, (torch.randint(3, (7,), generator=g).tolist(), 3)]  # words that come twice


def _sorted(answer: Answer, case: Case) -> Tensor | None:
    """The pairs in a fixed order, (n, 2): which comes first is up to the learner."""
    found = answer(*case)
    if found is None:
        return None
    return torch.tensor(sorted((int(m), int(other)) for m, other in found)).reshape(-1, 2)


def _pairs_by_distance(ids: list[int], window: int) -> Pairs:
    found: Pairs = []
    for step in range(1, window + 1):
        for left, right in zip(ids, ids[step:], strict=False):
            found += [(left, right), (right, left)]
    return found


def _pairs_by_slices(ids: list[int], window: int) -> Pairs:
    found: Pairs = []
    for i, middle in enumerate(ids):
        around = ids[max(0, i - window) : i] + ids[i + 1 : i + 1 + window]
        found += [(middle, other) for other in around]
    return found


def with_itself(ids: list[int], window: int) -> Pairs:
    n = len(ids)
    return [(ids[i], ids[j]) for i in range(n) for j in range(n) if abs(i - j) <= window]


def one_too_few(ids: list[int], window: int) -> Pairs:
    n = len(ids)
    return [(ids[i], ids[j]) for i in range(n) for j in range(n) if 0 < abs(i - j) < window]


def right_end_lost(ids: list[int], window: int) -> Pairs:
    n = len(ids)
    return [
        (ids[i], ids[j]) for i in range(n) for j in range(n) if -window <= j - i < window and i != j
    ]


def last_word_never_a_neighbour(ids: list[int], window: int) -> Pairs:
    n = len(ids)
    return [(ids[i], ids[j]) for i in range(n) for j in range(n - 1) if 0 < abs(i - j) <= window]


def forwards_only(ids: list[int], window: int) -> Pairs:
    n = len(ids)
    return [(ids[i], ids[j]) for i in range(n) for j in range(n) if 0 < j - i <= window]


def negative_places(ids: list[int], window: int) -> Pairs:
    n = len(ids)
    places = [(i, j) for i in range(n) for j in range(i - window, min(n, i + window + 1))]
    return [(ids[i], ids[j]) for i, j in places if i != j]


def slices_from_below_zero(ids: list[int], window: int) -> Pairs:
    n = len(ids)
    sides = [ids[i - window : i] + ids[i + 1 : i + window + 1] for i in range(n)]
    return [(ids[i], other) for i in range(n) for other in sides[i]]


def places_for_words(ids: list[int], window: int) -> Pairs:
    n = len(ids)
    return [(i, j) for i in range(n) for j in range(n) if 0 < abs(i - j) <= window]


def equal_words_left_out(ids: list[int], window: int) -> Pairs:
    return [(a, b) for a, b in with_itself(ids, window) if a != b]


def first_place_of_a_word(ids: list[int], window: int) -> Pairs:
    n, first = len(ids), [ids.index(word) for word in ids]
    return [(ids[i], ids[j]) for i in first for j in range(n) if 0 < abs(i - j) <= window]


def _vectors(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    return [
        tuple(torch.randn(*shape, generator=g) for shape in ((d,), (d,), (m, d)))
        for d, m in ((4, 3), (5, 7), (3, 1))
    ]


def skip_gram_loss(centre: Tensor, neighbour: Tensor, guesses: Tensor) -> Tensor:
    """-log sigmoid(score) of the neighbour, minus log sigmoid(-score) of each blind guess."""
    return -F.logsigmoid(centre @ neighbour) - F.logsigmoid(-(guesses @ centre)).sum()


def _loss_with_logs(centre: Tensor, neighbour: Tensor, guesses: Tensor) -> Tensor:
    together = torch.sigmoid((centre * neighbour).sum())
    apart = 1 - torch.sigmoid((guesses * centre).sum(1))
    return -together.log() - apart.log().sum()


def _loss_by_cross_entropy(centre: Tensor, neighbour: Tensor, guesses: Tensor) -> Tensor:
    scores = torch.cat([neighbour[None], guesses]) @ centre
    label = torch.zeros(len(scores))
    label[0] = 1
    return F.binary_cross_entropy_with_logits(scores, label, reduction="sum")


def guesses_pulled_in(centre: Tensor, neighbour: Tensor, guesses: Tensor) -> Tensor:
    return -F.logsigmoid(centre @ neighbour) - F.logsigmoid(guesses @ centre).sum()


def mean_of_guesses(centre: Tensor, neighbour: Tensor, guesses: Tensor) -> Tensor:
    return -F.logsigmoid(centre @ neighbour) - F.logsigmoid(-(guesses @ centre)).mean()


def sign_forgotten(centre: Tensor, neighbour: Tensor, guesses: Tensor) -> Tensor:
    return F.logsigmoid(centre @ neighbour) + F.logsigmoid(-(guesses @ centre)).sum()


def without_the_log(centre: Tensor, neighbour: Tensor, guesses: Tensor) -> Tensor:
    return -torch.sigmoid(centre @ neighbour) - torch.sigmoid(-(guesses @ centre)).sum()


def _lists(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for v, d, i in ((30, 4, 3), (40, 6, 0), (25, 3, 24)):
        length = 0.2 + 3 * torch.rand(v, 1, generator=g)  # so that the cosine and the dot differ
        length[i] = 0.1  # the word itself is short: it is not its own largest dot product
        cases.append((length * F.normalize(torch.randn(v, d, generator=g), dim=1), i, 5))
    few = torch.randn(6, 3, generator=g)
    few[1] = -few[0] + 0.1 * torch.randn(3, generator=g)  # cosines below 0 are among the five
    return [*cases, (few, 0, 5)]


def nearest(vectors: Tensor, i: int, n: int) -> Tensor:
    """The rows of the `n` vectors with the largest cosine to row `i`, the best first."""
    unit = F.normalize(vectors, dim=1)
    likeness = unit @ unit[i]
    likeness[i] = -2
    return likeness.topk(n).indices


def _nearest_by_cosine(vectors: Tensor, i: int, n: int) -> Tensor:
    likeness = F.cosine_similarity(vectors, vectors[i], dim=1)
    order = likeness.argsort(descending=True)
    return order[order != i][:n]


def _nearest_by_distance(vectors: Tensor, i: int, n: int) -> Tensor:
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    return (unit - unit[i]).norm(dim=1).argsort()[1 : n + 1]


def by_dot_product(vectors: Tensor, i: int, n: int) -> Tensor:
    order = (vectors @ vectors[i]).argsort(descending=True)
    return order[order != i][:n]


def itself_first(vectors: Tensor, i: int, n: int) -> Tensor:
    unit = F.normalize(vectors, dim=1)
    return (unit @ unit[i]).topk(n).indices


def itself_at_zero(vectors: Tensor, i: int, n: int) -> Tensor:
    unit = F.normalize(vectors, dim=1)
    likeness = unit @ unit[i]
    likeness[i] = 0
    return likeness.topk(n).indices


def farthest(vectors: Tensor, i: int, n: int) -> Tensor:
    unit = F.normalize(vectors, dim=1)
    return (unit @ unit[i]).argsort()[:n]


def by_length_of_difference(vectors: Tensor, i: int, n: int) -> Tensor:
    return (vectors - vectors[i]).norm(dim=1).argsort()[1 : n + 1]


def _analogies(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for v, d in ((30, 4), (40, 6), (25, 5)):
        length = 0.3 + 2 * torch.rand(v, 1, generator=g)
        a, b, c = torch.randperm(v, generator=g)[:3].tolist()
        cases.append((length * F.normalize(torch.randn(v, d, generator=g), dim=1), a, b, c, 4))
    near = torch.randn(20, 5, generator=g)
    near[1], near[2] = (near[0] + 0.3 * torch.randn(5, generator=g) for _ in range(2))
    few = torch.randn(7, 4, generator=g)
    few[0] = -few[1] - few[2]  # a is opposite b and c: the query is long
    query = F.normalize(few[1], dim=0) - F.normalize(few[0], dim=0) + F.normalize(few[2], dim=0)
    few[3] = -query + 0.1 * torch.randn(4, generator=g)  # far below -1, and still an answer
    across = few[4] - (few[4] @ query) / (query @ query) * query
    few[4] = F.normalize(across, dim=0) - 0.5 * query / (query @ query)  # between -1 and 0
    return [*cases, (near, 0, 1, 2, 4), (few, 0, 1, 2, 4)]


def analogy(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    """`a` is to `b` as `c` is to which `n` rows? Nearest to b - a + c, those three left out."""
    unit = F.normalize(vectors, dim=1)
    likeness = unit @ (unit[b] - unit[a] + unit[c])
    likeness[[a, b, c]] = -torch.inf
    return likeness.topk(n).indices


def _analogy_by_order(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    query = unit[c] + (unit[b] - unit[a])
    order = F.cosine_similarity(unit, query, dim=1).argsort(descending=True).tolist()
    return torch.tensor([k for k in order if k not in (a, b, c)][:n])


def _analogy_on_a_copy(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    unit = F.normalize(vectors, dim=1)
    likeness = (unit @ unit[b]) - (unit @ unit[a]) + (unit @ unit[c])
    for k in (a, b, c):
        likeness[k] -= 100
    return likeness.argsort(descending=True)[:n]


def three_words_left_in(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    unit = F.normalize(vectors, dim=1)
    return (unit @ (unit[b] - unit[a] + unit[c])).topk(n).indices


def a_left_in(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    unit = F.normalize(vectors, dim=1)
    likeness = unit @ (unit[b] - unit[a] + unit[c])
    likeness[[b, c]] = -torch.inf
    return likeness.topk(n).indices


def three_words_at_zero(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    unit = F.normalize(vectors, dim=1)
    likeness = unit @ (unit[b] - unit[a] + unit[c])
    likeness[[a, b, c]] = 0
    return likeness.topk(n).indices


def three_words_at_minus_one(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    unit = F.normalize(vectors, dim=1)
    likeness = unit @ (unit[b] - unit[a] + unit[c])
    likeness[[a, b, c]] = -1
    return likeness.topk(n).indices


def the_wrong_way_round(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    return analogy(vectors, b, a, c, n)


def all_three_added(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    unit = F.normalize(vectors, dim=1)
    likeness = unit @ (unit[b] + unit[a] + unit[c])
    likeness[[a, b, c]] = -torch.inf
    return likeness.topk(n).indices


def lengths_in_the_question(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    likeness = F.normalize(vectors, dim=1) @ (vectors[b] - vectors[a] + vectors[c])
    likeness[[a, b, c]] = -torch.inf
    return likeness.topk(n).indices


def lengths_left_in(vectors: Tensor, a: int, b: int, c: int, n: int) -> Tensor:
    likeness = vectors @ (vectors[b] - vectors[a] + vectors[c])
    likeness[[a, b, c]] = -torch.inf
    return likeness.topk(n).indices


EXERCISES = (
    Exercise(
        id="08.pairs",
        task="Give back all pairs (word in the middle, neighbour at most `window` places away).",
        points=1,
        cases=_sentences,
        probe=_sorted,
        reference=word2vec.pairs,
        right=(_pairs_by_distance, _pairs_by_slices),
        wrong=(
            Wrong(with_itself, "a word is not its own neighbour: leave out the pair where i is j."),
            Wrong(
                one_too_few,
                "the window is one word too narrow: `range` and slices stop before their end.",
            ),
            Wrong(
                right_end_lost,
                "the farthest word on the right is lost: `range` stops before its end, so it must "
                "end at i + window + 1.",
            ),
            Wrong(
                last_word_never_a_neighbour,
                "the last word of the sentence is never a neighbour: `range` stops before its "
                "end, so cut at len(ids), not len(ids) - 1.",
            ),
            Wrong(
                forwards_only,
                "you look to the right only; the words to the left are neighbours too.",
            ),
            Wrong(
                negative_places,
                "at the start of the sentence i - window is below 0, and Python then counts from "
                "the end. Begin at max(0, i - window).",
            ),
            Wrong(
                slices_from_below_zero,
                "a slice that begins below 0 counts from the end and comes out empty: use max(0, "
                "i - window).",
            ),
            Wrong(
                places_for_words,
                "these are places; give the words that stand there: (ids[i], ids[j]).",
            ),
            Wrong(
                equal_words_left_out,
                "a word may have itself as a neighbour, two places on: compare places, i != j, "
                "not words.",
            ),
            Wrong(
                first_place_of_a_word,
                "ids.index finds a word's first place only, and a word may come twice: loop over "
                "places.",
            ),
        ),
        hints=(
            "Two loops: i over the middles, j over the places around i.",
            "j runs over range(max(0, i - window), min(len(ids), i + window + 1)); skip j == i.",
        ),
    ),
    Exercise(
        id="08.skip_gram_loss",
        task="Give the loss of one pair: minus the log of the probability of yes for the "
        "neighbour, and of no for each blind guess, all added up.",
        points=2,
        cases=_vectors,
        reference=skip_gram_loss,
        right=(_loss_with_logs, _loss_by_cross_entropy),
        wrong=(
            Wrong(
                guesses_pulled_in,
                "this pulls the guesses in as if they were neighbours: turn the sign of their "
                "scores round, inside the sigmoid.",
            ),
            Wrong(mean_of_guesses, "each guess counts in full: sum over the guesses, no mean."),
            Wrong(
                sign_forgotten,
                "the log of a probability is below zero, and a loss should fall towards 0: a minus "
                "sign is missing in front.",
            ),
            Wrong(without_the_log, "the probabilities are there, their logarithms are not."),
        ),
        hints=(
            "The score of two vectors is their dot product, @.",
            "F.logsigmoid(score) is the log of the probability that they are neighbours, "
            "F.logsigmoid(-score) that they are not.",
            "-F.logsigmoid(centre @ neighbour) - F.logsigmoid(-(guesses @ centre)).sum()",
        ),
    ),
    Exercise(
        id="08.nearest",
        task="Give back the rows of the `n` vectors with the largest cosine to row `i`, without "
        "row `i` itself.",
        points=1,
        cases=_lists,
        reference=nearest,
        right=(_nearest_by_cosine, _nearest_by_distance),
        wrong=(
            Wrong(
                by_dot_product,
                "long vectors win: that is the dot product. Give every vector length 1 first.",
            ),
            Wrong(itself_first, "the nearest to a word is the word itself: leave row i out."),
            Wrong(
                itself_at_zero,
                "a cosine may be below 0, and then row i, set to 0, beats it: set it to -2.",
            ),
            Wrong(farthest, "these are the least alike: the largest cosine is the nearest."),
            Wrong(
                by_length_of_difference,
                "that is the distance of the tips, and the lengths matter in it. A cosine looks "
                "at directions only.",
            ),
        ),
        hints=(
            "unit = F.normalize(vectors, dim=1); then a dot product is a cosine.",
            "Put -2 into likeness[i], which no cosine is below; then likeness.topk(n).indices.",
        ),
    ),
    Exercise(
        id="08.analogy",
        task="a is to b as c is to ...: give back the `n` rows nearest to b - a + c, without these "
        "three. Give all vectors length 1 first.",
        points=2,
        cases=_analogies,
        reference=analogy,
        right=(_analogy_by_order, _analogy_on_a_copy),
        wrong=(
            Wrong(
                three_words_left_in,
                "the words of the question are among the answers: leave rows a, b and c out.",
            ),
            Wrong(
                a_left_in,
                "b and c are left out, but row a is not, and it may be an answer, too: leave out "
                "all three.",
            ),
            Wrong(
                three_words_at_zero,
                "a value may be below 0, and then the three words, set to 0, beat it: set them "
                "to -torch.inf.",
            ),
            Wrong(
                three_words_at_minus_one,
                "b - a + c is longer than 1, so a value may be below -1, too: set the three words "
                "to -torch.inf.",
            ),
            Wrong(
                the_wrong_way_round,
                "a and b are swapped: the step from a to b is b - a, and it is added to c.",
            ),
            Wrong(all_three_added, "a is to be taken away: b - a + c."),
            Wrong(lengths_left_in, "the vectors have their own lengths still: normalise first."),
            Wrong(
                lengths_in_the_question,
                "give the vectors length 1 BEFORE you add and subtract them.",
            ),
        ),
        hints=(
            "The step from a to b is unit[b] - unit[a]; go the same step from c.",
            "likeness[[a, b, c]] = -torch.inf leaves three rows out at once.",
        ),
    ),
)
