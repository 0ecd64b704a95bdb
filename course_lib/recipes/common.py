"""What every recipe needs: the card of its weight, and cheaper arithmetic."""

import csv
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from course_lib.paths import bundled

EMOJI_LICENCE = "CC BY-SA 4.0, as the strictest of the emoji that it learned from"


def card(folder: Path, recipe: str, data: str, **facts: Any) -> dict[str, Any]:
    """The start of a weight's card: recipe, minutes taken (from the log), hashes of its data."""
    files = json.loads((bundled("data") / "manifest.json").read_text(encoding="utf-8"))["files"]
    with (folder / "log.csv").open(newline="") as log:
        minutes = sum(float(row[2]) for row in csv.reader(log)) / 60
    return {
        "recipe": f"course_lib.recipes.{recipe}",
        "minutes": round(minutes, 1),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "data": {name: file["sha256"] for name, file in files.items() if name.startswith(data)},
        "split": "train",
    } | facts


@contextmanager
def bfloat16() -> Iterator[None]:
    """Mixed precision on the CPU: halves the time of a step on processors that know it.

    Attention goes by plain matrix products: PyTorch's fused kernel, made for long texts, takes
    twice the time for pictures this small.
    """
    with torch.autocast("cpu", dtype=torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        yield
