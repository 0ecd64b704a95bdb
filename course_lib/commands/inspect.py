"""`course inspect`: what is this file? Told before any number of it is read."""

import argparse
from pathlib import Path

LESSONS = {  # a part -> the class that holds it, and the lesson that builds it
    "UNet": "UNet (lessons 02, 04, 11)",
    "autoencoder": "VAE (lesson 06)",
    "VAE": "VAE (lesson 06)",
    "text tower": "TextTower (lessons 09, 10)",
    "CLIP": "CLIP (lesson 10)",
    "LoRA": "LoRALinear (lesson 14)",
    "textual inversion": "rows of the text tower's table (lessons 08, 14)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`path`: a file, or a folder in diffusers' layout."""
    parser.add_argument("path", type=Path, help="a .safetensors file, or a model's folder")
    parser.add_argument("--hash", action="store_true", help="its SHA-256 too, and whose that is")


def run(options: argparse.Namespace) -> int:
    """Print what it is, its parts, and whether the course opens it; exit code 1 if it does not."""
    from course_lib.formats import downloads
    from course_lib.formats.inspect import inspect

    report = inspect(options.path)
    print(f"{options.path}: {report.kind.name}\n{report.kind.sentence}")
    for name, count, precision in report.parts:
        print(f"  {name:24}{count:>15,} numbers  {precision:5} {LESSONS.get(name, '')}".rstrip())
    if options.hash and options.path.is_file():
        got = downloads.sha256(options.path)
        whose = [n for n, found in downloads.PUBLISHED.items() if found.sha256 == got]
        print(f"SHA-256 {got}: {'the published ' + whose[0] if whose else 'none that is known'}")
    return 0 if report.kind.opens else 1
