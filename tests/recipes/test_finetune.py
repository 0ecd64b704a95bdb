"""The training code of lesson 12: the one that a GPU runs, here on the CPU under autocast."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from course_lib.autoencoder import VAE
from course_lib.clip import TextTower
from course_lib.datasets import emoji
from course_lib.diffusion import EPSILON, V_PREDICTION
from course_lib.recipes.finetune import LatentDataset, diffusion_loss, finetune, prepare
from course_lib.schedule import scaled_linear, zero_terminal
from course_lib.text_to_image import TextToImage
from course_lib.tokenizer import Tokenizer, learn_merges
from course_lib.training import long_run
from course_lib.unet import UNet

PROMPTS = ["a red apple", "two blue fish", "a red fish"]


def small(answers) -> TextToImage:
    """A whole model of random parts."""
    torch.manual_seed(3)
    tokenizer = Tokenizer(learn_merges(PROMPTS * 3, 20), length=12)
    tower = TextTower(len(tokenizer), length=12, width=16, layers=1, heads=2)
    unet = UNet(4, (16, 32), (True, False), d_context=16, heads=2)
    for p in unet.parameters():
        if not p.any():
            nn.init.normal_(p, std=0.05)
    vae = VAE((8, 8, 8, 16), blocks=1, groups=4)
    parts = tokenizer, tower.eval(), unet, vae.eval(), zero_terminal(scaled_linear())
    return TextToImage(*parts, answers)


@pytest.fixture
def model():
    return small(V_PREDICTION)


@pytest.fixture
def data(model):
    g = torch.Generator().manual_seed(0)
    return prepare(model, torch.rand(3, 3, 64, 64, generator=g) * 2 - 1, PROMPTS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_pictures_and_captions_go_through_the_frozen_parts_of_the_model(model, data):
    assert len(data) == 3
    assert data.latents.shape == (3, 4, 8, 8)
    torch.testing.assert_close(data.contexts, model.context(PROMPTS).half())
    torch.testing.assert_close(data.empty, model.context([""]).half())
    with pytest.raises(ValueError, match="got 2 pictures and 3 captions"):
        prepare(model, torch.zeros(2, 3, 64, 64), PROMPTS)


def test_many_pictures_keep_their_order_as_floats_and_as_bytes(model):
    pixels = torch.randint(0, 256, (70, 64, 64, 3), dtype=torch.uint8)
    pictures, captions = emoji.Pictures(pixels), (PROMPTS * 24)[:70]
    for given in (pictures, pictures[:]):
        found = prepare(model, given, captions)
        torch.testing.assert_close(found.latents, model.encode(pictures[:]), atol=1e-4, rtol=0)
        wanted = model.context(captions).half()
        torch.testing.assert_close(found.contexts, wanted, atol=1e-3, rtol=1e-3)


@pytest.fixture
def knows_bfloat16(monkeypatch):
    """Whatever the processor: one that does not know it takes longer, and comes to the same."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)


@pytest.mark.usefixtures("knows_bfloat16")
def test_products_are_computed_in_sixteen_bits_and_the_loss_in_thirty_two(model, data):
    seen = []
    model.unet.conv_in.register_forward_hook(lambda layer, x, out: seen.append(out.dtype))
    loss = diffusion_loss(model, data, seeded(), batch_size=4)
    assert seen == [torch.bfloat16]
    assert loss.dtype == torch.float32
    assert all(p.dtype == torch.float32 for p in model.unet.parameters())


class Knowing(UNet):
    """Knows the one picture that there is, so its answer is a formula."""

    def forward(self, x, t, context=None):
        abar = self.schedule.at(t)
        noise = (x - abar.sqrt() * self.x0) / (1 - abar).sqrt()
        return noise if self.noise else abar.sqrt() * noise - (1 - abar).sqrt() * self.x0


@pytest.mark.parametrize("answers", [EPSILON, V_PREDICTION])
def test_a_perfect_answer_of_the_kind_that_the_model_gives_costs_nothing(answers):
    model = small(answers)
    knowing = Knowing(4, (16, 32), (True, False), d_context=16, heads=2)
    knowing.schedule, knowing.noise = model.schedule, answers is EPSILON
    knowing.x0 = torch.randn(1, 4, 8, 8, generator=seeded())
    one = LatentDataset(knowing.x0, torch.zeros(1, 12, 16), torch.zeros(1, 12, 16))
    assert float(diffusion_loss(replace(model, unet=knowing), one, seeded(), batch_size=32)) < 1e-4
    knowing.noise = not knowing.noise
    assert float(diffusion_loss(replace(model, unet=knowing), one, seeded(), batch_size=32)) > 0.1


@torch.no_grad()
def test_dropped_captions_are_replaced_by_the_empty_one_and_no_others(model, data):
    def loss(data, drop):
        return diffusion_loss(model, data, seeded(), batch_size=8, drop=drop)

    other_words = replace(data, contexts=data.contexts.flip(0))
    other_empty = replace(data, empty=data.empty + 1)
    assert loss(data, 1.0) == loss(other_words, 1.0)
    assert loss(data, 1.0) != loss(other_empty, 1.0)
    assert loss(data, 0.0) == loss(other_empty, 0.0)
    assert loss(data, 0.0) != loss(other_words, 0.0)
    assert loss(data, 0.5) not in (loss(other_words, 0.5), loss(other_empty, 0.5))


@pytest.mark.usefixtures("knows_bfloat16")
def test_a_few_steps_under_autocast_change_the_unet_and_nothing_else(model, data, tmp_path):
    frozen = model.context(PROMPTS), {k: v.clone() for k, v in model.vae.state_dict().items()}
    before = {key: value.clone() for key, value in model.unet.state_dict().items()}
    taught = finetune(model, data, tmp_path, steps=3, batch_size=4)
    after = taught.unet.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    assert sum(not torch.equal(before[key], after[key]) for key in before) > 0.9 * len(before)
    torch.testing.assert_close(taught.context(PROMPTS), frozen[0], rtol=0, atol=0)
    torch.testing.assert_close(taught.vae.state_dict(), frozen[1], rtol=0, atol=0)
    assert taught.draw(PROMPTS[:1], [0], num_inference_steps=2).isfinite().all()


def test_training_goes_on_from_its_checkpoint(data, tmp_path):
    def losses(folder):
        with (folder / "log.csv").open() as log:
            return [line.split(",")[:2] for line in log]

    whole = finetune(
        small(V_PREDICTION), data, tmp_path / "whole", steps=4, batch_size=4, save_every=2
    )
    seen = []

    def stops(*_):
        seen.append(1)
        if len(seen) == 4:
            raise KeyboardInterrupt

    broken = small(V_PREDICTION)
    hook = broken.unet.register_forward_hook(stops)
    finetune(broken, data, tmp_path / "broken", steps=4, batch_size=4, save_every=2)
    hook.remove()
    assert [step for step, _ in losses(tmp_path / "broken")] == ["2"]
    again = finetune(
        small(V_PREDICTION), data, tmp_path / "broken", steps=4, batch_size=4, save_every=2
    )
    assert losses(tmp_path / "broken") == losses(tmp_path / "whole")
    torch.testing.assert_close(again.unet.state_dict(), whole.unet.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_scaled_loss_takes_the_same_steps_with_larger_gradients_on_the_way(tmp_path, scaled):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    largest = []
    model.weight.register_hook(lambda g: largest.append(float(g.abs().max())))

    def loss_of(g):
        return (model(torch.randn(8, 3, generator=g)) - 1).square().mean()

    average = long_run(model, loss_of, tmp_path, steps=5, lr=0.1, scaled=scaled)
    assert (max(largest) > 1000) == scaled
    torch.manual_seed(0)
    again = nn.Linear(3, 1)

    def plainly(g):
        return (again(torch.randn(8, 3, generator=g)) - 1).square().mean()

    plain = long_run(again, plainly, tmp_path / "plain", steps=5, lr=0.1)
    torch.testing.assert_close(average.state_dict(), plain.state_dict(), rtol=1e-5, atol=1e-6)
