"""The 7,000 ankle boots of Fashion-MNIST, from the Debian package that carries the set whole."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.data.archives import contents
from tools.data.sources import Made, Source
from tools.data.splitting import by_cluster, near_duplicates

SOURCES = (
    Source(
        "debian",
        "dataset-fashion-mnist",
        "0.0~git20200523.55506a9-1",
        "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
        "MIT",
        "Fashion-MNIST by Han Xiao, Kashif Rasul and Roland Vollgraf; copyright 2017 Zalando SE.",
    ),
)
FILES = {"fashion.npz": Made("7,000 ankle boots, 28x28, grey", ("dataset-fashion-mnist",))}
ANKLE_BOOT = 9  # fills the square, and differs from boot to boot: shafts, heels, soles, laces
TWINS = 0.08  # RMS below which two pictures show the same boot, or its next year's model


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """Write pictures uint8 (7000, 28, 28): the 6,000 of the original training set, then the 1,000.

    They are split afresh, by cluster of near-duplicates: 6,000, 500 and 500.
    """
    folder = "usr/share/datasets/fashion-mnist/"
    files = contents(taken["dataset-fashion-mnist"], folder)

    def read(name: str, header: int) -> NDArray[np.uint8]:
        return np.frombuffer(gzip.decompress(files[folder + name]), np.uint8, offset=header)

    boots = []
    for part in ("train", "t10k"):
        pictures = read(f"{part}-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28)
        boots.append(pictures[read(f"{part}-labels-idx1-ubyte.gz", header=8) == ANKLE_BOOT])
    all_boots = np.concatenate(boots)
    np.savez_compressed(out / "fashion.npz", pictures=all_boots)
    clusters = near_duplicates(all_boots, TWINS)
    return {"twins_rms": TWINS, **by_cluster(clusters, seed=0, validation=500, test=500)}
