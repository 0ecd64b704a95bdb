"""`course train`: train a bundled weight again by its recipe, in a folder of your own."""

import argparse
import inspect
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

Recipe = Callable[..., Path]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The recipe, its length, and where it works."""
    parser.add_argument("recipe", nargs="?", help="name of a recipe (default: list all)")
    parser.add_argument("--steps", type=int, nargs="+", help="steps per cycle (default: as listed)")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    parser.add_argument("--out", type=Path, help="working folder (default: my-weights/RECIPE)")


def run(options: argparse.Namespace) -> int:
    """Train, with checkpoints on the way, and write the weight; without a recipe, list them."""
    if options.recipe is None:
        print("Recipes, one for each bundled weight (and steps, where they can be chosen):")
        for name, recipe in recipes().items():
            print(f"  {name:28} {numbers(steps_of(recipe)):>35}  {first_line(recipe)}")
        return 0
    recipe = find(options.recipe)
    folder = options.out or Path("my-weights") / options.recipe
    expect_fresh(folder, resume=options.resume)
    chosen = {}
    if options.steps is not None:
        usual = steps_of(recipe)
        if not usual:
            raise ValueError(
                f"{options.recipe} has a fixed length; --steps is for "
                f"{', '.join(n for n, r in recipes().items() if steps_of(r))}"
            )
        several = isinstance(usual, tuple)
        if min(options.steps) < 1 or not (several or len(options.steps) == 1):
            raise ValueError(
                f"{options.recipe} takes --steps {numbers(usual)} or another number from 1"
                f"{', one a cycle' if several else ''}, got {numbers(tuple(options.steps))}"
            )
        chosen["steps"] = tuple(options.steps) if several else options.steps[0]
    print(f"{first_line(recipe)}\nCheckpoints and log: {folder.resolve()}", flush=True)
    try:
        path = recipe(folder, **chosen)
    except KeyboardInterrupt:
        raise SystemExit(
            "Stopped. The same command with --resume goes on from the last checkpoint."
        ) from None
    print(
        f"Made {path} and its card beside it. The bundled weight in data/weights stays as it was."
    )
    return 0


def recipes() -> dict[str, Recipe]:
    """The functions of course_lib.recipes, by name."""
    from course_lib import recipes as module

    return {name: getattr(module, name) for name in module.__all__}


def find(name: str) -> Recipe:
    """The recipe of this name; ValueError, with what is spelled like it, where there is none."""
    if name in recipes():
        return recipes()[name]
    starting = [known for known in recipes() if known.startswith(name)]
    close = starting or get_close_matches(name, recipes(), n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise ValueError(f"there is no recipe {name!r:.60}.{meant} There are {', '.join(recipes())}.")


def steps_of(recipe: Recipe) -> int | tuple[int, ...]:
    """How many steps a recipe takes unless told otherwise; 0 where that cannot be chosen.

    A tuple, with one number a cycle, where a recipe has cycles.
    """
    steps = inspect.signature(recipe).parameters.get("steps")
    default: int | tuple[int, ...] = 0 if steps is None else steps.default
    return default


def numbers(steps: int | tuple[int, ...]) -> str:
    """Steps as they are typed: "3000" or "4000 6000"; nothing for 0."""
    return " ".join(map(str, steps)) if isinstance(steps, tuple) else str(steps or "")


def first_line(recipe: Recipe) -> str:
    """What a recipe makes, in its own words."""
    return (inspect.getdoc(recipe) or "").partition("\n")[0]


def expect_fresh(folder: Path, *, resume: bool) -> None:
    """Raise ValueError where the folder and --resume do not go together."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; --out wants a folder")
    started = folder.is_dir() and any(folder.rglob("checkpoint.safetensors"))
    if started and not resume:
        raise ValueError(
            f"a run was started in {folder}: add --resume to continue it, or choose another "
            "folder with --out"
        )
    if resume and not started:
        raise ValueError(
            f"there is no checkpoint in {folder} to go on from. Usual cause: another folder, or a "
            "run that was stopped before its first checkpoint; leave --resume out."
        )
