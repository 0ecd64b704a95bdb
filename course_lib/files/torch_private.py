"""What the course asks of PyTorch that has no public name: here alone, each with a fallback."""

import torch
from torch import Tensor


def has_bfloat16_matrix_unit() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware (Intel's AMX)."""
    ask = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(ask()) if callable(ask) else False


def storage_key(x: Tensor) -> int:
    """A number that two tensors share exactly if they share their memory; fake tensors too."""
    storage = x.untyped_storage()
    return int(getattr(storage, "_cdata", id(storage)))
