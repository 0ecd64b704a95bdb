"""Large downloads from a server of our own: broken connections, ranges, wrong files, full disks."""

import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_lib.cli import main
from course_lib.formats import downloads
from course_lib.formats.downloads import Remote

CONTENT = bytes(range(256)) * 2000
asked: list[tuple[str, str]] = []  # the path, and the range that was asked for


class Server(BaseHTTPRequestHandler):
    """/ranges/, /whole/ (knows no ranges) and /broken/ (gives 100,000 bytes a call)."""

    def do_GET(self) -> None:
        kind, wanted = self.path.split("/")[1], self.headers.get("Range", "")
        asked.append((kind, wanted))
        if kind == "gone":
            self.send_error(404)
            return
        first = 0 if kind == "whole" else int(wanted.removeprefix("bytes=").removesuffix("-"))
        content = CONTENT[::-1] if kind == "other" else CONTENT
        self.send_response(200 if kind == "whole" else 206)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        last = first + 100_000 if kind == "broken" else None
        self.wfile.write(content[first:last])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address():
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def remote(address, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    asked.clear()

    def make(kind):
        digest = hashlib.sha256(CONTENT).hexdigest()
        return Remote(f"{address}/{kind}/model.bin", digest, len(CONTENT), "a model", "MIT")

    return make


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "cache" / "models").iterdir())


def test_a_download_arrives_and_is_not_repeated(remote, tmp_path, capsys):
    file = downloads.download(remote("ranges"))
    assert file.read_bytes() == CONTENT
    assert "model.bin: 0.00 GB, done" in capsys.readouterr().err
    assert downloads.download(remote("gone")) == file
    assert asked == [("ranges", "bytes=0-")]
    assert left(tmp_path) == ["model.bin"]


def test_a_connection_that_breaks_goes_on_where_it_broke(remote):
    assert downloads.download(remote("broken")).read_bytes() == CONTENT
    assert [r for _, r in asked] == [f"bytes={i}-" for i in range(0, len(CONTENT), 100_000)]


@pytest.mark.parametrize("kind", ["ranges", "whole"])
def test_a_part_from_last_time_is_used_if_the_server_can(remote, kind):
    part = downloads.place(remote(kind)).with_name("model.bin.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    assert downloads.download(remote(kind)).read_bytes() == CONTENT
    assert asked == [(kind, "bytes=1000-")]


def test_a_part_that_is_too_long_is_begun_again(remote):
    part = downloads.place(remote("ranges")).with_name("model.bin.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT + b"more")
    assert downloads.download(remote("ranges")).read_bytes() == CONTENT


def test_what_cannot_be_had_keeps_what_is_here(remote, tmp_path):
    part = downloads.place(remote("gone")).with_name("model.bin.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    with pytest.raises(ConnectionError, match=r"Not Found.*are kept; the same call goes on"):
        downloads.download(remote("gone"))
    assert left(tmp_path) == ["model.bin.part"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = Remote(f"http://127.0.0.1:{free.getsockname()[1]}/model.bin", "0" * 64, 10, "", "")
        with pytest.raises(ConnectionError, match="Lesson 13 is complete without"):
            downloads.download(nobody)


def test_another_file_than_the_published_one_is_deleted(remote, tmp_path):
    with pytest.raises(ValueError, match=r"not the published file.*ask again"):
        downloads.download(remote("other"))
    assert left(tmp_path) == []


def test_disks_that_are_full_or_closed_are_named(remote, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"still to come and 0.00 GB are free.*COURSE_CACHE"):
        downloads.download(remote("ranges"))
    assert not asked
    (tmp_path / "a_file").touch()
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "a_file" / "cache"))
    with pytest.raises(OSError, match=r"cannot write model.bin.*COURSE_CACHE"):
        downloads.download(remote("ranges"))


def test_the_table_is_of_the_size_that_the_weights_are():
    """859,520,964 + 83,653,863 + 123,060,480 weights of 4 bytes, and a little more."""
    whole = downloads.published("sd-v1-5")
    more = whole.size - 4 * (859_520_964 + 83_653_863 + 123_060_480)
    assert 0 < more < 1_000_000
    for found in downloads.PUBLISHED.values():
        assert len(found.sha256) == 64
        assert found.url.startswith("https://")
    with pytest.raises(ValueError, match="'x' cannot be downloaded; sd-v1-5 and vae-ft-mse can"):
        downloads.published("x")


def test_the_command_lists_fetches_and_says_where(remote, monkeypatch, capsys):
    assert main(["download"]) == 0
    assert "sd-v1-5" in capsys.readouterr().out
    monkeypatch.setitem(downloads.PUBLISHED, "sd-v1-5", remote("ranges"))
    assert main(["download", "sd-v1-5"]) == 0
    said = capsys.readouterr().out
    assert "Licence: MIT" in said
    assert "model.bin" in said
    assert main(["download", "x"]) == 1
