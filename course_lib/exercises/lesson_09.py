"""Exercises of lesson 09: self-attention."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from course_lib import self_attention
from course_lib.attention import attention_weights
from course_lib.exercises.exercise import Answer, Case, Exercise, Wrong


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


def softmax_of_columns_of_qkv(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    q, k = x @ w_q, x @ w_k
    return (q @ k.T / q.shape[1] ** 0.5).softmax(dim=0) @ (x @ w_v)


def values_forgotten(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return attention_weights(x @ w_q, x @ w_k) @ x


def _scores(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for shape in ((4, 4), (3, 6), (2, 3, 4, 5)):
        n, m = shape[-2:]
        mask = torch.rand(n, m, generator=g) < 0.6
        rows, seen = torch.arange(n), torch.randint(m, (n,), generator=g)
        mask[rows, seen] = True  # everybody may look somewhere
        mask[rows, (seen + 1) % m] = False  # and nobody everywhere
        cases.append((2 * torch.randn(*shape, generator=g) - 8, mask))  # a low -10 is not low here
    padding = torch.ones(2, 1, 5, dtype=torch.bool)  # one row of the mask for all words
    padding[0, 0, 3:], padding[1, 0, 2] = False, False
    low = 2 * torch.randn(2, 4, 5, generator=g, dtype=torch.float64) - 200
    return [*cases, (low, padding)]


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Shares of each row that add up to 1, and none where the mask is False."""
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)


def _masked_by_where(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, scores, torch.tensor(-1e9)).softmax(dim=-1)


def _masked_by_hand(scores: Tensor, mask: Tensor) -> Tensor:
    share = scores.exp() * mask
    return share / share.sum(-1, keepdim=True)


def _masked_by_adding(scores: Tensor, mask: Tensor) -> Tensor:
    forbidden = torch.zeros_like(scores).masked_fill(~mask, float("-inf"))
    return torch.softmax(scores + forbidden, -1)


def mask_inverted(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(mask, -torch.inf).softmax(dim=-1)


def zeros_before_the_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    return (scores * mask).softmax(dim=-1)


def zeros_after_the_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.softmax(dim=-1) * mask


def softmax_of_columns(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -1e9).softmax(dim=-2)


def softmax_of_axis_1(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -1e9).softmax(dim=1)


def minus_ten(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -10).softmax(dim=-1)


def minus_a_hundred(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -100).softmax(dim=-1)


def _wide(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    sizes = ((2, 3, 2, 4), (1, 5, 3, 2), (3, 4, 2, 3))
    return [(torch.randn(b, n, h * d, generator=g), h) for b, n, h, d in sizes]


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(b, n, heads * d) to (b, heads, n, d): each head gets its own part of the numbers."""
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


def _pieces(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    sizes = ((2, 3, 2, 4), (1, 5, 3, 2), (3, 4, 2, 3))  # b, n, heads, d
    return [(torch.randn(b, h, n, d, generator=g),) for b, n, h, d in sizes]


def merge_heads(x: Tensor) -> Tensor:
    """(b, heads, n, d) to (b, n, heads * d): the heads' results side by side again."""
    return rearrange(x, "b heads n d -> b n (heads d)")


def _merge_by_flatten(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def _merge_by_cat(x: Tensor) -> Tensor:
    return torch.cat(list(x.unbind(1)), dim=-1)


def reshaped_at_once(x: Tensor) -> Tensor:
    b, heads, n, d = x.shape
    return x.reshape(b, n, heads * d)


def heads_take_turns(x: Tensor) -> Tensor:
    return rearrange(x, "b heads n d -> b n (d heads)")


def heads_added(x: Tensor) -> Tensor:
    return x.sum(1)


def one_long_row_of_words(x: Tensor) -> Tensor:
    return rearrange(x, "b heads n d -> b (heads n) d")


def _block_parts(seed: int) -> list[Case]:
    """x, then what the probe makes the four parts of: matrices, and two gains."""
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for b, n, d in ((2, 3, 4), (1, 5, 6)):
        across, inside = torch.randn(n, n, generator=g), torch.randn(d, d, generator=g)
        gains = 1 + torch.rand(2, d, generator=g)
        cases.append((torch.randn(b, n, d, generator=g) + 1, across, inside, gains))
    return cases


def _with_parts(answer: Answer, case: Case) -> Tensor:
    """Call the answer with an attention, a feed-forward part and two norms that all differ."""
    x, across, inside, gains = case

    def attend(y: Tensor) -> Tensor:
        return across @ y

    def feed_forward(y: Tensor) -> Tensor:
        return torch.tanh(y @ inside)

    def norm1(y: Tensor) -> Tensor:
        return F.layer_norm(y, y.shape[-1:]) * gains[0]

    def norm2(y: Tensor) -> Tensor:
        return F.layer_norm(y, y.shape[-1:]) * gains[1]

    result: Tensor = answer(x, attend, feed_forward, norm1, norm2)
    return result


def transformer_block(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    """Words (b, n, d): add what attention finds, then what the feed-forward part makes of it."""
    x = x + attend(norm1(x))
    return x + feed_forward(norm2(x))


def _block_in_names(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    found = attend(norm1(x))
    middle = found + x
    return feed_forward(norm2(middle)) + middle


def _block_in_one_line(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    return (y := x + attend(norm1(x))) + feed_forward(norm2(y))


def norms_after(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    x = norm1(x + attend(x))
    return norm2(x + feed_forward(x))


def without_norms(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    x = x + attend(x)
    return x + feed_forward(x)


def nothing_added(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    return feed_forward(norm2(attend(norm1(x))))


def second_not_added(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    return feed_forward(norm2(x + attend(norm1(x))))


def first_not_added(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    x = attend(norm1(x))
    return x + feed_forward(norm2(x))


def side_by_side(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    return x + attend(norm1(x)) + feed_forward(norm2(x))


def normed_shortcut(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    x = norm1(x)
    x = x + attend(x)
    x = norm2(x)
    return x + feed_forward(x)


def one_norm_for_both(
    x: Tensor, attend: Answer, feed_forward: Answer, norm1: Answer, norm2: Answer
) -> Tensor:
    x = x + attend(norm1(x))
    return x + feed_forward(norm1(x))


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
                "your columns add up to 1; the rows should: each word shares out its own, dim=1.",
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
                "d is the length of a query, q.shape[1], not the length of a word.",
            ),
            Wrong(keys_as_values, "what is passed on are the values, x @ w_v, not the keys."),
            Wrong(
                softmax_of_columns_of_qkv,
                "your columns add up to 1; each word (row) shares out its own attention: dim=1.",
            ),
            Wrong(values_forgotten, "you add up the words x; add up their values x @ w_v."),
        ),
        hints=(
            "q, k, v = x @ w_q, x @ w_k, x @ w_v",
            "From here on it is softmax attention, with q and k in the scores and v at the end.",
            "(q @ k.T / q.shape[1] ** 0.5).softmax(dim=1) @ v",
        ),
    ),
    Exercise(
        id="09.masked_softmax",
        task="Turn each row of scores (..., n, m) into shares that add up to 1; where the mask is "
        "False the share is 0. Any axes may stand in front.",
        points=1,
        cases=_scores,
        reference=masked_softmax,
        right=(_masked_by_where, _masked_by_hand, _masked_by_adding),
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
            Wrong(softmax_of_columns, "the rows should add up to 1: the last axis, dim=-1."),
            Wrong(
                softmax_of_axis_1,
                "with a batch and heads in front, axis 1 is not the words: dim=-1 always is.",
            ),
            Wrong(
                minus_ten,
                "a score of -10 still gets a small share (e to the power -10), and beside low "
                "scores a large one. Use -torch.inf.",
            ),
            Wrong(
                minus_a_hundred,
                "-100 is low only beside scores around 0. In one case all scores are near -200, "
                "and your hidden words win. -torch.inf is below every score.",
            ),
        ),
        hints=(
            "A score of minus infinity gets no share at all.",
            "scores.masked_fill(~mask, -torch.inf), then the softmax over the last axis, dim=-1.",
        ),
    ),
    Exercise(
        id="09.split_heads",
        task="Cut the numbers of each word into `heads` equal parts: (b, n, heads * d) becomes "
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
                "the heads take turns, number by number; each should get neighbouring numbers: "
                "(heads d), not (d heads).",
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
    Exercise(
        id="09.merge_heads",
        task="The way back: lay the results of the heads side by side, (b, heads, n, d) becomes "
        "(b, n, heads * d).",
        points=1,
        cases=_pieces,
        reference=merge_heads,
        right=(_merge_by_flatten, _merge_by_cat),
        wrong=(
            Wrong(
                reshaped_at_once,
                "the shape is right, but each row now mixes different words: move the heads' axis "
                "next to the last one before you join the two.",
            ),
            Wrong(heads_take_turns, "one whole head after the other: (heads d), not (d heads)."),
            Wrong(heads_added, "do not add the heads up: lay them side by side."),
            Wrong(
                one_long_row_of_words,
                "you joined the heads with the words; join them with the numbers, the last axis.",
            ),
        ),
        hints=(
            "Read your split_heads from right to left.",
            'rearrange(x, "b heads n d -> b n (heads d)")',
        ),
    ),
    Exercise(
        id="09.transformer_block",
        task="Add to x what `attend` makes of its norm, then add to that what `feed_forward` makes "
        "of its norm.",
        points=2,
        cases=_block_parts,
        probe=_with_parts,
        reference=transformer_block,
        right=(_block_in_names, _block_in_one_line),
        wrong=(
            Wrong(
                norms_after,
                "your norms come after the sum, as in the first transformer of 2017. Here each "
                "norm comes before its part: attend(norm1(x)).",
            ),
            Wrong(
                without_norms, "both norms are missing: attend(norm1(x)), then the same with norm2."
            ),
            Wrong(nothing_added, "each part is ADDED to what came in: x = x + ..., twice."),
            Wrong(
                second_not_added,
                "the first part is added; the result of feed_forward must be added, too.",
            ),
            Wrong(
                first_not_added,
                "what attention finds must be added to x; here it takes the place of x.",
            ),
            Wrong(
                side_by_side,
                "both parts work on the same x. The second should get the sum of the first.",
            ),
            Wrong(
                normed_shortcut,
                "add to x itself, not to its norm: the norm goes only into the part.",
            ),
            Wrong(one_norm_for_both, "the second part has a norm of its own, norm2."),
        ),
        hints=(
            "Two lines, and each begins with x + ...",
            "x = x + attend(norm1(x))",
            "return x + feed_forward(norm2(x))",
        ),
    ),
)
