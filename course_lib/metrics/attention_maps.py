"""Which word each pixel listened to: the attention of a UNet's cross-attentions, while it works.

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
def listening(model: nn.Module) -> Iterator[list[Tensor]]:
    """While it is open, each cross-attention of `model` adds its weights to the list, in order.

    One entry is (b, heads, n, m): n pixels of that layer, m words. Nothing else changes.
    """
    heard: list[Tensor] = []

    def note(layer: CrossAttention, inputs: tuple[Tensor, ...]) -> None:
        x, context, *mask = inputs
        with torch.no_grad():
            heard.append(attention_weights(layer.queries(x), layer.keys(context), *mask))

    layers = [
        m
        for m in model.modules()
        if isinstance(m, CrossAttention) and not isinstance(m, SelfAttention)
    ]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def maps_by_word(heard: list[Tensor], height: int, width: int) -> Float[Tensor, "b m height width"]:
    """One map a word, the mean over layers and heads, each layer enlarged to height x width.

    For pictures of that shape: a layer of n pixels is taken to be the same picture, smaller.
    Raises ValueError for an empty list.
    """
    if not heard:
        raise ValueError(
            "maps_by_word: nothing was heard. Usual cause: the UNet has no context, or was not "
            "called inside `with listening(unet) as heard:`."
        )
    total = []
    for weights in heard:
        h = round((weights.shape[2] * height / width) ** 0.5)
        maps = rearrange(weights.mean(dim=1), "b (h w) m -> b m h w", h=h)
        total.append(F.interpolate(maps, size=(height, width), mode="bilinear"))
    return torch.stack(total).mean(dim=0)
