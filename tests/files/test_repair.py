"""What is printed as a repair works when it is pasted into a shell, wherever the course lies."""

import shutil
import subprocess
import sys

import pytest

from course_lib.files import paths

PLACES = ["course", "a c\u00f6urse (\u0141\u00f3d\u017a), 'mine' $HOME"]
needs_a_shell = pytest.mark.skipif(sys.platform == "win32", reason="pasted into sh here")


def pasted(sentence):
    """Run what follows "Repair it with: " as a person would: the line as it stands, in a shell."""
    _, found, command = sentence.partition("Repair it with: ")
    assert found, sentence
    return subprocess.run(command, shell=True, capture_output=True, text=True)


@pytest.fixture(params=PLACES)
def course(request, tmp_path):
    """A copy of the course, without history: what "Download ZIP" brings."""
    data = tmp_path / request.param / "data"
    data.mkdir(parents=True)
    (data / "digits.npz").write_text("the right ones")
    (data.parent / "pyproject.toml").touch()
    return data


@needs_a_shell
@pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")
@pytest.mark.parametrize("harm", ["deleted", "changed"])
def test_in_a_clone_the_command_brings_the_file_back(course, harm):
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(course.parent), *words], check=True)
    file = course / "digits.npz"
    file.unlink() if harm == "deleted" else file.write_text("wrong")
    ran = pasted(paths.repair(course, "digits.npz"))
    assert ran.returncode == 0, ran.stderr
    assert file.read_text() == "the right ones"


def test_in_a_copy_without_history_no_command_is_printed_that_cannot_work(course):
    said = paths.repair(course, "digits.npz")
    assert "git -C" not in said
    assert (
        said
        == f"Download the course again, and copy its data/digits.npz to {course / 'digits.npz'}."
    )


def test_a_clone_on_a_machine_without_git_is_treated_as_such_a_copy(course, monkeypatch):
    (course.parent / ".git").mkdir()
    monkeypatch.setattr(paths.shutil, "which", lambda name: None)
    assert "Download the course again" in paths.repair(course, "digits.npz")


@needs_a_shell
def test_an_installed_course_names_where_it_came_from(tmp_path, monkeypatch):
    """pip is not let out: that it got the words as they were meant is what counts."""
    source = "file:///a%20folder/it's a course.whl"
    monkeypatch.setattr(paths, "_installed_from", lambda: source)
    shell = tmp_path / "py thon"
    shell.write_text(f'#!/bin/sh\nfor word; do echo "$word"; done > "{tmp_path}/words"\n')
    shell.chmod(0o755)
    monkeypatch.setattr(paths.sys, "executable", str(shell))
    assert pasted(paths.repair(tmp_path / "data", "x")).returncode == 0
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:3] == ["-m", "pip", "install"]
    assert words[-1] == f"stable-diffusion-by-hand @ {source}"
