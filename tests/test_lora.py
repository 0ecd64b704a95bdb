import pytest
import torch
from torch import nn

from course_lib import lora
from course_lib.lora import LoRAConv2d, LoRALinear, attach, attach_to, attached, detach, merge
from course_lib.unet import UNet


def woken(layer: LoRALinear) -> LoRALinear:
    """With B away from zero, so that it changes something."""
    nn.init.normal_(layer.up.weight, std=0.3)
    return layer


def small_unet() -> UNet:
    torch.manual_seed(1)
    unet = UNet(4, (16, 32), (True, False), d_context=8, heads=2)
    for p in unet.parameters():
        if not p.any():
            nn.init.normal_(p, std=0.1)
    return unet.eval()


def answer(unet: UNet):
    g = torch.Generator().manual_seed(2)
    x, context = torch.randn(2, 4, 8, 8, generator=g), torch.randn(2, 5, 8, generator=g)
    return unet(x, torch.tensor([3, 700]), context)


PLAIN = (
    nn.Linear(5, 7),
    nn.Linear(5, 7, bias=False),
    nn.Conv2d(4, 6, 3, padding=1, stride=2),
    nn.Conv2d(4, 6, (1, 3), dilation=2),
)


@pytest.mark.parametrize("plain", PLAIN)
def test_a_new_one_changes_nothing_and_a_trained_one_is_a_change_of_the_weight(plain):
    kind = LoRALinear if isinstance(plain, nn.Linear) else LoRAConv2d
    x = torch.randn(2, 3, 5) if kind is LoRALinear else torch.randn(2, 4, 9, 8)
    layer = kind(plain, rank=2, alpha=6.0)
    torch.testing.assert_close(layer(x), plain(x), rtol=0, atol=0)
    woken(layer).strength = 0.5
    other = nn.Linear(5, 7) if kind is LoRALinear else None
    product = torch.einsum("or,ri...->oi...", layer.up.weight.flatten(1), layer.down.weight)
    expected = plain.weight + 0.5 * 6 / 2 * product
    torch.testing.assert_close(layer.weight, expected)
    assert layer.bias is plain.bias
    if other is not None:
        wanted = nn.functional.linear(x, expected, plain.bias)
    else:
        how = {name: getattr(plain, name) for name in ("stride", "padding", "dilation")}
        wanted = nn.functional.conv2d(x, expected, plain.bias, **how)
    torch.testing.assert_close(layer(x), wanted, atol=1e-5, rtol=1e-5)
    assert (wanted - plain(x)).abs().max() > 1e-2


def test_layers_that_are_read_instead_of_called_are_changed_too():
    """The gated network and the 1x1 convolutions of the UNet use `.weight`."""
    unet = small_unet()
    names = [n for n, m in unet.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    for name in names:
        before = answer(unet)
        woken(attach_to(unet, name, 2, 2.0))
        assert (answer(unet) - before).abs().max() > 1e-5, name


def test_merging_keeps_the_numbers_and_detaching_gives_the_old_ones_back():
    unet = small_unet()
    before = answer(unet)
    keys = set(unet.state_dict())
    for layer in attach(unet, ["to_q", "conv1"], rank=2, alpha=4.0).values():
        woken(layer)
    again = attach(unet, ["to_q"], rank=1, alpha=1.0)  # a second one on top of the first
    for layer in again.values():
        woken(layer)
    changed = answer(unet)
    assert (changed - before).abs().max() > 1e-2
    assert set(attached(unet)) > set(again)
    merge(unet)
    torch.testing.assert_close(answer(unet), changed, atol=1e-5, rtol=1e-4)
    assert set(unet.state_dict()) == keys
    assert not attached(unet)

    unet = small_unet()
    for layer in attach(unet, ["to_q", "conv1"], rank=2, alpha=4.0).values():
        woken(layer)
    detach(unet)
    torch.testing.assert_close(answer(unet), before, rtol=0, atol=0)


def test_only_the_thin_matrices_learn_and_strength_is_a_straight_line():
    unet = small_unet()
    layers = attach(unet, ["to_v"], rank=2, alpha=2.0)
    for layer in layers.values():
        woken(layer)
    unet.requires_grad_(False)
    thin = lora.trainable(layers.values())
    for p in thin:
        p.requires_grad_(True)
    answer(unet).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in thin)
    assert sum(p.grad is not None for p in unet.parameters()) == len(thin)
    layer = next(iter(layers.values()))
    x = torch.randn(1, 3, layer.weight.shape[1])
    plain, one = layer.base(x), layer(x)
    layer.strength = -2.0
    torch.testing.assert_close(layer(x), plain - 2 * (one - plain), atol=1e-5, rtol=1e-4)


def test_it_takes_precision_and_place_from_the_layer():
    layer = LoRALinear(nn.Linear(3, 4).to(torch.bfloat16), rank=1, alpha=1.0)
    assert {p.dtype for p in layer.parameters()} == {torch.bfloat16}
    assert LoRAConv2d(nn.Conv2d(3, 4, 1, device="meta"), 1, 1.0).down.weight.is_meta


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="rank is 1 or more, got 0"):
        LoRALinear(nn.Linear(2, 2), 0, 1.0)
    unet = small_unet()
    with pytest.raises(ValueError, match="no layer of this UNet is called q_proj"):
        attach(unet, ["q_proj"], rank=2, alpha=2.0)
    with pytest.raises(ValueError, match="norm_out is a GroupNorm"):
        attach(unet, ["norm_out"], rank=2, alpha=2.0)
