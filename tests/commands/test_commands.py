"""`course train` and `course export`."""

import signal
from pathlib import Path

import pytest
from torch import nn

from course_lib import recipes
from course_lib.cli import main
from course_lib.commands import train
from course_lib.training import long_run


@pytest.fixture
def known(monkeypatch):
    """Two recipes that only note how they are called."""
    called = []

    def quick(folder: Path, steps: int = 30) -> Path:
        """A quick one.

        More words.
        """
        called.append(("quick", folder, steps))
        return folder / "quick.safetensors"

    def fixed(folder: Path) -> Path:
        """A fixed one."""
        called.append(("fixed", folder))
        return folder / "fixed.safetensors"

    def twice(folder: Path, steps: tuple[int, ...] = (20, 30)) -> Path:
        """A long one."""
        called.append(("twice", folder, steps))
        return folder / "twice.safetensors"

    def once(folder: Path, steps: tuple[int, ...] = (40,)) -> Path:
        """Cycles, of which there is one."""
        called.append(("once", folder, steps))
        return folder / "once.safetensors"

    known = {"quick": quick, "fixed": fixed, "twice": twice, "once": once}
    monkeypatch.setattr(train, "recipes", lambda: known)
    return called


def test_every_recipe_is_listed_with_its_first_line(capsys):
    assert main(["train"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(recipes.__all__)
    assert all(line.rstrip().endswith(".") for line in lines)
    (cycles,) = [line for line in lines if " segmentation " in line]
    assert cycles.split()[1:8] == "4000 6000 4000 6000 8000 8000 10000".split()


def test_a_recipe_is_called_with_its_folder_and_steps(known, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "quick", "--steps", "5"]) == 0
    assert main(["train", "quick"]) == 0
    assert main(["train", "fixed", "--out", "elsewhere"]) == 0
    assert main(["train", "twice", "--steps", "5"]) == 0
    assert main(["train", "twice", "--steps", "5", "6", "--out", "elsewhere"]) == 0
    assert main(["train", "once", "--steps", "5"]) == 0
    assert main(["train", "once", "--steps", "5", "6", "--out", "elsewhere"]) == 0
    assert known == [
        ("quick", Path("my-weights/quick"), 5),
        ("quick", Path("my-weights/quick"), 30),
        ("fixed", Path("elsewhere")),
        ("twice", Path("my-weights/twice"), (5,)),
        ("twice", Path("elsewhere"), (5, 6)),
        ("once", Path("my-weights/once"), (5,)),
        ("once", Path("elsewhere"), (5, 6)),
    ]
    out = capsys.readouterr().out
    assert f"Checkpoints and log: {tmp_path / 'my-weights' / 'quick'}" in out
    assert "Made elsewhere/fixed.safetensors" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["quik"], "Did you mean quick? There are quick, fixed, twice, once."),
        (["f"], "Did you mean fixed?"),
        (["x" * 5000], "There are quick, fixed, twice, once."),
        (["fixed", "--steps", "5"], "fixed has a fixed length; --steps is for quick, twice, once"),
        (["quick", "--steps", "0"], "quick takes --steps 30 or another number from 1, got 0"),
        (["quick", "--steps", "5", "6"], "got 5 6"),
        (
            ["twice", "--steps", "5", "0"],
            "--steps 20 30 or another number from 1, one a cycle, got 5 0",
        ),
        (["quick", "--resume"], "there is no checkpoint in"),
    ],
)
def test_a_wrong_call_is_a_sentence(known, arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 1
    assert words in capsys.readouterr().err
    assert known == []


def test_a_run_that_has_begun_goes_on_only_when_asked_to(known, tmp_path, capsys):
    folder = tmp_path / "run"
    (folder / "cycle_0").mkdir(parents=True)
    (folder / "cycle_0" / "checkpoint.safetensors").touch()
    assert main(["train", "quick", "--out", str(folder)]) == 1
    assert "add --resume" in capsys.readouterr().err
    assert main(["train", "quick", "--out", str(folder), "--resume"]) == 0
    assert known == [("quick", folder, 30)]
    (tmp_path / "file").touch()
    assert main(["train", "quick", "--out", str(tmp_path / "file")]) == 1
    assert "is a file" in capsys.readouterr().err


def test_ctrl_c_ends_a_recipe_before_it_writes_a_weight(monkeypatch, tmp_path, capsys):
    def endless(folder: Path) -> Path:
        """Endless."""
        model = nn.Linear(1, 1)

        def loss_of(generator):
            signal.raise_signal(signal.SIGINT)

        long_run(model, loss_of, folder, steps=5, lr=0.1, keep=False)
        pytest.fail("went on to measure and save")

    monkeypatch.setattr(train, "recipes", lambda: {"endless": endless})
    with pytest.raises(SystemExit, match="The same command with --resume goes on"):
        main(["train", "endless", "--out", str(tmp_path / "run")])
    assert "Made" not in capsys.readouterr().out
