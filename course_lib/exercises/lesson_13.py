"""Lesson 13: the key map, a scale folded into a convolution, 77 tokens, which file is this."""

import random
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.exercises.exercise import Case, Exercise, Wrong

# --- block_name


def block_name(place: str) -> str:
    """diffusers' name for a place in the course's UNet: "down.1.layers.0.block" and the like."""
    parts = place.split(".")
    kinds = {"block": "resnets", "transformer": "attentions"}
    if parts[0] == "middle":
        return f"mid_block.{kinds[parts[2]]}.{parts[1]}"
    side, level = parts[0], parts[1]
    if parts[2] == "resize":
        return f"{side}_blocks.{level}.{side}samplers.0"
    return f"{side}_blocks.{level}.{kinds[parts[4]]}.{parts[3]}"


def _block_name_by_patterns(place: str) -> str:
    for ours, theirs in (
        (r"^middle\.(\d)\.block$", r"mid_block.resnets.\1"),
        (r"^middle\.(\d)\.transformer$", r"mid_block.attentions.\1"),
        (r"^(down|up)\.(\d)\.layers\.(\d)\.block$", r"\1_blocks.\2.resnets.\3"),
        (r"^(down|up)\.(\d)\.layers\.(\d)\.transformer$", r"\1_blocks.\2.attentions.\3"),
        (r"^(down|up)\.(\d)\.resize$", r"\1_blocks.\2.\1samplers.0"),
    ):
        place = re.sub(ours, theirs, place)
    return place


def numbers_swapped(place: str) -> str:
    parts = block_name(place).split(".")
    if len(parts) == 4:
        parts[1], parts[3] = parts[3], parts[1]
    return ".".join(parts)


def layers_left_in(place: str) -> str:
    if place.startswith("middle") or place.endswith("resize"):
        return block_name(place)
    side, level, _, layer, kind = place.split(".")
    kinds = {"block": "resnets", "transformer": "attentions"}
    return f"{side}_blocks.{level}.layers.{layer}.{kinds[kind]}"


def always_downsamplers(place: str) -> str:
    return block_name(place).replace("upsamplers", "downsamplers")


def middle_is_a_level(place: str) -> str:
    return block_name(place).replace("mid_block.", "mid_blocks.0.")


def attention_is_a_resnet(place: str) -> str:
    return block_name(place).replace("attentions", "resnets")


def the_zero_forgotten(place: str) -> str:
    return block_name(place).replace("samplers.0", "samplers")


def _places(seed: int) -> Sequence[Case]:
    r = random.Random(seed)
    a, b, c, d = r.sample(range(4), 4)
    return [
        (f"down.{a}.layers.{b}.block",),
        (f"up.{c}.layers.{d}.transformer",),
        ("middle.1.block",),
        ("middle.0.transformer",),
        (f"down.{d}.resize",),
        (f"up.{b}.resize",),
    ]


BLOCK_NAME = Exercise(
    id="13.block_name",
    task="Say what diffusers calls a place in our UNet.",
    points=2,
    cases=_places,
    reference=block_name,
    right=(_block_name_by_patterns,),
    wrong=(
        Wrong(numbers_swapped, "the level comes first and the layer last, as in our own names"),
        Wrong(layers_left_in, "there is no `layers` over there: the kind stands in its place"),
        Wrong(always_downsamplers, "on the way up it is upsamplers, on the way down downsamplers"),
        Wrong(middle_is_a_level, "there is one middle, without a number of its own: mid_block"),
        Wrong(attention_is_a_resnet, "a transformer is one of the attentions, not a resnet"),
        Wrong(the_zero_forgotten, "a level could have several of them: samplers has a number, 0"),
    ),
    hints=(
        "place.split('.') gives the parts; the first says which of three cases it is.",
        "down.1.layers.0.block -> down_blocks.1.resnets.0, middle.0.transformer -> "
        "mid_block.attentions.0, up.1.resize -> up_blocks.1.upsamplers.0",
    ),
)

# --- fold


def fold(weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of a 1x1 convolution that gives of x what the old gave of scale * x + shift.

    weight (c_out, c_in, 1, 1), bias (c_out,), scale and shift (c_in,), one number for each channel.
    """
    return weight * scale[None, :, None, None], bias + weight[:, :, 0, 0] @ shift


def _fold_by_einsum(
    weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    new = torch.einsum("oihw,i->oihw", weight, scale)
    return new, bias + torch.einsum("oihw,i->o", weight, shift)


def scaled_on_the_way_out(
    weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    small = min(len(weight), len(scale))
    new = weight.clone()
    new[:small] *= scale[:small, None, None, None]
    return new, bias + weight[:, :, 0, 0] @ shift


def shift_forgotten(
    weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    return weight * scale[None, :, None, None], bias.clone()


def divided(weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    return weight / scale[None, :, None, None], bias + weight[:, :, 0, 0] @ shift


def shift_scaled_too(
    weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    new = weight * scale[None, :, None, None]
    return new, bias + new[:, :, 0, 0] @ shift


def bias_scaled_too(
    weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    return weight * scale[None, :, None, None], bias * scale.mean() + weight[:, :, 0, 0] @ shift


def _convolutions(seed: int) -> Sequence[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for c_out, c_in in ((3, 5), (4, 2)):
        weight, bias = torch.randn(c_out, c_in, 1, 1, generator=g), torch.randn(c_out, generator=g)
        scale = torch.rand(c_in, generator=g) * 2 + 1.5
        cases.append((weight, bias, scale, torch.randn(c_in, generator=g) + 1))
    return cases


FOLD = Exercise(
    id="13.fold",
    task="Fold `scale * x + shift` into the convolution that comes after it.",
    points=3,
    cases=_convolutions,
    reference=fold,
    right=(_fold_by_einsum,),
    wrong=(
        Wrong(
            scaled_on_the_way_out, "x comes IN: scale along the second axis of weight, not the 1st"
        ),
        Wrong(
            shift_forgotten, "the shift goes through the old weight, and what comes out is a bias"
        ),
        Wrong(
            divided, "the old convolution was given scale * x: multiply its weight, don't divide"
        ),
        Wrong(
            shift_scaled_too, "the shift is added after the scale: send it through the OLD weight"
        ),
        Wrong(
            bias_scaled_too, "the old bias is added at the end, after all scaling: leave it alone"
        ),
    ),
    hints=(
        "Write it out: W (s x + d) + b = (W s) x + (W d + b).",
        "weight * scale[None, :, None, None], and bias + weight[:, :, 0, 0] @ shift",
    ),
)

# --- pad


def pad(ids: Sequence[int], length: int, start: int, end: int) -> list[int]:
    """Exactly `length` ids: start, as many of `ids` as fit, end, and the end again to the end."""
    kept = list(ids[: length - 2])
    return [start, *kept, *[end] * (length - 1 - len(kept))]


def _pad_step_by_step(ids: Sequence[int], length: int, start: int, end: int) -> list[int]:
    row = [start]
    for i in ids:
        if len(row) < length - 1:
            row.append(i)
    while len(row) < length:
        row.append(end)
    return row


def cut_without_an_end(ids: Sequence[int], length: int, start: int, end: int) -> list[int]:
    return ([start, *ids, end] + [end] * length)[:length]


def padded_with_zeros(ids: Sequence[int], length: int, start: int, end: int) -> list[int]:
    kept = list(ids[: length - 2])
    row = [start, *kept, end]
    return row + [0] * (length - len(row))


def not_padded(ids: Sequence[int], length: int, start: int, end: int) -> list[int]:
    return [start, *ids[: length - 2], end]


def not_cut(ids: Sequence[int], length: int, start: int, end: int) -> list[int]:
    return [start, *ids, end] + [end] * (length - 2 - len(ids))


def start_forgotten(ids: Sequence[int], length: int, start: int, end: int) -> list[int]:
    kept = list(ids[: length - 1])
    return kept + [end] * (length - len(kept))


def the_last_ones_kept(ids: Sequence[int], length: int, start: int, end: int) -> list[int]:
    return pad(list(ids)[-(length - 2) :], length, start, end)


def padded_in_front(ids: Sequence[int], length: int, start: int, end: int) -> list[int]:
    kept = list(ids[: length - 2])
    return [end] * (length - 2 - len(kept)) + [start, *kept, end]


def _texts(seed: int) -> Sequence[Case]:
    r = random.Random(seed)
    cases: list[Case] = []
    for count, length in ((3, 9), (11, 8), (0, 4), (5, 7)):
        cases.append(([r.randint(1, 40) for _ in range(count)], length, 48, 49))
    return cases


PAD = Exercise(
    id="13.pad",
    task="Make a row of exactly `length` ids: start, the text (cut if need be), end, padding.",
    points=2,
    cases=_texts,
    reference=pad,
    right=(_pad_step_by_step,),
    wrong=(
        Wrong(
            cut_without_an_end, "a text that is cut still ends with the end: keep a place for it"
        ),
        Wrong(
            padded_with_zeros, "Stable Diffusion 1 pads with the end; a 0 is an exclamation mark"
        ),
        Wrong(not_padded, "every text has the same length: repeat the end until it is full"),
        Wrong(not_cut, "a long text does not fit: of its ids only length - 2 have a place"),
        Wrong(start_forgotten, "the row begins with the start, and then comes the text"),
        Wrong(the_last_ones_kept, "what is cut off is the END of a long text, not its beginning"),
        Wrong(padded_in_front, "the padding comes after the text"),
    ),
    hints=(
        "Two places are taken, by start and end. How many are left for the text?",
        "kept = ids[:length - 2], then [start, *kept] and the end as often as it takes",
    ),
)

# --- which_file


def which_file(names: Sequence[str], shapes: Sequence[Sequence[int]]) -> str:
    """What a file is, from its tensors' names and shapes.

    One of "LoRA", "whole model", "inpainting UNet", "UNet", "autoencoder", "new word", "unknown".
    """
    size = dict(zip(names, shapes, strict=True))
    if any("lora" in name for name in names):
        return "LoRA"
    if any(name.startswith("cond_stage_model.") for name in names):
        return "whole model"
    if "conv_norm_out.weight" in size and "conv_in.weight" in size:
        return "inpainting UNet" if size["conv_in.weight"][1] == 9 else "UNet"
    if any(name.startswith("decoder.") for name in names):
        return "autoencoder"
    if len(names) == 1 and shapes[0][-1] == 768:
        return "new word"
    return "unknown"


def _which_file_in_another_order(names: Sequence[str], shapes: Sequence[Sequence[int]]) -> str:
    everything = " ".join(names)
    if len(shapes) == 1 and shapes[0][-1] == 768 and "lora" not in everything:
        return "new word"
    if "decoder.conv_in.weight" in names:
        return "autoencoder"
    if "conv_in.weight" in names:
        return {9: "inpainting UNet"}.get(shapes[names.index("conv_in.weight")][1], "UNet")
    if "cond_stage_model." in everything:
        return "whole model"
    return "LoRA" if "lora" in everything else "unknown"


def unet_first(names: Sequence[str], shapes: Sequence[Sequence[int]]) -> str:
    """A LoRA's names hold the UNet's."""
    found = which_file(names, shapes)
    return "UNet" if found == "LoRA" and any("unet" in name for name in names) else found


def channels_not_looked_at(names: Sequence[str], shapes: Sequence[Sequence[int]]) -> str:
    found = which_file(names, shapes)
    return "UNet" if found == "inpainting UNet" else found


def any_single_tensor_is_a_word(names: Sequence[str], shapes: Sequence[Sequence[int]]) -> str:
    found = which_file(names, shapes)
    return "new word" if found == "unknown" and len(shapes) == 1 else found


def a_model_is_an_autoencoder(names: Sequence[str], shapes: Sequence[Sequence[int]]) -> str:
    if any("decoder." in name for name in names):
        return "autoencoder"
    return which_file(names, shapes)


def never_unknown(names: Sequence[str], shapes: Sequence[Sequence[int]]) -> str:
    found = which_file(names, shapes)
    return "autoencoder" if found == "unknown" else found


def _files(seed: int) -> Sequence[Case]:
    r = random.Random(seed)
    w, rank = r.choice((32, 64, 320)), r.choice((4, 8, 16))
    unet_rest: dict[str, tuple[int, ...]] = {
        "time_embedding.linear_1.weight": (4 * w, w),
        "conv_norm_out.weight": (w,),
    }
    level = r.randint(0, 2)
    files: list[dict[str, tuple[int, ...]]] = [
        {f"lora_unet_down_blocks_{level}_attentions_0_proj_in.lora_down.weight": (rank, w)},
        {"unet.mid_block.attentions.0.proj_in.lora_A.weight": (rank, w)},
        {
            "model.diffusion_model.input_blocks.0.0.weight": (w, 4, 3, 3),
            "first_stage_model.decoder.conv_in.weight": (w, 4, 3, 3),
            "cond_stage_model.transformer.text_model.final_layer_norm.bias": (768,),
        },
        {"conv_in.weight": (w, 4, 3, 3), **unet_rest},
        {"conv_in.weight": (w, 9, 3, 3), **unet_rest},
        {"decoder.conv_in.weight": (w, 4, 3, 3), "encoder.conv_in.weight": (w, 3, 3, 3)},
        {r.choice(("<zib>", "emb_params")): (r.randint(1, 5), 768)},
        {f"blocks.{level}.weight": (w, w)},
    ]
    return [(list(file), [list(shape) for shape in file.values()]) for file in files]


WHICH_FILE = Exercise(
    id="13.which_file",
    task="Say what a file is from the names and shapes in it, before any number is read.",
    points=3,
    cases=_files,
    reference=which_file,
    right=(_which_file_in_another_order,),
    wrong=(
        Wrong(
            unet_first, "a LoRA's names hold the names of the UNet's layers: ask for `lora` first"
        ),
        Wrong(
            channels_not_looked_at, "look at conv_in's shape: a UNet that takes 9 channels inpaints"
        ),
        Wrong(any_single_tensor_is_a_word, "a word's vectors are 768 wide: look at the last size"),
        Wrong(a_model_is_an_autoencoder, "a whole model has a decoder too: ask for its text tower"),
        Wrong(never_unknown, "say unknown where nothing fits: a wrong guess costs more than none"),
    ),
    hints=(
        "Ask for the rarest thing first: `lora` in a name, then `cond_stage_model.`; then others.",
        "any(name.startswith('decoder.') for name in names); shapes[names.index('conv_in.weight')]",
    ),
)

EXERCISES = (BLOCK_NAME, FOLD, PAD, WHICH_FILE)
