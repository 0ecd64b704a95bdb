"""The parts of a Stable Diffusion 1 from settings and tensors with diffusers' names.

diffusers' names are the crossing of all roads: every other kind of file is renamed to them first.
Each part is built without numbers (on the meta device) and then given the tensors themselves, so
that no weight is made up and thrown away, and none that is mapped from a file is copied unless it
must be converted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import TypeVar

import psutil
import torch
from torch import Tensor, nn

from course_lib.autoencoder import VAE
from course_lib.clip import TextTower, from_transformers
from course_lib.diffusion import PREDICTIONS, Prediction
from course_lib.formats import configuration
from course_lib.formats.configuration import Config, account, one, plain
from course_lib.formats.diffusers_keys import AUTOENCODER, UNET, state_from_diffusers
from course_lib.formats.tensor_files import State
from course_lib.schedule import NoiseSchedule, from_betas, linear, scaled_linear, zero_terminal
from course_lib.unet import UNet

CPU = torch.device("cpu")
Module = TypeVar("Module", bound=nn.Module)
OLD_NAMES = (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0"))


@dataclass(frozen=True)
class Target:
    """How the weights are to be kept: their precision, and where they are computed with."""

    dtype: torch.dtype = torch.float32
    device: torch.device = CPU


PLAIN = Target()  # float32 on the CPU


def unet(config: Config, state: State, target: Target = PLAIN, where: str = "unet") -> UNet:
    """The UNet of these settings, holding these weights, frozen and in eval mode.

    Raises ValueError for settings that are another function than the course's UNet, and for weights
    that do not fit.
    """
    config, where = plain(config), f"{where}/config.json"
    expect_channels(config.get("in_channels", 4), config.get("out_channels", 4), where)
    account(config, configuration.UNET, where)
    downs = config.get("down_block_types", ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"])
    ups = config.get("up_block_types", ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3)
    known = {"CrossAttnDownBlock2D": "CrossAttnUpBlock2D", "DownBlock2D": "UpBlock2D"}
    if [known.get(name) for name in reversed(downs)] != ups:
        raise ValueError(
            f"{where} has the levels {downs} and {ups}; the course's UNet goes up as it comes "
            f"down, through {' and '.join(known)}. Usual cause: a model of another family."
        )
    widths = config.get("block_out_channels", [320, 640, 1280, 1280])
    with torch.device("meta"):
        made = UNet(
            config.get("in_channels", 4),
            widths,
            [name.startswith("CrossAttn") for name in downs],
            layers=one(config, "layers_per_block", 2, where),
            d_context=one(config, "cross_attention_dim", 1280, where),
            heads=one(config, "attention_head_dim", 8, where),  # the number of them, in spite of it
            groups=one(config, "norm_num_groups", 32, where),
        )
    return filled(made, state_from_diffusers(made, state, UNET), target)


def side(config: Config, where: str = "unet") -> int:
    """The side of the latents that this UNet was trained on: 64 for pictures of 512x512."""
    return int(one(config, "sample_size", 64, f"{where}/config.json"))


def expect_channels(c_in: int, c_out: int, where: str) -> None:
    """Raise ValueError, saying what it is, for a UNet that takes more than a latent."""
    what = {
        9: "an inpainting model: it takes the mask and the masked picture as well",
        8: "an editing model (pix2pix): it takes the picture that is to be changed as well",
        7: "a model that makes pictures larger (upscaler)",
        5: "a model that takes a depth map as well",
    }
    if c_in != c_out:
        raise ValueError(
            f"{where}: this UNet takes {c_in} channels and gives {c_out}. It is "
            f"{what.get(c_in, 'not for text to image alone')}. The course's lesson 12 inpaints "
            "with an ordinary model, whose UNet takes 4 and gives 4: use one."
        )


def vae(config: Config, state: State, target: Target = PLAIN, where: str = "vae") -> VAE:
    """The autoencoder of these settings, holding these weights, frozen and in eval mode.

    Raises ValueError as `unet` does.
    """
    config, where = plain(config), f"{where}/config.json"
    account(config, configuration.AUTOENCODER, where)
    widths = tuple(config.get("block_out_channels", [64]))
    for key, block in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoder")):
        if key in config and len(config[key]) != len(widths):
            raise ValueError(
                f"{where} has {len(config[key])} {key} ({block}...) and {len(widths)} widths. "
                "Usual cause: a setting left out."
            )
    with torch.device("meta"):
        made = VAE(
            widths,
            c_picture=config.get("in_channels", 3),
            c_latent=config.get("latent_channels", 4),
            blocks=one(config, "layers_per_block", 1, where),
            groups=one(config, "norm_num_groups", 32, where),
        )
    state = {_renamed(key): value for key, value in state.items()}
    scale = float(config.get("scaling_factor", 0.18215))
    made.scale = torch.tensor(scale, device=target.device)
    return filled(made, state_from_diffusers(made, state, AUTOENCODER), target)


def _renamed(key: str) -> str:
    """Autoencoders saved in 2022, Stable Diffusion 1's too, call their attention by other names."""
    for old, new in OLD_NAMES:
        key = key.replace(f".attentions.0.{old}.", f".attentions.0.{new}.")
    return key


def text_tower(
    config: Config, state: State, target: Target = PLAIN, where: str = "text_encoder"
) -> TextTower:
    """The text tower of these settings, holding these weights, frozen and in eval mode.

    Takes the names with `text_model.` in front and, as transformers 5 saves them, without. Raises
    ValueError as `unet` does.
    """
    where = f"{where}/config.json"
    account(config, configuration.TEXT, where)
    width = config.get("hidden_size", 512)
    if config.get("intermediate_size", 4 * width) != 4 * width:
        raise ValueError(
            f"{where}: the small network in each block is {config['intermediate_size']} wide; the "
            f"course's is 4 times {width}. Usual cause: another text model than CLIP's."
        )
    with torch.device("meta"):
        made = TextTower(
            config.get("vocab_size", 49408),
            length=config.get("max_position_embeddings", 77),
            width=width,
            layers=config.get("num_hidden_layers", 12),
            heads=config.get("num_attention_heads", 8),
        )
    before = "" if any(key.startswith("text_model.") for key in state) else "text_model."
    named = from_transformers({before + key: value for key, value in state.items()})
    ours = {key.removeprefix("text."): value for key, value in named.items()}
    wanted = made.state_dict()
    odd = sorted(set(ours) ^ set(wanted))
    odd += sorted(k for k in set(ours) & set(wanted) if ours[k].shape != wanted[k].shape)
    if odd:
        raise ValueError(
            f"{where.removesuffix('/config.json')} does not fit its config: {len(odd)} weights are "
            f"missing, left over or of another shape (first: {odd[0]}). "
            "Usual cause: the config of another text tower, or a vocabulary with words added."
        )
    return filled(made, ours, target)


def schedule(config: Config) -> NoiseSchedule:
    """The noise schedule of a scheduler_config.json. Raises ValueError for one not known."""
    where = "scheduler/scheduler_config.json"
    kind = config.get("_class_name", configuration.SAMPLERS[0])
    if kind not in configuration.SAMPLERS:
        few = kind in ("LCMScheduler", "TCDScheduler")
        raise ValueError(
            f"{where} names the {kind}, which the course has not. "
            + (
                "The model is distilled to a few steps (LCM): the samplers of the course would "
                "draw noise or grey with it. Use the model that it was distilled from."
                if few
                else "Usual cause: another family of models."
            )
        )
    account(config, configuration.SCHEDULER, where)
    steps = config.get("num_train_timesteps", 1000)
    name = config.get("beta_schedule", "linear")
    first, last = config.get("beta_start", 0.0001), config.get("beta_end", 0.02)
    if config.get("trained_betas"):
        made = from_betas(torch.tensor(config["trained_betas"], dtype=torch.float64))
    elif name == "squaredcos_cap_v2":  # Nichol and Dhariwal 2021, as diffusers rounds it
        part = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        left = torch.cos((part + 0.008) / 1.008 * pi / 2) ** 2
        made = from_betas((1 - left[1:] / left[:-1]).clamp(max=0.999))
    elif name in ("linear", "scaled_linear"):
        made = (linear if name == "linear" else scaled_linear)(steps, first, last)
    else:
        raise ValueError(
            f"{where}: the schedule is {name!r}; linear, scaled_linear, squaredcos_cap_v2 and a "
            "list of betas can be read. Usual cause: another family of models."
        )
    if not config.get("rescale_betas_zero_snr"):
        return made
    if config.get("prediction_type", "epsilon") != "v_prediction":
        raise ValueError(
            f"{where}: at the last step of a schedule rescaled to zero nothing is left of the "
            "picture, and a UNet that predicts the noise has nothing to say there. Usual cause: "
            "prediction_type should be v_prediction."
        )
    return zero_terminal(made)


def prediction(config: Config) -> Prediction:
    """What the UNet predicts: the noise, or v. Raises ValueError for anything else."""
    name = config.get("prediction_type") or "epsilon"
    if name not in PREDICTIONS:
        raise ValueError(
            f"scheduler/scheduler_config.json: the UNet predicts {name!r}; the course's samplers "
            f"take {' and '.join(PREDICTIONS)}. Usual cause: another family of models."
        )
    return PREDICTIONS[name]


def filled(module: Module, state: Mapping[str, Tensor], target: Target) -> Module:
    """A part built on the meta device, given its weights: as they are, or converted to `target`.

    Raises ValueError for weights that are not numbers, and for too little memory to convert them.
    """
    ready = {}
    for name, value in state.items():
        ready[name] = kept = value.to(target.device, target.dtype)
        if not torch.isfinite(kept.sum(dtype=torch.float32)):
            raise ValueError(
                f"the weight {name} is not made of finite numbers"
                f"{' in ' + str(target.dtype).removeprefix('torch.') if _finite(value) else ''}. "
                "Usual cause: a training run that went wrong, a damaged file, or numbers too large "
                "for 16 bits."
            )
    module.load_state_dict(ready, strict=False, assign=True)
    left = [name for name, p in module.named_parameters() if p.is_meta]
    assert not left, left  # the callers compared the names
    return module.eval().requires_grad_(False)


def _finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value.float()).all())


def expect_memory(parameters: int, target: Target) -> None:
    """Raise ValueError if the memory that is free cannot hold so many weights, and say what could.

    Mapped weights count as well: they come into memory as they are used.
    """
    if target.device.type == "cuda":
        free = torch.cuda.mem_get_info(target.device)[0]
    else:
        free = psutil.virtual_memory().available
    wanted = parameters * target.dtype.itemsize
    if wanted > free:
        more = ", or load them in 16 bits, which is half" if target.dtype.itemsize > 2 else ""
        raise ValueError(
            f"these weights need {wanted / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are "
            f"free. Close other programs{more}."
        )
