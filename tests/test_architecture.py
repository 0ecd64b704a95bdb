"""The lines between the parts (who may import whom), read from the import statements alone."""

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "course_lib"
NETWORKS = {"unet", "plain_unet", "blocks", "attention", "self_attention", "autoencoder", "clip"}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}
ROOT = [name for name in MODULES if name.count(".") == 1 and MODULES[name].name != "__init__.py"]


@cache
def imports(module: str, *, inside_functions: bool = True) -> frozenset[str]:
    """The modules that a module names in its import statements."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if inside_functions else iter(tree.body)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return frozenset(found)


def reached(module: str) -> set[str]:
    """All modules of the course that are imported with this one, folders' __init__ included."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        one = todo.pop()
        if one in seen or one not in MODULES:
            continue
        seen.add(one)
        parents = [one.rsplit(".", n)[0] for n in range(1, one.count(".") + 1)]
        todo += [*imports(one, inside_functions=False), *parents]
    return seen


def short(names: set[str]) -> set[str]:
    return {name.removeprefix("course_lib.") for name in names}


@pytest.mark.parametrize("module", ROOT)
def test_the_root_imports_the_root_and_loaders_only(module):
    if module == "course_lib.cli":
        return
    used = {name for name in imports(module) if name.startswith("course_lib.")}
    outside = {n for n in short(used) if n.partition(".")[0] not in ("files", "datasets")}
    assert outside <= short(set(ROOT)), outside


def test_samplers_know_no_network_and_networks_no_schedule():
    assert not short(reached("course_lib.samplers")) & NETWORKS
    for network in NETWORKS:
        found = short(reached(f"course_lib.{network}"))
        assert not found & {"schedule", "diffusion", "samplers", "text_to_image"}, network


@pytest.mark.parametrize("module", ["text_to_image", "files.pretrained", "commands.draw"])
def test_inference_imports_no_training(module):
    training = {"training", "recipes"}
    found = {n.partition(".")[0] for n in short(reached(f"course_lib.{module}"))}
    if module == "commands.draw":  # it imports what it needs when it runs
        for used in imports(f"course_lib.{module}"):
            found |= {n.partition(".")[0] for n in short(reached(used))}
    assert not found & training


def test_only_display_imports_matplotlib_and_ipywidgets():
    users = {
        name
        for name in MODULES
        for used in imports(name)
        if used.partition(".")[0] in ("matplotlib", "ipywidgets", "anywidget")
    }
    others = {n for n in short(users) if n.partition(".")[0] not in ("display", "commands")}
    assert not others


def test_the_package_imports_no_lesson_and_no_tool():
    used = {top.partition(".")[0] for name in MODULES for top in imports(name)}
    assert not used & {"lessons", "tools", "tests", "notebooks", "solutions"}


@pytest.mark.parametrize("module", ["course_lib", "course_lib.cli"])
def test_the_door_imports_neither_torch_nor_transformers(module):
    used = {u.partition(".")[0] for name in reached(module) for u in imports(name)}
    assert not used & {"torch", "transformers", "torchvision"}


@pytest.mark.parametrize("module", ROOT)
def test_a_file_of_the_root_fits_in_one_sitting(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 250
