import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from course_lib import training
from course_lib.training import EMA, ProgressBar, long_run, random_batches, train, warmup_cosine

# A tiny run in a process of its own, slow enough to be killed in the middle of a step.
RUN = """
import sys, time, torch
from pathlib import Path
from course_lib.training import long_run
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
def loss_of(generator):
    time.sleep(0.01)
    x = torch.randn(16, 4, generator=generator)
    return (model(x) - x.sum(dim=1, keepdim=True)).square().mean()
long_run(model, loss_of, Path(sys.argv[1]), steps=60, lr=1e-2, save_every=7)
"""


def run(folder, **how):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUN), str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        **how,
    )


@pytest.mark.slow
def test_a_run_killed_three_times_ends_with_the_same_weights(tmp_path):
    assert run(tmp_path / "whole").wait() == 0
    checkpoint = tmp_path / "killed" / "checkpoint.safetensors"
    for pause in (0.02, 0.09, 0.17):  # after the first checkpoint of each run
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        killed = run(tmp_path / "killed")
        while killed.poll() is None and not (
            checkpoint.exists() and checkpoint.stat().st_mtime_ns > before
        ):
            time.sleep(0.01)
        time.sleep(pause)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert run(tmp_path / "killed").wait() == 0
    whole = load_file(tmp_path / "whole" / "checkpoint.safetensors")
    resumed = load_file(tmp_path / "killed" / "checkpoint.safetensors")
    assert whole.keys() == resumed.keys()
    for key in whole:
        torch.testing.assert_close(resumed[key], whole[key], atol=0, rtol=0)


def test_train_goes_round_the_batches_and_learns():
    w = nn.Parameter(torch.tensor(0.0))
    losses = train([w], [1.0, 1.0], lambda target: (w - target) ** 2, steps=50, lr=0.1)
    assert len(losses) == 50
    assert losses[-1] < 0.01


def test_the_stop_button_keeps_what_was_learned(capsys):
    w = nn.Parameter(torch.tensor(0.0))
    calls = iter(range(100))

    def loss_of(target):
        if next(calls) == 20:
            raise KeyboardInterrupt
        return (w - target) ** 2

    losses = train([w], [1.0], loss_of, steps=50, lr=0.1)
    assert len(losses) == 20
    assert w.item() > 0.5
    assert "stopped by you" in capsys.readouterr().out


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        train([nn.Parameter(torch.tensor(0.0))], [1.0], lambda _: 1 / 0, steps=3)


def test_away_from_a_terminal_progress_is_one_line_without_numbers_that_vary(capsys):
    w = nn.Parameter(torch.tensor(0.0))
    train([w], [1.0], lambda target: (w - target) ** 2, steps=5)
    assert capsys.readouterr().out == "trained for 5 steps\n"


def test_the_average_trails_behind_the_model():
    model = nn.Linear(1, 1)
    average = EMA(model, decay=0.9)
    start = model.weight.item()
    with torch.no_grad():
        model.weight.add_(1.0)
    average.update(model, step=1000)
    assert average.model.weight.item() == pytest.approx(start + 0.1, abs=1e-6)
    for step in range(1001, 1200):
        average.update(model, step)
    assert average.model.weight.item() == pytest.approx(start + 1.0, abs=1e-4)


def test_the_average_forgets_the_random_start_quickly():
    model = nn.Linear(1, 1)
    average = EMA(model, decay=0.999)
    start = model.weight.item()
    with torch.no_grad():
        model.weight.add_(1.0)
    average.update(model, step=1)
    assert average.model.weight.item() == pytest.approx(start + 10 / 11, abs=1e-5)


def test_the_average_takes_buffers_as_they_are():
    model = nn.BatchNorm1d(2)
    average = EMA(model)
    model.running_mean.fill_(3.0)
    average.update(model, step=1)
    torch.testing.assert_close(average.model.running_mean, torch.full((2,), 3.0))


def test_a_decay_outside_its_range_is_named():
    with pytest.raises(ValueError, match="decay must be from 0 to below 1, got 1"):
        EMA(nn.Linear(1, 1), decay=1.0)


def test_the_learning_rate_rises_then_falls():
    rates = [warmup_cosine(step, 100, warmup=10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001


def test_random_batches_repeat_with_the_seed_and_stay_in_range():
    first, again = (random_batches(7, 64, torch.Generator().manual_seed(3)) for _ in range(2))
    a, b = next(first), next(again)
    torch.testing.assert_close(a, b)
    assert set(a.tolist()) == set(range(7))
    assert not torch.equal(next(first), a)


def test_a_long_run_gives_back_the_average_and_keeps_a_log(tmp_path):
    model = nn.Linear(2, 1)

    def loss_of(generator):
        x = torch.randn(32, 2, generator=generator)
        return (model(x) - x.sum(dim=1, keepdim=True)).square().mean()

    average = long_run(model, loss_of, tmp_path, steps=400, lr=0.05, save_every=100)
    assert average is not model
    torch.testing.assert_close(average.weight, torch.ones(1, 2), atol=0.02, rtol=0)
    log = (tmp_path / "log.csv").read_text().split()
    assert [line.split(",")[0] for line in log] == ["100", "200", "300", "400"]


def test_batches_that_run_out_end_with_a_sentence():
    w = nn.Parameter(torch.tensor(0.0))
    for batches in ([], (1.0 for _ in range(3))):
        with pytest.raises(ValueError, match=r"no more batches.*a generator"):
            train([w], batches, lambda target: (w - target) ** 2, steps=4)


def test_the_time_left_of_a_resumed_run_is_that_of_its_own_steps(monkeypatch):
    progress, written = ProgressBar(6000, done=3000), []
    monkeypatch.setattr(progress, "_write", lambda text, last=False: written.append(text))
    progress.started -= 100  # seconds
    progress.shown -= 100
    progress.show(3100, 0.5)
    left = re.search(r"about (\d+) s left", written[0])
    assert 2900 <= int(left[1]) < 3000  # of all its steps it would be 94


def test_a_resumed_run_tells_its_progress_where_it_begins(tmp_path, monkeypatch):
    started = []

    class Recorded(ProgressBar):
        def __init__(self, steps, done=0, **others):
            started.append((steps, done))
            super().__init__(steps, done, **others)

    monkeypatch.setattr(training, "ProgressBar", Recorded)
    for steps in (2, 5):
        w = nn.Linear(1, 1)
        long_run(w, lambda g, w=w: w(torch.ones(1, 1)).sum(), tmp_path, steps=steps, lr=1e-3)
    assert started == [(2, 0), (5, 2)]


@pytest.mark.usefixtures("plain_shapes")
def test_a_network_in_the_place_of_its_parameters_is_a_sentence():
    with pytest.raises(ValueError, match=r"got Linear. Usual cause: `net` instead of"):
        train(nn.Linear(1, 1), [1.0], lambda _: None, steps=1)


@pytest.mark.parametrize(
    ("answer", "got"), [(lambda w: w * 3, r"\(2,\)"), (lambda w: w.sum().item(), "float")]
)
def test_a_loss_that_is_not_one_number_is_a_sentence(answer, got):
    w = nn.Parameter(torch.zeros(2))
    with pytest.raises(ValueError, match=rf"a tensor of one number, got {got}"):
        train([w], [1.0], lambda _: answer(w), steps=1)


@pytest.mark.parametrize("keep", [False, True])
def test_the_stop_button_ends_a_long_run_or_keeps_what_it_learned(keep, tmp_path):
    model, calls = nn.Linear(1, 1), iter(range(9))

    def loss_of(generator):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return model(torch.ones(1, 1)).square().sum()

    def run():
        return long_run(model, loss_of, tmp_path, steps=5, lr=0.1, keep=keep)

    if keep:
        assert not torch.equal(run().weight, nn.Linear(1, 1).weight)
    else:
        with pytest.raises(KeyboardInterrupt):
            run()


def test_the_checkpoint_of_another_model_is_a_sentence(tmp_path):
    def run(model):
        def loss_of(generator):
            return model(torch.ones(1, 2)).square().sum()

        return long_run(model, loss_of, tmp_path, steps=2, lr=0.1)

    run(nn.Linear(2, 1))
    with pytest.raises(ValueError, match=r"does not fit this Linear. .* choose a new one"):
        run(nn.Linear(2, 3))
