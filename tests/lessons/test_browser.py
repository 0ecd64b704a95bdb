"""One lesson in a real browser; tools/release_checks/browser_check.py tries every lesson."""

import subprocess
import sys
from pathlib import Path

import browser_check
import nbformat
import pytest

ROOT = Path(__file__).parents[2]

needs_chromium = pytest.mark.skipif(
    browser_check.chromium() is None,
    reason="there is no chromium (`apt-get install chromium`, as .ci/run does), so no browser test",
)


def test_notebooks_with_controls_are_found_without_a_list(tmp_path):
    for name, source in {"a": "explore(\n    draw, size=s)", "b": "# explore(\nx = 1"}.items():
        cells = [nbformat.v4.new_markdown_cell("explore("), nbformat.v4.new_code_cell(source)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    assert [n.name for n in browser_check.with_controls(tmp_path)] == ["a.ipynb"]
    assert browser_check.cells_with_controls(tmp_path / "a.ipynb") == [1]


def test_every_lesson_from_01_on_has_something_to_play_with():
    found = [n.stem[:2] for n in browser_check.with_controls(ROOT / "notebooks")]
    wanted = [n.stem[:2] for n in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert set(wanted) - set(found) <= {"00"}


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
def test_each_control_of_lesson_01_moves_its_picture_by_keyboard_and_by_mouse():
    script = [sys.executable, str(ROOT / "tools" / "release_checks" / "browser_check.py"), "01"]
    ran = subprocess.run(script, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    moved = "menu 1 by keyboard, menu 1 by mouse, menu 2 by keyboard, menu 2 by mouse"
    assert f"follows {moved}, number 1 by keyboard, number 1 by mouse" in ran.stdout
