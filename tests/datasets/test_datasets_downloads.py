"""Downloads from a server of our own on this machine: what arrives, and what is refused."""

import gzip
import hashlib
import io
import socket
import struct
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets.mnist import read_image_file

from course_lib.datasets import downloads
from course_lib.datasets.fetching import Remote, fetch

CONTENT = bytes(range(256)) * 2000
REMOTE = Remote("unset/set.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Server(BaseHTTPRequestHandler):
    """Gives CONTENT, or less than it promised, or something else, as the address says."""

    def do_GET(self) -> None:
        if self.path.startswith("/gone"):
            self.send_error(404)
            return
        body = {"whole": CONTENT, "half": CONTENT[:99_999], "other": CONTENT[::-1]}
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(body[self.path.split("/")[1]])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


def test_a_download_arrives_whole_and_is_not_repeated(address, cache, capsys):
    file = fetch(replace(REMOTE, url=f"{address}/whole/set.bin"))
    assert file.read_bytes() == CONTENT
    assert "set.bin: 0.5 MB, done" in capsys.readouterr().err
    assert fetch(replace(REMOTE, url=f"{address}/gone/set.bin")) == file  # nobody was asked
    assert [p.name for p in cache.iterdir()] == ["set.bin"]


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("half", ConnectionError, "ended after 99,999 of 512,000 bytes, and nothing of it was"),
        ("other", ValueError, "set.bin is damaged: its SHA-256 should be"),
        ("gone", ConnectionError, "no connection to http://127.0.0.1:.*: Not Found. Only this"),
    ],
)
def test_what_does_not_arrive_whole_is_refused_and_leaves_nothing(
    kind, error, message, address, cache
):
    with pytest.raises(error, match=message):
        fetch(replace(REMOTE, url=f"{address}/{kind}/set.bin"))
    assert list(cache.iterdir()) == []


def test_without_a_network_one_sentence_says_what_still_works(cache):
    with socket.socket() as free:  # a port that nobody listens on
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/set.bin"
        with pytest.raises(ConnectionError, match=r"no connection to .* work offline\.$"):
            fetch(replace(REMOTE, url=url))
    assert list(cache.iterdir()) == []


def test_a_half_written_file_in_the_cache_is_refused(address, cache):
    cache.mkdir()
    (cache / "set.bin").write_bytes(CONTENT[:1000])
    with pytest.raises(ValueError, match=r"and 1,000\. Delete .*set\.bin and ask again"):
        fetch(replace(REMOTE, url=f"{address}/whole/set.bin"))


def test_a_cache_that_cannot_be_written_is_named(address, tmp_path, monkeypatch):
    (tmp_path / "a_file").touch()  # so that no folder can be made below it, not even by root
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "a_file" / "cache"))
    with pytest.raises(OSError, match=r"cannot write set\.bin .* Set the environment variable"):
        fetch(replace(REMOTE, url=f"{address}/whole/set.bin"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_named(address, cache, monkeypatch):
    monkeypatch.setattr(Path, "open", lambda *_: io.FileIO("/dev/full", "w"))
    with pytest.raises(OSError, match=r"No space left on device\. Set the environment variable"):
        fetch(replace(REMOTE, url=f"{address}/whole/set.bin"))


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes())


def serve_mnist(folder: Path, monkeypatch, pictures: bytes, labels: bytes) -> None:
    """Put these bytes where the two files of MNIST's test set would be."""
    remotes = []
    for remote, data in zip(downloads.MNIST["test"], (pictures, labels), strict=True):
        folder.mkdir(exist_ok=True)
        (folder / remote.name).write_bytes(data)
        remotes.append(replace(remote, sha256=hashlib.sha256(data).hexdigest(), size=len(data)))
    monkeypatch.setitem(downloads.MNIST, "test", tuple(remotes))


def test_mnist_is_read_as_torchvision_reads_it(cache, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    labels = np.array([3, 1, 4, 1, 5], np.uint8)
    serve_mnist(cache, monkeypatch, idx(pixels), idx(labels))
    pictures, numbers = downloads.full_mnist("test")
    assert numbers.tolist() == labels.tolist()
    plain = cache / "plain"
    plain.write_bytes(gzip.decompress(idx(pixels)))
    reference = read_image_file(str(plain))
    torch.testing.assert_close(pictures, reference[:, None] / 127.5 - 1)


def test_an_mnist_file_of_the_wrong_length_is_refused(cache, monkeypatch):
    whole = gzip.decompress(idx(np.zeros((5, 28, 28), np.uint8)))
    serve_mnist(cache, monkeypatch, gzip.compress(whole[:-1]), idx(np.zeros(5, np.uint8)))
    with pytest.raises(ValueError, match="is not one of MNIST's files: 3,935 bytes unpacked, for"):
        downloads.full_mnist("test")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="full_mnist: there is no split 'validation'; wanted one"):
        downloads.full_mnist("validation")
    with pytest.raises(ValueError, match="cifar_ships: there is no split 'both'"):
        downloads.cifar_ships("both")


def cifar(file: Path, **batches: bytes) -> Path:
    """An archive with the layout of cifar-10-binary.tar.gz."""
    with tarfile.open(file, "w:gz") as archive:
        for name, data in {"batches.meta": b"airplane", **batches}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file


def test_only_ships_are_read_and_each_in_its_place(tmp_path, cache, monkeypatch):
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)  # red plane, green, blue
    label = [8, 0, 8, 9, 1, 8]
    records = [bytes([n]) + p.tobytes() for n, p in zip(label, pixels, strict=True)]
    archive = cifar(
        tmp_path / "cifar.tar.gz",
        data_batch_1=b"".join(records[:2]),
        data_batch_2=b"".join(records[2:5]),
        test_batch=records[5],
    )
    cache.mkdir()
    data = archive.read_bytes()
    (cache / downloads.CIFAR.name).write_bytes(data)
    known = replace(downloads.CIFAR, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    monkeypatch.setattr(downloads, "CIFAR", known)
    expected = torch.from_numpy(pixels).float() / 127.5 - 1
    torch.testing.assert_close(downloads.cifar_ships("train"), expected[[0, 2]])
    torch.testing.assert_close(downloads.cifar_ships("test"), expected[[5]])


@pytest.mark.parametrize("size", [0, 3072, 30_729_999])
def test_a_cifar_file_of_the_wrong_size_is_refused(size, tmp_path):
    archive = cifar(tmp_path / "cifar.tar.gz", data_batch_1=bytes(size))
    with pytest.raises(ValueError, match=f"data_batch_1.bin in .* has {size:,} bytes: a file of"):
        downloads.ships_in(archive, "train")


def test_an_archive_of_another_version_is_refused(tmp_path):
    archive = cifar(tmp_path / "cifar.tar.gz", something_else=b"1")
    with pytest.raises(ValueError, match=r"holds no test_batch\*\.bin\. Usual cause"):
        downloads.ships_in(archive, "test")
