"""Exercises of lesson 09: self-attention."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from course_lib import self_attention
from course_lib.attention import attention_weights
from course_lib.exercises.exercise import Case, Exercise, Wrong


def _words(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    return [(torch.randn(n, d, generator=g),) for n, d in ((3, 4), (5, 2), (4, 9))]


def _one_word_at_a_time(x: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for i in range(len(x)):
        for j in range(len(x)):
            out[i] += (x[i] @ x[j]) * x[j]
    return out


def _by_einsum(x: Tensor) -> Tensor:
    return torch.einsum("id,jd,je->ie", x, x, x)


def scores_only(x: Tensor) -> Tensor:
    return x @ x.T


def number_by_number(x: Tensor) -> Tensor:
    return x * x * x


def own_share_only(x: Tensor) -> Tensor:
    return (x * x).sum(1, keepdim=True) * x


def averaged(x: Tensor) -> Tensor:
    return (x @ x.T) @ x / len(x)


def _soft_by_hand(x: Tensor) -> Tensor:
    scores = x @ x.T / x.shape[1] ** 0.5
    share = (scores - scores.amax(1, keepdim=True)).exp()
    return share / share.sum(1, keepdim=True) @ x


def _soft_by_torch(x: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(x[None], x[None], x[None])[0]


def without_the_root(x: Tensor) -> Tensor:
    return (x @ x.T).softmax(dim=1) @ x


def divided_by_d(x: Tensor) -> Tensor:
    return (x @ x.T / x.shape[1]).softmax(dim=1) @ x


def columns_add_up(x: Tensor) -> Tensor:
    return (x @ x.T / x.shape[1] ** 0.5).softmax(dim=0) @ x


def root_of_the_number_of_words(x: Tensor) -> Tensor:
    return (x @ x.T / x.shape[0] ** 0.5).softmax(dim=1) @ x


def _matrices(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for n, d_in, d_out in ((3, 5, 2), (6, 3, 4), (4, 4, 3)):
        maps = [torch.randn(d_in, d_out, generator=g) for _ in range(3)]
        cases.append((torch.randn(n, d_in, generator=g), *maps))
    return cases


def qkv_attention(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    """Attention of x (n, d_in) with three matrices (d_in, d_out)."""
    return attention_weights(x @ w_q, x @ w_k) @ (x @ w_v)


def _qkv_step_by_step(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    rows = [((k @ q[i]) / q.shape[1] ** 0.5).softmax(0) @ v for i in range(len(x))]
    return torch.stack(rows)


def _qkv_by_torch(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    q, k, v = ((x @ w)[None] for w in (w_q, w_k, w_v))
    return F.scaled_dot_product_attention(q, k, v)[0]


def q_and_k_swapped(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return qkv_attention(x, w_k, w_q, w_v)


def not_scaled(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return ((x @ w_q) @ (x @ w_k).T).softmax(dim=1) @ (x @ w_v)


def scaled_by_d_in(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return ((x @ w_q) @ (x @ w_k).T / x.shape[1] ** 0.5).softmax(dim=1) @ (x @ w_v)


def keys_as_values(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return qkv_attention(x, w_q, w_k, w_k)


def _scores(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for n, m in ((4, 4), (3, 6), (5, 3)):
        mask = torch.rand(n, m, generator=g) < 0.6
        rows, seen = torch.arange(n), torch.randint(m, (n,), generator=g)
        mask[rows, seen] = True  # everybody may look somewhere
        mask[rows, (seen + 1) % m] = False  # and nobody everywhere
        cases.append((2 * torch.randn(n, m, generator=g), mask))
    return cases


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Shares of each row that add up to 1, and none where the mask is False."""
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=1)


def _masked_by_where(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, scores, torch.tensor(-1e9)).softmax(dim=1)


def _masked_by_hand(scores: Tensor, mask: Tensor) -> Tensor:
    share = scores.exp() * mask
    return share / share.sum(1, keepdim=True)


def mask_inverted(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, torch.tensor(-1e9), scores).softmax(dim=1)


def zeros_before_the_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    return (scores * mask).softmax(dim=1)


def zeros_after_the_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.softmax(dim=1) * mask


def softmax_of_columns(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -1e9).softmax(dim=0)


def _wide(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    sizes = ((2, 3, 2, 4), (1, 5, 3, 2), (3, 4, 2, 3))
    return [(torch.randn(b, n, h * d, generator=g), h) for b, n, h, d in sizes]


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(b, n, heads * d) to (b, heads, n, d): each head gets its own stretch of the numbers."""
    return rearrange(x, "b n (heads d) -> b heads n d", heads=heads)


def _split_by_view(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def _split_by_chunks(x: Tensor, heads: int) -> Tensor:
    return torch.stack(x.chunk(heads, dim=2), dim=1)


def words_cut_up(x: Tensor, heads: int) -> Tensor:
    b, n, d = x.shape
    return x.reshape(b, heads, n, d // heads)


def every_other_number(x: Tensor, heads: int) -> Tensor:
    return rearrange(x, "b n (d heads) -> b heads n d", heads=heads)


def heads_beside_the_numbers(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(2, (heads, -1))


EXERCISES = (
    Exercise(
        id="09.plain_attention",
        task="Each word becomes the sum of all words, each multiplied by its dot product with it.",
        points=1,
        cases=_words,
        reference=self_attention.plain_attention,
        right=(_one_word_at_a_time, _by_einsum),
        wrong=(
            Wrong(scores_only, "these are the dot products; use them to add up the words: `@ x`."),
            Wrong(
                number_by_number,
                "`*` goes number by number, and so no word meets another. `@` makes dot products.",
            ),
            Wrong(own_share_only, "each word meets only itself: all pairs are needed, x @ x.T."),
            Wrong(averaged, "add the words up; nothing is divided yet."),
        ),
        hints=(
            "x @ x.T is the table (n, n) of all dot products.",
            "Multiply that table by the words once more: (n, n) @ (n, d).",
        ),
    ),
    Exercise(
        id="09.softmax_attention",
        task="The same with shares: divide the dot products by the root of d, and let a softmax "
        "make each row add up to 1.",
        points=1,
        cases=_words,
        reference=self_attention.softmax_attention,
        right=(_soft_by_hand, _soft_by_torch),
        wrong=(
            Wrong(
                without_the_root,
                "the softmax is there, the root is not: divide by x.shape[1] ** 0.5 before it.",
            ),
            Wrong(divided_by_d, "you divide by d; its root is wanted: ** 0.5."),
            Wrong(
                columns_add_up,
                "the columns add up to 1, the rows should: what a word TAKES is shared out, dim=1.",
            ),
            Wrong(
                root_of_the_number_of_words,
                "that is the root of the number of words; d, a word's numbers, is x.shape[1].",
            ),
        ),
        hints=(
            "scores = x @ x.T / x.shape[1] ** 0.5",
            "scores.softmax(dim=1) has rows that add up to 1; multiply it by x.",
        ),
    ),
    Exercise(
        id="09.qkv_attention",
        task="Give each word a query, a key and a value, and let the queries meet the keys.",
        points=2,
        cases=_matrices,
        reference=qkv_attention,
        right=(_qkv_step_by_step, _qkv_by_torch),
        wrong=(
            Wrong(
                q_and_k_swapped,
                "queries and keys have changed places: rows ask (q), columns offer (k).",
            ),
            Wrong(not_scaled, "the root is missing: divide the scores by q.shape[1] ** 0.5."),
            Wrong(
                scaled_by_d_in,
                "the root is of how many numbers a query has, q.shape[1], not a word.",
            ),
            Wrong(keys_as_values, "what is handed over are the values, x @ w_v, not the keys."),
        ),
        hints=(
            "q, k, v = x @ w_q, x @ w_k, x @ w_v",
            "From here on it is softmax attention, with q and k in the scores and v at the end.",
            "(q @ k.T / q.shape[1] ** 0.5).softmax(dim=1) @ v",
        ),
    ),
    Exercise(
        id="09.masked_softmax",
        task="Make each row of the scores into shares; where the mask is False the share is 0.",
        points=1,
        cases=_scores,
        reference=masked_softmax,
        right=(_masked_by_where, _masked_by_hand),
        wrong=(
            Wrong(mask_inverted, "it is the wrong way round: True means MAY look."),
            Wrong(
                zeros_before_the_softmax,
                "a score of 0 still gets a share, e to the power 0 is 1. Which score gets none?",
            ),
            Wrong(
                zeros_after_the_softmax,
                "the hidden places are 0, but the rest no longer adds up to 1: hide them before "
                "the softmax.",
            ),
            Wrong(softmax_of_columns, "the rows should add up to 1: dim=1."),
        ),
        hints=(
            "A score of minus infinity gets no share at all.",
            "scores.masked_fill(~mask, -torch.inf), then the softmax.",
        ),
    ),
    Exercise(
        id="09.split_heads",
        task="Cut the numbers of each word into `heads` stretches: (b, n, heads * d) becomes "
        "(b, heads, n, d).",
        points=1,
        cases=_wide,
        reference=split_heads,
        right=(_split_by_view, _split_by_chunks),
        wrong=(
            Wrong(
                words_cut_up,
                "the shape is right, but a head now holds pieces of different words: split the "
                "last axis first, then move the heads' axis forwards.",
            ),
            Wrong(
                every_other_number,
                "each head gets every so-many-th number; it should get one stretch: (heads d), "
                "not (d heads).",
            ),
            Wrong(
                heads_beside_the_numbers,
                "the numbers are split, but the heads' axis must stand before the words'.",
            ),
        ),
        hints=(
            "einops says it in one line: rearrange(x, ...).",
            'rearrange(x, "b n (heads d) -> b heads n d", heads=heads)',
        ),
    ),
)
