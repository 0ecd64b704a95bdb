"""Bundled weights: find, check, load, save. Safetensors only; a JSON card says how they came."""

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load, save_file
from torch import Tensor, nn

from course_lib.files.atomic import atomic, sha256
from course_lib.files.paths import bundled, repair

State = dict[str, Tensor]
Module = TypeVar("Module", bound=nn.Module)


def names() -> list[str]:
    """The names of all bundled weights, in alphabetical order."""
    return sorted(path.stem for path in (bundled("data") / "weights").glob("*.json"))


def card(name: str) -> dict[str, Any]:
    """How a bundled weight was made: recipe, seed, steps, data, quality, licence, SHA-256.

    Raises FileNotFoundError, with the names there are, for an unknown one.
    """
    path = bundled("data") / "weights" / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"there are no bundled weights called {name!r}; there are {', '.join(names())}. "
            f"`course train {name}` makes them if the course has a recipe of that name."
        )
    return dict(json.loads(path.read_text(encoding="utf-8")))


def load_state(name: str) -> State:
    """The tensors of a bundled weight, in float32, after checking them against their card.

    Raises FileNotFoundError where the file is missing and ValueError where it is not the file
    that the card describes; both say which file and how to fix it.
    """
    wanted = card(name)["sha256"]
    path = bundled("data") / "weights" / f"{name}.safetensors"
    fix = repair(bundled("data"), f"weights/{name}.safetensors")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {fix}")
    data = path.read_bytes()
    got = sha256(data)
    if got != wanted:
        raise ValueError(
            f"{path} is damaged: its SHA-256 should be {wanted[:12]}..., it is {got[:12]}.... "
            f"Usual cause: an interrupted download or copy. {fix}"
        )
    return {key: x.float() if x.is_floating_point() else x for key, x in load(data).items()}


def load_into(model: Module, name: str) -> Module:
    """Put a bundled weight into `model`, switch it to eval mode, and return the same model.

    Raises what `load_state` raises, and ValueError for a model of other sizes.
    """
    state = load_state(name)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(
            f"the weights {name!r} do not fit this {type(model).__name__}. "
            "Usual cause: its widths, levels or context were changed."
        ) from error
    return model.eval()


def save(state: State, card: dict[str, Any], name: str, folder: Path) -> Path:
    """Write `state` in half precision and its card into `folder`; returns the path of the weights.

    The card gets the file's SHA-256 and size, so that `load_state` can check it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    halves = {
        key: (x.half() if x.dtype == torch.float32 else x).contiguous() for key, x in state.items()
    }
    with atomic(path) as part:
        save_file(halves, part)
    full = {"name": name, **card, "sha256": sha256(path), "bytes": path.stat().st_size}
    text = json.dumps(full, indent=2, ensure_ascii=False) + "\n"
    with atomic(folder / f"{name}.json") as part:
        part.write_text(text, encoding="utf-8")
    return path
