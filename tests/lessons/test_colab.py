"""A small form of tools/release_checks/colab_check.py: Colab's front end, our own torch."""

import shutil
import subprocess
import sys
from pathlib import Path

import colab_check
import nbformat
import pytest

ROOT = Path(__file__).parents[2]


def ran(*outputs, said="Course 1 in Google Colab"):
    """A notebook whose first cell says so, and whose others have these outputs."""
    first = nbformat.v4.new_output("stream", text=said)
    cells = [nbformat.v4.new_code_cell("setup", outputs=[first])]
    cells += [nbformat.v4.new_code_cell("explore(\nx)", outputs=[o]) for o in outputs]
    return nbformat.v4.new_notebook(cells=cells)


def test_what_goes_wrong_in_colab_is_said():
    control = nbformat.v4.new_output(
        "display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
    )
    assert colab_check._troubles(ran(control)) == []
    (words,) = colab_check._troubles(ran(said="on this computer"))
    assert "does not say that this is Colab" in words
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[])
    assert colab_check._troubles(ran(control, error)) == [
        "cell 2: ValueError: no",
        "2 cells have controls, 1 were shown",
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Colab is Linux; packages are shared by links")
@pytest.mark.skipif(
    not (shutil.which("git") and (ROOT / ".git").exists()),
    reason="it installs the last commit, and here is no git or no history",
)
def test_a_notebook_alone_installs_the_course_changes_no_other_package_and_runs():
    """Needs pip's index, as installing the course does."""
    script = [
        sys.executable,
        str(ROOT / "tools" / "release_checks" / "colab_check.py"),
        "01",
        "--shared",
    ]
    ran = subprocess.run(script, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "01_convolutions: runs. Added: " in ran.stdout
    assert "stable-diffusion-by-hand" in ran.stdout
