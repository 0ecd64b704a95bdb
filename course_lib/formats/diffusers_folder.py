"""A text-to-image model saved as a folder in diffusers' layout.

`save` writes what diffusers' StableDiffusionPipeline.from_pretrained opens. `loading.load` reads
such a folder, the course's own or anybody's Stable Diffusion 1.
"""

import json
from pathlib import Path
from typing import Any

import torch

from course_lib.autoencoder_blocks import PlainResBlock
from course_lib.clip import to_transformers
from course_lib.formats.diffusers_keys import AUTOENCODER, UNET, state_to_diffusers
from course_lib.formats.tensor_files import save_tensors
from course_lib.text_to_image import TextToImage

Config = dict[str, Any]
WEIGHTS = "diffusion_pytorch_model.safetensors"
INDEX: Config = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.36.0",
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
}


def save(model: TextToImage, folder: Path) -> None:
    """Write all the parts into `folder`, which is made if it is not there."""
    _write(folder / "model_index.json", INDEX)
    _write(folder / "unet" / "config.json", _unet_config(model.unet, model.side))
    save_tensors(state_to_diffusers(model.unet, UNET), folder / "unet" / WEIGHTS)
    _write(folder / "vae" / "config.json", _vae_config(model.vae))
    save_tensors(state_to_diffusers(model.vae, AUTOENCODER), folder / "vae" / WEIGHTS)
    _write(folder / "text_encoder" / "config.json", _text_config(model.text_tower))
    text = {f"text.{key}": value for key, value in model.text_tower.state_dict().items()}
    save_tensors(to_transformers(text), folder / "text_encoder" / "model.safetensors")
    model.tokenizer.save(folder / "tokenizer")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": model.tokenizer.length,
        "bos_token": model.tokenizer.pieces[-2],
        "eos_token": model.tokenizer.pieces[-1],
        "unk_token": model.tokenizer.pieces[-1],
        "pad_token": model.tokenizer.pieces[-1],
    }
    _write(folder / "tokenizer" / "tokenizer_config.json", settings)
    _write(folder / "scheduler" / "scheduler_config.json", _schedule_config(model))


def _unet_config(unet: Any, side: int) -> Config:
    levels = [level.layers for level in unet.down]
    looks = [level[0].transformer is not None for level in levels]
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": side,
        "in_channels": unet.channels,
        "out_channels": unet.channels,
        "down_block_types": ["CrossAttnDownBlock2D" if x else "DownBlock2D" for x in looks],
        "up_block_types": ["CrossAttnUpBlock2D" if x else "UpBlock2D" for x in reversed(looks)],
        "block_out_channels": [level[0].block.conv1.out_channels for level in levels],
        "layers_per_block": len(levels[0]),
        "cross_attention_dim": unet.d_context,
        "attention_head_dim": unet.middle[0].transformer.block.self_attn.heads,  # the number
        "norm_num_groups": unet.norm_out.num_groups,
    }


def _vae_config(vae: Any) -> Config:
    levels = [[x for x in level if isinstance(x, PlainResBlock)] for level in vae.encoder.levels]
    widths = [level[0].conv1.out_channels for level in levels]
    return {
        "_class_name": "AutoencoderKL",
        "in_channels": vae.c_picture,
        "out_channels": vae.c_picture,
        "latent_channels": vae.c_latent,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "block_out_channels": widths,
        "layers_per_block": len(levels[0]),
        "norm_num_groups": vae.encoder.norm_out.num_groups,
        "scaling_factor": float(vae.scale),
        "force_upcast": False,
    }


def _text_config(tower: Any) -> Config:
    return {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": tower.tokens.num_embeddings,
        "max_position_embeddings": len(tower.positions),
        "hidden_size": tower.tokens.embedding_dim,
        "intermediate_size": 4 * tower.tokens.embedding_dim,
        "num_hidden_layers": len(tower.blocks),
        "num_attention_heads": tower.blocks[0].self_attn.heads,
        "hidden_act": "quick_gelu",
        "bos_token_id": tower.end - 1,
        "eos_token_id": tower.end,
        "pad_token_id": tower.end,
    }


def _schedule_config(model: TextToImage) -> Config:
    abar = model.schedule.alpha_bar.double()
    before = torch.cat([abar.new_ones(1), abar[:-1]])
    return {
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": len(abar),
        "trained_betas": (1 - abar / before).tolist(),
        "prediction_type": model.prediction.name,
        "clip_sample": False,
        "set_alpha_to_one": True,
        "steps_offset": 1,
        "timestep_spacing": "trailing",
    }


def _write(path: Path, config: Config) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
