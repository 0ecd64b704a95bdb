"""LoRA: teach a large model by adding small matrices to it, and leave its own weights alone.

Hu et al. 2021: the change that fine-tuning makes to a weight matrix W (out, in) has a low rank, so
it is learned as a product of two thin ones, B (out, rank) and A (rank, in):

    y = W x + scale * B (A x),    scale = strength * alpha / rank

B starts at zero, so a new LoRA changes nothing. For a convolution A is a convolution with the same
kernel size and `rank` output channels, and B is one with kernel size 1.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LoRALinear(nn.Module):
    """A linear layer with a low-rank change added to it; `base` is frozen.

    `alpha` fixes how much a change of any rank weighs. `strength` is the knob to turn afterwards:
    0 is the model without the change, 1 the model as it was trained. `weight` and `bias` are those
    of the changed layer, for code that reads them instead of calling the layer. Raises ValueError
    for a rank below 1.
    """

    def __init__(self, base: Any, rank: int, alpha: float) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"LoRA: the rank is 1 or more, got {rank}. Usual values: 4 to 128.")
        self.base, self.rank, self.alpha, self.strength = base, rank, float(alpha), 1.0
        self.down, self.up = self._thin(base, rank)  # A and B
        nn.init.zeros_(self.up.weight)
        base.requires_grad_(False)

    @staticmethod
    def _thin(base: Any, rank: int) -> tuple[Any, Any]:
        weight = base.weight
        like = {"bias": False, "device": weight.device, "dtype": weight.dtype}
        return nn.Linear(weight.shape[1], rank, **like), nn.Linear(rank, weight.shape[0], **like)

    @property
    def scale(self) -> float:
        """What the product of the two matrices is multiplied by."""
        return self.strength * self.alpha / self.rank

    @property
    def change(self) -> Float[Tensor, "out in *kernel"]:
        """What is added to the weight: scale * B A."""
        thin = self.up.weight.flatten(1) @ self.down.weight.flatten(1)
        return self.scale * thin.reshape(self.base.weight.shape)

    @property
    def weight(self) -> Float[Tensor, "out in *kernel"]:
        """The weight with the change added."""
        return self.base.weight + self.change

    @property
    def bias(self) -> Float[Tensor, " out"] | None:
        """The bias of `base`, which LoRA does not change."""
        return self.base.bias

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape_out"]:
        return self.base(x) + self.scale * self.up(self.down(x))


class LoRAConv2d(LoRALinear):
    """A convolution with a low-rank change: a thin one with the same kernel, then a 1x1 one."""

    @staticmethod
    def _thin(base: Any, rank: int) -> tuple[Any, Any]:
        weight, conv = base.weight, innermost(base)
        like = {"bias": False, "device": weight.device, "dtype": weight.dtype}
        same = {name: getattr(conv, name) for name in ("stride", "padding", "dilation")}
        kernel = weight.shape[2:]
        down = nn.Conv2d(weight.shape[1], rank, kernel, **same, **like)
        return down, nn.Conv2d(rank, weight.shape[0], kernel_size=1, **like)


def innermost(layer: Any) -> Any:
    """The plain layer under all LoRAs, where several were put on one another."""
    while isinstance(layer, LoRALinear):
        layer = layer.base
    return layer


def attach_to(model: nn.Module, name: str, rank: int, alpha: float) -> LoRALinear:
    """Put a new LoRA on the layer `name` of `model`, on top of any that is there.

    Raises ValueError where that is neither a linear layer nor a convolution.
    """
    layer = model.get_submodule(name)
    plain = innermost(layer)
    if not isinstance(plain, nn.Linear | nn.Conv2d):
        raise ValueError(
            f"LoRA goes on a linear layer or a convolution; {name} is a {type(plain).__name__}. "
            "Usual cause: the name of a whole block; name the layers in it."
        )
    made = (LoRALinear if isinstance(plain, nn.Linear) else LoRAConv2d)(layer, rank, alpha)
    model.set_submodule(name, made)
    return made


def attach(
    model: nn.Module, endings: Sequence[str], *, rank: int, alpha: float
) -> dict[str, LoRALinear]:
    """Put a new LoRA on every layer whose name ends so: attach(unet, ["to_q", "to_v"], ...).

    Returns the new ones by the names of their layers. Raises ValueError where no layer has such a
    name.
    """
    wanted = tuple(f".{ending}" for ending in endings)
    names = [name for name, _ in model.named_modules() if f".{name}".endswith(wanted)]
    if not names:
        raise ValueError(
            f"no layer of this {type(model).__name__} is called {' or '.join(endings)}. "
            "Usual cause: another model's names; `model.named_modules()` lists those of this one."
        )
    return {name: attach_to(model, name, rank, alpha) for name in names}


def attached(model: nn.Module) -> dict[str, LoRALinear]:
    """The LoRAs of a model by the names of their layers; of several on one layer, the last."""
    found: dict[str, LoRALinear] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, LoRALinear) and not any(name.startswith(f"{n}.") for n in found):
            found[name] = layer
    return found


def trainable(layers: Iterable[LoRALinear]) -> list[nn.Parameter]:
    """The thin matrices of these LoRAs, which are all that is trained."""
    return [p for layer in layers for p in (layer.down.weight, layer.up.weight)]


@torch.no_grad()
def merge(model: nn.Module) -> None:
    """Add every change, at its present strength, to the weights, and put the plain layers back.

    The numbers stay the same; the model is as small and quick as before.
    """
    for name, layer in attached(model).items():
        weight, plain = layer.weight, innermost(layer)
        plain.weight = nn.Parameter(weight, requires_grad=False)
        model.set_submodule(name, plain)


def detach(model: nn.Module) -> None:
    """Take every LoRA off and put the plain layers back, as they were before."""
    for name, layer in attached(model).items():
        model.set_submodule(name, innermost(layer))
