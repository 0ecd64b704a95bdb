"""Lesson 11: cross-attention, pixels as tokens, heat maps, dropped captions."""

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


def _pixels_and_words(seed: int) -> Sequence[Case]:
    """Equal widths, so that a mix-up of pixels and words runs and is told apart by its values."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for b, n, m, d_in, d in ((2, 6, 3, 5, 4), (1, 4, 7, 3, 3)):
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
        Wrong(all_axes_turned, "with a batch `.T` turns all three axes: use k.transpose(1, 2)"),
    ),
    hints=(
        "Lesson 09's attention, with one change: two of the three come from the words.",
        "q = pixels @ to_q; k, v = words @ to_k, words @ to_v",
        "`(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1) @ v`",
    ),
)

# --- over_pixels


def over_pixels(picture: Tensor, mix: Answer) -> Tensor:
    """Let `mix` work on the pixels of (b, c, h, w) as tokens (b, h w, c), and add what it says."""
    h = picture.shape[2]
    tokens = rearrange(picture, "b c h w -> b (h w) c")
    return picture + rearrange(mix(tokens), "b (h w) c -> b c h w", h=h)


def _over_pixels_flat(picture: Tensor, mix: Answer) -> Tensor:
    tokens = picture.flatten(2).transpose(1, 2)
    return picture + mix(tokens).transpose(1, 2).reshape(picture.shape)


def _over_pixels_permuted(picture: Tensor, mix: Answer) -> Tensor:
    b, c, h, w = picture.shape
    tokens = picture.permute(0, 2, 3, 1).reshape(b, h * w, c)
    return mix(tokens).reshape(b, h, w, c).permute(0, 3, 1, 2) + picture


def reshaped_only(picture: Tensor, mix: Answer) -> Tensor:
    b, c, h, w = picture.shape
    return picture + mix(picture.reshape(b, h * w, c)).reshape(b, c, h, w)


def without_the_picture(picture: Tensor, mix: Answer) -> Tensor:
    return over_pixels(picture, mix) - picture


def back_by_reshape(picture: Tensor, mix: Answer) -> Tensor:
    return picture + mix(rearrange(picture, "b c h w -> b (h w) c")).reshape(picture.shape)


def down_the_columns(picture: Tensor, mix: Answer) -> Tensor:
    tokens = rearrange(picture, "b c h w -> b (w h) c")
    return picture + rearrange(mix(tokens), "b (h w) c -> b c h w", h=picture.shape[2])


def _mixing(answer: Answer, case: Case) -> Any:
    """Call the answer with a mix that tells tokens, their order and their channels apart."""
    picture, to_all, to_next = case

    def mix(tokens: Tensor) -> Tensor:
        return tokens @ to_all + 0.5 * tokens.roll(1, dims=1) * to_next

    return answer(picture, mix)


def _pictures(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for b, c, h, w in ((2, 3, 4, 5), (1, 4, 6, 2)):
        maps = (torch.randn(c, c, generator=g), torch.randn(c, generator=g))
        cases.append((torch.randn(b, c, h, w, generator=g), *maps))
    return cases


OVER_PIXELS = Exercise(
    id="11.over_pixels",
    task="Turn the pixels into tokens, row by row, let `mix` work on them, add it to the picture.",
    points=2,
    cases=_pictures,
    probe=_mixing,
    reference=over_pixels,
    right=(_over_pixels_flat, _over_pixels_permuted),
    wrong=(
        Wrong(reshaped_only, "a reshape mixes channels of different pixels: move the axis first"),
        Wrong(without_the_picture, "add what `mix` says to the picture; do not replace it"),
        Wrong(back_by_reshape, "on the way back, move the channel axis before you reshape"),
        Wrong(down_the_columns, "the tokens run along the rows: (h w), not (w h)"),
    ),
    hints=(
        'One token for each pixel, its c channels as features: "b c h w -> b (h w) c".',
        "`rearrange(x, 'b (h w) c -> b c h w', h=h)` is the way back; then add the picture.",
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

EXERCISES = (CROSS_ATTENTION, OVER_PIXELS, HEAT_MAP, DROP_CAPTIONS)
