"""`course download`: the published weights of Stable Diffusion 1.5, when you ask for them."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`name`: which; without one, all of them are listed."""
    parser.add_argument("name", nargs="?", help="without one, all of them are listed")


def run(options: argparse.Namespace) -> int:
    """Fetch the file, or the rest of it, and say where it lies and how it is used."""
    from course_lib.formats import downloads

    if options.name is None:
        for name, found in downloads.PUBLISHED.items():
            print(f"{name:12}{found.size / 1e9:6.2f} GB  {found.what} ({found.licence})")
        return 0
    found = downloads.published(options.name)
    print(f"{found.what}, {found.size / 1e9:.2f} GB. Licence: {found.licence}.", flush=True)
    file = downloads.download(found)
    print(f"{file}\ncourse inspect {file}")
    return 0
