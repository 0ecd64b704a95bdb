"""Single files in the original names: bit for bit what the folder gives, or refused by name."""

import pytest
import specimens
import torch
from safetensors.torch import save_file

from course_lib.formats import inspect, loading, single_file
from course_lib.formats.diffusers_keys import UNET, state_to_diffusers
from course_lib.formats.parts import Target
from course_lib.unet import UNet

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def state(original):
    return specimens.original_names(original)


@pytest.fixture
def file(state, tmp_path):
    return saved(state, tmp_path / "model.safetensors")


def saved(state, path):
    save_file(state, path, metadata={"format": "pt"})
    return path


def everything(model):
    return {
        f"{part}.{key}": value
        for part in ("unet", "vae", "text_tower")
        for key, value in getattr(model, part).state_dict().items()
    }


def test_file_and_folder_give_the_same_bits_and_diffusers_picture(original, file):
    ours, theirs = loading.load(file), loading.load(original)
    assert everything(ours).keys() == everything(theirs).keys()
    for key, value in everything(theirs).items():
        assert torch.equal(everything(ours)[key], value), key
    assert torch.equal(ours.schedule.alpha_bar, theirs.schedule.alpha_bar)
    assert ours.tokenizer.ids == theirs.tokenizer.ids
    assert ours.side == 64
    with torch.no_grad():
        x = torch.randn(2, 4, 8, 8)
        t, context = torch.tensor([3, 900]), torch.randn(2, 77, 64)
        torch.testing.assert_close(ours.unet(x, t, context), theirs.unet(x, t, context))
    assert inspect.inspect(file).kind is inspect.SINGLE
    names = [name for name, _, _ in inspect.inspect(file).parts]
    assert names == ["UNet", "autoencoder", "text tower"]


def test_what_training_left_is_set_aside(state, original, tmp_path):
    """The 7 GB file: a slow copy of the UNet, the schedule as tables, the positions' numbers."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    more = {
        "model_ema.decay": torch.tensor(0.9999),
        "model_ema.num_updates": torch.tensor(100),
        "model_ema.diffusion_modelinput_blocks00weight": torch.randn(32, 4, 3, 3),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "betas": betas.float(),
        "alphas_cumprod": torch.cumprod(1 - betas, 0).float(),
        "alphas_cumprod_prev": torch.ones(1000),
        "sqrt_alphas_cumprod": torch.ones(1000),
        "sqrt_one_minus_alphas_cumprod": torch.ones(1000),
        "log_one_minus_alphas_cumprod": torch.ones(1000),
        "sqrt_recip_alphas_cumprod": torch.ones(1000),
        "sqrt_recipm1_alphas_cumprod": torch.ones(1000),
        "posterior_variance": torch.ones(1000),
        "posterior_mean_coef1": torch.ones(1000),
        "first_stage_model.loss.logvar": torch.zeros(1),
    }
    model = loading.load(saved(state | more, tmp_path / "full.safetensors"))
    plain = loading.load(original)
    for key, value in everything(plain).items():
        assert torch.equal(everything(model)[key], value), key
    assert torch.equal(model.schedule.alpha_bar, plain.schedule.alpha_bar)
    odd = saved(state | {"an_extra.weight": torch.ones(1)}, tmp_path / "odd.safetensors")
    with pytest.raises(ValueError, match=r"1 tensors .* belong to no part.*an_extra.weight"):
        loading.load(odd)


def test_other_betas_and_the_marks_of_fine_tunes_are_read(state, tmp_path):
    linear = torch.linspace(1e-4, 0.02, 1000)
    model = loading.load(saved(state | {"betas": linear}, tmp_path / "linear.safetensors"))
    expected = torch.cumprod(1 - linear.double(), 0).float()
    torch.testing.assert_close(model.schedule.alpha_bar, expected)
    marks = {"v_pred": torch.ones(1), "ztsnr": torch.ones(1)}
    marked = loading.load(saved(state | marks, tmp_path / "v.safetensors"))
    plain = loading.load(saved(state, tmp_path / "plain.safetensors"))
    assert marked.schedule.alpha_bar[-1] < 1e-6 < plain.schedule.alpha_bar[-1]
    x, t = torch.randn(1, 4, 8, 8), torch.tensor([500])
    assert not torch.allclose(
        marked.denoiser(["a"], 1.0)(x, t), plain.denoiser(["a"], 1.0)(x, t), atol=1e-2
    )


def test_half_precision_inside_and_out(state, tmp_path):
    path = saved(specimens.halves(state), tmp_path / "half.safetensors")
    assert inspect.inspect(path).parts[0][2] == "F16"
    assert loading.load(path).unet.conv_in.weight.dtype == torch.float32
    assert loading.load(path, Target(torch.float16)).unet.conv_in.weight.dtype == torch.float16


def test_an_autoencoder_in_one_file_in_both_kinds_of_names(state, original, tmp_path):
    """As sd-vae-ft-mse is passed round: the original names, with or without a prefix."""
    begins = single_file.VAE
    bare = {k.removeprefix(begins): v for k, v in state.items() if k.startswith(begins)}
    bare |= {"loss.logvar": torch.zeros(1)}
    wanted = loading.load(original).vae
    for path in (
        saved(bare, tmp_path / "vae.safetensors"),
        saved(state, tmp_path / "whole.safetensors"),
        original / "vae",
        original,
    ):
        got = loading.load_vae(path)
        assert all(
            torch.equal(a, b) for a, b in zip(got.parameters(), wanted.parameters(), strict=True)
        )
        assert got.scale == wanted.scale
    with pytest.raises(ValueError, match="not an autoencoder that the course opens: text tower"):
        loading.load_vae(original / "text_encoder" / "model.safetensors")


def test_the_row_of_blocks_at_true_size():
    """Every name of the full-size UNet is met once, and a few by hand."""
    with torch.device("meta"):
        unet = UNet(
            4,
            (320, 640, 1280, 1280),
            (True, True, True, False),
            layers=2,
            d_context=768,
            heads=8,
            groups=32,
        )
    theirs = set(state_to_diffusers(unet, UNET))
    original = {specimens._unet_name(key) for key in theirs}
    assert len(original) == len(theirs) == 686
    assert {single_file.unet_key(key, 2) for key in original} == theirs
    assert single_file.unet_key("input_blocks.4.1.proj_in.weight", 2) == (
        "down_blocks.1.attentions.0.proj_in.weight"
    )
    assert single_file.unet_key("output_blocks.5.2.conv.bias", 2) == (
        "up_blocks.1.upsamplers.0.conv.bias"
    )
    with pytest.raises(ValueError, match="not in the names"):
        single_file.unet_key("joint_blocks.0.weight", 2)


def shape(*sizes):
    return torch.zeros(sizes, dtype=torch.float16)


UNET_IN = "model.diffusion_model.input_blocks.0.0.weight"
ATTN = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
TEXT = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
WRONG = {  # what is in the file -> words of the sentence
    "inpainting": ({UNET_IN: shape(8, 9, 3, 3), TEXT: shape(9, 8)}, "inpainting model"),
    "pix2pix": ({UNET_IN: shape(8, 8, 3, 3), TEXT: shape(9, 8)}, "editing model"),
    "channels": ({UNET_IN: shape(8, 6, 3, 3), TEXT: shape(9, 8)}, "UNet with other channels"),
    "sd2": (
        {UNET_IN: shape(8, 4, 3, 3), "cond_stage_model.model.ln_final.weight": shape(8)},
        "Stable Diffusion 2.*OpenCLIP",
    ),
    "sd2 unet": ({UNET_IN: shape(8, 4, 3, 3), ATTN: shape(8, 1024)}, "Stable Diffusion 2"),
    "xl": (
        {UNET_IN: shape(8, 4, 3, 3), "conditioner.embedders.0.x": shape(8)},
        "Stable Diffusion XL.*two text towers",
    ),
    "xl unet": ({"add_embedding.linear_1.weight": shape(8, 8)}, "Stable Diffusion XL"),
    "sd3": (
        {"model.diffusion_model.joint_blocks.0.x_block.mlp.fc1.bias": shape(8)},
        "Stable Diffusion 3.*lesson 17",
    ),
    "flux": ({"double_blocks.0.img_attn.qkv.weight": shape(8, 8)}, "Flux.*lesson 17"),
    "controlnet": ({"input_hint_block.0.weight": shape(8, 3, 3, 3)}, "ControlNet"),
    "controlnet, diffusers": (
        {
            "conv_in.weight": shape(8, 4, 3, 3),
            "controlnet_cond_embedding.conv_in.weight": shape(8, 3, 3, 3),
        },
        "ControlNet",
    ),
    "adapter": ({"ip_adapter.1.to_k_ip.weight": shape(8, 8)}, "IP-Adapter"),
    "motion": (
        {"down_blocks.0.motion_modules.0.temporal_transformer.norm.bias": shape(8)},
        "motion module.*lesson 16",
    ),
    "lcm": (
        {
            "conv_in.weight": shape(8, 4, 3, 3),
            "conv_norm_out.weight": shape(8),
            "time_embedding.cond_proj.weight": shape(8, 256),
        },
        "LCM UNet.*distilled",
    ),
    "taesd": ({"decoder.layers.0.conv.weight": shape(8, 4, 3, 3)}, "tiny autoencoder"),
    "safety": ({"concept_embeds_weights": shape(17), "concept_embeds": shape(17, 8)}, "safety"),
    "unet alone": (
        {"conv_in.weight": shape(8, 4, 3, 3), "time_embedding.linear_1.weight": shape(8, 8)},
        "UNet.*rest of its folder",
    ),
    "lora": ({"lora_unet_mid_block_x.lora_down.weight": shape(4, 8)}, "LoRA.*--lora"),
    "lora sd2": (
        {
            "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
            ".lora_down.weight": shape(4, 1024)
        },
        "LoRA for another model",
    ),
    "lora xl": ({"lora_te2_x.lora_down.weight": shape(4, 8)}, "LoRA for another model"),
    "lora flux": (
        {"transformer.single_transformer_blocks.0.proj.lora_A.weight": shape(4, 8)},
        "LoRA for another model",
    ),
    "loha": ({"lora_unet_x.hada_w1_a": shape(4, 8)}, "LyCORIS"),
    "dora": (
        {"lora_unet_x.lora_down.weight": shape(4, 8), "lora_unet_x.dora_scale": shape(4)},
        "LyCORIS",
    ),
    "words": ({"emb_params": shape(2, 768)}, "textual inversion.*--words"),
    "words sd2": ({"emb_params": shape(2, 1024)}, "textual inversion for another model"),
    "words xl": ({"clip_l": shape(2, 768), "clip_g": shape(2, 1280)}, "textual inversion for"),
    "something": ({"backbone.stem.weight": shape(8, 3, 7, 7)}, "unknown file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_files_that_hold_no_stable_diffusion_1_get_their_sentence(name, tmp_path):
    content, sentence = WRONG[name]
    path = saved(content, tmp_path / "file.safetensors")
    with pytest.raises(ValueError, match=f"holds no whole model: {sentence}"):
        loading.load(path)
    report = inspect.inspect(path)
    assert report.parameters == sum(x.numel() for x in content.values())


def test_a_pickle_by_another_name_and_a_part_that_is_missing(state, tmp_path):
    path = tmp_path / "model.safetensors"
    torch.save(state["model.diffusion_model.out.2.bias"], path)
    with pytest.raises(ValueError, match="is a pickle"):
        loading.load(path)
    with pytest.raises(FileNotFoundError, match="is missing"):
        loading.load(tmp_path / "no.safetensors")
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ValueError, match="is a pickle"):
        loading.load(tmp_path / "model.ckpt")
    for begins in ("first_stage_model.", "model.diffusion_model."):
        rest = {k: v for k, v in state.items() if not k.startswith(begins)}
        with pytest.raises(ValueError, match=r"missing from this file|no whole model"):
            loading.load(saved(rest, tmp_path / "rest.safetensors"))
    odd = {k: v for k, v in state.items() if k != "model.diffusion_model.out.2.bias"}
    with pytest.raises(ValueError, match=r"1 missing \(first: \['conv_out.bias'\]"):
        loading.load(saved(odd, tmp_path / "odd.safetensors"))
