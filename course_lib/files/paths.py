"""Where the bundled files are: inside an installed wheel, or beside the package in a checkout."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def bundled(name: str) -> Path:
    """The folder "data" or "notebooks" that came with the course.

    An installed wheel carries both inside the package; a checkout has them beside it. Raises
    FileNotFoundError where neither is there.
    """
    for folder in (_PACKAGE / "bundled" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"the course's {name}/ folder is not beside {_PACKAGE}. Usual cause: single files were "
        "copied out of the repository; clone it whole, or install the package with pip."
    )


def cache() -> Path:
    """The folder for what a learner asked to download: $COURSE_CACHE, or ~/.cache/course_lib."""
    return Path(os.environ.get("COURSE_CACHE", Path.home() / ".cache" / "course_lib"))
