"""Bundled files: found and checked; missing, truncated, damaged ones named with their mending."""

import json
import shutil
from pathlib import Path

import pytest

from course_lib.datasets import digits, registry
from course_lib.files import paths


@pytest.fixture
def copied(tmp_path, monkeypatch) -> Path:
    """The course's data/ elsewhere, as an installed wheel has it: no pyproject.toml beside it."""
    folder = tmp_path / "data"
    real = registry.path("digits.npz").parent
    folder.mkdir()
    for name in ("manifest.json", "splits.json", "digits.npz"):
        shutil.copy(real / name, folder)
    monkeypatch.setattr(registry.paths, "bundled", lambda name: tmp_path / name)
    return folder


def test_a_whole_file_is_found(copied):
    assert registry.path("digits.npz") == copied / "digits.npz"


def test_it_is_hashed_once_a_process(copied, monkeypatch):
    registry.path("digits.npz")
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("read again"))
    registry.path("digits.npz")


def test_a_missing_file_is_named_with_what_mends_it(copied):
    (copied / "digits.npz").unlink()
    with pytest.raises(
        FileNotFoundError,
        match=r"digits\.npz is missing\. (Repair it with: |Install the course again)",
    ):
        digits.load("train")


def test_a_truncated_file_is_named_with_both_sizes(copied):
    whole = (copied / "digits.npz").read_bytes()
    (copied / "digits.npz").write_bytes(whole[:1000])
    with pytest.raises(
        ValueError, match=rf"cut short: .*{len(whole):,} bytes, it has 1,000\..*pip"
    ):
        digits.load("train")


def test_one_changed_byte_is_found(copied):
    data = bytearray((copied / "digits.npz").read_bytes())
    data[5000] ^= 1
    (copied / "digits.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"its SHA-256 should be [0-9a-f]{12}\.\.\., it is .*pip"):
        digits.load("train")


def test_in_a_clone_git_repairs_it(copied, monkeypatch):
    monkeypatch.setattr(paths.shutil, "which", lambda name: f"/usr/bin/{name}")
    (copied.parent / ".git").mkdir()
    (copied / "digits.npz").unlink()
    with pytest.raises(
        FileNotFoundError, match=f"git -C {copied.parent} checkout -- data/digits.n"
    ):
        registry.path("digits.npz")


def test_a_missing_manifest_is_named(copied):
    (copied / "manifest.json").unlink()
    with pytest.raises(
        FileNotFoundError,
        match=r"manifest\.json is missing\. (Repair it with: |Install the course again)",
    ):
        registry.path("digits.npz")


def test_a_name_that_is_not_bundled_is_refused(copied):
    with pytest.raises(
        ValueError, match=r"no bundled file is called 'digit.npz'; there are .*digi"
    ):
        registry.path("digit.npz")


def test_a_set_without_a_split_is_refused(copied):
    known = sorted(json.loads((copied / "splits.json").read_text(encoding="utf-8")))
    with pytest.raises(ValueError, match=f"no split for 'glove'; .* has {', '.join(known)}$"):
        registry.splits("glove")


def test_an_unknown_part_is_refused():
    with pytest.raises(
        ValueError, match=r"digits\.load: there is no split 'all'; wanted one of train"
    ):
        digits.load("all")
