"""A whole Stable Diffusion 1 in one safetensors file, in the names of its first authors.

Rombach et al. 2022's own code numbers the blocks of the UNet in one row (`input_blocks.4.1`);
diffusers, which came later, names levels (`down_blocks.1.attentions.0`). The weights are the same.
A file has no settings: the widths are read off the shapes, and what shapes do not tell (8 heads, 32
groups, the noise schedule) is Stable Diffusion 1's, which all these files share.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.formats.configuration import Config
from course_lib.formats.tensor_files import State

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
# Training leaves more in a file than drawing needs: a slow copy of the UNet (EMA), the losses, the
# schedule as tables, and two marks that some fine-tunes carry.
LEFT_ASIDE = ("model_ema.", "first_stage_model.loss.", "cond_stage_model.logit_scale")
TABLES = re.compile(
    r"(betas|alphas_cumprod(_prev)?|sqrt_\w+|log_one_minus_alphas_cumprod|posterior_\w+"
    r"|lvlb_weights|scale_factor|logvar|(v_pred|ztsnr))$"
)
Shapes = Mapping[str, tuple[int, ...]]

IN_RESNET = (
    ("in_layers.0.", "norm1."),
    ("in_layers.2.", "conv1."),
    ("emb_layers.1.", "time_emb_proj."),
    ("out_layers.0.", "norm2."),
    ("out_layers.3.", "conv2."),
    ("skip_connection.", "conv_shortcut."),
)
ENDS = (
    ("time_embed.0.", "time_embedding.linear_1."),
    ("time_embed.2.", "time_embedding.linear_2."),
    ("input_blocks.0.0.", "conv_in."),
    ("middle_block.0.", "mid_block.resnets.0."),
    ("middle_block.1.", "mid_block.attentions.0."),
    ("middle_block.2.", "mid_block.resnets.1."),
    ("out.0.", "conv_norm_out."),
    ("out.2.", "conv_out."),
)
IN_VAE = (
    (r"\.norm_out\.", ".conv_norm_out."),
    (r"\.mid\.block_1\.", ".mid_block.resnets.0."),
    (r"\.mid\.block_2\.", ".mid_block.resnets.1."),
    (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
    (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."),
    (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
    (r"^encoder\.down\.(\d)\.block\.(\d)\.", r"encoder.down_blocks.\1.resnets.\2."),
    (r"^encoder\.down\.(\d)\.downsample\.", r"encoder.down_blocks.\1.downsamplers.0."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
)


@dataclass(frozen=True)
class Parts:
    """Settings and tensors of the three networks, both as diffusers has them."""

    unet: tuple[Config, State]
    vae: tuple[Config, State]
    text: tuple[Config, State]
    scheduler: Config


def split(state: State) -> Parts:
    """The three networks of a single file. ValueError for tensors that belong to none of them."""
    unet = {k.removeprefix(UNET): x for k, x in state.items() if k.startswith(UNET)}
    text = {k.removeprefix(TEXT): x for k, x in state.items() if k.startswith(TEXT)}
    vae = {
        k.removeprefix(VAE): x
        for k, x in state.items()
        if k.startswith(VAE) and not k.startswith(LEFT_ASIDE)
    }
    odd = [
        key
        for key in state
        if not key.startswith((UNET, VAE, TEXT, *LEFT_ASIDE)) and not TABLES.match(key)
    ]
    if odd:
        raise ValueError(
            f"{len(odd)} tensors of this file belong to no part of a Stable Diffusion 1 (first: "
            f"{odd[0]}). Usual cause: a file that holds a second model as well."
        )
    renamed = unet_from_original(unet), vae_from_original(vae)
    settings = unet_config(shapes(unet)), vae_config(shapes(vae))
    return Parts(
        unet=(settings[0], renamed[0]),
        vae=(settings[1], renamed[1]),
        text=(text_config(shapes(text)), text),
        scheduler=scheduler_config(state),
    )


def shapes(state: State) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor."""
    return {key: tuple(value.shape) for key, value in state.items()}


def unet_from_original(state: State) -> State:
    """A UNet's tensors with diffusers' names. ValueError for a name that is not in its scheme."""
    layers = _layers(shapes(state))
    return {unet_key(key, layers): value for key, value in state.items()}


def unet_key(key: str, layers: int) -> str:
    """diffusers' name for one of the first authors', with `layers` layers in each level.

    The row on the way down: the first convolution, then for each level its layers and a
    downsampling; on the way up one layer more for each, the upsampling beside the last one.

    Raises ValueError for a name that is not in this scheme.
    """
    for theirs, diffusers in ENDS:
        if key.startswith(theirs):
            return diffusers + _in_resnet(key.removeprefix(theirs))
    found = re.match(r"(input|output)_blocks\.(\d+)\.(\d)\.(.+)", key)
    if not found:
        raise ValueError(
            f"{key} is not in the names of Stable Diffusion's first authors. "
            "Usual cause: a file of another family of models."
        )
    side, number, place, rest = found[1], int(found[2]), int(found[3]), found[4]
    if side == "input":
        level, layer = divmod(number - 1, layers + 1)
        if layer == layers:
            return f"down_blocks.{level}.downsamplers.0.{rest.replace('op.', 'conv.')}"
        kind = ("resnets", "attentions")[place]
        return f"down_blocks.{level}.{kind}.{layer}.{_in_resnet(rest)}"
    level, layer = divmod(number, layers + 1)
    if rest.startswith("conv."):
        return f"up_blocks.{level}.upsamplers.0.{rest}"
    return f"up_blocks.{level}.{('resnets', 'attentions')[place]}.{layer}.{_in_resnet(rest)}"


def _in_resnet(rest: str) -> str:
    for theirs, diffusers in IN_RESNET:
        if rest.startswith(theirs):
            return diffusers + rest.removeprefix(theirs)
    return rest


def vae_from_original(state: State) -> State:
    """An autoencoder's tensors with diffusers' names.

    Its attention is written as 1x1 convolutions (c, c, 1, 1) there, as matrices (c, c) here; the
    decoder's levels are numbered from the finest there, from the coarsest here.
    """
    levels = 1 + max(
        (int(m[1]) for k in state if (m := re.match(r"decoder\.up\.(\d)", k))), default=0
    )

    def up(found: re.Match[str]) -> str:
        return f"decoder.up_blocks.{levels - 1 - int(found[1])}."

    renamed: State = {}
    for key, value in state.items():
        name = re.sub(r"^decoder\.up\.(\d)\.", up, key)
        name = re.sub(r"(up_blocks\.\d)\.block\.(\d)\.", r"\1.resnets.\2.", name)
        name = re.sub(r"(up_blocks\.\d)\.upsample\.", r"\1.upsamplers.0.", name)
        for theirs, diffusers in IN_VAE:
            name = re.sub(theirs, diffusers, name)
        matrix = ".attentions." in name and value.ndim == 4
        renamed[name] = value[:, :, 0, 0] if matrix else value
    return renamed


def _layers(unet: Shapes) -> int:
    """How many layers a level has: there is a downsampling after them."""
    downs = [int(m[1]) for k in unet if (m := re.match(r"input_blocks\.(\d+)\.0\.op\.weight", k))]
    return min(downs, default=3) - 1


def unet_config(unet: Shapes) -> Config:
    """The settings that a UNet in the original names must have, read off its shapes."""
    layers = _layers(unet)
    first = _shape(unet, "input_blocks.0.0.weight")
    levels = 1 + sum(bool(re.match(r"input_blocks\.\d+\.0\.op\.weight", k)) for k in unet)
    widths, looks = [], []
    for level in range(levels):
        number = 1 + level * (layers + 1)
        widths.append(_shape(unet, f"input_blocks.{number}.0.in_layers.2.weight")[0])
        looks.append(f"input_blocks.{number}.1.norm.weight" in unet)
    context = [s[1] for k, s in unet.items() if k.endswith("attn2.to_k.weight")]
    return {
        "in_channels": first[1],
        "out_channels": _shape(unet, "out.2.weight")[0],
        "block_out_channels": widths,
        "down_block_types": ["CrossAttnDownBlock2D" if x else "DownBlock2D" for x in looks],
        "up_block_types": ["CrossAttnUpBlock2D" if x else "UpBlock2D" for x in reversed(looks)],
        "layers_per_block": layers,
        "cross_attention_dim": context[0] if context else 0,
        "attention_head_dim": 8,
        "sample_size": 64,
    }


def vae_config(vae: Shapes) -> Config:
    """The settings of an autoencoder in the original names, read off its shapes."""
    levels = 1 + max(
        (int(m[1]) for k in vae if (m := re.match(r"encoder\.down\.(\d)", k))), default=0
    )
    blocks = sum(bool(re.match(r"encoder\.down\.0\.block\.\d\.conv1\.weight", k)) for k in vae)
    return {
        "in_channels": _shape(vae, "encoder.conv_in.weight")[1],
        "out_channels": _shape(vae, "decoder.conv_out.weight")[0],
        "latent_channels": _shape(vae, "decoder.conv_in.weight")[1],
        "block_out_channels": [
            _shape(vae, f"encoder.down.{level}.block.0.conv1.weight")[0] for level in range(levels)
        ],
        "layers_per_block": blocks,
    }


def vae_config_of_diffusers(vae: Shapes) -> Config:
    """The settings of an autoencoder with diffusers' names and no config.json beside it."""
    levels = 1 + max(int(m[1]) for k in vae if (m := re.match(r"encoder\.down_blocks\.(\d)", k)))
    first = "encoder.down_blocks.{}.resnets.0.conv1.weight"
    blocks = sum(
        bool(re.match(r"encoder\.down_blocks\.0\.resnets\.\d\.conv1\.weight", k)) for k in vae
    )
    return {
        "in_channels": _shape(vae, "encoder.conv_in.weight")[1],
        "out_channels": _shape(vae, "decoder.conv_out.weight")[0],
        "latent_channels": _shape(vae, "decoder.conv_in.weight")[1],
        "block_out_channels": [_shape(vae, first.format(level))[0] for level in range(levels)],
        "layers_per_block": blocks,
    }


def text_config(text: Shapes) -> Config:
    """The settings of CLIP's text tower: all of CLIP's heads are 64 wide."""
    size, width = _shape(text, "text_model.embeddings.token_embedding.weight")
    layers = [
        int(m[1]) for k in text if (m := re.match(r"text_model\.encoder\.layers\.(\d+)\.", k))
    ]
    return {
        "vocab_size": size,
        "hidden_size": width,
        "intermediate_size": _shape(text, "text_model.encoder.layers.0.mlp.fc1.weight")[0],
        "max_position_embeddings": _shape(text, "text_model.embeddings.position_embedding.weight")[
            0
        ],
        "num_hidden_layers": 1 + max(layers),
        "num_attention_heads": max(1, width // 64),
    }


def scheduler_config(state: Mapping[str, Tensor]) -> Config:
    """Stable Diffusion 1's schedule, or the betas that are in the file if they are others.

    A file says nothing about what its UNet answers; it is taken to be the noise, as in Stable
    Diffusion 1, unless it has the mark `v_pred`.
    """
    config: Config = {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "num_train_timesteps": 1000,
        "prediction_type": "v_prediction" if "v_pred" in state else "epsilon",
        "rescale_betas_zero_snr": "ztsnr" in state,
    }
    if "betas" in state:
        betas = state["betas"].double()
        usual = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        if betas.shape != usual.shape or (betas / usual - 1).abs().max() > 1e-3:
            config["trained_betas"] = betas.tolist()
    return config


def _shape(shapes: Shapes, name: str) -> tuple[int, ...]:
    if name not in shapes:
        raise ValueError(
            f"{name} is missing from this file. Usual cause: a part of a model only, or a file of "
            "another family."
        )
    return shapes[name]
