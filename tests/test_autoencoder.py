import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.distributions import Normal, kl_divergence

from course_lib import autoencoder
from course_lib.autoencoder import VAE, Gaussian
from course_lib.formats.diffusers_keys import AUTOENCODER, state_from_diffusers, state_to_diffusers

SIZES = [((8, 16), 1, 4), ((8, 16, 24), 2, 4), ((16, 16, 32, 48), 1, 8)]


def pair(widths, blocks, groups):
    """Our VAE and diffusers' of the same sizes, with random weights of their own."""
    ours = VAE(widths, blocks=blocks, groups=groups)
    theirs = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * len(widths),
        up_block_types=["UpDecoderBlock2D"] * len(widths),
        block_out_channels=widths,
        layers_per_block=blocks,
        norm_num_groups=groups,
    )
    return ours.eval(), theirs.eval()


@pytest.mark.parametrize(("widths", "blocks", "groups"), SIZES)
def test_our_weights_in_diffusers_give_the_same_codes_and_pictures(widths, blocks, groups):
    ours, theirs = pair(widths, blocks, groups)
    theirs.load_state_dict(state_to_diffusers(ours, AUTOENCODER))
    x = torch.rand(2, 3, 32, 48) * 2 - 1
    code, their_code = ours.encode(x), theirs.encode(x).latent_dist
    torch.testing.assert_close(code.mean, their_code.mean, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(code.log_var, their_code.logvar, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(code.kl(), their_code.kl(), atol=1e-3, rtol=1e-5)
    z = torch.randn_like(code.mean)
    torch.testing.assert_close(ours.decode(z), theirs.decode(z).sample, atol=1e-5, rtol=1e-5)


def test_diffusers_weights_in_ours_give_the_same_pictures():
    ours, theirs = pair((8, 16), 1, 4)
    state = state_from_diffusers(ours, theirs.state_dict(), AUTOENCODER)
    ours.load_state_dict(state, strict=False)
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    back, their_back = ours.decode(ours.encode(x).mean), theirs(x).sample
    torch.testing.assert_close(back, their_back, atol=1e-5, rtol=1e-5)


def test_weights_of_another_size_are_refused():
    ours, _ = pair((8, 16), 1, 4)
    _, theirs = pair((8, 16, 24), 1, 4)
    with pytest.raises(ValueError, match="not the weights of this model"):
        state_from_diffusers(ours, theirs.state_dict(), AUTOENCODER)


def test_the_real_first_stage_has_the_known_number_of_parameters():
    with torch.device("meta"):
        vae = autoencoder.stable_diffusion()
    assert sum(p.numel() for p in vae.parameters()) == 83_653_863


def test_the_emoji_vae_makes_one_number_of_48():
    vae = autoencoder.emoji()
    assert vae.to_latents(torch.zeros(1, 3, 64, 64)).numel() * 48 == 3 * 64 * 64


def test_kl_agrees_with_torch_distributions():
    code = Gaussian(torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2))
    std = (code.log_var / 2).exp()
    theirs = kl_divergence(Normal(code.mean, std), Normal(0.0, 1.0)).sum(dim=(1, 2, 3))
    torch.testing.assert_close(code.kl(), theirs)


def test_samples_have_the_mean_and_the_spread_they_should():
    code = Gaussian(torch.full((4000, 1, 2, 2), 0.7), torch.full((4000, 1, 2, 2), -1.0))
    sample = code.sample(torch.Generator().manual_seed(0))
    assert sample.mean().item() == pytest.approx(0.7, abs=0.02)
    assert sample.std().item() == pytest.approx(0.6065, abs=0.02)  # exp(-1/2)


def test_a_sample_lets_the_gradient_through_to_mean_and_spread():
    mean, log_var = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    code = Gaussian(mean.requires_grad_(), log_var.requires_grad_())
    code.sample(torch.Generator().manual_seed(0)).square().sum().backward()
    assert mean.grad is not None
    assert log_var.grad is not None
    assert (mean.grad != 0).all()
    assert (log_var.grad != 0).all()


def test_eval_is_deterministic_and_every_parameter_is_used():
    vae = VAE((8, 16), blocks=1, groups=4)
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(vae.eval().to_latents(x), vae.to_latents(x), atol=0, rtol=0)
    code = vae.encode(x)
    (vae.decode(code.sample(torch.Generator())).square().mean() + code.kl().mean()).backward()
    assert [name for name, p in vae.named_parameters() if p.grad is None] == []


def test_the_scale_goes_in_and_comes_out_again():
    vae = VAE((8, 16), blocks=1, groups=4)
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    plain, back = vae.to_latents(x), vae.to_pictures(vae.to_latents(x))
    vae.scale.fill_(0.18215)
    torch.testing.assert_close(vae.to_latents(x), plain * 0.18215)
    torch.testing.assert_close(vae.to_pictures(vae.to_latents(x)), back)


def test_normalised_latents_have_unit_spread_and_decode_to_the_same():
    vae = VAE((8, 16), blocks=1, groups=4)
    with torch.no_grad():
        vae.quant_conv.bias += torch.arange(8.0)
    x = torch.rand(64, 3, 16, 16) * 2 - 1
    code, decoded = vae.encode(x), vae.decode(vae.encode(x).mean)
    mean, std = code.mean.mean(dim=(0, 2, 3)), code.mean.std(dim=(0, 2, 3))
    autoencoder.normalise_latents(vae, mean, std)
    latents = vae.to_latents(x)
    torch.testing.assert_close(latents.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(latents.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(vae.decode(vae.encode(x).mean), decoded, atol=1e-3, rtol=1e-3)
    noise_share = code.log_var - 2 * std.log()[:, None, None]  # the spread of the noise moves along
    after = vae.encode(x).log_var + 2 * vae.scale.log()
    torch.testing.assert_close(after, noise_share, atol=1e-3, rtol=1e-3)


def test_a_perfect_decoder_leaves_only_the_pull_of_the_kl():
    vae = VAE((8,), groups=4)
    x = torch.zeros(2, 3, 8, 8)
    for p in vae.decoder.conv_out.parameters():
        nn.init.zeros_(p)
    loss = autoencoder.vae_loss(vae, x, torch.Generator(), kl_weight=0.0)
    assert loss.item() == 0
    pull = autoencoder.vae_loss(vae, x, torch.Generator(), kl_weight=1e-3)
    assert pull.item() == pytest.approx(1e-3 * vae.encode(x).kl().mean().item(), rel=1e-4)


def test_the_loss_is_each_pictures_rmse_plus_the_mean_absolute_error():
    vae = VAE((8,), groups=4)
    for p in vae.decoder.conv_out.parameters():
        nn.init.zeros_(p)  # it always draws 0
    x = torch.zeros(2, 3, 8, 8)
    x[1, :, :4] = 0.5
    loss = autoencoder.vae_loss(vae, x, torch.Generator(), kl_weight=0.0)
    assert loss.item() == pytest.approx(0.125**0.5 / 2 + 0.125)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((3, 16, 16), r"expects shape \(b, 3, h, w\).*batch axis missing"),
        ((1, 1, 16, 16), "axis 'c' is 1"),
        ((1, 3, 16, 18), "sides that 4 divides, got 16x18"),
    ],
)
def test_a_wrong_shape_gets_a_sentence(plain_shapes, shape, sentence):
    vae = VAE((8, 8, 8), blocks=1, groups=4)
    with pytest.raises(ValueError, match=sentence):
        vae.encode(torch.zeros(shape))


def test_a_wrong_range_gets_a_sentence():
    with pytest.raises(ValueError, match=r"in \[-1, 1\], got numbers from 0 to 255"):
        VAE((8,), groups=4).encode(torch.linspace(0, 255, 3 * 64).reshape(1, 3, 8, 8))


def test_widths_that_do_not_split_are_named():
    with pytest.raises(ValueError, match=r"\(8, 12\) do not all split into 8 groups"):
        VAE((8, 12), groups=8)


def test_no_pictures_have_no_codes():
    vae = VAE((8, 8), blocks=1, groups=4)
    assert vae.encode(torch.zeros(0, 3, 8, 8)).mean.shape == (0, 4, 4, 4)
