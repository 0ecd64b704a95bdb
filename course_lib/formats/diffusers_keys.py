"""The key maps: which of our weights is which of diffusers', both ways, for UNet and VAE."""

import re

from torch import Tensor, nn

State = dict[str, Tensor]
Rules = tuple[tuple[str, str], ...]

# Our names on the left, theirs on the right, applied in this order to every key of a model.
UNET: Rules = (  # diffusers' UNet2DConditionModel
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
    (r"(attentions\.\d)\.block\.", r"\1.transformer_blocks.0."),
    (r"\.self_attn\.", ".attn1."),
    (r"\.cross_attn\.", ".attn2."),
    (r"(attn\d)\.to_out\.", r"\1.to_out.0."),
    (r"\.ff\.proj_in\.", ".ff.net.0.proj."),
    (r"\.ff\.proj_out\.", ".ff.net.2."),
)


AUTOENCODER: Rules = (  # diffusers' AutoencoderKL
    (r"^(encoder|decoder)\.norm_out\.", r"\1.conv_norm_out."),
    (r"\.middle\.0\.", ".mid_block.resnets.0."),
    (r"\.middle\.2\.", ".mid_block.resnets.1."),
    (r"\.middle\.1\.norm\.", ".mid_block.attentions.0.group_norm."),
    (r"\.middle\.1\.to_out\.", ".mid_block.attentions.0.to_out.0."),
    (r"\.middle\.1\.", ".mid_block.attentions.0."),
    (r"^encoder\.levels\.(\d)\.\d\.conv\.", r"encoder.down_blocks.\1.downsamplers.0.conv."),
    (r"^decoder\.levels\.(\d)\.\d\.conv\.", r"decoder.up_blocks.\1.upsamplers.0.conv."),
    (r"^encoder\.levels\.(\d)\.", r"encoder.down_blocks.\1.resnets."),
    (r"^decoder\.levels\.(\d)\.", r"decoder.up_blocks.\1.resnets."),
    (r"\.shortcut\.", ".conv_shortcut."),
)


def to_diffusers(key: str, rules: Rules = UNET) -> str:
    """diffusers' name for one of our weights."""
    for ours, theirs in rules:
        key = re.sub(ours, theirs, key)
    return key


def _weights(model: nn.Module) -> State:
    """The trained numbers only: a buffer, like the VAE's scale, is a setting over there."""
    return {key: value.detach() for key, value in model.named_parameters()}


def state_to_diffusers(model: nn.Module, rules: Rules = UNET) -> State:
    """Our weights under diffusers' names."""
    return {to_diffusers(key, rules): value for key, value in _weights(model).items()}


def state_from_diffusers(model: nn.Module, state: State, rules: Rules = UNET) -> State:
    """diffusers' weights under the names of `model`, ready for `load_state_dict(strict=False)`.

    Raises ValueError where a weight is missing, left over, or of another shape.
    """
    mine = _weights(model)
    theirs = {key: to_diffusers(key, rules) for key in mine}
    missing = sorted(set(theirs.values()) - set(state))
    extra = sorted(set(state) - set(theirs.values()))
    other = sorted(n for k, n in theirs.items() if n in state and state[n].shape != mine[k].shape)
    if missing or extra or other:
        raise ValueError(
            f"these are not the weights of this model: {len(missing)} missing (first: "
            f"{missing[:1]}), {len(extra)} left over (first: {extra[:1]}), {len(other)} of another "
            f"shape (first: {other[:1]}). "
            "Usual cause: another width, number of layers, or context size."
        )
    return {ours: state[key] for ours, key in theirs.items()}
