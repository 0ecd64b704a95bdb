"""The training loop of every lesson, and the pieces that a long run needs as well.

Lesson 00 writes the loop by hand; from then on it is `train`. A run of an hour also needs a
moving average of the weights (EMA), a learning rate that rises and falls, and checkpoints, so
that it can be killed at any moment and continue to the same numbers: `long_run` combines these.
"""

import copy
import csv
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from course_lib.checkpoint import expect_same_settings, load_checkpoint, save_checkpoint
from course_lib.files.progress_bar import ProgressBar

Params = Iterable[nn.Parameter]
Module = TypeVar("Module", bound=nn.Module)


def train(
    params: Params,
    batches: Iterable[Any],
    loss_of: Callable[[Any], Tensor],
    *,
    steps: int,
    lr: float = 1e-3,
) -> list[float]:
    """Take `steps` AdamW steps on loss_of(batch), going round `batches` as often as it takes.

    Returns the loss of each step, for you to plot. The stop button (or Ctrl-C) ends the training
    early and keeps what has been learned so far. Raises ValueError for a network in the place of
    its parameters, for a loss that is not one number, and where batches run out.
    """
    if isinstance(params, nn.Module):
        raise ValueError(
            f"train wants parameters, got {type(params).__name__}. "
            "Usual cause: `net` instead of `net.parameters()`."
        )
    optimizer = torch.optim.AdamW(params, lr=lr)
    losses: list[float] = []
    with ProgressBar(steps) as progress:
        for batch in islice(_round_and_round(batches), steps):
            loss = loss_of(batch)
            if not isinstance(loss, Tensor) or loss.numel() != 1:
                got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
                raise ValueError(
                    f"train: loss_of should give a tensor of one number, got {got}. "
                    "Usual cause: .mean() was forgotten, or .item() came too early."
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            progress.show(len(losses), losses[-1])
    return losses


def _round_and_round(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches again and again. Raises ValueError once a round brings none."""
    while True:
        none = True
        for batch in batches:
            none = False
            yield batch
        if none:
            raise ValueError(
                "train: there are no more batches. Usual cause: an empty list, or a generator, "
                "which can be gone through once only; give a list, or random_batches."
            )


class EMA(Generic[Module]):
    """A slow-moving copy of a model: each step moves every weight a little towards the new one.

    Samples drawn from the average are cleaner than from the last step (Ho et al. 2020, app. B).
    Early on the average follows faster, so that the random start is soon forgotten. Raises
    ValueError for a `decay` outside 0 ... 1.
    """

    def __init__(self, model: Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be from 0 to below 1, got {decay}")
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after step number `step` (counted from 1)."""
        decay = min(self.decay, step / (step + 10))
        for mine, new in zip(self.model.parameters(), model.parameters(), strict=True):
            mine.lerp_(new, 1 - decay)
        for mine_buffer, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            mine_buffer.copy_(buffer)


def warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """The share of the full learning rate at `step`: up in a line, then down half a cosine."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))


def random_batches(n: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Index tensors (batch_size,) into `n` items, drawn with replacement, for ever."""
    while True:
        yield torch.randint(n, (batch_size,), generator=generator)


def long_run(
    model: Module,
    loss_of: Callable[[torch.Generator], Tensor],
    folder: Path,
    *,
    steps: int,
    lr: float,
    seed: int = 0,
    save_every: int = 200,
    scaled: bool = False,
    keep: bool = True,
    settings: Mapping[str, Any] = MappingProxyType({}),
    validation: Callable[[Module], float] | None = None,
) -> Module:
    """Train for `steps` steps with EMA, warm-up and checkpoints; returns the averaged model.

    `loss_of(generator)` draws its own batch and all its noise from the generator, so that a
    resumed run takes the very steps that an unbroken one would. Started again with the same
    `folder`, it continues from the last checkpoint; other settings (`lr`, `seed`, and what is in
    `settings`: the batch size, hashes of the data) raise ValueError. `folder`/log.csv keeps step,
    mean loss and seconds, and `validation(average)` where it is given.

    `scaled` is for float16 (Micikevicius et al. 2018): the loss is multiplied before the backward
    pass, so that small gradients do not become zero, and steps that overflow are skipped. That
    factor is found again after a break, so that the steps are then nearly the same, not the very
    same. The stop button returns what was learned so far; without `keep` it ends everything, so
    that a recipe does not save weights that are half trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    expect_same_settings(folder, {"lr": lr, "seed": seed} | dict(settings))
    path = folder / "checkpoint.safetensors"
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.99))
    average = EMA(model)
    modules: dict[str, nn.Module] = {"model": model, "average": average.model}
    done = load_checkpoint(path, modules, optimizer, generator) if path.exists() else 0
    scaler = torch.amp.GradScaler(next(model.parameters()).device.type, enabled=scaled)
    recent: list[float] = []
    since = time.monotonic()
    with ProgressBar(steps, done, keep=keep) as progress:
        for step in range(done, steps):
            for group in optimizer.param_groups:
                group["lr"] = lr * warmup_cosine(step, steps, warmup=min(200, steps // 10))
            loss = loss_of(generator)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            scaler.step(optimizer)
            scaler.update()
            average.update(model, step + 1)
            recent.append(loss.item())
            progress.show(step + 1, recent[-1])
            if (step + 1) % save_every == 0 or step + 1 == steps:
                save_checkpoint(path, modules, optimizer, generator, step + 1)
                row = [
                    step + 1,
                    f"{sum(recent) / len(recent):.5f}",
                    f"{time.monotonic() - since:.1f}",
                ]
                if validation is not None:
                    row.append(f"{validation(average.model):.5f}")
                with (folder / "log.csv").open("a", newline="") as log:
                    csv.writer(log).writerow(row)
                recent, since = [], time.monotonic()
    return average.model
