"""tools/start.py with a course of three files: made, moved, damaged, and made well again.

Real environments, by the venv and pip of this Python, without an index.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START = ROOT / "tools" / "start.py"
sys.path.insert(0, str(START.parent))

import environment  # noqa: E402
import start  # noqa: E402

PLACE = "a cöurse (Łódź), 'mine'"
SETTINGS = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "stable-diffusion-by-hand"
version = "1"
requires-python = ">=3.11,<3.15"
"""
BACKEND = '''"""An editable wheel by hand: a line that leads to this folder."""
import os, zipfile
INFO = "stable_diffusion_by_hand-1.dist-info/"
METADATA = "Metadata-Version: 2.1\\nName: stable-diffusion-by-hand\\nVersion: 1\\n"
EXTRAS = "Provides-Extra: lab\\nProvides-Extra: test\\n"
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "stable_diffusion_by_hand-1-py3-none-any.whl"
    files = {"course.pth": os.getcwd() + "\\n", INFO + "METADATA": METADATA + EXTRAS}
    files[INFO + "WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files["tiny/part.py"] = files["tiny/__init__.py"] = "x = 1\\n"
    files[INFO + "RECORD"] = "".join(f"{f},,\\n" for f in [*files, INFO + "RECORD"])
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
    return name
'''
CLI = "import os, sys\nprint('ran', sys.argv[1:], sys.prefix, os.environ.get('PYTHONPATH'))\n"


@pytest.fixture
def course(tmp_path):
    """The course's starters beside a package of one line."""
    root = tmp_path / PLACE
    (root / "tools").mkdir(parents=True)
    for name in ("start.py", "environment.py"):
        shutil.copy(START.with_name(name), root / "tools")
    (root / "course_lib").mkdir()
    (root / "course_lib" / "__init__.py").touch()
    (root / "course_lib" / "cli.py").write_text(CLI)
    (root / "pyproject.toml").write_text(SETTINGS)
    (root / "backend.py").write_text(BACKEND)
    return root


def started(root, *arguments, python=sys.executable, wrapped="", **variables):
    """The exit code and what was printed. No package comes from an index or from elsewhere."""
    own = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    hidden = ("COURSE_VENV", "PYTHONPATH")
    outer = {k: v for k, v in os.environ.items() if k not in hidden}
    script = str(root / "tools" / "start.py")
    call = [script, *arguments]
    if wrapped:  # lines that run before it
        run = f"import runpy, sys; sys.argv = sys.argv[1:]; {wrapped}; "
        run += "sys.path.insert(0, sys.argv[0].rpartition('start.py')[0]); "
        call = ["-c", run + "runpy.run_path(sys.argv[0], run_name='__main__')", *call]
    ran = subprocess.run(
        [python, *call], env={**outer, **own, **variables}, capture_output=True, text=True
    )
    return ran.returncode, ran.stdout + ran.stderr


def python_of(root):
    return root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.mark.slow
def test_one_command_makes_it_and_a_second_time_only_runs(course):
    code, said = started(course, "lab", "--no-open")
    assert code == 0, said
    assert "this takes some minutes, once" in said
    assert "ran ['lab', '--no-open']" in said
    code, said = started(course, "lab")
    assert said.splitlines() == [f"ran ['lab'] {course / '.venv'} None"]
    code, said = started(course, "install")
    assert Path(said.splitlines()[-1]) == python_of(course)


@pytest.mark.slow
def test_an_environment_that_was_moved_is_made_again(course):
    assert started(course, "lab")[0] == 0
    moved = course.with_name("elsewhere")
    course.rename(moved)
    code, said = started(moved, "lab")
    assert code == 0, said
    assert f"as it was moved (from {course / '.venv'})" in said
    assert f"{moved / '.venv'} None" in said
    activate = python_of(moved).with_name("activate").read_text()
    assert str(moved / ".venv") in activate
    assert str(course) not in activate
    again = course.with_name("and again")  # called from the activated environment itself
    moved.rename(again)
    code, said = started(again, "lab", python=str(python_of(again)))
    assert code == 0, said
    assert f"{again / '.venv'} None" in said


@pytest.mark.slow
def test_what_is_half_deleted_is_repaired_and_said(course):
    assert started(course, "lab")[0] == 0
    (site,) = (course / ".venv").rglob("site-packages")
    (site / "tiny" / "part.py").unlink()
    code, said = started(course, "lab")
    assert code == 0, said
    assert "Repairing stable-diffusion-by-hand: files are missing." in said
    assert (site / "tiny" / "part.py").is_file()
    shutil.rmtree(site / "stable_diffusion_by_hand-1.dist-info")
    code, said = started(course, "lab")
    assert code == 0, said
    assert "Repairing stable-diffusion-by-hand" in said
    assert "Repairing" not in started(course, "lab")[1]
    shutil.rmtree(site / "pip")
    code, said = started(course, "lab")
    assert code == 0, said
    assert "again, as it is not whole" in said


@pytest.mark.slow
def test_a_python_that_went_away_or_was_upgraded_is_noticed(course):
    assert started(course, "lab")[0] == 0
    if os.name != "nt":
        for link in python_of(course).parent.glob("python*"):
            link.unlink()
            link.symlink_to("/no/such/python")
        code, said = started(course, "lab")
        assert code == 0, said
        assert "again, as its Python is gone" in said
    note = course / ".venv" / environment.MADE
    note.write_text(json.dumps({**json.loads(note.read_text()), "python": "3.11.0"}))
    code, said = started(course, "lab")
    assert code == 0, said
    assert "again, as Python 3.11.0 is now" in said


@pytest.mark.slow
def test_what_was_broken_off_goes_on_and_settings_that_changed_are_taken_in(course):
    assert started(course, "lab")[0] == 0
    for stamp in (course / ".venv").glob("installed-*"):
        stamp.unlink()  # stopped while pip was at work
    code, said = started(course, "lab")
    assert (code, "Bringing" in said, "Preparing" in said) == (0, True, False)
    (course / "pyproject.toml").write_text(SETTINGS + "# a change\n")
    code, said = started(course, "lab")
    assert (code, "Bringing" in said) == (0, True)
    (course / ".venv" / environment.MADE).unlink()  # and one that somebody made by hand stays
    assert started(course, "lab")[0] == 0


@pytest.mark.slow
def test_without_ensurepip_the_pip_that_is_here_does_it_and_without_both_a_sentence(course):
    ensurepip = pytest.importorskip("ensurepip")
    wheels = Path(ensurepip.__file__).parent / "_bundled"
    if not list(wheels.glob("pip-*.whl")) or shutil.which("uv"):
        pytest.skip("this Python brings no pip of its own to install from, or uv is here")
    debian = "sys.modules['ensurepip'] = None"
    code, said = started(course, "lab", wrapped=debian + "; sys.modules['pip'] = None")
    assert code == 1
    assert said.splitlines()[-1].startswith(f"This Python ({sys.executable}) can make no virtual")
    assert "sudo apt install python3-venv" in said
    assert "Traceback" not in said
    code, said = started(course, "lab", wrapped=debian, PIP_FIND_LINKS=str(wheels))
    assert code == 0, said
    assert "ran ['lab']" in said


@pytest.mark.slow
def test_other_programs_packages_are_kept_out(course, tmp_path):
    (tmp_path / "site.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "json.py").write_text("raise SystemExit('nor this one')")
    wrapped = f"import os; os.environ['PYTHONPATH'] = {str(tmp_path)!r}"
    code, said = started(course, "lab", wrapped=wrapped)
    assert code == 0, said
    assert "PYTHONPATH is set, and left out here" in said
    assert f"{course / '.venv'} None" in said


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for uv")
def test_uv_makes_it_where_there_is_one_and_pip_where_uv_cannot(course, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    uv = tools / "uv"
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    uv.write_text(
        f'#!/bin/sh\necho "uv $UV_TORCH_BACKEND $*" >> "{tmp_path}/calls"\n'
        'case "$1" in venv) exec "$5" -m venv "$6";; *) exit 1;; esac\n'
    )
    uv.chmod(0o755)
    blank = {name: "" for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")}
    code, said = started(course, "lab", PATH=path, PIP_CONSTRAINT="", **blank)
    assert code == 0, said
    assert "uv could not install it; now pip tries." in said
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0].startswith(f"uv  venv --quiet --seed --python {sys.executable}")
    assert calls[1].startswith(f"uv auto pip install --python {python_of(course)} -e ")
    shutil.rmtree(course / ".venv")
    (tmp_path / "calls").unlink()
    chosen = {**blank, "PIP_EXTRA_INDEX_URL": "file:///nowhere"}
    assert started(course, "lab", PATH=path, PIP_CONSTRAINT="", **chosen)[0] == 0
    assert not (tmp_path / "calls").exists()  # pip's settings count, which uv does not read


def test_a_folder_of_somebody_elses_is_not_touched(course, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("two years")
    code, said = started(course, "lab", COURSE_VENV=str(theirs))
    assert (code, "is there but is no environment" in said) == (1, True)
    assert (theirs / "thesis.txt").read_text() == "two years"


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ((2, 7, 18), False),
        ((3, 8, 18), False),
        ((3, 10, 13), False),
        ((3, 11, 0), True),
        ((3, 14, 2), True),
        ((3, 15, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_the_range_of_pythons_stands_in_pyproject_alone(version, fits):
    words = start.unfit(version, start.minor_versions())
    assert (words == "") is fits
    assert fits or "this is " + ".".join(map(str, version)) + "." in words


def test_every_page_that_names_the_pythons_agrees():
    minors = start.minor_versions()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [f"3.{n}" for n in minors]
    assert f"Python {', '.join(names[:-1])} or {names[-1]}" in " ".join(readme.split())


TOO_OLD = [
    p
    for p in sorted(Path.home().glob(".pyenv/versions/*/bin/python"))
    if p.parents[1].name.startswith(("2.", "3.")) and p.parents[1].name.split(".")[1].isdigit()
    if int(p.parents[1].name.split(".")[1]) < start.minor_versions()[0]
]


@pytest.mark.skipif(not TOO_OLD, reason="there is no old Python here to try it with")
def test_old_pythons_read_the_file_and_get_a_sentence():
    for python in TOO_OLD:
        ran = subprocess.run([str(python), str(START), "lab"], capture_output=True, text=True)
        assert ran.returncode == 2
        assert ran.stdout.startswith("The course needs Python 3.11, ")
        assert (len(ran.stdout.splitlines()), ran.stderr) == (1, ""), python


@pytest.mark.parametrize(
    ("pretend", "words"),
    [
        ({"struct.calcsize": lambda _: 4}, "32-bit"),
        (
            {"sys.platform": "darwin", "platform.machine": lambda: "x86_64"},
            "Macs with an Intel processor",
        ),
        (
            {"platform.libc_ver": lambda: ("", ""), "Path.glob": lambda *_: iter(["musl"])},
            "Alpine",
        ),
    ],
)
def test_machines_without_pytorch_are_told_so(pretend, words, monkeypatch):
    for name, value in pretend.items():
        monkeypatch.setattr(f"environment.{name}", value)
    with pytest.raises(environment.Trouble, match=words):
        environment.expect_machine()


def test_a_full_disk_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(
        environment.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 1)
    )
    monkeypatch.setattr(environment, "uv", lambda: "")
    usage = shutil.disk_usage(tmp_path)._replace(free=10**8)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(environment.Trouble, match=r"Only 0.1 GB of disk are free"):
        environment.install(tmp_path / "python", ["x"])
