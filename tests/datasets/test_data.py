"""data/ as a whole: what is committed, its licences and its size; and the builder that makes it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tools.data import build_data, licences, sources
from tools.data.archives import contents
from tools.data.corpus import words
from tools.data.sources import Made, Source
from tools.data.splitting import by_cluster, near_duplicates

MANIFEST = build_data.read(build_data.MANIFEST)["files"]
BESIDE = {"manifest.json", "README.md"}  # not in the manifest: it cannot hold its own hash


def files() -> dict[str, Path]:
    """Every committed file of data/ but the weights, by its path below data/."""
    listed = ["git", "ls-files", "data"]
    try:
        found = subprocess.run(listed, cwd=build_data.ROOT, capture_output=True, check=True).stdout
        names = [line.removeprefix("data/") for line in found.decode().splitlines()]
    except (OSError, subprocess.CalledProcessError):  # no git, or a copy without its history
        inside = (f for f in build_data.DATA.rglob("*") if f.is_file())
        names = [f.relative_to(build_data.DATA).as_posix() for f in inside]
    return {n: build_data.DATA / n for n in names if not n.startswith("weights/")}


def test_the_manifest_lists_every_committed_file_and_no_other():
    assert set(files()) - BESIDE == set(MANIFEST)


@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_every_file_is_the_one_of_the_manifest(name):
    file = build_data.DATA / name
    assert file.stat().st_size == MANIFEST[name]["bytes"]
    assert sources.sha256(file) == MANIFEST[name]["sha256"]


def test_data_and_weights_are_within_their_budgets():
    assert sum(f.stat().st_size for f in files().values()) <= 36e6
    weights = (build_data.DATA / "weights").glob("*")
    assert sum(f.stat().st_size for f in weights) <= 64e6


def test_the_readme_is_the_one_that_the_manifest_gives():
    assert build_data.README.read_text(encoding="utf-8") == licences.readme(MANIFEST)


def test_every_file_and_every_source_has_its_line_in_the_readme():
    text = licences.readme(MANIFEST)
    for name, entry in MANIFEST.items():
        assert f"| `{name}` |" in text
        for source in entry["sources"]:
            assert source["licence"]
            assert source["credit"] in text
    assert "**Such pictures carry the licences of" in text


@pytest.mark.parametrize("name", build_data.SETS)
def test_the_manifest_says_what_the_modules_say(name):
    """A changed pin, licence or credit without a rebuild would leave the licence page untrue."""
    module = build_data.set_module(name)
    in_manifest = {p: e for p, e in MANIFEST.items() if e["set"] == name}
    assert set(in_manifest) == set(module.FILES)
    by_name = {s.name: s for s in module.SOURCES}
    for path, made in module.FILES.items():
        assert in_manifest[path]["about"] == made.about
        assert in_manifest[path]["sources"] == [vars(by_name[n]) for n in made.sources]
    assert {n for made in module.FILES.values() for n in made.sources} == set(by_name)
    assert all(len(s.sha256) == 64 for s in module.SOURCES)


@pytest.mark.parametrize("name", ["digits", "fashion"])
def test_every_picture_is_in_one_part_and_near_duplicates_are_together(name):
    split = build_data.read(build_data.SPLITS)[name]
    parts = [split["train"], split["validation"], split["test"]]
    together = [i for part in parts for i in part]
    with np.load(build_data.DATA / f"{name}.npz") as file:
        pictures = file["pictures"]
    assert sorted(together) == list(range(len(pictures)))
    pixels = pictures.reshape(len(pictures), -1).astype(np.float32) / 255
    for held_out in parts[1:]:
        others = np.setdiff1d(np.arange(len(pictures)), held_out)
        a, b = pixels[held_out], pixels[others]
        squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
        assert squared.min() > 0.99 * split["twins_rms"] ** 2 * pixels.shape[1]


def test_near_duplicates_are_chained():
    pictures = np.array([[0, 0], [20, 0], [40, 0], [255, 0]], np.uint8)
    a, b, c, d = near_duplicates(pictures, rms=0.06)
    assert a == b == c != d


def test_clusters_are_dealt_whole_and_parts_have_their_sizes():
    clusters = [i // 3 for i in range(300)]
    parts = by_cluster(clusters, seed=1, validation=30, test=60)
    assert [len(parts[n]) for n in ("train", "validation", "test")] == [210, 30, 60]
    of = [{clusters[i] for i in parts[n]} for n in ("train", "validation", "test")]
    assert sum(len(c) for c in of) == len(set.union(*of)) == 100
    assert by_cluster(clusters, seed=1, validation=30, test=60) == parts
    assert by_cluster(clusters, seed=2, validation=30, test=60) != parts


def test_words_are_plain():
    text = "São Paulo's 12 l'Hôpital rules: “Æther”, don’t—Ελλάδα co-op; København"  # noqa: RUF001
    assert words(text) == "sao paulo l'hopital rules aether don't co op kobenhavn".split()


def tiny_set(folder: Path, monkeypatch, content: bytes) -> None:
    """A builder of one set with one file and one source, in a folder of its own."""
    package = folder / "cache" / "package.zip"

    def build(taken, out):
        assert taken == {"a-package": package}
        (out / "tiny.bin").write_bytes(content)
        return {"seed": 7, "train": [0, 2], "test": [1]}

    tiny = SimpleNamespace(
        SOURCES=(Source("pypi", "a-package", "1.0", "0" * 64, "CC0", "A. Author"),),
        FILES={"tiny.bin": Made("a tiny file", ("a-package",))},
        build=build,
    )
    monkeypatch.setenv("COURSE_SOURCES", str(folder / "cache"))
    monkeypatch.setattr(build_data, "DATA", folder)
    for name in ("manifest.json", "splits.json", "README.md"):
        monkeypatch.setattr(build_data, name.split(".")[0].upper(), folder / name)
    monkeypatch.setattr(build_data, "set_module", lambda name: tiny)
    monkeypatch.setattr(build_data, "take", lambda source: package)


def test_a_build_is_checked_against_a_second_one(tmp_path, monkeypatch, capsys):
    tiny_set(tmp_path, monkeypatch, b"made once")
    build_data.build("tiny")
    assert (tmp_path / "tiny.bin").read_bytes() == b"made once"
    split = json.loads((tmp_path / "splits.json").read_text())["tiny"]
    assert split == {"made_by": "tools/data/tiny.py", "seed": 7, "train": [0, 2], "test": [1]}
    assert "| `tiny.bin` | a tiny file | 0 | a-package 1.0 (pypi) | CC0 |" in (
        (tmp_path / "README.md").read_text()
    )
    assert build_data.differences(["tiny"]) == []

    tiny_set(tmp_path, monkeypatch, b"made differently")
    found = build_data.differences(["tiny"])
    assert found[0] == "data/tiny.bin differs from the manifest in: sha256, bytes"
    (tmp_path / "tiny.bin").unlink()
    assert "data/tiny.bin is missing" in build_data.differences(["tiny"])
    assert capsys.readouterr().out.endswith("data/tiny.bin\n")


def test_a_package_is_fetched_once_and_must_be_the_pinned_one(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_SOURCES", str(tmp_path))
    make = [sys.executable, "-c", "open('package.whl', 'w').write('inside')"]
    monkeypatch.setattr(sources, "_command", lambda source, scratch: make)
    right = "6c1a90d23a7ef0ab1e1dc8ecd5ce9e1ef9a4ff24a4ba64b4ae5d3b6f4c4b5b5c"
    with pytest.raises(ValueError, match=r"a-package 1\.0 .*wanted SHA-256 6c1a") as refused:
        sources.take(Source("pypi", "a-package", "1.0", right, "CC0", "A. Author"))
    assert list(tmp_path.iterdir()) == []
    got = str(refused.value).split("got ")[1][:64]
    pinned = Source("pypi", "a-package", "1.0", got, "CC0", "A. Author")
    file = sources.take(pinned)
    assert file.read_text() == "inside"
    monkeypatch.setattr(sources, "_command", lambda source, scratch: ["false"])
    assert sources.take(pinned) == file  # from the cache


def test_a_prefix_that_fits_nothing_is_refused(tmp_path):
    archive = tmp_path / "x.whl"
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-c", archive, __file__],
        check=True,
    )
    assert list(contents(archive)) == ["test_data.py"]
    with pytest.raises(ValueError, match=r"x\.whl holds no file that starts with 'data/'"):
        contents(archive, "data/")


@pytest.mark.slow
@pytest.mark.parametrize("name", build_data.SETS)
@pytest.mark.skipif("COURSE_SOURCES" not in os.environ, reason="set COURSE_SOURCES to rebuild all")
def test_a_rebuild_gives_the_same_bytes(name):
    assert build_data.differences([name]) == []
