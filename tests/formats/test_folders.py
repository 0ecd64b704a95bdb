"""Folders in diffusers' layout, as people have them: equal to diffusers, or refused by name."""

import json
import os
import pickle
import shutil

import pytest
import specimens
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from specimens import change, copied, expect_equal, opened, their_picture
from transformers import CLIPTextModel, CLIPTokenizer

from course_lib.formats import inspect, loading
from course_lib.formats.parts import Target

pytestmark = pytest.mark.filterwarnings("ignore")
WEIGHTS = "diffusion_pytorch_model"


def test_the_layout_of_2022_draws_diffusers_picture(original):
    expect_equal(original, loading.load(original))


def test_a_path_may_be_text(original):
    assert loading.load(str(original)).side == 8


def test_saved_by_todays_diffusers_and_transformers(original, tmp_path):
    """tokenizer.json alone, and a text tower without `text_model.` in front."""
    opened(original).save_pretrained(tmp_path)
    tokens = sorted(p.name for p in (tmp_path / "tokenizer").iterdir())
    assert "tokenizer.json" in tokens
    assert "merges.txt" not in tokens
    expect_equal(tmp_path, loading.load(tmp_path))
    file = tmp_path / "text_encoder" / "model.safetensors"
    state = {key.removeprefix("text_model."): value for key, value in load_file(file).items()}
    save_file(state, file, metadata={"format": "pt"})
    expect_equal(tmp_path, loading.load(tmp_path))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sixteen_bits_inside(folder, dtype):
    for file in folder.rglob("*.safetensors"):
        save_file(specimens.halves(load_file(file), dtype), file, metadata={"format": "pt"})
    model = loading.load(folder)
    assert {p.dtype for p in model.unet.parameters()} == {torch.float32}
    theirs = their_picture(opened(folder, torch_dtype=torch.float32), model.noise([5]))
    specimens.same(specimens.our_picture(model), theirs)


def test_the_fp16_variant_alone(folder, original):
    for file in folder.rglob("*.safetensors"):
        save_file(specimens.halves(load_file(file)), file, metadata={"format": "pt"})
        file.rename(file.with_name(file.stem + ".fp16.safetensors"))
    model = loading.load(folder)
    theirs = their_picture(
        opened(folder, variant="fp16", torch_dtype=torch.float32), model.noise([5])
    )
    specimens.same(specimens.our_picture(model), theirs)


def test_shards(folder):
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    shutil.rmtree(folder / "unet")
    unet.save_pretrained(folder / "unet", max_shard_size="1MB")
    assert len(list((folder / "unet").glob("*.safetensors"))) > 2
    expect_equal(folder, loading.load(folder))
    index = folder / "unet" / f"{WEIGHTS}.safetensors.index.json"
    content = json.loads(index.read_text())
    first = next(iter(content["weight_map"]))
    specimens.write(index, content | {"weight_map": {first: "../../secret.safetensors"}})
    with pytest.raises(ValueError, match="does not name the files beside it"):
        loading.load(folder)
    del content["weight_map"][first]
    specimens.write(index, content)
    with pytest.raises(ValueError, match="differ in 1 tensors"):
        loading.load(folder)


def test_a_cache_of_symlinks_and_the_caches_own_folder(original, tmp_path):
    snapshot = tmp_path / "models--a--b" / "snapshots" / "abc"
    for path in original.rglob("*"):
        if path.is_file():
            link = snapshot / path.relative_to(original)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    expect_equal(snapshot, loading.load(snapshot))
    with pytest.raises(ValueError, match=r"cache of downloads; the model in it is .*abc"):
        loading.load(tmp_path / "models--a--b")
    with pytest.raises(FileNotFoundError, match="folder above the right one"):
        loading.load(tmp_path)


def test_another_autoencoder_in_its_folder_or_given_alone(folder, original):
    other = specimens.shaken(AutoencoderKL.from_pretrained(folder / "vae"), 9)
    other.save_pretrained(folder / "vae")
    model = loading.load(folder)
    expect_equal(folder, model)
    alone = loading.with_extras(loading.load(original), vae=[folder / "vae"])
    drawn = specimens.our_picture(alone)
    torch.testing.assert_close(drawn, specimens.our_picture(model), rtol=0, atol=0)
    file = folder / "vae" / f"{WEIGHTS}.safetensors"
    by_file = loading.with_extras(loading.load(original), vae=[file])
    torch.testing.assert_close(specimens.our_picture(by_file), drawn, rtol=0, atol=0)


def test_an_autoencoder_with_the_names_of_2022(folder):
    file = folder / "vae" / f"{WEIGHTS}.safetensors"
    state = load_file(file)
    for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v")):
        state = {k.replace(f".{new}.", f".{old}."): v for k, v in state.items()}
    save_file({k.replace("to_out.0", "proj_attn"): v for k, v in state.items()}, file)
    expect_equal(folder, loading.load(folder))


@pytest.mark.parametrize(
    ("part", "settings"),
    [
        ("vae", {"scaling_factor": 0.5}),
        ("vae", {"shift_factor": 0.3}),
        ("scheduler", {"beta_schedule": "linear"}),
        ("scheduler", {"beta_schedule": "squaredcos_cap_v2"}),
        ("scheduler", {"beta_start": 0.001, "beta_end": 0.02}),
        ("scheduler", {"trained_betas": [0.001 + 0.0001 * i for i in range(100)]}),
        ("scheduler", {"num_train_timesteps": 500}),
        ("scheduler", {"prediction_type": "v_prediction"}),
        ("scheduler", {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}),
        ("scheduler", {"_class_name": "EulerAncestralDiscreteScheduler"}),
        ("unet", {"sample_size": [16, 16]}),
        ("unet", {"attention_head_dim": [8, 8, 8, 8], "layers_per_block": [2, 2, 2, 2]}),
        ("unet", {"cross_attention_dim": [64] * 4, "only_cross_attention": [False] * 4}),
        ("unet", {"decay": 0.9999, "use_ema_warmup": False, "upcast_attention": True}),
        ("unet", {"act_fn": "swish"}),
    ],
)
def test_settings_that_are_read_or_change_nothing(folder, part, settings):
    if settings.get("trained_betas"):
        settings = settings | {"num_train_timesteps": 100}
    change(folder, part, **settings)
    expect_equal(folder, loading.load(folder))


@pytest.mark.parametrize(
    ("part", "left_out"),
    [
        ("scheduler", ["beta_start", "beta_end", "num_train_timesteps", "beta_schedule"]),
        ("unet", ["layers_per_block", "norm_num_groups", "in_channels", "down_block_types"]),
        ("unet", ["out_channels", "attention_head_dim", "up_block_types"]),
        ("vae", ["norm_num_groups", "scaling_factor", "latent_channels"]),
        ("text_encoder", ["max_position_embeddings", "hidden_act", "vocab_size"]),
    ],
)
def test_settings_left_out_have_diffusers_defaults(folder, part, left_out):
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    config = json.loads((folder / part / name).read_text())
    specimens.write(folder / part / name, {k: v for k, v in config.items() if k not in left_out})
    expect_equal(folder, loading.load(folder))


def test_two_levels_and_other_depths(folder):
    specimens.unet(
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
    ).save_pretrained(folder / "unet")
    specimens.vae(layers_per_block=1).save_pretrained(folder / "vae")
    expect_equal(folder, loading.load(folder))


def test_a_distilled_plain_unet_is_a_unet_but_its_scheduler_says_what_it_is(folder):
    change(folder, "scheduler", _class_name="LCMScheduler")
    with pytest.raises(ValueError, match="distilled to a few steps"):
        loading.load(folder)


SILENT = [  # each changes the picture and no shape
    ("unet", {"act_fn": "gelu"}),
    ("unet", {"act_fn": "mish"}),
    ("vae", {"act_fn": "gelu"}),
    ("vae", {"act_fn": "mish"}),
    ("unet", {"flip_sin_to_cos": False}),
    ("unet", {"freq_shift": 1}),
    ("unet", {"center_input_sample": True}),
    ("unet", {"norm_eps": 1e-3}),
    ("unet", {"downsample_padding": 0}),
    ("unet", {"mid_block_scale_factor": 2}),
    ("unet", {"timestep_post_act": "silu"}),
    ("unet", {"time_embedding_act_fn": "silu"}),
    ("text_encoder", {"layer_norm_eps": 1e-3}),
    ("text_encoder", {"hidden_act": "gelu"}),
    ("scheduler", {"prediction_type": "sample"}),
    ("unet", {"resnet_time_scale_shift": "scale_shift"}),
    ("unet", {"use_linear_projection": True}),
    ("unet", {"transformer_layers_per_block": [1, 2, 4, 4]}),
    ("unet", {"attention_head_dim": [5, 10, 20, 20]}),
    ("unet", {"time_cond_proj_dim": 256}),
    ("unet", {"addition_embed_type": "text_time"}),
    ("unet", {"num_class_embeds": 1000}),
    ("vae", {"use_quant_conv": False}),
    ("vae", {"latents_mean": [0.1, 0.2, 0.3, 0.4]}),
    ("vae", {"mid_block_add_attention": False}),
    ("scheduler", {"thresholding": True}),
    ("scheduler", {"beta_schedule": "sigmoid"}),
    ("unet", {"a_setting_of_tomorrow": 3}),
    ("unet", {"up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"] * 2}),
]


@pytest.mark.parametrize(("part", "settings"), SILENT)
def test_settings_of_another_function_are_refused_by_name(folder, part, settings):
    change(folder, part, **settings)
    named = next(iter(settings.values()))
    sentence = f"{next(iter(settings))}|{named}|levels"
    with pytest.raises(ValueError, match=sentence) as caught:
        loading.load(folder)
    assert part in str(caught.value)
    assert "Usual cause" in str(caught.value)


def test_every_setting_of_diffusers_is_known():
    """A new version that adds one makes this fail: then it is to be judged, not skipped."""
    import inspect as python

    from course_lib.formats import configuration

    for cls, settings in (
        (UNet2DConditionModel, configuration.UNET),
        (AutoencoderKL, configuration.AUTOENCODER),
    ):
        known = settings.used | set(settings.fixed) | settings.unchanging
        names = set(python.signature(cls.__init__).parameters) - {"self"}
        assert names <= known
        defaults = {k: v.default for k, v in python.signature(cls.__init__).parameters.items()}
        for key, values in settings.fixed.items():
            if key in defaults and not isinstance(defaults[key], tuple):
                assert defaults[key] in values, key


@pytest.mark.parametrize("channels", [9, 8, 7, 5])
def test_unets_that_take_more_are_named(folder, channels):
    specimens.unet(in_channels=channels).save_pretrained(folder / "unet")
    words = {9: "inpainting", 8: "pix2pix", 7: "upscaler", 5: "depth"}
    with pytest.raises(ValueError, match=words[channels]):
        loading.load(folder)


@pytest.mark.parametrize(
    ("pipeline", "word"),
    [
        ("StableDiffusionXLPipeline", "two text towers"),
        ("StableDiffusion3Pipeline", "in the place of the UNet"),
        ("FluxPipeline", "lesson 17"),
        ("StableDiffusionInpaintPipeline", "9 channels"),
        ("StableDiffusionInstructPix2PixPipeline", "8 channels"),
        ("LatentConsistencyModelPipeline", "distilled"),
    ],
)
def test_folders_of_other_families_are_named(folder, pipeline, word):
    specimens.write(folder / "model_index.json", {"_class_name": pipeline})
    with pytest.raises(ValueError, match=f"holds a {pipeline}.*{word}"):
        loading.load(folder)
    assert not inspect.inspect(folder).kind.opens


def test_what_is_missing_is_named(original, tmp_path):
    for i, name in enumerate(
        [
            "model_index.json",
            "unet/config.json",
            f"unet/{WEIGHTS}.safetensors",
            f"vae/{WEIGHTS}.safetensors",
            "text_encoder/model.safetensors",
            "scheduler/scheduler_config.json",
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
        ]
    ):
        folder = copied(original, tmp_path / str(i))
        (folder / name).unlink()
        with pytest.raises(FileNotFoundError, match=r"missing|neither"):
            loading.load(folder)


def test_files_that_are_damaged_or_something_else(folder):
    file = folder / "unet" / f"{WEIGHTS}.safetensors"
    whole = file.read_bytes()
    for content, sentence in (
        (whole[:-100], "not a whole safetensors file"),
        (whole[:1000], "not a whole safetensors file"),
        (b"", "not a whole safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n", "Git LFS"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (pickle.dumps({"a": 1}), "is a pickle"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (os.urandom(5000), "not a whole safetensors file"),
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=sentence):
            loading.load(folder)
    file.unlink()
    torch.save({"a": torch.ones(2)}, folder / "unet" / f"{WEIGHTS}.bin")
    with pytest.raises(ValueError, match="is a pickle"):
        loading.load(folder)
    (folder / "unet" / "config.json").write_text('{"a": ')
    with pytest.raises(ValueError, match="is not JSON"):
        loading.load(folder)


def test_weights_that_do_not_fit_are_named(folder):
    file = folder / "unet" / f"{WEIGHTS}.safetensors"
    state = load_file(file)
    name = "mid_block.resnets.0.conv1.weight"

    def saved(**changed):
        save_file({k: v for k, v in (state | changed).items() if v is not None}, file)

    saved(**{name: None})
    with pytest.raises(ValueError, match=rf"1 missing \(first: \['{name}'\]"):
        loading.load(folder)
    saved(**{"extra.weight": torch.ones(2)})
    with pytest.raises(ValueError, match=r"1 left over \(first: \['extra.weight'\]"):
        loading.load(folder)
    saved(**{name: state[name][:-1].contiguous()})
    with pytest.raises(ValueError, match="1 of another"):
        loading.load(folder)
    broken = state[name].clone()
    broken[0, 0, 0, 0] = torch.nan
    saved(**{name: broken})
    with pytest.raises(ValueError, match="not made of finite numbers"):
        loading.load(folder)
    broken[0, 0, 0, 0] = 1e6
    saved(**{name: broken})
    with pytest.raises(ValueError, match="not made of finite numbers in float16"):
        loading.load(folder, Target(torch.float16))


def test_a_word_that_was_added_is_read(folder):
    """A textual inversion inside the folder, as its training script saves it."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    tower = CLIPTextModel.from_pretrained(folder / "text_encoder")
    tokenizer.add_tokens(["<cat-toy>", "<cat-toy>_1"])
    tower.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    tower.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    model = loading.load(folder)
    assert model.tokenizer.split("A red <cat-toy> here") == [
        "a</w>",
        "red</w>",
        "<cat-toy>",
        "<cat-toy>_1",
        "here</w>",
    ]
    theirs = their_picture(opened(folder), model.noise([5]), "A <cat-toy>, small")
    ours = specimens.our_picture(model, "A <cat-toy>, small")
    specimens.same(ours, theirs)


def test_the_same_in_the_files_of_earlier_years_and_refused_without_its_words(folder):
    tower = CLIPTextModel.from_pretrained(folder / "text_encoder")
    tower.resize_token_embeddings(49409, mean_resizing=False)
    tower.save_pretrained(folder / "text_encoder")
    with pytest.raises(ValueError, match=r"49,408 pieces and the text tower has 49,409 rows"):
        loading.load(folder)
    specimens.write(folder / "tokenizer" / "added_tokens.json", {"<cat-toy>": 49408})
    model = loading.load(folder)
    assert model.tokenizer(["a <cat-toy>"])[0, 1:4].tolist() == [320, 49408, 49407]
    expect_equal(folder, model)


def test_padding_of_another_model_is_refused(folder):
    file = folder / "tokenizer" / "tokenizer_config.json"
    specimens.write(file, json.loads(file.read_text()) | {"pad_token": "!"})
    with pytest.raises(ValueError, match="Stable Diffusion 2"):
        loading.load(folder)


def test_memory_is_looked_at_before(original, monkeypatch):
    import psutil

    free = type("M", (), {"available": 1000})()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(ValueError, match=r"need 0.0 GB of memory.*16 bits"):
        loading.load(original)


def test_weights_are_mapped_and_not_copied(original):
    """Every float32 weight lies in the file's own pages: loading makes no second copy."""
    model = loading.load(original)
    maps = open("/proc/self/maps").read().splitlines()
    ranges = [
        tuple(int(x, 16) for x in line.split()[0].split("-"))
        for line in maps
        if str(original) in line
    ]
    inside = [
        any(a <= p.data_ptr() < b for a, b in ranges)
        for part in (model.unet, model.vae)
        for p in part.parameters()
    ]
    assert sum(inside) > 0.9 * len(inside)


def test_a_folder_that_the_course_saved_comes_back(original, tmp_path):
    from course_lib.formats import diffusers_folder

    model = loading.load(original)
    diffusers_folder.save(model, tmp_path)
    again = loading.load(tmp_path)
    torch.testing.assert_close(
        specimens.our_picture(again), specimens.our_picture(model), atol=1e-5, rtol=0
    )
    assert isinstance(opened(tmp_path), StableDiffusionPipeline)
    report = inspect.inspect(tmp_path)
    assert report.kind is inspect.FOLDER
    assert [name for name, _, _ in report.parts] == ["UNet", "autoencoder", "text tower"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_draws(original, dtype):
    half = loading.load(original, Target(dtype))
    assert half.unet.conv_in.weight.dtype == dtype
    full, drawn = specimens.our_picture(loading.load(original)), specimens.our_picture(half)
    assert drawn.dtype == torch.float32
    assert (drawn - full).abs().mean() < 0.05
    assert (drawn - full).abs().max() > 0
