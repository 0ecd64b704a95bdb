"""The command line: quick to start, careful with a learner's files, a sentence for mistakes."""

import json
import subprocess
import sys

import nbformat
import pytest

from course_lib.cli import main
from course_lib.commands import doctor, lab
from course_lib.exercises.cells import read_notebook
from course_lib.files import paths


@pytest.fixture(autouse=True)
def _own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path))


def notebook(path, *cells):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(nb, path)
    return path


# --- starting ---


def test_the_package_and_the_help_import_nothing_heavy():
    code = (
        "import sys, course_lib.cli\n"
        "try: course_lib.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'matplotlib', 'transformers'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"
    assert "doctor" in out.stdout


@pytest.mark.parametrize(
    ("code", "limit"),
    [("import course_lib", 0.1), ("from course_lib.cli import main; main(['--help'])", 0.3)],
)
def test_starting_costs_little(code, limit):
    """CPU seconds beyond an empty Python, the best of three: other work does not count."""

    def seconds(run):
        timed = (
            "import time, sys\nbefore = time.process_time()\n"
            f"try:\n    {run}\nexcept SystemExit: pass\n"
            "print(time.process_time() - before)"
        )
        out = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True)
        return float(out.stdout.splitlines()[-1])

    assert min(seconds(code) for _ in range(3)) < limit


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["check"], ["lab", "a", "b"]])
def test_a_wrong_call_ends_in_the_usage_and_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: course" in capsys.readouterr().err


# --- course lab ---


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course with two notebooks, and the folder of a learner."""
    source = tmp_path / "course"
    source.mkdir()
    for name in ("00_a.ipynb", "01_b.ipynb"):
        (source / name).write_text(name)
    monkeypatch.setattr(paths, "bundled", lambda name: source)
    return source, tmp_path / "mine"


def test_lab_copies_once_and_keeps_what_the_learner_changed(course):
    source, mine = course
    assert lab.copy_notebooks(mine) == (2, 0)
    assert lab.copy_notebooks(mine) == (0, 0)
    (mine / "01_b.ipynb").write_text("my work")
    (source / "00_a.ipynb").write_text("a newer version")
    (source / "01_b.ipynb").write_text("a newer version")
    assert lab.copy_notebooks(mine) == (1, 1)
    assert (mine / "00_a.ipynb").read_text() == "a newer version"
    assert (mine / "01_b.ipynb").read_text() == "my work"


def test_lab_never_overwrites_a_file_it_did_not_put_there(course):
    _, mine = course
    mine.mkdir()
    (mine / "00_a.ipynb").write_text("somebody's")
    assert lab.copy_notebooks(mine) == (1, 1)
    (mine / ".course_notebooks.json").write_text("{")
    (mine / "01_b.ipynb").write_text("mine")
    assert lab.copy_notebooks(mine) == (0, 2)
    assert (mine / "00_a.ipynb").read_text() == "somebody's"


def test_lab_refuses_a_file_and_the_courses_own_folder(course, capsys):
    source, mine = course
    mine.write_text("a file")
    assert main(["lab", str(mine), "--no-open"]) == 1
    assert "is a file" in capsys.readouterr().err
    assert main(["lab", str(source), "--no-open"]) == 1
    assert "the course's own folder" in capsys.readouterr().err


def test_lab_opens_jupyterlab_at_the_first_lesson(course, monkeypatch):
    _, mine = course
    called = []

    def run(command, **kwargs):
        called.append((command[1:], kwargs["cwd"]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(lab.subprocess, "run", run)
    assert main(["lab", str(mine)]) == 0
    first = "--LabApp.default_url=/lab/tree/00_a.ipynb"
    assert main(["lab", str(mine), "--allow-root"]) == 0
    plain = ["-m", "jupyterlab", first]
    assert called == [(plain, mine), ([*plain, "--allow-root"], mine)]


# --- course check ---

RIGHT = 'def negative(picture):\n    """Mine."""\n    return -picture'
WRONG = "def negative(picture):\n    return 1 - picture"
STUB = 'def negative(picture):\n    raise NotImplementedError("your turn")'


@pytest.mark.parametrize(
    ("cells", "code", "words"),
    [
        ([RIGHT], 0, "passed"),
        ([STUB, RIGHT], 0, "passed"),
        ([RIGHT, STUB], 0, "passed"),
        ([RIGHT, RIGHT], 0, "passed"),
        ([RIGHT, WRONG], 1, "right for pictures from 0 to 1"),
        ([STUB], 1, "not attempted"),
        (["x = 1"], 1, "no function is called negative"),
        (["%matplotlib inline\n!ls", RIGHT + "\n%time 1"], 0, "passed"),
        (["def (:", RIGHT], 0, "A cell could not be read"),
        (["import torch", "sign = -1", "def negative(p):\n    return sign * p"], 0, "passed"),
        (["raise RuntimeError", "1 / 0", "train()", RIGHT], 0, "passed"),
        (["import no_such_package", RIGHT], 0, "passed"),
        (["import no_such as n", "def negative(p):\n    return n.x"], 1, "ModuleNotFoundError"),
    ],
)
def test_check_finds_exercises_by_name_in_whatever_is_left(cells, code, words, tmp_path, capsys):
    assert main(["check", str(notebook(tmp_path / "00_x.ipynb", *cells))]) == code
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"cells": [{}]}', "3"])
def test_check_says_when_a_file_is_no_notebook(text, tmp_path, capsys):
    (tmp_path / "00_x.ipynb").write_text(text)
    assert main(["check", str(tmp_path / "00_x.ipynb")]) == 1
    assert "is not a notebook that can be read" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "missing.ipynb")]) == 1


def test_check_of_a_renamed_notebook_goes_by_its_functions(tmp_path, capsys):
    assert main(["check", str(notebook(tmp_path / "Copy of it.ipynb", RIGHT))]) == 0
    assert main(["check", str(notebook(tmp_path / "other.ipynb", "x = 1"))]) == 1
    assert "defines no exercise of this course" in capsys.readouterr().err


def test_old_notebooks_can_be_read(tmp_path):
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 1"]}]}]}
    (tmp_path / "old.ipynb").write_text(json.dumps(old))
    assert read_notebook(tmp_path / "old.ipynb").cells == ("a = 1",)


# --- course doctor ---


def test_doctor_finds_this_installation_well(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "All is well." in out
    assert "torch 2" in out


def test_doctor_names_what_is_missing_spoilt_or_a_pointer(tmp_path, monkeypatch, capsys):
    good = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of "test"
    entries = {name: {"sha256": good} for name in ("good", "gone", "changed", "pointer")}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": entries}))
    (tmp_path / "good").write_text("test")
    (tmp_path / "changed").write_text("tset")
    (tmp_path / "pointer").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "weights").mkdir()
    card = {"sha256": good, "beside": {"emoji_tokenizer/vocab.json": good}}
    (tmp_path / "weights" / "unet.json").write_text(json.dumps(card))
    (tmp_path / "weights" / "spoilt.json").write_text("{")
    monkeypatch.setattr(paths, "bundled", lambda name: tmp_path)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    for words in ("gone is missing", "changed is not the file", "pointer is only a pointer"):
        assert f"REPAIR  {tmp_path}/{words}" in out
    assert "weights/unet.safetensors is missing" in out
    assert "spoilt.json is corrupted" in out
    assert "emoji_tokenizer/vocab.json is missing" in out
    assert f"{tmp_path}/good" not in out


@pytest.mark.parametrize(
    ("found", "well", "words"),
    [("2.10.0+cu128", True, "torch 2.10.0"), ("2.8", False, "too old"), (None, False, "missing")],
)
def test_doctor_compares_versions_as_numbers(found, well, words, monkeypatch):
    def version(name):
        if found is None:
            raise doctor.PackageNotFoundError
        return found

    monkeypatch.setattr(doctor, "version", version)
    monkeypatch.setattr(doctor, "requires", lambda name: ["torch>=2.9", "x>=9; extra == 'lab'"])
    monkeypatch.setattr(doctor, "_imported", lambda there: [(True, f"{n} {v}") for n, v in there])
    ((good, line),) = doctor._packages()
    assert good is well
    assert words in line
    assert well or "pip install" in line
