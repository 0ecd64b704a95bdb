"""`course export`: the trained model as a folder that diffusers' StableDiffusionPipeline opens."""

import argparse
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_HALF = ".half-"  # what is not written to its end yet


@contextlib.contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A place to write to, whose files become those of `folder`: all of them, or none."""
    made = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{_HALF}*"):  # of a run that was killed
        shutil.rmtree(old)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=_HALF) as half:
            yield Path(half)
            for file in Path(half).iterdir():
                file.rename(folder / file.name)
    except BaseException:
        for one in made:
            one.rmdir()
        raise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`folder`: where to."""
    parser.add_argument("folder", type=Path, help="a new or empty folder")


def run(options: argparse.Namespace) -> int:
    """Save, and say how the folder is opened."""
    from course_lib.files.pretrained import load_pretrained
    from course_lib.formats import diffusers_folder

    folder: Path = options.folder
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; `course export` wants a new folder")
    if folder.is_dir() and any(not p.name.startswith(_HALF) for p in folder.iterdir()):
        raise ValueError(f"{folder} is not empty; `course export` wants a new folder")
    model = load_pretrained()
    with _whole(folder) as half:
        diffusers_folder.save(model, half)
    print(
        f"Saved in {folder.resolve()}. In diffusers it opens with\n"
        f"    StableDiffusionPipeline.from_pretrained({str(folder)!r})\n"
        'and was trained on prompts like "red apple, noto style".'
    )
    return 0
