"""What a run needs to continue: weights, average, optimizer, random generator, step, settings.

Everything is in one safetensors file, written in one move, so that a run may be killed at any time.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from course_lib.files.atomic import atomic


def save_checkpoint(
    path: Path,
    modules: dict[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    step: int,
) -> None:
    """Write all that a run needs to go on, as one safetensors file, in one atomic move."""
    tensors = {f"{name}.{k}": v for name, m in modules.items() for k, v in m.state_dict().items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{key}": value for key, value in state.items()}
    tensors |= {"generator": generator.get_state(), "step": torch.tensor(step)}
    with atomic(path) as part:
        save_file({k: v.contiguous().clone() for k, v in tensors.items()}, part)


def load_checkpoint(
    path: Path,
    modules: dict[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> int:
    """Restore a checkpoint; returns the number of steps already done.

    Raises ValueError for a damaged file, and for the checkpoint of another model.
    """
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"the checkpoint {path} is damaged: {error}. Usual cause: a full disk, or "
            "an incomplete copy; delete it, and the run starts from the beginning."
        ) from error
    for name, module in modules.items():
        prefix = f"{name}."
        mine = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        try:
            module.load_state_dict(mine)
        except RuntimeError as error:
            raise ValueError(
                f"the checkpoint {path} does not fit this {type(module).__name__}. "
                "Usual cause: a folder that another run was kept in; choose a new one."
            ) from error
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, i, what = key.split(".")
            state.setdefault(int(i), {})[what] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    generator.set_state(tensors["generator"])
    return int(tensors["step"])


def expect_same_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Keep the settings of a run in `folder`/settings.json, or compare them with those kept there.

    Raises ValueError, naming what differs, where a run would go on with other settings.
    """
    path = folder / "settings.json"
    now = json.loads(json.dumps(settings))
    if not path.exists():
        with atomic(path) as part:
            part.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
        return
    then = json.loads(path.read_text(encoding="utf-8"))
    differ = [
        f"{name} was {then.get(name)!r:.60} and is now {now.get(name)!r:.60}"
        for name in sorted(then | now)
        if then.get(name) != now.get(name)
    ]
    if differ:
        raise ValueError(
            f"the run in {folder} was started with other settings: {'; '.join(differ)}. "
            "Go on with the old ones, or choose a new folder."
        )
