import warnings

import pytest
import torch
from torch import nn

from course_lib.formats.diffusers_keys import state_from_diffusers, state_to_diffusers
from course_lib.unet import (
    UNet,
    emoji_large,
    emoji_latent,
    emoji_unconditional,
    pixel_32,
    stable_diffusion,
    tiny,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention import BasicTransformerBlock


def theirs(unet, *, attend, layers=1, heads=4, groups=8):
    """diffusers' model of the same configuration (its attention_head_dim is a number of heads).

    It cannot be built without a context, but its transformer blocks can be told to skip that part.
    """
    widths = [level.layers[0].block.norm2.num_channels for level in unet.down]
    other = UNet2DConditionModel(
        in_channels=unet.channels,
        out_channels=unet.channels,
        block_out_channels=tuple(widths),
        layers_per_block=layers,
        down_block_types=["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attend],
        up_block_types=["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attend)],
        cross_attention_dim=unet.d_context or 1,
        attention_head_dim=heads,
        norm_num_groups=groups,
    ).eval()
    for module in other.modules():
        if isinstance(module, BasicTransformerBlock) and not unet.d_context:
            module.norm2 = module.attn2 = None
    return other


def shaken(model: nn.Module, seed: int = 0) -> nn.Module:
    """No weight left at zero or one, so that no part of the network can hide."""
    g = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.data += 0.05 * torch.randn(p.shape, generator=g)
    return model.eval()


CONFIGURATIONS = {
    "one level": dict(widths=(16,), attend=(True,), d_context=12),
    "as the emoji UNet": dict(widths=(16, 32), attend=(True, False), d_context=12),
    "two layers, three levels": dict(
        widths=(16, 24, 32), attend=(True, False, True), d_context=7, layers=2, heads=2
    ),
    "Stable Diffusion, thinner": dict(
        widths=(16, 32, 48, 48), attend=(True, True, True, False), d_context=20, layers=2, heads=8,
        groups=4,
    ),
    "no context": dict(widths=(16, 32), attend=(False, True)),
    "no context, no transformer but in the middle": dict(widths=(16, 24), attend=(False, False)),
}  # fmt: skip


def pair(name):
    c = CONFIGURATIONS[name]
    ours = shaken(UNet(3, **c))
    rest = {k: v for k, v in c.items() if k in ("attend", "layers", "heads", "groups")}
    return ours, theirs(ours, **rest)


def inputs(unet, size, b=2):
    g = torch.Generator().manual_seed(1)
    x = torch.randn(b, unet.channels, *size, generator=g)
    t = torch.tensor([3, 977])[:b]
    context = torch.randn(b, 5, unet.d_context, generator=g) if unet.d_context else None
    return x, t, context


@pytest.mark.parametrize("size", [(16, 16), (13, 10), (9, 17)])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_same_weights_give_the_same_numbers_as_diffusers(name, size):
    ours, other = pair(name)
    other.load_state_dict(state_to_diffusers(ours))
    x, t, context = inputs(ours, size)
    with torch.no_grad():
        wanted = other(x, t, encoder_hidden_states=context).sample
        got = ours(x, t) if context is None else ours(x, t, context)
    assert wanted.std() > 0.1
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_weights_come_back_from_diffusers(name):
    ours, other = pair(name)
    shaken(other, seed=5)
    ours.load_state_dict(state_from_diffusers(ours, other.state_dict()))
    x, t, context = inputs(ours, (12, 8))
    with torch.no_grad():
        wanted = other(x, t, encoder_hidden_states=context).sample
        got = ours(x, t, context)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


def test_weights_of_another_model_are_turned_away():
    unet = tiny()
    state = state_to_diffusers(unet)
    state["extra"] = state.pop("conv_in.bias")
    with pytest.raises(ValueError, match=r"1 missing \(first: \['conv_in.bias'\]\), 1 left over"):
        state_from_diffusers(unet, state)


def test_stable_diffusion_has_its_859_520_964_parameters_and_its_names():
    with torch.device("meta"):
        unet = stable_diffusion()
        other = UNet2DConditionModel(cross_attention_dim=768)
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964
    wanted = {k: v.shape for k, v in other.state_dict().items()}
    assert {k: v.shape for k, v in state_to_diffusers(unet).items()} == wanted


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_gradient_reaches_every_parameter(name):
    unet = shaken(UNet(3, **CONFIGURATIONS[name]))
    x, t, context = inputs(unet, (16, 16))
    unet(x, t, context).square().mean().backward()
    without = [k for k, p in unet.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert without == []


def test_the_answer_depends_on_time_and_on_context_and_not_on_the_other_pictures():
    unet = shaken(UNet(3, **CONFIGURATIONS["as the emoji UNet"]))
    x, t, context = inputs(unet, (8, 8))
    with torch.no_grad():
        plain = unet(x, t, context)
        assert (unet(x, t + 1, context) - plain).abs().max() > 1e-4
        assert (unet(x, t, context.flip(1) + 1) - plain).abs().max() > 1e-4
        torch.testing.assert_close(unet(x[1:], t[1:], context[1:])[0], plain[1])


def test_a_new_unet_guesses_no_noise_and_eval_is_deterministic():
    x, t, _ = inputs(tiny(), (16, 16))
    assert (tiny()(x, t) == 0).all()
    unet = shaken(tiny())
    assert torch.equal(unet(x, t), unet(x, t))


@pytest.mark.parametrize(
    ("make", "millions"),
    [
        (tiny, (0.5, 1.1)),
        (pixel_32, (0.5, 2)),
        (emoji_unconditional, (2, 4)),
        (emoji_latent, (6, 8)),
        (emoji_large, (54, 56)),
    ],
)
def test_presets_have_the_size_they_promise(make, millions):
    with torch.device("meta"):
        n = sum(p.numel() for p in make().parameters()) / 1e6
    assert millions[0] < n < millions[1]


def test_wrong_inputs_are_told_what_is_wrong(plain_shapes):
    plain = tiny()
    text = UNet(4, (16,), (True,), d_context=12)
    x, t, context = torch.randn(2, 4, 8, 8), torch.tensor([1, 2]), torch.randn(2, 3, 12)
    with pytest.raises(ValueError, match=r"UNet expects shape \(b, 3, h, w\), got \(2, 4, 8, 8\)"):
        plain(x, t)
    with pytest.raises(ValueError, match="batch axis missing"):
        plain(x[0, :3], t)
    with pytest.raises(ValueError, match=r"UNet's t expects shape \(2\), got \(1,\)"):
        text(x, t[:1], context)
    with pytest.raises(ValueError, match=r"so it takes a context \(b, m, 12\), got none"):
        text(x, t)
    with pytest.raises(ValueError, match=r"so it takes no context, got \(2, 3, 12\)"):
        plain(x[:, :3], t, context)
    with pytest.raises(ValueError, match=r"UNet's context expects shape \(2, m, 12\)"):
        text(x, t, context[..., :5])


def test_wrong_sizes_are_told_what_is_wrong():
    with pytest.raises(ValueError, match="12 and 12 channels do not split into 8 groups"):
        UNet(1, (12,), (False,))
    with pytest.raises(ValueError, match="a width of 16 does not split into 3 heads"):
        UNet(1, (16,), (True,), heads=3)
    with pytest.raises(ValueError, match="for each of the 2 widths, got 1"):
        UNet(1, (16, 16), (True,))


@torch.no_grad()
def test_a_unet_of_sixteen_bits_answers_in_them():
    model = UNet(3, (8, 16), (False, True), d_context=6, heads=2).bfloat16().eval()
    x, context = torch.randn(2, 3, 8, 8).bfloat16(), torch.randn(2, 5, 6).bfloat16()
    assert model(x, torch.tensor([3, 400]), context).dtype == torch.bfloat16
