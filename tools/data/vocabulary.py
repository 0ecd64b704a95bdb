"""CLIP's own byte-pair vocabulary, as it stands in the open_clip_torch wheel."""

from pathlib import Path
from typing import Any

from tools.data.archives import contents
from tools.data.sources import Made, Source

SOURCES = (
    Source(
        "pypi",
        "open_clip_torch",
        "3.3.0",
        "c549ad5ed6bfc119cc11105033c0a2b9d7a2a4afeb40a58a09aab3da1a0043ce",
        "MIT",
        "bpe_simple_vocab_16e6.txt of CLIP, copyright 2021 OpenAI; carried by open_clip.",
    ),
)
NAME = "bpe_simple_vocab_16e6.txt.gz"
FILES = {NAME: Made("the merges of CLIP's byte-pair tokenizer", ("open_clip_torch",))}


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """Copy the file, byte for byte, so that it can be compared with anybody's."""
    member = f"open_clip/{NAME}"
    (out / NAME).write_bytes(contents(taken["open_clip_torch"], member)[member])
    return {}
