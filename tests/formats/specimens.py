"""Small models with the exact names and settings of the files that people have, random weights."""

import copy
import json
import shutil
import warnings
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from course_lib.datasets import vocabulary
from course_lib.tokenizer import Tokenizer

STEPS, SCALE, SEED = 5, 4.0, 5
PROMPT = "A red <cat-toy>, it's 3 o'clock"
SCHEDULER = {  # scheduler_config.json of Stable Diffusion 1.5
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
UNET = {
    "sample_size": 8,
    "block_out_channels": (32, 32, 64, 64),
    "cross_attention_dim": 64,
    "attention_head_dim": 8,
}
VAE = {
    "block_out_channels": (32, 32, 64, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "sample_size": 64,
}


def shaken(module: nn.Module, seed: int) -> nn.Module:
    """Every norm and bias away from its starting value, so that each weight counts."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p += 0.1 * torch.randn(p.shape, generator=g) * (p.std() if p.ndim > 1 else 1)
    return module.eval()


def unet(**settings) -> UNet2DConditionModel:
    torch.manual_seed(1)
    return shaken(UNet2DConditionModel(**(UNET | settings)), 1)


def vae(**settings) -> AutoencoderKL:
    torch.manual_seed(2)
    return shaken(AutoencoderKL(**(VAE | settings)), 2)


def text(vocabulary_size: int = 49408, **settings) -> CLIPTextModel:
    torch.manual_seed(3)
    config = CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=1,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=49407,
        **settings,
    )
    return shaken(CLIPTextModel(config), 3)


def write(folder: Path, config: dict) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text(json.dumps(config, indent=2), encoding="utf-8")


def change(folder: Path, part: str, **settings) -> None:
    """Edit the config.json (or scheduler_config.json) of a part."""
    file = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
    write(file, json.loads(file.read_text("utf-8")) | settings)


def folder_of_2022(folder: Path) -> Path:
    """Stable Diffusion 1.5's own layout: old attention names in the VAE, `text_model.` in front."""
    unet().save_pretrained(folder / "unet")
    vae().save_pretrained(folder / "vae")
    text().save_pretrained(folder / "text_encoder")
    file = folder / "text_encoder" / "model.safetensors"
    state = {
        ("" if k.startswith("text_model.") else "text_model.") + k: v
        for k, v in load_file(file).items()
    }
    state["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(state, file, metadata={"format": "pt"})
    Tokenizer(vocabulary.merges()).save(folder / "tokenizer")
    end = {"__type": "AddedToken", "content": "<|endoftext|>", "normalized": True}
    write(
        folder / "tokenizer" / "tokenizer_config.json",
        {
            "add_prefix_space": False,
            "bos_token": end | {"content": "<|startoftext|>"},
            "do_lower_case": True,
            "eos_token": end,
            "errors": "replace",
            "model_max_length": 77,
            "pad_token": "<|endoftext|>",
            "tokenizer_class": "CLIPTokenizer",
            "unk_token": end,
        },
    )
    write(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    write(
        folder / "model_index.json",
        {
            "_class_name": "StableDiffusionPipeline",
            "_diffusers_version": "0.6.0",
            "feature_extractor": [None, None],
            "safety_checker": [None, None],
            "scheduler": ["diffusers", "PNDMScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        },
    )
    return folder


def opened(folder: Path, **how) -> StableDiffusionPipeline:
    """The folder in diffusers, with the sampler that the course's `ddim` is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True, **how)
    return with_ddim(pipeline)


def with_ddim(pipeline: StableDiffusionPipeline) -> StableDiffusionPipeline:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.scheduler = DDIMScheduler.from_config(
            pipeline.scheduler.config,
            clip_sample=False,
            set_alpha_to_one=True,
            steps_offset=1,
            timestep_spacing="trailing",
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def their_picture(pipeline: StableDiffusionPipeline, latents, prompt: str = PROMPT):
    """(1, 3, h, w) in [-1, 1]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = pipeline(
            prompt,
            latents=latents.clone(),
            num_inference_steps=STEPS,
            guidance_scale=SCALE,
            output_type="pt",
        ).images
    return 2 * made.float() - 1


def our_picture(model, prompt: str = PROMPT):
    return model.draw([prompt], [SEED], num_inference_steps=STEPS, guidance_scale=SCALE)


def expect_equal(folder: Path, model, prompt: str = PROMPT) -> None:
    """The same picture in diffusers, to 4e-4."""
    theirs = their_picture(opened(folder), model.noise([SEED]), prompt)
    ours = our_picture(model, prompt)
    assert theirs.std() > 0.02  # not an empty picture
    same(ours, theirs)


def same(ours, theirs) -> None:
    """To 4e-4 of the way from black to white, a tenth of what a byte can tell."""
    torch.testing.assert_close(ours / 2, theirs / 2, atol=4e-4, rtol=0)


def original_names(folder: Path) -> dict[str, torch.Tensor]:
    """The model of a folder as one state in the names of the first authors.

    Written from diffusers' own conversion tables, the other way round, not from the course's.
    """
    state = {}
    for key, value in load_file(folder / "unet" / "diffusion_pytorch_model.safetensors").items():
        state["model.diffusion_model." + _unet_name(key)] = value
    for key, value in load_file(folder / "vae" / "diffusion_pytorch_model.safetensors").items():
        name, matrix = _vae_name(key)
        state["first_stage_model." + name] = value[:, :, None, None] if matrix else value
    for key, value in load_file(folder / "text_encoder" / "model.safetensors").items():
        name = key if key.startswith("text_model.") else "text_model." + key
        state["cond_stage_model.transformer." + name] = value
    return {key: value.contiguous() for key, value in state.items()}


def _unet_name(key: str) -> str:
    for new, old in (
        ("time_embedding.linear_1", "time_embed.0"),
        ("time_embedding.linear_2", "time_embed.2"),
        ("conv_in", "input_blocks.0.0"),
        ("conv_norm_out", "out.0"),
        ("conv_out", "out.2"),
    ):
        if key.startswith(new):
            return key.replace(new, old)
    parts = key.split(".")
    if parts[0] == "down_blocks":
        level, kind, layer = int(parts[1]), parts[2], int(parts[3])
        if kind == "downsamplers":
            return f"input_blocks.{3 * (level + 1)}.0.op.{parts[-1]}"
        prefix = f"input_blocks.{3 * level + layer + 1}.{0 if kind == 'resnets' else 1}"
        rest = ".".join(parts[4:])
    elif parts[0] == "up_blocks":
        level, kind, layer = int(parts[1]), parts[2], int(parts[3])
        if kind == "upsamplers":
            return f"output_blocks.{3 * level + 2}.{1 if level == 0 else 2}.conv.{parts[-1]}"
        prefix = f"output_blocks.{3 * level + layer}.{0 if kind == 'resnets' else 1}"
        rest = ".".join(parts[4:])
    else:  # mid_block
        kind, layer = parts[1], int(parts[2])
        prefix = f"middle_block.{2 * layer if kind == 'resnets' else 1}"
        rest = ".".join(parts[3:])
    if kind == "resnets":
        for new, old in (
            ("norm1", "in_layers.0"),
            ("conv1", "in_layers.2"),
            ("norm2", "out_layers.0"),
            ("conv2", "out_layers.3"),
            ("time_emb_proj", "emb_layers.1"),
            ("conv_shortcut", "skip_connection"),
        ):
            rest = rest.replace(new, old)
    return f"{prefix}.{rest}"


def _vae_name(key: str) -> tuple[str, bool]:
    matrix = False
    if ".attentions.0." in key:
        matrix = key.endswith("weight") and "group_norm" not in key
        for new, old in (
            ("mid_block.attentions.0.", "mid.attn_1."),
            ("group_norm", "norm"),
            ("to_q", "q"),
            ("to_k", "k"),
            ("to_v", "v"),
            ("to_out.0", "proj_out"),
        ):
            key = key.replace(new, old)
    for i in range(4):
        key = key.replace(f"up_blocks.{i}.upsamplers.0.", f"up.{3 - i}.upsample.")
        key = key.replace(f"up_blocks.{i}.resnets.", f"up.{3 - i}.block.")
        key = key.replace(f"down_blocks.{i}.resnets.", f"down.{i}.block.")
        key = key.replace(f"down_blocks.{i}.downsamplers.0.", f"down.{i}.downsample.")
    for i in range(2):
        key = key.replace(f"mid_block.resnets.{i}.", f"mid.block_{i + 1}.")
    key = key.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    return key, matrix


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def halves(state: dict, dtype: torch.dtype = torch.float16) -> dict:
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in copy.copy(state).items()}
