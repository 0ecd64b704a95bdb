"""The small file of what was solved: two notebooks may write it at once, and it may be cut off."""

import subprocess
import sys

import pytest

from course_lib.exercises import progress

WRITE = """
import sys
from course_lib.exercises.progress import record
print("ready", flush=True)
sys.stdin.readline()
for i in range(26):
    record(f"{sys.argv[1]}.exercise_{i}", "failed")
    record(f"{sys.argv[1]}.exercise_{i}", "passed")
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path))
    monkeypatch.setattr(progress, "_unsaved", {})


def test_two_notebooks_that_check_at_once_lose_nothing():
    both = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, lesson],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for lesson in ("01", "02")
    ]
    for one in both:
        assert one.stdout.readline() == "ready\n"
    for one in both:  # together
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in both:
        one.communicate()
    assert [one.returncode for one in both] == [0, 0]
    wanted = {f"{lesson}.exercise_{i}": "passed" for lesson in ("01", "02") for i in range(26)}
    assert progress.load() == wanted


def test_a_line_that_was_cut_off_costs_no_other(tmp_path):
    progress.record("01.a", "passed")
    with (tmp_path / ".course_progress.jsonl").open("ab") as file:
        file.write(b'{"01.b": "pas')  # the power failed here
    progress.record("01.c", "passed")
    assert progress.load() == {"01.a": "passed", "01.c": "passed"}


def test_what_an_older_version_kept_still_counts(tmp_path):
    (tmp_path / ".course_progress.json").write_text('{"01.a": "passed", "01.b": "failed"}')
    progress.record("01.a", "failed")
    progress.record("01.b", "passed")
    assert progress.load() == {"01.a": "passed", "01.b": "passed"}


def test_the_file_grows_only_when_something_changes(tmp_path):
    for _ in range(100):
        progress.record("01.a", "failed")
    assert (tmp_path / ".course_progress.jsonl").read_text().count("01.a") == 1


def test_a_folder_that_becomes_read_only_is_remembered_until_python_ends(tmp_path, monkeypatch):
    progress.record("01.a", "failed")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "gone"))
    progress.record("01.a", "passed")
    assert progress.load() == {"01.a": "passed"}
