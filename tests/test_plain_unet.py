import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.plain_unet import PAPER, ConvBlock, PlainUNet, WithoutSkips, normalised, paper


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_the_papers_sizes_have_the_papers_number_of_weights():
    """Counted by hand from figure 1 of the paper: every arrow's kernels and biases."""
    with torch.device("meta"):
        model = paper()

    def conv(c_in, c_out, k):
        return c_in * c_out * k * k + c_out

    wanted = conv(1, 64, 3) + conv(64, 64, 3) + conv(64, 2, 1)
    for small, large in ((64, 128), (128, 256), (256, 512), (512, 1024)):
        wanted += conv(small, large, 3) + conv(large, large, 3)  # down
        wanted += conv(large, small, 2) + conv(large, small, 3) + conv(small, small, 3)  # up
    assert count(model) == wanted == 31_030_658
    assert model(torch.empty(1, 1, 512, 512, device="meta")).shape == (1, 2, 512, 512)
    assert [x.shape[1] for x in model.levels(torch.empty(1, 1, 64, 64, device="meta"))] == [
        *PAPER,
        *PAPER[-2::-1],
    ]


@pytest.mark.parametrize(("h", "w"), [(32, 32), (16, 48), (40, 24)])
def test_the_mask_is_as_large_as_the_picture(h, w):
    model = PlainUNet((8, 16, 24, 32), c_in=2, c_out=5)
    assert model(torch.randn(3, 2, h, w)).shape == (3, 5, h, w)


@pytest.mark.parametrize("maker", [PlainUNet, lambda w: PlainUNet(w, shrink=1)])
def test_a_gradient_reaches_every_weight(maker):
    model = maker((8, 16, 24))
    model(torch.randn(2, 3, 16, 16)).square().mean().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().sum() > 0, name


def test_the_forward_pass_is_the_papers_written_out():
    """The same weights in a flat second writing, with the two levels named one by one."""
    m = PlainUNet((8, 16, 32), c_in=3, c_out=1).double()
    x = torch.randn(2, 3, 8, 12, dtype=torch.float64)

    def block(b, y):
        for conv in (b.conv1, b.conv2):
            groups = max(1, y.shape[1] // 8)
            g = y.reshape(len(y), groups, -1)
            g = (g - g.mean(2, keepdim=True)) / (
                g.var(2, keepdim=True, unbiased=False) + 1e-5
            ).sqrt()
            y = F.conv2d(g.reshape(y.shape), conv.weight, conv.bias, padding=1).clamp(min=0)
        return y

    def pooled(y):
        return y.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5))

    top = block(m.encoder[0], x)
    middle = block(m.encoder[1], pooled(top))
    bottom = block(m.encoder[2], pooled(middle))
    up = block(m.decoder[0], torch.cat([middle, m.ups[0](bottom)], 1))
    up = block(m.decoder[1], torch.cat([top, m.ups[1](up)], 1))
    wanted = torch.einsum("b c h w, o c -> b o h w", up, m.to_mask.weight[:, :, 0, 0])
    torch.testing.assert_close(m(x), wanted + m.to_mask.bias[:, None, None])


def test_skips_carry_what_the_bottom_cannot():
    """The way through the bottom cut, a PlainUNet still answers; WithoutSkips no longer does."""
    x = torch.randn(2, 3, 16, 16)
    for maker, answers in ((PlainUNet, True), (WithoutSkips, False)):
        torch.manual_seed(0)
        model = maker((8, 16))
        nn.init.zeros_(model.ups[0].weight)
        assert bool((model(x[:1]) - model(x[1:])).abs().max() > 1e-4) is answers
    with_skips, without = PlainUNet((8, 16)), WithoutSkips((8, 16))
    without.load_state_dict(with_skips.state_dict())  # the same weights fit
    assert count(with_skips) == count(without)
    assert (with_skips(x) - without(x)).abs().max() > 1e-3


def seen_from_the_middle(model: nn.Module, size: int = 64) -> int:
    """How many pixels wide the region is that the middle output pixel depends on."""
    x = torch.randn(1, 3, size, size, requires_grad=True)
    model(x)[0, 0, size // 2, size // 2].backward()
    columns = torch.nonzero(x.grad.abs().sum((0, 1, 2)) > 0)
    return int(columns.max() - columns.min()) + 1


def test_down_sampling_widens_the_field_of_view(monkeypatch):
    # normalising looks at the whole picture; without it, what is left are the convolutions
    monkeypatch.setattr("course_lib.plain_unet.normalised", lambda x: x)
    torch.manual_seed(1)
    flat = PlainUNet((16, 16, 16), shrink=1)
    assert seen_from_the_middle(flat) <= 2 * 10 + 1  # ten 3x3 convolutions
    assert seen_from_the_middle(PlainUNet((16, 16, 16))) > seen_from_the_middle(flat)


def test_normalised_groups_have_mean_0_and_variance_1():
    y = normalised(3 + 5 * torch.randn(2, 24, 16, 16)).unflatten(1, (3, 8))
    torch.testing.assert_close(y.mean((2, 3, 4)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        y.var((2, 3, 4), unbiased=False), torch.ones(2, 3), atol=1e-4, rtol=0
    )


def test_a_block_keeps_height_and_width():
    assert ConvBlock(3, 7)(torch.randn(1, 3, 5, 9)).shape == (1, 7, 5, 9)


@pytest.mark.usefixtures("plain_shapes")
def test_sizes_that_do_not_fit_are_answered_in_a_sentence():
    model = PlainUNet((8, 16, 24))
    with pytest.raises(ValueError, match="divisible by 4, got 30x32"):
        model(torch.randn(1, 3, 30, 32))
    with pytest.raises(ValueError, match=r"expects shape \(b, 3, h, w\), got \(3, 32, 32\)"):
        model(torch.randn(3, 32, 32))
    with pytest.raises(ValueError, match="each a multiple of 8, got"):
        PlainUNet((8, 12))
    with pytest.raises(ValueError, match="at least two widths"):
        PlainUNet((8,))
    assert PlainUNet((8, 16), shrink=1)(torch.randn(1, 3, 7, 5)).shape == (1, 1, 7, 5)
