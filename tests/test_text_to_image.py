import json

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from course_lib.autoencoder import VAE
from course_lib.clip import TextTower
from course_lib.diffusion import EPSILON, V_PREDICTION, add_noise
from course_lib.formats import diffusers_folder, loading, parts
from course_lib.samplers import ddim, dpm_solver_pp, guided, times
from course_lib.schedule import linear, scaled_linear, zero_terminal
from course_lib.text_to_image import TextToImage
from course_lib.tokenizer import Tokenizer, learn_merges
from course_lib.unet import UNet

PROMPTS = ["a red apple", "two blue fish", "a red fish"]


def small(answers=EPSILON) -> TextToImage:
    """A whole model of random parts, with the zero-initialised layers woken up."""
    torch.manual_seed(3)
    tokenizer = Tokenizer(learn_merges(PROMPTS * 3, 20), length=12)
    tower = TextTower(len(tokenizer), length=12, width=16, layers=2, heads=2)
    unet = UNet(4, (16, 32), (True, False), d_context=16, heads=2, groups=8)
    for p in unet.parameters():
        if not p.any():
            nn.init.normal_(p, std=0.05)
    vae = VAE((8, 8, 8, 16), blocks=1, groups=4)
    vae.scale.fill_(0.7)
    schedule = scaled_linear() if answers is EPSILON else zero_terminal(scaled_linear())
    return TextToImage(tokenizer, tower.eval(), unet.eval(), vae.eval(), schedule, answers)


@pytest.fixture(scope="module")
def model():
    return small()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("answers", [EPSILON, V_PREDICTION])
def test_the_saved_folder_draws_the_same_picture_in_diffusers(tmp_path, answers):
    model = small(answers)
    diffusers_folder.save(model, tmp_path)
    theirs = StableDiffusionPipeline.from_pretrained(tmp_path, local_files_only=True)
    theirs.set_progress_bar_config(disable=True)
    picture = theirs(
        PROMPTS[0],
        latents=model.noise([5]),
        num_inference_steps=10,
        guidance_scale=4.0,
        output_type="np",
    ).images
    ours = model.draw(PROMPTS[:1], [5], num_inference_steps=10, guidance_scale=4.0)
    ours = ((ours + 1) / 2).permute(0, 2, 3, 1).numpy()
    assert picture.std() > 0.005  # not an empty picture
    assert np.abs(picture - ours).max() < 0.1 / 255


@pytest.mark.parametrize("answers", [EPSILON, V_PREDICTION])
def test_a_saved_folder_comes_back_the_same(tmp_path, answers):
    model = small(answers)
    diffusers_folder.save(model, tmp_path)
    again = loading.load(tmp_path)
    assert again.prediction is answers
    torch.testing.assert_close(again.draw(PROMPTS, [1, 2, 3]), model.draw(PROMPTS, [1, 2, 3]))


def test_a_folder_of_another_family_or_with_a_part_missing_is_refused(tmp_path, model):
    diffusers_folder.save(model, tmp_path)
    (tmp_path / "vae" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"config.json is missing.*half-finished"):
        loading.load(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(ValueError, match="holds a FluxPipeline, not a StableDiffusionPipeline"):
        loading.load(tmp_path)


def test_a_seed_is_one_picture_whatever_the_batch(model):
    together = model.draw(PROMPTS, [7, 8, 9], num_inference_steps=5)
    alone = torch.cat(
        [
            model.draw([p], [s], num_inference_steps=5)
            for p, s in zip(PROMPTS, [7, 8, 9], strict=True)
        ]
    )
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)
    other = model.draw(PROMPTS, [7, 8, 10], num_inference_steps=5)
    assert (other[2] - together[2]).abs().mean() > 1e-3


def test_guidance_in_one_batch_is_guidance_in_two_calls(model):
    x, t = torch.randn(2, 4, 8, 8), torch.tensor([10, 900])
    full, empty = model.context(PROMPTS[:2]), model.context(["", ""])
    two_calls = guided(
        lambda x, t: model.unet(x, t, full),
        lambda x, t: model.unet(x, t, empty),
        guidance_scale=4.0,
    )
    with torch.no_grad():
        torch.testing.assert_close(
            model.denoiser(PROMPTS[:2], guidance_scale=4.0)(x, t),
            two_calls(x, t),
            atol=1e-5,
            rtol=1e-4,
        )


@pytest.mark.parametrize(("name", "made"), [("linear", linear), ("scaled_linear", scaled_linear)])
def test_a_schedule_by_name_is_read(tmp_path, model, name, made):
    diffusers_folder.save(model, tmp_path)
    file = tmp_path / "scheduler" / "scheduler_config.json"
    config = json.loads(file.read_text("utf-8"))
    del config["trained_betas"]
    config |= {"beta_schedule": name, "beta_start": 0.001, "beta_end": 0.015}
    file.write_text(json.dumps(config), "utf-8")
    got = loading.load(tmp_path).schedule.alpha_bar
    torch.testing.assert_close(got, made(1000, 0.001, 0.015).alpha_bar)
    file.write_text(json.dumps(config | {"rescale_betas_zero_snr": True}), "utf-8")
    with pytest.raises(ValueError, match="rescaled to zero"):
        loading.load(tmp_path)


def test_words_scale_negative_prompt_and_sampler_each_change_the_picture(model):
    plain = model.draw(PROMPTS[:1], [1], num_inference_steps=5)
    for other in (
        model.draw(PROMPTS[1:2], [1], num_inference_steps=5),
        model.draw(PROMPTS[:1], [1], num_inference_steps=5, guidance_scale=8.0),
        model.draw(PROMPTS[:1], [1], num_inference_steps=5, negative="blue"),
        model.draw(PROMPTS[:1], [1], num_inference_steps=5, sampler=dpm_solver_pp),
        model.draw(PROMPTS[:1], [1], num_inference_steps=6),
    ):
        assert (other - plain).abs().max() > 1e-4


def test_redrawing_a_little_keeps_more_than_redrawing_all(model):
    picture = model.draw(PROMPTS[:1], [1], num_inference_steps=5)
    little = model.img2img(picture, PROMPTS[1:2], [2], strength=0.1)
    much = model.img2img(picture, PROMPTS[1:2], [2], strength=1.0)
    kept = model.decode(model.encode(picture))
    assert (little - kept).abs().mean() < (much - kept).abs().mean()


def test_redrawing_walks_the_last_part_of_the_way(model):
    picture = model.draw(PROMPTS[:1], [1], num_inference_steps=5)
    ts = times(1000, 20)[-3:]
    start = add_noise(model.encode(picture), model.noise([2]), torch.tensor(ts[:1]), model.schedule)
    *_, last = ddim(model.denoiser(PROMPTS[1:2], 3.0), start, model.schedule, ts)
    got = model.img2img(picture, PROMPTS[1:2], [2], strength=0.1)
    torch.testing.assert_close(got, model.decode(last.x), atol=1e-4, rtol=0)


def test_inpainting_half_leaves_the_other_half(model, monkeypatch):
    picture = model.draw(PROMPTS[:1], [1], num_inference_steps=5)
    seen = []
    monkeypatch.setattr(TextToImage, "decode", lambda self, z: seen.append(z) or picture)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32:] = 1
    model.inpaint(picture, mask, PROMPTS[1:2], [2], num_inference_steps=5)
    before = model.encode(picture)
    torch.testing.assert_close(seen[0][..., :4], before[..., :4])
    assert (seen[0][..., 4:] - before[..., 4:]).abs().mean() > 1e-3


def test_inpainting_keeps_what_the_mask_leaves(model):
    picture = model.draw(PROMPTS[:1], [1], num_inference_steps=5)
    nothing = torch.zeros(1, 1, 64, 64)
    kept = model.inpaint(picture, nothing, PROMPTS[1:2], [2], num_inference_steps=5)
    torch.testing.assert_close(kept, model.decode(model.encode(picture)), atol=1e-4, rtol=0)
    everything = model.inpaint(picture, nothing + 1, PROMPTS[1:2], [2], num_inference_steps=5)
    fresh = model.draw(PROMPTS[1:2], [2], num_inference_steps=5)
    torch.testing.assert_close(everything, fresh, atol=1e-4, rtol=0)


@pytest.mark.usefixtures("plain_shapes")
def test_a_mask_may_be_true_and_false_and_there_is_a_picture_for_each_prompt(model):
    pictures = model.draw(PROMPTS[:2], [1, 2], num_inference_steps=2)
    half = torch.arange(64).expand(2, 1, 64, 64) > 31
    drawn = [
        model.inpaint(pictures, m, PROMPTS[:2], [3, 4], num_inference_steps=2)
        for m in (half, half.float())
    ]
    assert torch.equal(*drawn)
    for change in (
        lambda p: model.img2img(p, PROMPTS[:1], [1]),
        lambda p: model.inpaint(p, half[:1], PROMPTS[:1], [1]),
    ):
        with pytest.raises(ValueError, match=r"pictures expects shape \(1, 3, 64, 64\), got \(2,"):
            change(pictures)
        with pytest.raises(ValueError, match=r"got \(1, 3, 32, 32\)"):
            change(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    "prompt", ["", "apple " * 2000, "红苹果 яблоко", "xqzt vrrp", "a\x00b\x1b[2J\n\t", "🍎"]
)
def test_any_prompt_gives_a_picture(model, prompt):
    picture = model.draw([prompt], [0], num_inference_steps=2)
    assert picture.shape == (1, 3, 64, 64)
    assert picture.isfinite().all()


@pytest.mark.parametrize(("prompts", "seeds"), [("apple", [1]), (["apple"], [1, 2]), ([], [])])
def test_prompts_and_seeds_must_match(model, prompts, seeds):
    with pytest.raises(ValueError, match="as many seeds are wanted"):
        model.draw(prompts, seeds)


@pytest.mark.parametrize("strength", [0.0, 1.5, 60.0])
def test_a_strength_outside_its_range_is_named(model, strength):
    with pytest.raises(ValueError, match=f"strength goes from above 0.*got {strength}"):
        model.img2img(torch.zeros(1, 3, 64, 64), ["apple"], [1], strength=strength)


def test_saved_parts_say_that_pytorch_made_them(tmp_path, model):
    diffusers_folder.save(model, tmp_path)
    parts = list(tmp_path.rglob("*.safetensors"))
    assert len(parts) == 3
    for part in parts:
        with safe_open(part, "pt") as opened:
            assert opened.metadata() == {"format": "pt"}


def test_an_autoencoder_with_the_names_of_2022_is_read(tmp_path, model):
    diffusers_folder.save(model, tmp_path)
    file = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    for old, new in parts.OLD_NAMES:
        names = {
            key: key.replace(f".attentions.0.{new}.", f".attentions.0.{old}.") for key in state
        }
        state = {names[key]: value for key, value in state.items()}
    assert any(".attentions.0.query." in key for key in state)
    save_file(state, file)
    again = loading.load(tmp_path)
    torch.testing.assert_close(again.vae.state_dict(), model.vae.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("part", "setting", "sentence"),
    [
        ("unet", {"attention_head_dim": [5, 10]}, "one number for all levels.*Stable Diffusion 2"),
        ("text_encoder", {"hidden_act": "gelu"}, "hidden_act = 'gelu'"),
        ("text_encoder", {"vocab_size": 7}, "text_encoder does not fit its config"),
        ("unet", {"cross_attention_dim": 12}, "of another shape"),
    ],
)
def test_a_folder_whose_parts_are_of_another_kind_is_refused(
    tmp_path, model, part, setting, sentence
):
    diffusers_folder.save(model, tmp_path)
    config = tmp_path / part / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text("utf-8")) | setting), "utf-8")
    with pytest.raises(ValueError, match=sentence):
        loading.load(tmp_path)


@pytest.mark.usefixtures("plain_shapes")
def test_a_single_seed_gets_the_sentence(model):
    with pytest.raises(ValueError, match=r"use \[prompt\] and \[seed\]"):
        model.draw(["a"], 3)


@pytest.mark.usefixtures("plain_shapes")
def test_a_picture_of_another_size_than_the_noise_is_told(model):
    with pytest.raises(ValueError, match=r"pictures expects shape .*\(1, 3, 32, 32\)"):
        model.img2img(torch.zeros(1, 3, 32, 32), ["a"], [0])
