"""The package as others get it: its settings agree, and a wheel brings its data along."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import course_lib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAMED = (
    "jupyterlab torch torchvision numpy matplotlib transformers gensim nbval ipywidgets"
).split()


def names(requirements):
    return {re.match(r"[\w.-]+", r)[0].lower() for r in requirements}


def reached(extras):
    """Every package that this one's own name with these extras asks for."""
    found = names(PROJECT["dependencies"])
    for extra in extras:
        for requirement in PROJECT["optional-dependencies"][extra]:
            own = re.match(rf"{PROJECT['name']}\[(.+)\]", requirement)
            found |= reached(own[1].split(",")) if own else names([requirement])
    return found


def test_conda_gets_python_pip_and_this_package_and_nothing_twice():
    text = (ROOT / "environment.yml").read_text()
    items = [line.split("- ", 1)[1] for line in text.splitlines() if line.strip().startswith("- ")]
    assert items == [
        "conda-forge",
        f"python{PROJECT['requires-python']}",
        "pip",
        "pip:",
        "-e .[lab,test]",
    ]


@pytest.mark.parametrize("name", NAMED)
def test_the_named_packages_are_reached(name):
    text = (ROOT / "environment.yml").read_text()
    extras = re.search(r"-e \.\[(.+)\]", text)[1].split(",")
    assert name in reached(extras)


def test_lower_bounds_only():
    """An upper bound or a pin would change what a Colab user already has."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in (r for group in groups for r in group if "[" not in r):
        assert re.fullmatch(r"[\w.-]+>=[\d.]+(; .+)?", requirement), requirement


def test_versions_agree():
    assert course_lib.__version__ == PROJECT["version"]


def test_the_address_of_the_course_stands_once_in_what_people_edit():
    address = PROJECT["urls"]["Repository"]
    places = (
        "*",
        ".ci/*",
        "benchmarks/**/*",
        "course_lib/**/*",
        "docs/*",
        "lessons/*",
        "tools/**/*",
    )
    files = {f for place in (*places, "tests/**/*") for f in ROOT.glob(place) if f.is_file()}
    assert len(files) > 150
    found = [f for f in files if f.suffix not in (".pyc",) and address.encode() in f.read_bytes()]
    assert [f.name for f in found] == ["pyproject.toml"]


@pytest.mark.slow
def test_an_installed_wheel_finds_its_data_and_notebooks(tmp_path):
    """Built without a network from the settings alone, unpacked as pip would, and asked."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import course_lib\n"
        "from course_lib.files import paths\n"
        "from course_lib.datasets import photographs\n"
        "assert course_lib.__file__.startswith(sys.argv[1]), course_lib.__file__\n"
        "assert str(paths.bundled('notebooks')).startswith(sys.argv[1])\n"
        "print(photographs.load('coffee').shape[0])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(site)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout.strip()) == (0, "3"), run.stderr
    assert (site / "course_lib" / "py.typed").exists()


def raising(node, doc=""):
    """Public functions that raise by themselves: line, name, errors, docstring with its class's."""
    for part in node.body:
        if not isinstance(part, ast.ClassDef | ast.FunctionDef):
            continue
        of_class = part.name in ("__init__", "__post_init__", "forward")
        own = (doc if of_class else "") + (ast.get_docstring(part) or "")
        if isinstance(part, ast.ClassDef):
            yield from raising(part, own)
        elif not re.match(r"_(?!_)", part.name):
            raised = (r.exc for r in ast.walk(part) if isinstance(r, ast.Raise))
            errors = {call.func.id for call in raised if isinstance(call, ast.Call)}
            yield part.lineno, part.name, errors, own


def test_what_a_public_function_raises_its_docstring_says():
    package = ROOT / "course_lib"
    leave_out = {"exercises", "grading", "commands"}  # nobody calls these by hand
    modules = [
        path
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] not in leave_out
    ]
    silent = [
        f"{module.name}:{line} {name} raises {error}"
        for module in modules
        for line, name, errors, doc in raising(ast.parse(module.read_text(encoding="utf-8")))
        for error in errors
        if error not in doc and name != "main"
    ]
    assert len(modules) > 70
    assert not silent
