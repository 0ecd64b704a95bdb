"""A text-to-image model as a folder in diffusers' layout: written by us, read by us and by them.

`save` writes what diffusers' StableDiffusionPipeline.from_pretrained opens; `load` reads such a
folder, our own or a Stable Diffusion 1 of anybody's, into the classes of this course.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from course_lib.autoencoder import VAE
from course_lib.autoencoder_blocks import PlainResBlock
from course_lib.clip import TextTower, from_transformers, to_transformers
from course_lib.diffusion import PREDICTIONS
from course_lib.formats.diffusers_keys import (
    AUTOENCODER,
    UNET,
    state_from_diffusers,
    state_to_diffusers,
)
from course_lib.schedule import NoiseSchedule, from_betas, linear, scaled_linear
from course_lib.text_to_image import TextToImage
from course_lib.tokenizer import Tokenizer
from course_lib.unet import UNet

Config = dict[str, Any]
WEIGHTS = "diffusion_pytorch_model.safetensors"
OLD_NAMES = (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0"))
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
    _save(state_to_diffusers(model.unet, UNET), folder / "unet" / WEIGHTS)
    _write(folder / "vae" / "config.json", _vae_config(model.vae))
    _save(state_to_diffusers(model.vae, AUTOENCODER), folder / "vae" / WEIGHTS)
    _write(folder / "text_encoder" / "config.json", _text_config(model.text_tower))
    text = {f"text.{key}": value for key, value in model.text_tower.state_dict().items()}
    _save(to_transformers(text), folder / "text_encoder" / "model.safetensors")
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


def load(folder: Path) -> TextToImage:
    """Read a folder in diffusers' layout into our classes, in float32 and eval mode.

    Raises FileNotFoundError where a file is missing, and ValueError for a folder that holds
    something else than a Stable Diffusion 1, or weights that do not fit their config.
    """
    kind = _read(folder / "model_index.json").get("_class_name")
    if kind != INDEX["_class_name"]:
        raise ValueError(
            f"{folder} holds a {kind}, not a StableDiffusionPipeline. Usual cause: a model of "
            "another family (XL, Flux, ControlNet), which has other parts."
        )
    config = _read(folder / "scheduler" / "scheduler_config.json")
    text_config = _read(folder / "text_encoder" / "config.json")
    unet_config = _read(folder / "unet" / "config.json")
    act, heads = text_config.get("hidden_act"), unet_config.get("attention_head_dim")
    if act not in (None, "quick_gelu") or not isinstance(heads, int):
        raise ValueError(
            f"{folder} does not hold a Stable Diffusion 1: {act} in the text tower, {heads} heads. "
            "Usual cause: Stable Diffusion 2."
        )
    length = text_config["max_position_embeddings"]
    tokenizer = Tokenizer.load(folder / "tokenizer", length)
    tower = TextTower(
        text_config["vocab_size"],
        length=length,
        width=text_config["hidden_size"],
        layers=text_config["num_hidden_layers"],
        heads=text_config["num_attention_heads"],
    )
    text = from_transformers(load_file(folder / "text_encoder" / "model.safetensors"))
    try:
        tower.load_state_dict({key.removeprefix("text."): x.float() for key, x in text.items()})
    except RuntimeError as error:
        raise ValueError(f"{folder / 'text_encoder'} does not fit its config: {error}") from error
    return TextToImage(
        tokenizer,
        tower.eval(),
        _unet(unet_config, folder / "unet" / WEIGHTS),
        _vae(_read(folder / "vae" / "config.json"), folder / "vae" / WEIGHTS),
        _schedule(config),
        PREDICTIONS[config.get("prediction_type", "epsilon")],
        unet_config["sample_size"],
    )


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


def _unet(config: Config, path: Path) -> UNet:
    unet = UNet(
        config["in_channels"],
        config["block_out_channels"],
        [name.startswith("CrossAttn") for name in config["down_block_types"]],
        layers=config["layers_per_block"],
        d_context=config["cross_attention_dim"],
        heads=config["attention_head_dim"],
        groups=config.get("norm_num_groups", 32),
    )
    unet.load_state_dict(state_from_diffusers(unet, load_file(path), UNET))
    return unet.float().eval()


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


def _vae(config: Config, path: Path) -> VAE:
    vae = VAE(
        tuple(config["block_out_channels"]),
        c_picture=config["in_channels"],
        c_latent=config["latent_channels"],
        blocks=config["layers_per_block"],
        groups=config.get("norm_num_groups", 32),
    )
    state = {_renamed(key): value for key, value in load_file(path).items()}
    vae.load_state_dict(state_from_diffusers(vae, state, AUTOENCODER), strict=False)
    vae.scale.fill_(config.get("scaling_factor", 0.18215))
    return vae.float().eval()


def _renamed(key: str) -> str:
    """Autoencoders saved in 2022, Stable Diffusion 1's too, call their attention by other names."""
    for old, new in OLD_NAMES:
        key = key.replace(f".attentions.0.{old}.", f".attentions.0.{new}.")
    return key


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


def _schedule(config: Config) -> NoiseSchedule:
    if config.get("trained_betas"):
        beta = torch.tensor(config["trained_betas"], dtype=torch.float64)
        return from_betas(beta)
    known = {"linear": linear, "scaled_linear": scaled_linear}
    name = config.get("beta_schedule")
    if name not in known or config.get("rescale_betas_zero_snr"):
        raise ValueError(
            f"the schedule of this folder is {name!r}"
            f"{' rescaled to zero' if config.get('rescale_betas_zero_snr') else ''}; linear, "
            "scaled_linear and a list of betas can be read. Usual cause: another schedule."
        )
    return known[name](config["num_train_timesteps"], config["beta_start"], config["beta_end"])


def _save(state: dict[str, torch.Tensor], path: Path) -> None:
    """Each tensor in one piece of its own, and PyTorch's mark, which some programs ask for."""
    whole = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
    save_file(whole, path, metadata={"format": "pt"})


def _read(path: Path) -> Config:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. A folder in diffusers' layout has model_index.json, unet/, vae/, "
            "text_encoder/, tokenizer/ and scheduler/. Usual cause: a half-finished download."
        )
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _write(path: Path, config: Config) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
