"""Splits without leaks: near-duplicates are clustered before anything is dealt out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components


def near_duplicates(pictures: NDArray[np.uint8], rms: float) -> NDArray[np.int32]:
    """A cluster's number for each picture (n, ...): two nearer than `rms` share theirs.

    The distance is the root of the mean squared difference of pixels in [0, 1]; what is near to the
    same third picture is in the same cluster too.
    """
    pixels = pictures.reshape(len(pictures), -1).astype(np.float32) / 255
    squares = (pixels**2).sum(axis=1)
    distance = squares[:, None] + squares[None] - 2 * pixels @ pixels.T  # (n, n)
    _, cluster = connected_components(distance < pixels.shape[1] * rms**2, directed=False)
    return cluster


def by_cluster(cluster: Sequence[int] | NDArray[Any], seed: int, **held_out: int) -> dict[str, Any]:
    """Deal out whole clusters, in an order drawn from `seed`: by_cluster(c, 0, test=500).

    Gives the seed and, under "train" and each name of `held_out`, numbers of pictures in a random
    order; a held-out part has exactly the size asked for, train has the rest.
    """
    members: dict[int, list[int]] = {}
    for picture, number in enumerate(cluster):
        members.setdefault(int(number), []).append(picture)
    draw = np.random.default_rng(seed)
    parts: dict[str, list[int]] = {"train": [], **{name: [] for name in held_out}}
    for number in draw.permutation(sorted(members)):
        group = members[int(number)]
        fits = (n for n, size in held_out.items() if len(parts[n]) + len(group) <= size)
        parts[next(fits, "train")] += group
    return {"seed": seed, **{n: [int(i) for i in draw.permutation(p)] for n, p in parts.items()}}
