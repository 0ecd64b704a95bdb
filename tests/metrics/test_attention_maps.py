"""What is recorded is what the cross-attentions used, and recording changes nothing."""

import pytest
import torch

from course_lib.attention import CrossAttention
from course_lib.metrics.attention_maps import attention_maps, record_attention
from course_lib.unet import UNet


def unet() -> UNet:
    model = UNet(3, (8, 16), (True, True), d_context=6, heads=2)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2)
    return model.eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.randn(2, 3, 8, 12), torch.tensor([3, 400]), torch.randn(2, 5, 6)


def test_the_weights_and_the_values_give_the_layers_own_output():
    layer, x, context = CrossAttention(8, 6, heads=2), torch.randn(2, 7, 8), torch.randn(2, 5, 6)
    with record_attention(layer) as recorded:
        out = layer(x, context)
    values = layer.to_v(context).unflatten(2, (2, 4)).transpose(1, 2)
    gathered = (recorded[0] @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(layer.to_out(gathered), out)


@torch.no_grad()
def test_every_cross_attention_is_heard_and_nothing_changes():
    model, (x, t, context) = unet(), inputs()
    before = model(x, t, context)
    with record_attention(model) as recorded:
        during = model(x, t, context)
    model(x, t, context)  # not heard any more
    torch.testing.assert_close(during, before, rtol=0, atol=0)
    assert [tuple(w.shape) for w in recorded] == [
        (2, 2, n, 5) for n in (96, 24, 24, 24, 24, 96, 96)
    ]  # down, middle, up


@torch.no_grad()
def test_maps_are_shares_over_the_words_at_every_pixel():
    model, (x, t, context) = unet(), inputs()
    with record_attention(model) as recorded:
        model(x, t, context)
    maps = attention_maps(recorded, 8, 12)
    assert maps.shape == (2, 5, 8, 12)
    torch.testing.assert_close(maps.sum(dim=1), torch.ones(2, 8, 12))


def test_a_map_stands_where_its_pixels_stand():
    weights = torch.zeros(1, 2, 6, 2)  # 2 rows of 3 pixels, 2 words
    weights[0, :, 4, 1] = 1  # the middle pixel of the second row listens to the second word
    found = attention_maps([weights], 2, 3)[0, 1]
    torch.testing.assert_close(found, torch.tensor([[0.0, 0, 0], [0, 1, 0]]))


def test_it_stops_listening_after_an_error():
    model, (x, t, _) = unet(), inputs()
    with pytest.raises(ValueError, match="context"), record_attention(model):
        model(x, t)
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_nothing_heard_is_told():
    with pytest.raises(ValueError, match="nothing was recorded"):
        attention_maps([], 8, 8)


def test_what_a_mask_hides_is_not_heard():
    layer, x, context = CrossAttention(8, 6, heads=2), torch.randn(2, 7, 8), torch.randn(2, 5, 6)
    seen = torch.tensor([True, True, False, True, True])
    with record_attention(layer) as recorded:
        layer(x, context, seen[None])
    assert recorded[0][..., 2].abs().max() == 0
