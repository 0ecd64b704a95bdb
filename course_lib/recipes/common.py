"""What recipes share: the card of a weight, and training in cycles."""

import csv
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from course_lib.files.paths import bundled
from course_lib.training import Module, long_run

Loss = Callable[[torch.Generator], Tensor]  # draws its own batch from the generator
FISH_LICENCE = "GPL-2.0, as the strictest of the cut-outs and backgrounds that it learned from"
EMOJI_LICENCE = "CC BY-SA 4.0, as the strictest of the emoji that it learned from"
# Questions; names for captions that no bundled weight has learned from yet; pictures to look at.
NOT_LEARNED_FROM = ("emoji/measure.npz", "emoji/names.json", "fish/photographs.webp")


def card(folder: Path, recipe: str, data: str, **facts: Any) -> dict[str, Any]:
    """The start of a weight's card: recipe, minutes taken (from the logs), hashes of its data."""
    logs = [log.read_text(encoding="utf-8").splitlines() for log in folder.rglob("log.csv")]
    threads = torch.get_num_threads()
    minutes = sum(float(row[2]) for log in logs for row in csv.reader(log)) / 60
    return {
        "recipe": f"course_lib.recipes.{recipe}",
        "minutes": round(minutes, 1),
        "machine": f"{platform.machine()}, {threads} thread{'s' * (threads > 1)}",
        "torch": torch.__version__,
        "data": data_hashes(data),
        "split": "train",
    } | facts


def data_hashes(data: str) -> dict[str, str]:
    """The SHA-256 of each bundled data file that begins with `data` and is learned from."""
    files = json.loads((bundled("data") / "manifest.json").read_text(encoding="utf-8"))["files"]
    return {
        name: file["sha256"]
        for name, file in files.items()
        if name.startswith(data) and name not in NOT_LEARNED_FROM
    }


def seeded(make: Callable[[], Module], seed: int = 0) -> Module:
    """A new network, initialised from this seed; the global random state stays as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def cycles(
    model: Module,
    loss_of: Loss | Sequence[Loss],
    folder: Path,
    *,
    steps: Sequence[int],
    lr: float,
    save_every: int = 200,
    mean_of: int = 1,
    settings: Mapping[str, Any] = MappingProxyType({}),
    validation: Callable[[Module], float] | None = None,
) -> Module:
    """A `long_run` for each of `steps`, each from the averaged weights of the one before.

    So the learning rate rises and falls more than once (Loshchilov and Hutter 2017), and a run that
    proves too short can be added to. `loss_of` is one for all cycles, or one for each. Gives
    `model` with the weights at the end of the last cycle, or the mean of those at the ends of the
    last `mean_of` cycles (Izmailov et al. 2018).
    """
    model.train().requires_grad_(True)
    losses = loss_of if isinstance(loss_of, Sequence) else [loss_of] * len(steps)
    ends: list[dict[str, Tensor]] = []
    for i, (length, loss) in enumerate(zip(steps, losses, strict=True)):
        run = folder / f"cycle_{i}"
        average = long_run(
            model,
            loss,
            run,
            steps=length,
            lr=lr,
            seed=i,
            save_every=save_every,
            keep=False,
            settings=settings,
            validation=validation,
        )
        ends = [*ends, average.state_dict()][-mean_of:]
        model.load_state_dict(ends[-1])
    mean = {key: torch.stack([end[key] for end in ends]).mean(dim=0) for key in ends[0]}
    model.load_state_dict(mean)
    return model.eval().requires_grad_(False)
