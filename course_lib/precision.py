"""Mixed precision: costly products in 16 bits, sums and norms in 32 (Micikevicius et al. 2018)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from course_lib.files.torch_private import has_bfloat16_matrix_unit

CPU = torch.device("cpu")


def half_of(device: torch.device) -> torch.dtype:
    """The autocast dtype for this device: bfloat16, or float16 on an older GPU (Colab's T4).

    float32 where 16 bits gain nothing: on Apple's GPUs, and on processors without a unit for
    products of bfloat16 matrices (Intel's AMX). Those took 1.4 to 20 times as long for a step.
    """
    if device.type == "cuda":
        old = torch.cuda.get_device_capability(device)[0] < 8
        return torch.float16 if old else torch.bfloat16
    faster = device.type == "cpu" and has_bfloat16_matrix_unit()
    return torch.bfloat16 if faster else torch.float32


@contextmanager
def mixed(device: torch.device = CPU) -> Iterator[None]:
    """Compute in `half_of(device)` what can be; weights and losses stay as they are.

    On a CPU attention goes by plain matrix products: PyTorch's fused kernel, made for long texts,
    takes twice the time for pictures this small.
    """
    half = half_of(device)
    known = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    with (
        torch.autocast(device.type, dtype=half, enabled=half != torch.float32),
        sdpa_kernel(known if device.type == "cuda" else [SDPBackend.MATH]),
    ):
        yield
