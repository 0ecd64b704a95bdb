"""LoRA files: read in the names that people's files have, written in diffusers' names.

Two schemes are in use. diffusers and PEFT name a layer by its path:
`unet.mid_block.attentions.0.proj_in.lora.down.weight` (or `lora_A`). Kohya's scripts join the path
with underscores: `lora_unet_mid_block_attentions_0_proj_in.lora_down.weight`, with `alpha` beside
it. A LoRA without an alpha has alpha = rank, a scale of 1.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import lora
from course_lib.clip import TextTower, to_transformers
from course_lib.formats import inspect
from course_lib.formats.diffusers_keys import UNET, to_diffusers
from course_lib.formats.tensor_files import State, TensorFiles, save_tensors
from course_lib.lora import LoRALinear
from course_lib.text_to_image import TextToImage

PARTS = {"unet": "unet", "text_encoder": "text_tower"}  # diffusers' names, ours
SHORT = {"unet": "lora_unet_", "text_encoder": "lora_te_"}  # Kohya's
HALF = re.compile(
    r"(?P<layer>.+)\.(?P<half>lora_down|lora_up|lora\.down|lora\.up|lora_A|lora_B|alpha)"
    r"(\.default)?(\.weight)?$"
)
DOWN, UP = ("lora_down", "lora.down", "lora_A"), ("lora_up", "lora.up", "lora_B")
METADATA = "lora_adapter_metadata"  # where diffusers writes the alphas, as JSON
# What diffusers called its layers in earlier years, and what it calls them today.
EARLIER = (
    (r"self_attn\.to_([qkv])_lora\.", r"self_attn.\1_proj.lora."),
    (r"self_attn\.to_out_lora\.", "self_attn.out_proj.lora."),
    (r"\.processor\.(to_[qkv])_lora\.", r".\1.lora."),
    (r"\.processor\.to_out_lora\.", ".to_out.0.lora."),
    (r"\.lora_linear_layer\.", ".lora."),
)


@dataclass(frozen=True)
class Change:
    """The thin matrices of one layer and their alpha."""

    down: Tensor
    up: Tensor
    alpha: float


def layer_names(part: nn.Module) -> dict[str, str]:
    """diffusers' (or, for the text tower, transformers') name of each layer -> our name."""
    changed = tuple(f"{name}." for name in lora.attached(part))
    return {
        _theirs(part, name): name
        for name, layer in part.named_modules()
        if isinstance(lora.innermost(layer), nn.Linear | nn.Conv2d) and not name.startswith(changed)
    }


def _theirs(part: nn.Module, name: str) -> str:
    if isinstance(part, TextTower):
        (renamed,) = to_transformers({f"text.{name}.weight": torch.empty(0)})
    else:
        renamed = to_diffusers(f"{name}.weight", UNET)
    return renamed.removesuffix(".weight")


def read(path: Path | str) -> dict[str, Change]:
    """The layers that a LoRA file changes, by the names that the file has for them.

    Raises ValueError for a file of another kind, for a tensor that is no half of a LoRA, for a
    half without its other, and for numbers that are not finite.
    """
    files = TensorFiles([Path(path)])
    kind = inspect.kind_of(files.shapes)
    if kind is not inspect.LORA:
        raise ValueError(
            f"{path} is not a LoRA that the course opens: {kind.name}. {kind.sentence}"
        )
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in files.read().items():
        matched = HALF.match(_todays_name(key))
        if not matched:
            raise ValueError(
                f"{path}: {key} is neither half of a LoRA nor its alpha. Usual cause: a file that "
                "changes a model in other ways as well."
            )
        if not torch.isfinite(value.float()).all():
            raise ValueError(
                f"{path}: {key} is not made of finite numbers. Usual cause: a training run that "
                "went wrong."
            )
        half = matched["half"]
        name = "down" if half in DOWN else "up" if half in UP else half
        found.setdefault(matched["layer"], {})[name] = value
    alphas = json.loads(files.metadata.get(METADATA, "{}"))
    ready = {}
    for layer, halves in found.items():
        if {"down", "up"} - set(halves):
            raise ValueError(
                f"{path}: {layer} has only {', '.join(halves)}; a LoRA needs down and up. "
                "Usual cause: a file cut short, or edited."
            )
        rank = len(halves["down"])
        alpha = float(halves["alpha"]) if "alpha" in halves else _alpha(alphas, layer, rank)
        ready[layer] = Change(halves["down"], halves["up"], alpha)
    return ready


def _todays_name(key: str) -> str:
    for earlier, today in EARLIER:
        key = re.sub(earlier, today, key)
    return key


def _alpha(alphas: Mapping[str, Any], layer: str, rank: int) -> float:
    """What the file's metadata say about the alpha of a layer; the rank where they say nothing."""
    part, _, name = layer.partition(".")
    pattern = alphas.get(f"{part}.alpha_pattern") or {}
    return float(pattern.get(name, alphas.get(f"{part}.lora_alpha", rank)))


def apply(model: TextToImage, path: Path | str, strength: float = 1.0) -> list[LoRALinear]:
    """Put the LoRA of a file on the model, on top of any that is there; returns its layers.

    Raises ValueError, and changes nothing, where one of its layers is not in this model or is of
    another size.
    """
    found, known = read(path), _known(model)
    for layer, change in found.items():
        if layer not in known:
            raise ValueError(
                f"{path} changes a layer {layer}, which this model does not have. Usual cause: a "
                "LoRA made for another model (Stable Diffusion 2, XL)."
            )
        part, name = known[layer]
        _expect_fit(f"{path}: {layer}", change, part.get_submodule(name))
    made = []
    for layer, change in found.items():
        new = lora.attach_to(*known[layer], len(change.down), change.alpha)
        with torch.no_grad():
            new.down.weight.copy_(change.down.reshape(new.down.weight.shape))
            new.up.weight.copy_(change.up.reshape(new.up.weight.shape))
        new.strength = strength
        new.requires_grad_(False)
        made.append(new)
    return made


def _known(model: TextToImage) -> dict[str, tuple[nn.Module, str]]:
    """Every name that a file may have for a layer of this model -> the part, and our name."""
    known = {}
    for theirs, ours in PARTS.items():
        part: nn.Module = getattr(model, ours)
        for name, mine in layer_names(part).items():
            place = (part, mine)
            known[f"{theirs}.{name}"] = known[SHORT[theirs] + name.replace(".", "_")] = place
            if theirs == "unet":
                known[name] = place  # files for a UNet alone
            else:
                known[f"{theirs}.{name.removeprefix('text_model.')}"] = place  # transformers 5
    return known


def _expect_fit(layer: str, change: Change, plain: nn.Module) -> None:
    weight = getattr(plain, "weight")  # noqa: B009 - a Tensor, or the sum that a LoRA is
    rank, (c_out, c_in, *kernel) = len(change.down), weight.shape
    down, up = change.down.flatten(1).shape, change.up.flatten(1).shape
    inner = c_in
    for n in kernel:
        inner *= n
    if down != (rank, inner) or up != (c_out, rank):
        raise ValueError(
            f"{layer}: the LoRA's matrices are {tuple(change.down.shape)} and "
            f"{tuple(change.up.shape)}, the layer is {tuple(weight.shape)}. Usual cause: a LoRA "
            "made for another model."
        )


def save(model: TextToImage, path: Path | str, layers: Iterable[LoRALinear] | None = None) -> None:
    """Write LoRAs as a file that diffusers' `load_lora_weights` opens: all of them, or `layers`.

    alpha / rank is multiplied into `up`, since diffusers looks for an alpha in several places and
    in none in all versions. Strengths are not written. Raises ValueError where there is none.
    """
    wanted = None if layers is None else {id(layer) for layer in layers}
    state: State = {}
    for theirs, ours in PARTS.items():
        part: nn.Module = getattr(model, ours)
        for name, layer in lora.attached(part).items():
            if wanted is None or id(layer) in wanted:
                place = f"{theirs}.{_theirs(part, name)}"
                state[f"{place}.lora_A.weight"] = layer.down.weight
                state[f"{place}.lora_B.weight"] = layer.up.weight * (layer.alpha / layer.rank)
    if not state:
        raise ValueError(
            "there is no LoRA on this model to save. Usual cause: it was merged, or taken off."
        )
    save_tensors(state, path)
