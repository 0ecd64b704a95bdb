"""Attention beside torch's own, its masks, and what it cannot know without positions."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.attention import CrossAttention, SelfAttention, attention_weights, causal_mask
from course_lib.self_attention import (
    EncoderBlock,
    QKVAttention,
    plain_attention,
    softmax_attention,
)


@pytest.fixture
def g():
    return torch.Generator().manual_seed(0)


def test_weights_times_values_are_torchs_attention(g):
    q, k = torch.randn(2, 3, 5, 8, generator=g), torch.randn(2, 3, 7, 8, generator=g)
    v, mask = torch.randn(2, 3, 7, 4, generator=g), torch.rand(5, 7, generator=g) < 0.6
    ours = attention_weights(q, k) @ v
    torch.testing.assert_close(ours, F.scaled_dot_product_attention(q, k, v))
    masked = attention_weights(q, k, mask) @ v
    torch.testing.assert_close(masked, F.scaled_dot_product_attention(q, k, v, mask))
    causal = attention_weights(q, q, causal_mask(5))
    wanted = F.scaled_dot_product_attention(q, q, q, is_causal=True)
    torch.testing.assert_close(causal @ q, wanted)


def test_rows_add_up_to_one_and_a_row_without_sight_is_zero_with_clean_gradients(g):
    q = torch.randn(1, 3, 4, generator=g, requires_grad=True)
    mask = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    weights = attention_weights(q, q, mask)
    torch.testing.assert_close(weights.sum(-1), torch.tensor([[1.0, 0, 1]]))
    assert bool((weights[:, ~mask] == 0).all())
    (weights**2).sum().backward()
    assert q.grad is not None
    assert bool(q.grad.isfinite().all())
    layer = SelfAttention(4, 2)  # and in the layer that lets torch do it: only the bias is left
    torch.testing.assert_close(layer(q, mask)[0, 1], layer.to_out.bias)


def test_self_attention_is_torchs_multihead_attention_with_the_weights_copied(g):
    ours, theirs = SelfAttention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(
            torch.cat([ours.to_q.weight, ours.to_k.weight, ours.to_v.weight])
        )
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(ours.to_out.weight)
        theirs.out_proj.bias.copy_(ours.to_out.bias)
    x, mask = torch.randn(2, 5, 12, generator=g), causal_mask(5)
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])
    wanted, maps = theirs(x, x, x, attn_mask=~mask, average_attn_weights=False)  # theirs: may not
    torch.testing.assert_close(ours(x, mask), wanted)
    torch.testing.assert_close(attention_weights(ours.queries(x), ours.keys(x), mask), maps)


def test_cross_attention_is_torchs_with_another_width_for_the_context(g):
    ours = CrossAttention(12, 6, 3)
    theirs = nn.MultiheadAttention(12, 3, kdim=6, vdim=6, bias=True, batch_first=True)
    with torch.no_grad():
        theirs.q_proj_weight.copy_(ours.to_q.weight)
        theirs.k_proj_weight.copy_(ours.to_k.weight)
        theirs.v_proj_weight.copy_(ours.to_v.weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(ours.to_out.weight)
        theirs.out_proj.bias.copy_(ours.to_out.bias)
    x, context = torch.randn(2, 5, 12, generator=g), torch.randn(2, 4, 6, generator=g)
    filling = torch.tensor([[True, True, False, True], [True, False, False, False]])
    mask = filling[:, None, None, :]
    wanted = theirs(x, context, context, key_padding_mask=~filling)[0]
    torch.testing.assert_close(ours(x, context, mask), wanted)


def test_with_a_causal_mask_the_future_changes_nothing_and_the_past_does(g):
    """An inverted mask would let the future in and shut the past out: both halves would fail."""
    block, x = EncoderBlock(8, 2), torch.randn(1, 6, 8, generator=g)
    changed = x.clone()
    changed[:, 3] += torch.randn(8, generator=g)  # not the same number on all: a norm removes that
    moved = (block(x, causal_mask(6)) - block(changed, causal_mask(6))).abs().amax(dim=(0, 2))
    assert moved[:3].max() == 0
    assert moved[3:].min() > 1e-4
    assert not torch.equal(block(x), block(x, causal_mask(6)))


def test_attention_does_not_know_the_order_of_words(g):
    x, order = torch.randn(2, 7, 8, generator=g), torch.randperm(7, generator=g)
    for layer in (plain_attention, softmax_attention, QKVAttention(8, 8), EncoderBlock(8, 2)):
        torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order], atol=1e-5, rtol=1e-5)


def test_plain_attention_pulls_both_ways_alike_and_q_and_k_end_that(g):
    x, head = torch.randn(1, 5, 8, generator=g), QKVAttention(8, 4)
    torch.testing.assert_close(plain_attention(x), torch.einsum("bid,bjd,bje->bie", x, x, x))
    q, k = head.to_q(x), head.to_k(x)
    scores = q @ k.mT
    assert (scores - scores.mT).abs().max() > 0.1


@pytest.mark.parametrize(("d_in", "d_out"), [(6, 4), (4, 6)])
def test_a_head_may_give_another_width_than_it_takes(d_in, d_out, g):
    head, x, mask = QKVAttention(d_in, d_out), torch.randn(2, 5, d_in, generator=g), causal_mask(5)
    q, k, v = head.to_q(x), head.to_k(x), head.to_v(x)
    torch.testing.assert_close(head(x, mask), F.scaled_dot_product_attention(q, k, v, mask))
    assert head(x).shape == (2, 5, d_out)
    torch.testing.assert_close(head.weights(x).sum(-1), torch.ones(2, 5))


def test_the_maps_of_a_block_are_those_that_it_uses(g):
    block, x, mask = EncoderBlock(8, 2), torch.randn(2, 5, 8, generator=g), causal_mask(5)
    maps, look = block.weights(x, mask), block.self_attn
    v = look.to_v(block.norm1(x)).unflatten(2, (2, 4)).transpose(1, 2)
    gathered = look.to_out((maps @ v).transpose(1, 2).flatten(2))
    torch.testing.assert_close(gathered, look(block.norm1(x), mask))


def test_every_weight_of_a_block_is_used(g):
    block = EncoderBlock(8, 2)
    (block(torch.randn(2, 5, 8, generator=g)) ** 2).sum().backward()
    for name, p in block.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().max() > 0, name


def test_a_wrong_width_is_named():
    with pytest.raises(ValueError, match="axis 'd_in' is 5"):
        QKVAttention(4, 4).weights(torch.zeros(1, 2, 5))
