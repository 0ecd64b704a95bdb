"""Two larger sets, downloaded only when you ask for them: all of MNIST, and CIFAR-10's ships.

No lesson needs them. CIFAR-10 comes in its binary version, since the one for Python is a pickle,
which would run whatever code is in it.
"""

import gzip
import tarfile
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from course_lib.datasets.fetching import Remote, fetch
from course_lib.datasets.registry import pick

SHIP = 8
RECORD = 1 + 3 * 32 * 32  # bytes of one picture in CIFAR-10's binary files: its label, then pixels


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST = {
    "train": (
        Remote(
            _MNIST + "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
        ),
        Remote(
            _MNIST + "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
        ),
    ),
    "test": (
        Remote(
            _MNIST + "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
        ),
        Remote(
            _MNIST + "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
        ),
    ),
}
CIFAR = Remote(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    170_052_171,
)


def full_mnist(split: str) -> tuple[Float[Tensor, "n 1 28 28"], Int[Tensor, " n"]]:
    """All of MNIST, grey in [-1, 1] (ink is 1), with labels: 60,000 "train" or 10,000 "test".

    Downloads 12 MB the first time. Raises as `fetch` does. The bundled `digits` come out of these
    two sets, so do not test on one what was trained on the other.
    """
    pictures, labels = (fetch(file) for file in MNIST[pick("full_mnist", split, tuple(MNIST))])
    pixels = torch.from_numpy(read_idx(pictures).copy())[:, None].float()  # (n, 1, 28, 28)
    return pixels / 127.5 - 1, torch.from_numpy(read_idx(labels).copy()).long()


def cifar_ships(split: str) -> Float[Tensor, "n 3 32 32"]:
    """The ships of CIFAR-10 (Krizhevsky 2009) in [-1, 1]: 5,000 "train" or 1,000 "test".

    Downloads 170 MB the first time. Raises as `fetch` does.
    """
    pick("cifar_ships", split, ("train", "test"))
    return ships_in(fetch(CIFAR), split)


def ships_in(archive: Path, split: str) -> Float[Tensor, "n 3 32 32"]:
    """The ships in an archive with the layout of cifar-10-binary.tar.gz.

    Raises ValueError for a file inside that does not hold whole pictures, or no such file at all.
    """
    wanted = "data_batch" if split == "train" else "test_batch"
    found = []
    with tarfile.open(archive) as files:
        for member in sorted(files, key=lambda m: m.name):
            if not Path(member.name).name.startswith(wanted):
                continue
            if member.size == 0 or member.size % RECORD:
                raise ValueError(
                    f"{member.name} in {archive} has {member.size:,} bytes: a file of CIFAR-10's "
                    f"binary version has {RECORD:,} for each picture. Usual cause: another version "
                    "(for Python or Matlab), or a file cut short."
                )
            file = files.extractfile(member)
            assert file is not None  # its size is above 0, so it is a file
            records = np.frombuffer(file.read(), np.uint8).reshape(-1, RECORD)
            found.append(records[records[:, 0] == SHIP, 1:].reshape(-1, 3, 32, 32))
    if not found:
        raise ValueError(
            f"{archive} holds no {wanted}*.bin. Usual cause: it is not cifar-10-binary.tar.gz."
        )
    return torch.from_numpy(np.concatenate(found)).float() / 127.5 - 1


def read_idx(file: Path) -> NDArray[np.uint8]:
    """The array in one of MNIST's .gz files: two zeros, type 8, the number of axes, each axis.

    Raises ValueError where these and the file's length do not agree.
    """
    data = gzip.decompress(file.read_bytes())
    axes = data[3] if data[:3] == b"\0\0\x08" else 0
    shape = np.frombuffer(data[4 : 4 + 4 * axes], ">u4")
    if not axes or len(data) != 4 + 4 * axes + shape.prod():
        raise ValueError(
            f"{file} is not one of MNIST's files: {len(data):,} bytes unpacked, for an array of "
            f"{'x'.join(map(str, shape)) or 'unknown type'}. Usual cause: another file of that "
            "name, or one cut short."
        )
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
