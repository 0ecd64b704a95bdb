"""Lesson 11: cross-attention, the spatial transformer, heat maps, dropped captions."""

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from course_lib.exercises.exercise import Answer, Case, Exercise, Wrong

# --- cross_attention


def cross_attention(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    """Each pixel (b, n, d_x) gathers from the words (b, m, d_context): (b, n, d).

    Queries come from the pixels; keys and values from the words.
    """
    q, k, v = pixels @ to_q, words @ to_k, words @ to_v
    weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1)
    return weights @ v


def _cross_attention_of_torch(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    return torch.nn.functional.scaled_dot_product_attention(
        pixels @ to_q, words @ to_k, words @ to_v
    )


def _cross_attention_by_einsum(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    scores = torch.einsum("bnd,bmd->bnm", pixels @ to_q, words @ to_k) * to_q.shape[1] ** -0.5
    weights = scores.exp() / scores.exp().sum(dim=2, keepdim=True)
    return torch.einsum("bnm,bmd->bnd", weights, words @ to_v)


def over_the_pixels(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    q, k = pixels @ to_q, words @ to_k
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=1) @ (words @ to_v)


def not_scaled(pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor) -> Tensor:
    return ((pixels @ to_q) @ (words @ to_k).transpose(1, 2)).softmax(dim=-1) @ (words @ to_v)


def scaled_by_the_width(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    q, k = pixels @ to_q, words @ to_k
    return (q @ k.transpose(1, 2) / q.shape[-1]).softmax(dim=-1) @ (words @ to_v)


def all_axes_turned(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    scores = (pixels @ to_q) @ (words @ to_k).T / to_q.shape[1] ** 0.5
    return scores.softmax(dim=-1) @ (words @ to_v)


def words_ask(pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor) -> Tensor:
    return cross_attention(words, pixels, to_q, to_k, to_v)


def pixels_ask_pixels(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    return cross_attention(pixels, pixels, to_q, to_k, to_v)


def without_softmax(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    q, k = pixels @ to_q, words @ to_k
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5) @ (words @ to_v)


def keys_for_values(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    return cross_attention(pixels, words, to_q, to_k, to_k)


def keys_and_values_swapped(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    return cross_attention(pixels, words, to_q, to_v, to_k)


def scaled_by_the_pixels_width(
    pixels: Tensor, words: Tensor, to_q: Tensor, to_k: Tensor, to_v: Tensor
) -> Tensor:
    q, k = pixels @ to_q, words @ to_k
    return (q @ k.transpose(1, 2) / pixels.shape[-1] ** 0.5).softmax(dim=-1) @ (words @ to_v)


def _pixels_and_words(seed: int) -> Sequence[Case]:
    """Equal widths, so that a mix-up of pixels and words runs and is told apart by its values."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for b, n, m, d_in, d in ((2, 6, 3, 5, 4), (1, 4, 7, 3, 2)):
        maps = (torch.randn(d_in, d, generator=g) for _ in range(3))
        cases.append(
            (torch.randn(b, n, d_in, generator=g), torch.randn(b, m, d_in, generator=g), *maps)
        )
    return cases


CROSS_ATTENTION = Exercise(
    id="11.cross_attention",
    task="Let every pixel gather from the words: queries from pixels, keys and values from words.",
    points=2,
    cases=_pixels_and_words,
    reference=cross_attention,
    right=(_cross_attention_of_torch, _cross_attention_by_einsum),
    wrong=(
        Wrong(over_the_pixels, "each pixel shares its attention out over the WORDS: dim=-1"),
        Wrong(not_scaled, "divide the scores by the root of the width before the softmax"),
        Wrong(scaled_by_the_width, "divide by the ROOT of the width, not by the width"),
        Wrong(words_ask, "here the words ask the pixels; the pixels have the questions"),
        Wrong(pixels_ask_pixels, "this is self-attention: keys and values come from the words"),
        Wrong(without_softmax, "the scores are to become shares that add up to 1: a softmax"),
        Wrong(keys_for_values, "what is gathered is the values, words @ to_v, not the keys"),
        Wrong(
            keys_and_values_swapped, "keys and values are swapped: scores from to_k, sums of to_v"
        ),
        Wrong(
            scaled_by_the_pixels_width,
            "the root is that of a query's length, q.shape[-1], not of a pixel's",
        ),
        Wrong(all_axes_turned, "with a batch `.T` turns all three axes: use k.transpose(1, 2)"),
    ),
    hints=(
        "Lesson 09's attention, with one change: two of the three come from the words.",
        "q = pixels @ to_q; k, v = words @ to_k, words @ to_v",
        "`(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1) @ v`",
    ),
)

# --- transformer_block


def transformer_block(tokens: Tensor, context: Tensor, parts: Any) -> Tensor:
    """Tokens (b, n, c): add self-attention, cross-attention to the context, then feed-forward.

    `parts` has norm1, self_attn, norm2, cross_attn, norm3 and ff; each part gets a norm.
    """
    tokens = tokens + parts.self_attn(parts.norm1(tokens))
    tokens = tokens + parts.cross_attn(parts.norm2(tokens), context)
    return tokens + parts.ff(parts.norm3(tokens))


def _block_in_names(tokens: Tensor, context: Tensor, parts: Any) -> Tensor:
    from_pixels = parts.self_attn(parts.norm1(tokens)) + tokens
    from_words = parts.cross_attn(parts.norm2(from_pixels), context) + from_pixels
    return parts.ff(parts.norm3(from_words)) + from_words


def without_the_words(tokens: Tensor, context: Tensor, parts: Any) -> Tensor:
    tokens = tokens + parts.self_attn(parts.norm1(tokens))
    return tokens + parts.ff(parts.norm3(tokens))


def words_first(tokens: Tensor, context: Tensor, parts: Any) -> Tensor:
    tokens = tokens + parts.cross_attn(parts.norm2(tokens), context)
    tokens = tokens + parts.self_attn(parts.norm1(tokens))
    return tokens + parts.ff(parts.norm3(tokens))


def nothing_added(tokens: Tensor, context: Tensor, parts: Any) -> Tensor:
    tokens = parts.self_attn(parts.norm1(tokens))
    tokens = parts.cross_attn(parts.norm2(tokens), context)
    return parts.ff(parts.norm3(tokens))


def without_norms(tokens: Tensor, context: Tensor, parts: Any) -> Tensor:
    tokens = tokens + parts.self_attn(tokens)
    tokens = tokens + parts.cross_attn(tokens, context)
    return tokens + parts.ff(tokens)


def all_from_the_start(tokens: Tensor, context: Tensor, parts: Any) -> Tensor:
    found = parts.self_attn(parts.norm1(tokens)) + parts.cross_attn(parts.norm2(tokens), context)
    return tokens + found + parts.ff(parts.norm3(tokens))


class _Parts:
    """Parts of a block that are small formulas, each different from the others."""

    def __init__(self, across: Tensor, inside: Tensor, gains: Tensor) -> None:
        self.across, self.inside, self.gains = across, inside, gains

    def norm1(self, x: Tensor) -> Tensor:
        return torch.tanh(x) * self.gains[0]

    def norm2(self, x: Tensor) -> Tensor:
        return torch.tanh(x) * self.gains[1]

    def norm3(self, x: Tensor) -> Tensor:
        return torch.tanh(x) * self.gains[2]

    def self_attn(self, x: Tensor) -> Tensor:
        return self.across @ x + 0.5 * x.roll(1, dims=1)

    def cross_attn(self, x: Tensor, context: Tensor) -> Tensor:
        return (x @ context.transpose(1, 2)).softmax(dim=-1) @ context

    def ff(self, x: Tensor) -> Tensor:
        return torch.sin(x @ self.inside)


def _with_parts(answer: Answer, case: Case) -> Any:
    tokens, context, across, inside, gains = case
    return answer(tokens, context, _Parts(across, inside, gains))


def _tokens(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for b, n, m, c in ((2, 4, 3, 5), (1, 6, 2, 3)):
        shapes = ((b, n, c), (b, m, c), (n, n), (c, c))
        cases.append(
            (*(torch.randn(s, generator=g) for s in shapes), 1 + torch.rand(3, c, generator=g))
        )
    return cases


TRANSFORMER_BLOCK = Exercise(
    id="11.transformer_block",
    task="Add self-attention, then cross-attention to the context, then `ff`; each works on a norm "
    "of the tokens.",
    points=2,
    cases=_tokens,
    probe=_with_parts,
    reference=transformer_block,
    right=(_block_in_names,),
    wrong=(
        Wrong(without_the_words, "the words never come in: add parts.cross_attn(..., context)"),
        Wrong(words_first, "self-attention comes first, then cross-attention"),
        Wrong(
            nothing_added, "each part is ADDED to the tokens: tokens = tokens + ..., three times"
        ),
        Wrong(without_norms, "each part works on a norm of the tokens: norm1, norm2, norm3"),
        Wrong(all_from_the_start, "each part should get the sum of those before it"),
    ),
    hints=(
        "Lesson 09's block with one more line: three lines, each begins with tokens + ...",
        "tokens = tokens + parts.cross_attn(parts.norm2(tokens), context) is the middle one.",
    ),
)

# --- spatial_transformer


def spatial_transformer(picture: Tensor, context: Tensor, parts: Any) -> Tensor:
    """A transformer over the pixels of (b, c, h, w); what it finds is added to the picture.

    `parts` has norm and proj_in (for pictures), block (tokens (b, h w, c) and the context), and
    proj_out (for pictures again).
    """
    x = parts.proj_in(parts.norm(picture))
    tokens = parts.block(rearrange(x, "b c h w -> b (h w) c"), context)
    return picture + parts.proj_out(rearrange(tokens, "b (h w) c -> b c h w", h=x.shape[2]))


def _spatial_flat(picture: Tensor, context: Tensor, parts: Any) -> Tensor:
    x = parts.proj_in(parts.norm(picture))
    tokens = parts.block(x.flatten(2).transpose(1, 2), context)
    return picture + parts.proj_out(tokens.transpose(1, 2).reshape(x.shape))


def _spatial_permuted(picture: Tensor, context: Tensor, parts: Any) -> Tensor:
    x = parts.proj_in(parts.norm(picture)).permute(0, 2, 3, 1)  # (b, h, w, c)
    b, h, w, c = x.shape
    tokens = parts.block(x.reshape(b, h * w, c), context)
    return parts.proj_out(tokens.reshape(b, h, w, c).permute(0, 3, 1, 2)) + picture


def reshaped_only(picture: Tensor, context: Tensor, parts: Any) -> Tensor:
    b, c, h, w = picture.shape
    tokens = parts.block(parts.proj_in(parts.norm(picture)).reshape(b, h * w, c), context)
    return picture + parts.proj_out(tokens.reshape(b, c, h, w))


def back_by_reshape(picture: Tensor, context: Tensor, parts: Any) -> Tensor:
    x = rearrange(parts.proj_in(parts.norm(picture)), "b c h w -> b (h w) c")
    return picture + parts.proj_out(parts.block(x, context).reshape(picture.shape))


def down_the_columns(picture: Tensor, context: Tensor, parts: Any) -> Tensor:
    x = rearrange(parts.proj_in(parts.norm(picture)), "b c h w -> b (w h) c")
    tokens = parts.block(x, context)
    h = picture.shape[2]
    return picture + parts.proj_out(rearrange(tokens, "b (w h) c -> b c h w", h=h))


def back_in_another_order(picture: Tensor, context: Tensor, parts: Any) -> Tensor:
    x = rearrange(parts.proj_in(parts.norm(picture)), "b c h w -> b (w h) c")
    tokens = parts.block(x, context)
    h = picture.shape[2]
    return picture + parts.proj_out(rearrange(tokens, "b (h w) c -> b c h w", h=h))


def without_the_picture(picture: Tensor, context: Tensor, parts: Any) -> Tensor:
    return spatial_transformer(picture, context, parts) - picture


def without_the_norm(picture: Tensor, context: Tensor, parts: Any) -> Tensor:
    tokens = rearrange(parts.proj_in(picture), "b c h w -> b (h w) c")
    tokens = parts.block(tokens, context)
    h = picture.shape[2]
    return picture + parts.proj_out(rearrange(tokens, "b (h w) c -> b c h w", h=h))


def without_proj_out(picture: Tensor, context: Tensor, parts: Any) -> Tensor:
    tokens = rearrange(parts.proj_in(parts.norm(picture)), "b c h w -> b (h w) c")
    tokens = parts.block(tokens, context)
    return picture + rearrange(tokens, "b (h w) c -> b c h w", h=picture.shape[2])


class _PictureParts:
    """Parts that are small formulas; the block tells tokens, order and channels apart."""

    def __init__(self, to_all: Tensor, to_next: Tensor, gains: Tensor) -> None:
        self.to_all, self.to_next, self.gains = to_all, to_next, gains

    def norm(self, x: Tensor) -> Tensor:
        return torch.tanh(x) * self.gains[0][:, None, None]

    def proj_in(self, x: Tensor) -> Tensor:
        return x * self.gains[1][:, None, None] + 0.3

    def block(self, tokens: Tensor, context: Tensor) -> Tensor:
        told = context.mean(dim=1, keepdim=True)
        return tokens @ self.to_all + 0.5 * tokens.roll(1, dims=1) * self.to_next + told

    def proj_out(self, x: Tensor) -> Tensor:
        return torch.sin(x) * self.gains[2][:, None, None]


def _with_picture_parts(answer: Answer, case: Case) -> Any:
    picture, context, to_all, to_next, gains = case
    return answer(picture, context, _PictureParts(to_all, to_next, gains))


def _pictures(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for b, c, h, w in ((2, 3, 4, 5), (1, 4, 6, 2)):
        shapes = ((b, c, h, w), (b, 3, c), (c, c), (c,))
        cases.append(
            (*(torch.randn(s, generator=g) for s in shapes), 1 + torch.rand(3, c, generator=g))
        )
    return cases


SPATIAL_TRANSFORMER = Exercise(
    id="11.spatial_transformer",
    task="Norm and project the picture, let `block` work on its pixels as tokens, fold them back, "
    "project, and add the result to the picture.",
    points=3,
    cases=_pictures,
    probe=_with_picture_parts,
    reference=spatial_transformer,
    right=(_spatial_flat, _spatial_permuted),
    wrong=(
        Wrong(reshaped_only, "a reshape mixes channels of different pixels: move the axis first"),
        Wrong(back_by_reshape, "on the way back, move the channel axis before you reshape"),
        Wrong(down_the_columns, "the tokens run along the rows: (h w), not (w h)"),
        Wrong(
            back_in_another_order, "in as (w h), out as (h w): the picture is stirred. Use (h w)"
        ),
        Wrong(without_the_picture, "add what the tokens found to the picture; do not replace it"),
        Wrong(without_the_norm, "the picture goes through parts.norm before parts.proj_in"),
        Wrong(without_proj_out, "parts.proj_out is missing, after the tokens are folded back"),
    ),
    hints=(
        'One token for each pixel, its c channels as features: "b c h w -> b (h w) c".',
        "x = parts.proj_in(parts.norm(picture)); its pixels as tokens go into parts.block.",
        "`rearrange(tokens, 'b (h w) c -> b c h w', h=...)`, parts.proj_out, then + picture.",
    ),
)

# --- heat_map


def heat_map(weights: Tensor, word: int, height: int) -> Tensor:
    """How much each pixel listened to one word, mean over heads.

    weights (b, heads, h w, m) -> (b, h, w).
    """
    return rearrange(weights[..., word].mean(dim=1), "b (h w) -> b h w", h=height)


def _heat_map_reshaped(weights: Tensor, word: int, height: int) -> Tensor:
    b, _, n, _ = weights.shape
    return weights.mean(dim=1)[:, :, word].reshape(b, height, n // height)


def _heat_map_summed(weights: Tensor, word: int, height: int) -> Tensor:
    heads = weights.shape[1]
    total = torch.stack([weights[:, head, :, word] for head in range(heads)]).sum(dim=0) / heads
    return total.unflatten(1, (height, -1))


def the_first_head(weights: Tensor, word: int, height: int) -> Tensor:
    return weights[:, 0, :, word].unflatten(1, (height, -1))


def all_heads_added(weights: Tensor, word: int, height: int) -> Tensor:
    return weights.sum(dim=1)[:, :, word].unflatten(1, (height, -1))


def turned_over(weights: Tensor, word: int, height: int) -> Tensor:
    flat = weights.mean(dim=1)[:, :, word]
    return flat.unflatten(1, (-1, height)).transpose(1, 2)


def the_next_word(weights: Tensor, word: int, height: int) -> Tensor:
    return heat_map(weights, (word + 1) % weights.shape[-1], height)


def stretched(weights: Tensor, word: int, height: int) -> Tensor:
    heat = heat_map(weights, word, height)
    return heat / heat.amax(dim=(1, 2), keepdim=True)


def _weights(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for b, heads, h, w, m, word in ((2, 3, 4, 6, 5, 2), (1, 2, 5, 3, 4, 0)):
        weights = torch.randn(b, heads, h * w, m, generator=g).softmax(dim=-1)
        cases.append((weights, word, h))
    return cases


HEAT_MAP = Exercise(
    id="11.heat_map",
    task="From the attention weights, make one word's map: a number for every pixel.",
    points=1,
    cases=_weights,
    reference=heat_map,
    right=(_heat_map_reshaped, _heat_map_summed),
    wrong=(
        Wrong(the_first_head, "take the mean over all heads, not the first head"),
        Wrong(all_heads_added, "take the mean over the heads, not their sum"),
        Wrong(turned_over, "pixels run along the rows: height first, then width"),
        Wrong(the_next_word, "words are counted from 0: this is the map of the word after it"),
        Wrong(stretched, "leave the shares as they are: plotting may stretch them later"),
    ),
    hints=(
        "The last axis is the words: `weights[..., word]` is (b, heads, h w).",
        "Mean over dim=1, then (b, h w) -> (b, h, w) with the height you were given.",
    ),
)

# --- drop_captions


def drop_captions(context: Tensor, empty: Tensor, coins: Tensor, chance: float) -> Tensor:
    """Give the empty text's context (m, d) to each example whose coin is below `chance`.

    context (b, m, d), coins (b,) from 0 to 1 -> (b, m, d).
    """
    return torch.where((coins < chance)[:, None, None], empty, context)


def _drop_captions_in_a_loop(
    context: Tensor, empty: Tensor, coins: Tensor, chance: float
) -> Tensor:
    return torch.stack(
        [empty if coin < chance else words for words, coin in zip(context, coins, strict=True)]
    )


def _drop_captions_in_a_copy(
    context: Tensor, empty: Tensor, coins: Tensor, chance: float
) -> Tensor:
    out = context.clone()
    out[coins < chance] = empty
    return out


def zeros_instead(context: Tensor, empty: Tensor, coins: Tensor, chance: float) -> Tensor:
    return torch.where((coins < chance)[:, None, None], torch.zeros_like(empty), context)


def axes_forgotten(context: Tensor, empty: Tensor, coins: Tensor, chance: float) -> Tensor:
    return torch.where(coins < chance, empty, context)


def the_other_ones(context: Tensor, empty: Tensor, coins: Tensor, chance: float) -> Tensor:
    return drop_captions(context, empty, 1 - coins, 1 - chance)


def one_coin_for_all(context: Tensor, empty: Tensor, coins: Tensor, chance: float) -> Tensor:
    return empty.expand_as(context).clone() if coins[0] < chance else context


def never(context: Tensor, empty: Tensor, coins: Tensor, chance: float) -> Tensor:
    return context


def faded(context: Tensor, empty: Tensor, coins: Tensor, chance: float) -> Tensor:
    return (1 - chance) * context + chance * empty


def _contexts(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for b, m, d, chance in ((8, 3, 4, 0.4), (6, 2, 5, 0.7)):
        coins = (torch.randperm(b, generator=g) + 0.5) / b  # always some below, some above
        if not cases:  # the first coin of the first case is low: one coin for all drops all there
            coins = coins.roll(-int(coins.argmin()))
        context, empty = torch.randn(b, m, d, generator=g), torch.randn(m, d, generator=g)
        cases.append((context, empty, coins, chance))
    return cases


DROP_CAPTIONS = Exercise(
    id="11.drop_captions",
    task="Replace the caption's context by the empty text's wherever the coin is below `chance`.",
    points=2,
    cases=_contexts,
    reference=drop_captions,
    right=(_drop_captions_in_a_loop, _drop_captions_in_a_copy),
    wrong=(
        Wrong(zeros_instead, "the empty text has a context of its own, and it is not zero"),
        Wrong(the_other_ones, "it is turned round: a coin BELOW chance loses its caption"),
        Wrong(one_coin_for_all, "each example has its own coin; here all follow the first"),
        Wrong(never, "no caption was dropped: without that, guidance has nothing to compare with"),
        Wrong(faded, "a caption stays whole or goes; do not mix it with the empty one"),
        Wrong(axes_forgotten, "(b,) lines up with the LAST axis: (coins < chance)[:, None, None]"),
    ),
    hints=(
        "`coins < chance` is true for the examples (b,) that lose their caption.",
        "`torch.where(yes[:, None, None], empty, context)` chooses example by example.",
    ),
)

EXERCISES = (CROSS_ATTENTION, HEAT_MAP, TRANSFORMER_BLOCK, SPATIAL_TRANSFORMER, DROP_CAPTIONS)
