"""Record the cross-attention maps of a UNet during its forward pass.

Heat maps by word after Hertz et al. 2022 (Prompt-to-Prompt) and Tang et al. 2022 (DAAM).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.attention import CrossAttention, SelfAttention, attention_weights


@contextmanager
def record_attention(model: nn.Module) -> Iterator[list[Tensor]]:
    """Inside the `with`, each cross-attention of `model` appends its weights to the list, in order.

    One entry is (b, heads, n, m): n pixels of that layer, m words. Nothing else changes.
    """
    recorded: list[Tensor] = []

    def note(layer: CrossAttention, inputs: tuple[Tensor, ...]) -> None:
        x, context, *mask = inputs
        with torch.no_grad():
            recorded.append(attention_weights(layer.queries(x), layer.keys(context), *mask))

    layers = [
        m
        for m in model.modules()
        if isinstance(m, CrossAttention) and not isinstance(m, SelfAttention)
    ]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()


def attention_maps(
    recorded: list[Tensor], height: int, width: int
) -> Float[Tensor, "b m height width"]:
    """One map per word, the mean over layers and heads, each layer enlarged to height x width.

    For pictures of that shape: a layer of n pixels is taken to be the same picture, smaller.
    Raises ValueError for an empty list.
    """
    if not recorded:
        raise ValueError(
            "attention_maps: nothing was recorded. Usual cause: the UNet has no context, or was "
            "not called inside `with record_attention(unet) as recorded:`."
        )
    total = []
    for weights in recorded:
        h = round((weights.shape[2] * height / width) ** 0.5)
        maps = rearrange(weights.mean(dim=1), "b (h w) m -> b m h w", h=h)
        total.append(F.interpolate(maps, size=(height, width), mode="bilinear"))
    return torch.stack(total).mean(dim=0)
