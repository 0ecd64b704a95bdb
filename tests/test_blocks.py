import pytest
import torch
import torch.nn.functional as F

from course_lib.attention import CrossAttention, SpatialTransformer, TransformerBlock
from course_lib.blocks import Downsample, ResBlock, Upsample


def test_a_new_resblock_and_a_new_transformer_pass_their_input_on():
    x, emb, context = torch.randn(2, 16, 6, 5), torch.randn(2, 32), torch.randn(2, 3, 12)
    torch.testing.assert_close(ResBlock(16, 16, 32)(x, emb), x)
    torch.testing.assert_close(SpatialTransformer(16, 12, heads=4)(x, context), x)


def test_halving_rounds_up_and_doubling_goes_to_the_skip():
    x = torch.randn(1, 8, 7, 10)
    small = Downsample(8)(x)
    assert small.shape == (1, 8, 4, 5)
    assert Upsample(8)(small, (7, 10)).shape == x.shape


def test_upsample_repeats_pixels_before_it_smooths():
    up = Upsample(1)
    up.conv.weight.data.zero_()
    up.conv.weight.data[0, 0, 1, 1] = 1
    up.conv.bias.data.zero_()
    x = torch.tensor([[[[1.0, 2.0]]]])
    torch.testing.assert_close(up(x, (2, 4)), torch.tensor([[[[1.0, 1, 2, 2], [1, 1, 2, 2]]]]))


def test_the_order_of_context_does_not_matter_but_its_content_does():
    block = TransformerBlock(16, 12, heads=4)
    x, context = torch.randn(1, 5, 16), torch.randn(1, 7, 12)
    torch.testing.assert_close(block(x, context), block(x, context.flip(1)))
    assert (block(x, context) - block(x, 2 * context)).abs().max() > 1e-3


def test_a_forgotten_text_is_told():
    x = torch.randn(1, 8, 3, 5)
    with pytest.raises(ValueError, match="so it takes a context as well"):
        SpatialTransformer(8, 5, heads=2)(x)
    with pytest.raises(ValueError, match="so it takes no context"):
        SpatialTransformer(8, 0, heads=2)(x, torch.randn(1, 7, 5))


def test_the_spatial_transformer_keeps_rows_and_columns_apart():
    """With everything between switched off, each pixel comes back where it was."""
    layer = SpatialTransformer(8, 0, heads=2)
    layer.proj_out.weight.data = torch.eye(8)[:, :, None, None]
    layer.proj_in.weight.data = torch.eye(8)[:, :, None, None]
    for p in [*layer.block.self_attn.parameters(), *layer.block.ff.parameters()]:
        p.data.zero_()
    layer.proj_in.bias.data.zero_()
    x = torch.randn(2, 8, 3, 5)
    torch.testing.assert_close(layer(x), x + F.group_norm(x, 8, eps=1e-6), atol=1e-4, rtol=1e-4)


def test_wrong_shapes_are_told_what_is_wrong(plain_shapes):
    with pytest.raises(
        ValueError, match=r"ResBlock expects shape \(b, 16, h, w\), got \(16, 8, 8\)"
    ):
        ResBlock(16, 16, 32)(torch.randn(16, 8, 8), torch.randn(1, 32))
    with pytest.raises(ValueError, match=r"ResBlock's emb expects shape \(2, 32\), got \(2, 31\)"):
        ResBlock(16, 16, 32)(torch.randn(2, 16, 8, 8), torch.randn(2, 31))
    with pytest.raises(ValueError, match=r"context expects shape \(2, m, 12\), got \(1, 7, 12\)"):
        CrossAttention(16, 12, 4)(torch.randn(2, 5, 16), torch.randn(1, 7, 12))
