"""The key map: which weight of our UNet is which of diffusers' UNet2DConditionModel, both ways."""

import re

from torch import Tensor, nn

State = dict[str, Tensor]

# Our names on the left, theirs on the right, applied in this order to every key of a UNet.
UNET = (
    (r"^time_embedding\.0\.", "time_embedding.linear_1."),
    (r"^time_embedding\.2\.", "time_embedding.linear_2."),
    (r"^norm_out\.", "conv_norm_out."),
    (r"^middle\.(\d)\.block\.", r"mid_block.resnets.\1."),
    (r"^middle\.(\d)\.transformer\.", r"mid_block.attentions.\1."),
    (r"^(down|up)\.(\d)\.layers\.(\d)\.block\.", r"\1_blocks.\2.resnets.\3."),
    (r"^(down|up)\.(\d)\.layers\.(\d)\.transformer\.", r"\1_blocks.\2.attentions.\3."),
    (r"^(down|up)\.(\d)\.resize\.", r"\1_blocks.\2.\1samplers.0."),
    (r"(resnets\.\d)\.from_emb\.", r"\1.time_emb_proj."),
    (r"(resnets\.\d)\.shortcut\.", r"\1.conv_shortcut."),
    (r"(attentions\.\d)\.into\.", r"\1.proj_in."),
    (r"(attentions\.\d)\.out\.", r"\1.proj_out."),
    (r"(attentions\.\d)\.block\.", r"\1.transformer_blocks.0."),
    (r"\.norm_self\.", ".norm1."),
    (r"\.look_at_self\.", ".attn1."),
    (r"\.norm_context\.", ".norm2."),
    (r"\.look_at_context\.", ".attn2."),
    (r"(attn\d)\.to_out\.", r"\1.to_out.0."),
    (r"\.norm_think\.", ".norm3."),
    (r"\.think\.into\.", ".ff.net.0.proj."),
    (r"\.think\.out\.", ".ff.net.2."),
)


def to_diffusers(key: str) -> str:
    """diffusers' name for one weight of our UNet."""
    for ours, theirs in UNET:
        key = re.sub(ours, theirs, key)
    return key


def state_to_diffusers(unet: nn.Module) -> State:
    """Our UNet's weights under diffusers' names."""
    return {to_diffusers(key): value for key, value in unet.state_dict().items()}


def state_from_diffusers(unet: nn.Module, state: State) -> State:
    """diffusers' weights under the names of `unet`, ready for its `load_state_dict`.

    Raises ValueError where a weight is missing or left over.
    """
    theirs = {key: to_diffusers(key) for key in unet.state_dict()}
    missing = sorted(set(theirs.values()) - set(state))
    extra = sorted(set(state) - set(theirs.values()))
    if missing or extra:
        raise ValueError(
            f"these are not the weights of this UNet: {len(missing)} missing (first: "
            f"{missing[:1]}), {len(extra)} left over (first: {extra[:1]}). "
            "Usual cause: another width, number of layers, or context size."
        )
    return {ours: state[key] for ours, key in theirs.items()}
