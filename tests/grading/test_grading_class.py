"""A class of hostile, broken and right notebooks, graded once, every row looked at.

Where bubblewrap cannot run these tests are skipped, in its own words: nothing here is proven then.
"""

import base64
import csv
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import grading_corpus
import pytest
from grading_corpus import RIGHT, SLEEP, notebook

import course_lib
from course_lib.exercises.registry import all_exercises, exercises_of
from course_lib.grading.classroom import Settings, grade

pytestmark = pytest.mark.sandbox
MEMORY = 1 << 30
ROOT = Path(__file__).parents[2]
STYLES = {  # three people, three ways to write lesson 01
    "loops": """
import torch
def output_pixel(image, kernel, row, column):
    total = 0.0
    for i in range(len(kernel)):
        for j in range(len(kernel[0])):
            total += image[row + i, column + j] * kernel[i, j]
    return total
def conv2d(image, kernel):
    out = torch.zeros(image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c] = output_pixel(image, kernel, r, c)
    return out
def output_size(size, kernel, stride, padding):
    places = 0
    at = -padding
    while at + kernel <= size + padding:
        places, at = places + 1, at + stride
    return places
def conv2d_channels(x, weight):
    out = []
    for o in range(len(weight)):
        out.append(sum(conv2d(x[i], weight[o, i]) for i in range(len(x))))
    return torch.stack(out)
def receptive_field(kernels, strides):
    seen, step = 1, 1
    for k, s in zip(kernels, strides):
        seen += (k - 1) * step
        step *= s
    return seen
""",
    "torch": """
import math
import torch.nn.functional as F
from torch import Tensor
def output_pixel(image: Tensor, kernel: Tensor, row: int, column: int) -> Tensor:
    h, w = kernel.shape
    return (image[row : row + h, column : column + w] * kernel).sum()
def conv2d(image: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(image[None, None], kernel[None, None])[0, 0]
output_size = lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride + 1
def conv2d_channels(x, weight): return F.conv2d(x[None], weight)[0]
def receptive_field(kernels, strides):
    return 1 + sum((k - 1) * math.prod(strides[:i]) for i, k in enumerate(kernels))
""",
    "einsum": """
from __future__ import annotations
import torch as t
class Patches:
    def __init__(self, image, h, w):
        self.all = image.unfold(-2, h, 1).unfold(-2, w, 1)
    def weighted(self, kernel): return t.einsum("...ab,ab->...", self.all, kernel)
def output_pixel(image, kernel, row, column):
    return Patches(image, *kernel.shape).weighted(kernel)[row, column].item()
def conv2d(image: t.Tensor, kernel: Missing) -> t.Tensor:
    return Patches(image, *kernel.shape).weighted(kernel)
def output_size(size, kernel, stride, padding):
    return len(range(-padding, size + padding - kernel + 1, stride))
def conv2d_channels(x, weight):
    patches = Patches(x, *weight.shape[2:]).all
    return t.einsum("ihwab,oiab->ohw", patches, weight)
def receptive_field(kernels, strides):
    if not kernels:
        return 1
    return (receptive_field(kernels[1:], strides[1:]) - 1) * strides[0] + kernels[0]
""",
}
HELD_UP = STYLES["loops"].replace("out[r, c] = output_pixel(image, kernel, r, c)", "pass")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """One grading of the whole class: (rows by student, kinds, report, host before, host after)."""
    home = tmp_path_factory.mktemp("grading")
    secret = home / "host" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text("42")
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADING_SECRET", "42")
        port = server.getsockname()[1]
        kinds = grading_corpus.make(home / "handed in", secret, port)
        for name, code in {**STYLES, "held-up": HELD_UP}.items():
            (home / "handed in" / f"{name}_01_convolutions.ipynb").write_bytes(notebook(code))
        before = _host(home, secret)
        settings = Settings(("00", "01"), jobs=2, timeout=16.0 if _busy() else 8.0, memory=MEMORY)
        rows = grade(home / "handed in", home / "report", settings)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()  # nobody came
    after = _host(home, secret)
    by_student = {}
    for row in rows:
        by_student.setdefault(row.student, {})[row.exercise] = row
    return by_student, kinds, home / "report", before, after


def _busy():
    """Whether the machine does so much else that honest notebooks need more time."""
    return os.getloadavg()[0] > 4 * (os.cpu_count() or 1)


def _host(home, secret):
    """Whatever a run could have changed: files by content, modes, names of processes."""
    package = Path(course_lib.__file__).parent
    files = [secret, *(home / "handed in").rglob("*"), package / "__init__.py"]
    files += (package / "grading").glob("*.py")
    told = {
        str(f): (
            f.lstat().st_mode,
            hashlib.sha256(f.read_bytes()).hexdigest() if f.is_file() else "",
        )
        for f in files
    }
    devices = {d: os.stat(d).st_mode for d in ("/dev/null", "/dev/zero", "/proc/sys", "/tmp")}
    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    return told, devices, pattern, socket.gethostname(), Path("mine").exists()


KINDS = sorted(k.name for k in grading_corpus._kinds(Path("/host/secret.txt"), 1))
LAYOUTS = ["old-format", "a-link", "a-pipe", "a-folder", "nothing", "broken-zip", "in-a-zip"]
LAYOUTS += ["=HYPERLINK(1)", "<b>bold"]


@pytest.mark.parametrize("name", [*KINDS, *LAYOUTS])
def test_each_kind_gets_its_row(graded, name):
    by_student, kinds, *_ = graded
    kind, row = kinds[name], by_student[name]["00.negative"]
    if kind.status:
        assert row.status in kind.status.split("|"), row
    assert kind.words in row.words
    assert kind.remark in "; ".join(row.remarks)
    assert row.points == (row.of if row.status == "passed" else 0)
    told = re.search(r"(?<![\w.])42(?![\w.])", row.words)  # what the host's secret file holds
    assert not told or kind.family != "reads or writes what is not its own"
    assert "GRADING_SECRET=" not in row.words + row.printed


def test_the_corpus_is_as_large_as_it_should_be(graded):
    _, kinds, *_ = graded
    families = Counter(k.family for k in kinds.values())
    assert len(families) == 5
    assert min(families.values()) >= 5
    assert len(kinds) >= 25


def test_everybody_has_a_row_for_every_exercise(graded):
    by_student, kinds, *_ = graded
    wanted = [e.id for lesson in ("00", "01") for e in exercises_of(lesson)]
    assert set(by_student) == {*kinds, *STYLES, "held-up"}
    assert all(list(rows) == wanted for rows in by_student.values())


@pytest.mark.parametrize("style", STYLES)
def test_right_answers_pass_in_full_in_whatever_style(graded, style):
    rows = [r for r in graded[0][style].values() if r.exercise.startswith("01.")]
    assert [(r.status, r.words) for r in rows] == [("passed", "")] * 5
    assert sum(r.points for r in rows) == sum(e.points for e in exercises_of("01"))
    assert not any(r.remarks for r in rows)


def test_one_mistake_costs_one_exercise(graded):
    """conv2d_channels calls the wrong conv2d: in the lesson, check has put the course's there."""
    rows = graded[0]["held-up"]
    assert rows["01.conv2d"].status == "failed"
    assert rows["01.conv2d_channels"].status == "passed"
    assert "course's own conv2d" in rows["01.conv2d_channels"].remarks[0]


def test_the_host_is_as_it_was(graded):
    *_, before, after = graded
    assert before == after


def test_an_interrupt_ends_every_process_and_the_next_start_goes_on(tmp_path):
    """A real one: Ctrl-C while a notebook hangs."""
    (tmp_path / "in").mkdir()
    for name, code in {"a": RIGHT, "b": "def negative(p):\n    while True: pass"}.items():
        (tmp_path / "in" / f"{name}_00_start_here.ipynb").write_bytes(notebook(code))
    out = tmp_path / "out"
    call = ["grade", str(tmp_path / "in"), "--out", str(out), "--jobs", "1"]
    heard = ["env", "--default-signal=INT"]  # tests run in the background inherit deaf ears
    for _ in range(2):
        with subprocess.Popen(
            [*heard, sys.executable, "-m", "course_lib.cli", *call],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as running:
            seen = running.stderr.readline()  # the first step, or what was done before
            time.sleep(2)
            running.send_signal(signal.SIGINT)
            said, _ = running.communicate(timeout=60)
        assert "1 of 2" in seen
        assert (running.returncode, said) == (130, "Stopped.\n")
        assert len((out / ".grading.jsonl").read_text().splitlines()) == 2
    assert not (out / "marks.csv").exists()


def processes_left():
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        ours = b"course_lib.grading.worker" in words and parent in (1, os.getpid())
        if words[:2] == [b"sleep", SLEEP.encode()] or ours:
            left.append((process.name, words))
    return left


def test_no_process_is_left(graded):
    assert graded
    until = time.monotonic() + 10  # one that was interrupted may still be on its way out
    while processes_left() and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_left() == []


def test_the_lessons_own_solutions_pass_in_the_sandbox(tmp_path):
    """Every exercise of the course can be graded: its probe needs nothing that is not in there."""
    folder = tmp_path / "in" / "course"
    folder.mkdir(parents=True)
    for lesson in (ROOT / "lessons").glob("[0-9][0-9]_*.py"):
        cells = re.split(r"^# %%", lesson.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        parts = [c.partition("\n") for c in cells]
        code = notebook(*(body for kind, _, body in parts if "[markdown]" not in kind))
        (folder / f"{lesson.stem}.ipynb").write_bytes(code)
    rows = grade(tmp_path / "in", tmp_path / "out", Settings(timeout=300.0))
    wanted = {e.id for e in all_exercises() if list((ROOT / "lessons").glob(f"{e.lesson}_*.py"))}
    assert {r.exercise for r in rows} == wanted
    assert [(r.exercise, r.status, r.words) for r in rows if r.status != "passed"] == []
    copied = [r for r in rows if "is the published solution, word for word" in r.remarks]
    assert 0 < len(copied) < len(rows)  # the short ones coincide, and are not called copied


# --- the reports of that class ---


def test_marks_have_a_header_and_a_row_for_each_student(graded):
    by_student, _, report, *_ = graded
    with (report / "marks.csv").open(encoding="utf-8-sig", newline="") as f:
        header, *lines = csv.reader(f)
    ids = [e.id for lesson in ("00", "01") for e in exercises_of(lesson)]
    assert header == ["student", "points", "lesson 00", "lesson 01", *ids]
    assert len(lines) == len(by_student)
    for student, points, zero, one, *each in lines:
        rows = by_student[student.removeprefix("'")]
        assert [int(n) for n in each] == [r.points for r in rows.values()]
        assert int(points) == int(zero) + int(one) == sum(map(int, each))


@pytest.mark.parametrize("name", ["marks.csv", "details.csv"])
def test_no_cell_can_become_a_formula(graded, name):
    with (graded[2] / name).open(encoding="utf-8-sig", newline="") as f:
        cells = [cell for line in csv.reader(f) for cell in line]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


class _Tags(HTMLParser):
    """Refuses what must not be in a page, and collects its text and classes."""

    def __init__(self, text):
        super().__init__()
        self.text, self.meta, self.links, self.scripts = "", [], [], 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert tag not in ("iframe", "img", "link", "object", "form", "b"), tag
        self.scripts += tag == "script"
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "href":
                self.links.append(value)
            assert name != "src"
        if tag == "meta":
            self.meta.append(dict(attrs))

    def handle_data(self, data):
        self.text += data


def test_pages_are_self_contained_escaped_and_fit_a_phone(graded):
    by_student, _, report, *_ = graded
    pages = [*(report / "students").glob("*.html"), report / "index.html"]
    assert len(pages) == len(by_student) + 1
    for page in pages:
        source = page.read_text(encoding="utf-8")
        tags = _Tags(source)
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in tags.meta
        assert not re.search(r"https?:|@import|url\(", source)
        policy = next(m["content"] for m in tags.meta if "default-src" in m.get("content", ""))
        if page.name == "index.html":
            (script,) = re.findall(r"<script>(.*?)</script>", source, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"script-src 'sha256-{digest}'" in policy
        assert tags.scripts == ("script-src" in policy) == (page.name == "index.html")
        assert "without a sandbox" not in source
        for link in tags.links:
            file, _, anchor = link.partition("#")
            if file:
                assert (report / file).resolve().parent == (report / "students").resolve()
                assert f'id="{anchor}"' in (report / file).read_text(encoding="utf-8") or not anchor
            else:
                assert f'id="{anchor}"' in source


def test_the_class_page_says_what_was_hard_and_why(graded):
    text = _Tags((graded[2] / "index.html").read_text(encoding="utf-8")).text
    hardest = re.findall(r"0[01]\.\w+", text.partition("The hardest first")[2])[0]
    assert hardest.startswith("01.")  # four students wrote lesson 01, dozens lesson 00
    assert text.index("Marks") < text.index("The hardest first") < text.index("and the other way")
    assert "00.negative: as if from 0 to 1" in text
    assert "calls the course's own negative" in text


def test_a_students_page_has_the_hint_and_no_remarks(graded):
    def page(name):
        return _Tags((graded[2] / "students" / name).read_text(encoding="utf-8")).text

    assert "Ours go from -1 to 1" in page("wrong.html")
    assert "✗ failed: 0 of 1" in page("wrong.html")
    assert "<script>alert(1)</script>" in page("script-in-a-message.html")
    assert "calls the course's own" not in page("the-courses-own.html")
