"""Safetensors files: what is in them before anything is read, and reading without a copy.

A safetensors file is a list of names, shapes and places, and then the numbers. So a file of 4 GB
says what it is at once, and its numbers can be mapped into memory: the operating system reads them
when they are first used, and may forget them again.
"""

import json
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

State = dict[str, Tensor]
SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2}  # bytes a number; others 1
PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl")
PICKLE = (
    "{} is a pickle: a small program that runs when it is opened, and could do anything. The "
    "course opens none. Look for the same model as .safetensors (nearly all have one). Or read it "
    "with torch.load(path, weights_only=True), which refuses programs, and save it with "
    "safetensors.torch.save_file."
)


class TensorFiles:
    """The tensors of one safetensors file, or of a model that was cut into several (shards).

    `shapes` and `kinds` ("F32", "F16", ...) are there at once. Raises FileNotFoundError for a
    missing file, and ValueError for one that is cut short, a pickle, or something else.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.kinds: dict[str, str] = {}
        self.metadata: dict[str, str] = {}
        for path in self.paths:
            expect_safetensors(path)
            try:
                with safe_open(path, "pt") as file:
                    self.metadata |= file.metadata() or {}
                    for name in file.keys():
                        if name in self.shapes:
                            raise ValueError(f"{name} is in two of the files of {path.parent}")
                        part = file.get_slice(name)
                        self.shapes[name] = tuple(part.get_shape())
                        self.kinds[name] = part.get_dtype()
            except SafetensorError as error:
                raise ValueError(
                    f"{path} ({path.stat().st_size:,} bytes) is not a whole safetensors file: "
                    f"{error}. Usual cause: an interrupted download; get it again and compare its "
                    "size, or its SHA-256, with the page it came from."
                ) from error

    @property
    def parameters(self) -> int:
        """How many numbers there are in all."""
        return sum(map(prod, self.shapes.values()))

    @property
    def bytes(self) -> int:
        """How much memory these numbers take, as they are stored."""
        return sum(prod(s) * SIZES.get(self.kinds[name], 1) for name, s in self.shapes.items())

    @property
    def precision(self) -> str:
        """The kind of most of the numbers: "F32", "F16", "BF16", ..."""
        count: dict[str, int] = {}
        for name, shape in self.shapes.items():
            count[self.kinds[name]] = count.get(self.kinds[name], 0) + prod(shape)
        return max(count, key=count.__getitem__, default="none")

    def read(self) -> State:
        """All tensors, mapped and not copied: none is read from disk before it is used."""
        state: State = {}
        for path in self.paths:
            with safe_open(path, "pt") as file:
                state |= {name: file.get_tensor(name) for name in file.keys()}
        return state


def expect_safetensors(path: Path) -> None:
    """Raise unless this looks like a safetensors file: by its first bytes, not by its name.

    FileNotFoundError for no file, ValueError with a sentence for a pickle, a Git LFS pointer, a web
    page, a GGUF file and a folder.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder; one .safetensors file is wanted.")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. Usual cause: another name or folder.")
    with path.open("rb") as file:
        first = file.read(64)
    if first[8:9] == b"{":
        return  # a length of eight bytes, then the list of names as JSON
    if first[:2] == b"PK" or first[:1] == b"\x80" or path.suffix.lower() in PICKLES:
        raise ValueError(PICKLE.format(path))
    for begins, what in (
        (b"version https://git-lfs", "only a Git LFS pointer to the file; `git lfs pull` gets it"),
        (b"<", "a web page. Usual cause: the page of a download was saved instead of the file"),
        (b"GGUF", "a GGUF file, compressed for other programs; get the .safetensors of the model"),
    ):
        if first.lstrip().startswith(begins):
            raise ValueError(f"{path} is {what}.")


def in_folder(folder: Path, stem: str) -> TensorFiles:
    """The weights of one part of a model: `stem`.safetensors, its shards, or its fp16 variant.

    Where several are there, the one without a variant is taken. Raises FileNotFoundError where none
    is, and ValueError where there are only pickles.
    """
    for variant in ("", ".fp16"):
        whole = folder / f"{stem}{variant}.safetensors"
        index = folder / f"{stem}.safetensors.index{variant}.json"
        if whole.is_file():
            return TensorFiles([whole])
        if index.is_file():
            return _shards(index)
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() in PICKLES:
            raise ValueError(PICKLE.format(path))
    raise FileNotFoundError(
        f"{folder / stem}.safetensors is missing. Usual cause: a half-finished download, or a "
        "download of some of the folders only."
    )


def _shards(index: Path) -> TensorFiles:
    """The files that an index names, which must hold what it says and nothing else."""
    found: Any = read_json(index).get("weight_map")
    place: dict[str, str] = dict(found) if isinstance(found, dict) else {}
    names = sorted(set(place.values()))
    if not names or any(Path(name).name != name for name in names):
        raise ValueError(f"{index} does not name the files beside it that make up the model.")
    files = TensorFiles([index.parent / name for name in names])
    odd = sorted(set(place) ^ set(files.shapes))
    if odd:
        raise ValueError(
            f"{index} and its files differ in {len(odd)} tensors (first: {odd[0]}). "
            "Usual cause: shards of two versions in one folder."
        )
    return files


def save_tensors(state: State, path: Path | str) -> None:
    """Write a safetensors file: first beside its place, then there, whole or not at all.

    So a file that is mapped into memory just now may be written again. Each tensor is copied into
    one piece, and PyTorch's mark, which some programs ask for, is added.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
    half = path.with_name(f".{path.name}.half")
    try:
        save_file(whole, half, metadata={"format": "pt"})
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, object]:
    """The object in a JSON file. Raises FileNotFoundError, and ValueError for anything else."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. A folder in diffusers' layout has model_index.json, unet/, vae/, "
            "text_encoder/, tokenizer/ and scheduler/. Usual cause: a half-finished download."
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}. Usual cause: a file cut short.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} should hold settings by name, and holds {str(found)[:40]!r}.")
    return found
