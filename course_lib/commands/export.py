"""`course export`: the trained model as a folder that diffusers' StableDiffusionPipeline opens."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`folder`: where to."""
    parser.add_argument("folder", type=Path, help="a new or empty folder")


def run(options: argparse.Namespace) -> int:
    """Save, and say how the folder is opened."""
    from course_lib.files.pretrained import load_pretrained
    from course_lib.formats import diffusers_folder

    folder: Path = options.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not empty; `course export` wants a new folder")
    diffusers_folder.save(load_pretrained(), folder)
    print(
        f"Saved in {folder.resolve()}. In diffusers it opens with\n"
        f"    StableDiffusionPipeline.from_pretrained({str(folder)!r})\n"
        'and was trained on prompts like "red apple, noto style".'
    )
    return 0
