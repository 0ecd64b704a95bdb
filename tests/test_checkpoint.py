"""A checkpoint is whole, and a run continues only with the settings that it was started with."""

import json

import pytest
import torch
from torch import nn

from course_lib.checkpoint import expect_same_settings
from course_lib.training import long_run


def run(folder, model=None, **changes):
    model = nn.Linear(2, 1) if model is None else model

    def loss_of(generator):
        x = torch.randn(8, 2, generator=generator)
        return (model(x) - x.sum(dim=1, keepdim=True)).square().mean()

    options = {"steps": 4, "lr": 0.1, "save_every": 2, "settings": {"batch_size": 8}}
    return long_run(model, loss_of, folder, **(options | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lr": 1.0}, "lr was 0.1 and is now 1.0"),
        ({"seed": 5}, "seed was 0 and is now 5"),
        ({"settings": {"batch_size": 16}}, "batch_size was 8 and is now 16"),
        ({"settings": {"batch_size": 8, "data": "x"}}, "data was None and is now 'x'"),
    ],
)
def test_a_run_with_other_settings_is_refused_by_name(changes, said, tmp_path):
    run(tmp_path)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(ValueError, match=said):
        run(tmp_path, steps=8, **changes)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


def test_a_longer_run_with_the_same_settings_continues(tmp_path):
    run(tmp_path)
    run(tmp_path, steps=8)
    steps = [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().split()]
    assert steps == ["2", "4", "6", "8"]


def test_settings_are_compared_as_they_are_written(tmp_path):
    expect_same_settings(tmp_path, {"steps": (1, 2)})
    expect_same_settings(tmp_path, {"steps": [1, 2]})  # JSON knows lists only
    assert json.loads((tmp_path / "settings.json").read_text()) == {"steps": [1, 2]}


def test_a_damaged_checkpoint_is_a_sentence(tmp_path):
    run(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"is damaged: .*delete it"):
        run(tmp_path, steps=8)


def test_a_validation_loss_is_logged_beside_the_training_loss(tmp_path):
    def error(model):
        return float((model.weight - 1).abs().max())

    run(tmp_path, steps=4, validation=error)
    rows = [line.split(",") for line in (tmp_path / "log.csv").read_text().split()]
    assert [len(row) for row in rows] == [4, 4]
    assert float(rows[1][3]) < float(rows[0][3])
