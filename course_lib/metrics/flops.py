"""FLOPs, parameters and memory of a network, computed without running it.

Counted on fake tensors, which have a shape and a type but no numbers: Stable Diffusion's UNet takes
seconds and no memory. What comes out is computed, not measured.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode  # the only name it has
from torch.utils.flop_counter import FlopCounterMode

from course_lib.files.torch_private import storage_key

# Bytes for each weight while it is trained: the weight, its gradient, two averages of AdamW's
# (Loshchilov and Hutter 2019), and the slow-moving copy (EMA), all in float32.
TRAINED = 4 + 4 + 8 + 4


@dataclass(frozen=True)
class Cost:
    """What one call costs, and one training step on the same input.

    `flops` and `training_flops` are floating-point operations: a multiplication and an addition
    are two (convolutions, matrix products and attention are counted). `activation_memory` is the
    bytes that the forward pass keeps for the backward pass.
    """

    parameters: int
    flops: int
    training_flops: int
    activation_memory: int

    @property
    def memory(self) -> int:
        """Bytes of a training step, at least: weights, gradients, AdamW, EMA, activations."""
        return TRAINED * self.parameters + self.activation_memory

    def hours(self, steps: int, per_second: float) -> float:
        """How long `steps` steps take a machine that does `per_second` operations a second.

        Raises ValueError for a machine that does none.
        """
        if per_second <= 0:
            raise ValueError(f"a machine does more than 0 operations a second, got {per_second}")
        return steps * self.training_flops / per_second / 3600


def cost(
    build: Callable[[], nn.Module],
    inputs: Callable[[], tuple[Any, ...]],
    *,
    half: bool = False,
    trained: bool = True,
) -> Cost:
    """The cost of one call of build() on inputs(), both made of fake tensors.

    `half` computes as a GPU does in mixed precision, under autocast to 16 bits. With `trained`
    False there is no backward pass, and `training_flops` and `activation_memory` are 0.
    """
    kept: dict[int, int] = {}

    def note(x: Tensor) -> Tensor:
        kept[storage_key(x)] = x.untyped_storage().nbytes()
        return x

    with FakeTensorMode():
        model, arguments = build().requires_grad_(trained), inputs()
        with (
            FlopCounterMode(display=False) as counter,
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=half),
            torch.autograd.graph.saved_tensors_hooks(note, lambda x: x),
        ):
            out = model(*arguments)
            forward = counter.get_total_flops()
            if trained:
                out.float().mean().backward()
    mine = {storage_key(p) for p in model.parameters()}
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        flops=forward,
        training_flops=counter.get_total_flops() if trained else 0,
        activation_memory=sum(size for where, size in kept.items() if where not in mine)
        if trained
        else 0,
    )
