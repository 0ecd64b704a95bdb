"""Lesson 10: vectors compared, the contrastive loss, its gradient, the end token, zero-shot."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.clip import contrastive_loss
from course_lib.exercises.exercise import Case, Exercise, Wrong

# --- similarity


def similarity(pictures: Tensor, texts: Tensor) -> Tensor:
    """The cosine of every picture vector (n, d) with every text vector (m, d): (n, m)."""
    return F.normalize(pictures, dim=1) @ F.normalize(texts, dim=1).T


def _similarity_by_hand(pictures: Tensor, texts: Tensor) -> Tensor:
    lengths = pictures.norm(dim=1)[:, None] * texts.norm(dim=1)[None, :]
    return (pictures[:, None, :] * texts[None, :, :]).sum(dim=2) / lengths


def _similarity_of_torch(pictures: Tensor, texts: Tensor) -> Tensor:
    return F.cosine_similarity(pictures[:, None], texts[None], dim=2)


def without_lengths(pictures: Tensor, texts: Tensor) -> Tensor:
    return pictures @ texts.T


def only_the_pictures(pictures: Tensor, texts: Tensor) -> Tensor:
    return F.normalize(pictures, dim=1) @ texts.T


def over_the_batch(pictures: Tensor, texts: Tensor) -> Tensor:
    return F.normalize(pictures, dim=0) @ F.normalize(texts, dim=0).T


def texts_as_rows(pictures: Tensor, texts: Tensor) -> Tensor:
    return similarity(pictures, texts).T


def squared_length(pictures: Tensor, texts: Tensor) -> Tensor:
    lengths = (pictures**2).sum(1)[:, None] * (texts**2).sum(1)[None, :]
    return (pictures @ texts.T) / lengths


def _vectors(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    sizes = ((4, 3, 6), (2, 5, 3), (1, 4, 8))
    return [
        (3 * torch.randn(n, d, generator=g), torch.randn(m, d, generator=g)) for n, m, d in sizes
    ]


SIMILARITY = Exercise(
    id="10.similarity",
    task="Give the cosine of every picture's vector with every text's: pictures as rows.",
    points=1,
    cases=_vectors,
    reference=similarity,
    right=(_similarity_by_hand, _similarity_of_torch),
    wrong=(
        Wrong(without_lengths, "divide each vector by its length first: long ones must not win"),
        Wrong(only_the_pictures, "the texts' vectors are to have length 1 as well"),
        Wrong(over_the_batch, "the length is taken over a vector's d numbers: dim=1, not dim=0"),
        Wrong(texts_as_rows, "a row for each picture, a column for each text: this is turned over"),
        Wrong(squared_length, "a length is the ROOT of the sum of squares"),
    ),
    hints=(
        "A vector divided by its length has length 1; then the dot product is the cosine.",
        "`F.normalize(x, dim=1)` divides each row by its length; `a @ b.T` has all dot products.",
    ),
)

# --- contrastive_loss


def _loss_by_hand(similarity: Tensor) -> Tensor:
    right = similarity.diagonal()
    return (similarity.logsumexp(1) + similarity.logsumexp(0) - 2 * right).mean() / 2


def _loss_of_probabilities(similarity: Tensor) -> Tensor:
    rows, columns = similarity.log_softmax(1), similarity.log_softmax(0)
    return -(rows.diagonal() + columns.diagonal()).mean() / 2


def rows_only(similarity: Tensor) -> Tensor:
    return F.cross_entropy(similarity, torch.arange(len(similarity)))


def columns_only(similarity: Tensor) -> Tensor:
    return F.cross_entropy(similarity.T, torch.arange(len(similarity)))


def added(similarity: Tensor) -> Tensor:
    return rows_only(similarity) + columns_only(similarity)


def summed_over_the_batch(similarity: Tensor) -> Tensor:
    return contrastive_loss(similarity) * len(similarity)


def without_the_log(similarity: Tensor) -> Tensor:
    rows, columns = similarity.softmax(1), similarity.softmax(0)
    return -(rows.diagonal() + columns.diagonal()).mean() / 2


def _tables(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    return [(3 * torch.randn(n, n, generator=g),) for n in (4, 2, 7)]


CONTRASTIVE_LOSS = Exercise(
    id="10.contrastive_loss",
    task="Give the mean cross-entropy of the right pairs (the diagonal), by rows and by columns.",
    points=2,
    cases=_tables,
    reference=contrastive_loss,
    right=(_loss_by_hand, _loss_of_probabilities),
    wrong=(
        Wrong(rows_only, "this asks each picture for its text; ask each text for its picture too"),
        Wrong(columns_only, "this asks each text for its picture; the rows are missing"),
        Wrong(added, "take the mean of the two directions, not their sum"),
        Wrong(summed_over_the_batch, "take the mean over the pairs, not the sum"),
        Wrong(without_the_log, "cross-entropy is minus the LOGARITHM of the right probability"),
    ),
    hints=(
        "Row i is a question with n answers, of which number i is right. So is column i.",
        "`F.cross_entropy(table, torch.arange(n))` does the rows; the columns are `table.T`.",
    ),
)

# --- loss_gradient


def loss_gradient(similarity: Tensor) -> Tensor:
    """The loss's gradient: in each direction, what was believed minus what is right."""
    truth = torch.eye(len(similarity))
    rows, columns = similarity.softmax(dim=1), similarity.softmax(dim=0)
    return ((rows - truth) + (columns - truth)) / (2 * len(similarity))


def _gradient_of_torch(similarity: Tensor) -> Tensor:
    table = similarity.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(contrastive_loss(table), table)
    return gradient


def _gradient_twice(similarity: Tensor) -> Tensor:
    def one_way(table: Tensor) -> Tensor:
        return (table.softmax(dim=1) - torch.eye(len(table))) / len(table)

    return 0.5 * one_way(similarity) + 0.5 * one_way(similarity.T).T


def one_way_only(similarity: Tensor) -> Tensor:
    return (similarity.softmax(dim=1) - torch.eye(len(similarity))) / len(similarity)


def not_turned_back(similarity: Tensor) -> Tensor:
    n = len(similarity)
    return (similarity.softmax(1) + similarity.T.softmax(1) - 2 * torch.eye(n)) / (2 * n)


def without_the_truth(similarity: Tensor) -> Tensor:
    return (similarity.softmax(dim=1) + similarity.softmax(dim=0)) / (2 * len(similarity))


def uphill(similarity: Tensor) -> Tensor:
    return -loss_gradient(similarity)


def without_the_mean(similarity: Tensor) -> Tensor:
    return loss_gradient(similarity) * len(similarity)


LOSS_GRADIENT = Exercise(
    id="10.loss_gradient",
    task="Give the gradient of the loss for every entry of the table, without autograd.",
    points=3,
    cases=_tables,
    reference=loss_gradient,
    right=(_gradient_of_torch, _gradient_twice),
    wrong=(
        Wrong(one_way_only, "these are the rows alone; the columns give the same, turned over"),
        Wrong(not_turned_back, "the columns' part is a table of texts by pictures: turn it back"),
        Wrong(without_the_truth, "subtract what is right: 1 on the diagonal, 0 elsewhere"),
        Wrong(uphill, "the sign is turned: a belief that is too high has a POSITIVE gradient"),
        Wrong(without_the_mean, "the loss is a mean over the n pairs, so the gradient has a 1/n"),
    ),
    hints=(
        "For one row, the gradient of the cross-entropy is softmax(row) minus (0 ... 1 ... 0).",
        "Columns are rows of the table turned over: softmax(dim=0). Add both, divide by 2 n.",
    ),
)

# --- text_vector


def text_vector(states: Tensor, ids: Tensor, end: int) -> Tensor:
    """The state at each text's first end token: states (b, m, d), ids (b, m) -> (b, d)."""
    first_end = (ids == end).int().argmax(dim=1)
    return states[torch.arange(len(ids)), first_end]


def _text_vector_in_a_loop(states: Tensor, ids: Tensor, end: int) -> Tensor:
    return torch.stack([s[row.tolist().index(end)] for s, row in zip(states, ids, strict=True)])


def the_last_token(states: Tensor, ids: Tensor, end: int) -> Tensor:
    return states[:, -1]


def the_start(states: Tensor, ids: Tensor, end: int) -> Tensor:
    return states[:, 0]


def the_last_word(states: Tensor, ids: Tensor, end: int) -> Tensor:
    return states[torch.arange(len(ids)), (ids == end).int().argmax(dim=1) - 1]


def the_mean(states: Tensor, ids: Tensor, end: int) -> Tensor:
    return states.mean(dim=1)


def the_largest_id(states: Tensor, ids: Tensor, end: int) -> Tensor:
    return states[torch.arange(len(ids)), ids.argmax(dim=1)]


def one_place_for_all(states: Tensor, ids: Tensor, end: int) -> Tensor:
    return states[:, int((ids[0] == end).int().argmax())]


def _texts(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for b, m, d in ((3, 7, 4), (4, 5, 2)):
        ids = torch.randint(2, 9, (b, m), generator=g)
        ids[:, 0] = 1
        ids[:, 1] = 12  # a word whose id is larger than the end's
        for row in range(b):
            ids[row, int(torch.randint(2, m - 1, (), generator=g)) if row else m - 2 :] = 9
        cases.append((torch.randn(b, m, d, generator=g), ids, 9))
    return cases


TEXT_VECTOR = Exercise(
    id="10.text_vector",
    task="Pick, for each text, the state at its FIRST end token (more ends follow as padding).",
    points=2,
    cases=_texts,
    reference=text_vector,
    right=(_text_vector_in_a_loop,),
    wrong=(
        Wrong(the_last_token, "the last place is padding; the first end token is what was trained"),
        Wrong(the_start, "the start token sees no word: attention here looks back, never ahead"),
        Wrong(the_last_word, "one place further: at the end token, not the word before it"),
        Wrong(the_mean, "one state, the end token's, and not the mean of all"),
        Wrong(one_place_for_all, "each text ends somewhere else: find the place row by row"),
        Wrong(the_largest_id, "the end's id need not be the largest: look where ids == end"),
    ),
    hints=(
        "`(ids == end).int()` is 1 at the ends; its `.argmax(dim=1)` is the first such place.",
        "`states[torch.arange(b), places]` takes one place from each row.",
    ),
)

# --- zero_shot


def zero_shot(pictures: Tensor, prompts: Tensor) -> Tensor:
    """Which of k classes each picture is: pictures (n, d), prompts (k, p, d), all of length 1.

    A class is the direction of the mean of its p prompts.
    """
    classes = F.normalize(prompts.mean(dim=1), dim=1)  # (k, d)
    return (pictures @ classes.T).argmax(dim=1)


def _zero_shot_in_a_loop(pictures: Tensor, prompts: Tensor) -> Tensor:
    classes = [p.sum(dim=0) / p.sum(dim=0).norm() for p in prompts]
    best = [max(range(len(classes)), key=lambda k: float(x @ classes[k])) for x in pictures]
    return torch.tensor(best)


def without_length_one(pictures: Tensor, prompts: Tensor) -> Tensor:
    return (pictures @ prompts.mean(dim=1).T).argmax(dim=1)


def the_first_prompt_alone(pictures: Tensor, prompts: Tensor) -> Tensor:
    return (pictures @ prompts[:, 0].T).argmax(dim=1)


def the_luckiest_prompt(pictures: Tensor, prompts: Tensor) -> Tensor:
    return torch.einsum("nd,kpd->nkp", pictures, prompts).amax(dim=2).argmax(dim=1)


def the_farthest(pictures: Tensor, prompts: Tensor) -> Tensor:
    return (pictures @ F.normalize(prompts.mean(dim=1), dim=1).T).argmin(dim=1)


def the_best_picture_of_each(pictures: Tensor, prompts: Tensor) -> Tensor:
    return (pictures @ F.normalize(prompts.mean(dim=1), dim=1).T).argmax(dim=0)


def _classes(seed: int) -> Sequence[Case]:
    """Prompts of which some agree and some do not, so that lengths and luck matter."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for n, k, p, d in ((60, 5, 3, 4), (50, 3, 4, 3)):
        middle = torch.randn(k, 1, d, generator=g)
        spread = torch.linspace(0.1, 2.5, k)[:, None, None]
        prompts = F.normalize(middle + spread * torch.randn(k, p, d, generator=g), dim=2)
        cases.append((F.normalize(torch.randn(n, d, generator=g), dim=1), prompts))
    return cases


ZERO_SHOT = Exercise(
    id="10.zero_shot",
    task="Give each picture's class number: that of the mean prompt nearest to it in direction.",
    points=2,
    cases=_classes,
    reference=zero_shot,
    right=(_zero_shot_in_a_loop,),
    wrong=(
        Wrong(without_length_one, "a mean of unit vectors is shorter than 1: normalise it again"),
        Wrong(the_first_prompt_alone, "use all p prompts of a class, through their mean"),
        Wrong(the_luckiest_prompt, "take the mean of a class's prompts, not its best single one"),
        Wrong(the_farthest, "the nearest class has the LARGEST cosine"),
        Wrong(the_best_picture_of_each, "ask each picture for its class, not each class"),
    ),
    hints=(
        "`prompts.mean(dim=1)` is one vector a class; `F.normalize` makes it a direction.",
        "Pictures as rows, classes as columns: the answer is the argmax of each row.",
    ),
)

EXERCISES = (SIMILARITY, CONTRASTIVE_LOSS, LOSS_GRADIENT, TEXT_VECTOR, ZERO_SHOT)
