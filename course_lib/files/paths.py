"""Where the bundled files are: inside an installed wheel, or beside the package in a checkout."""

import json
import os
import shlex
import shutil
import subprocess
import sys
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


def repair(folder: Path, name: str) -> str:
    """What brings a bundled file back: git in a clone, a new copy elsewhere, pip if installed.

    A command in the sentence can be pasted into a shell as it stands.
    """
    if (folder.parent / ".git").exists() and shutil.which("git"):
        command = pasted("git", "-C", str(folder.parent), "checkout", "--", f"data/{name}")
        return f"Repair it with: {command}"
    if (folder.parent / "pyproject.toml").is_file():
        return f"Download the course again, and copy its data/{name} to {folder / name}."
    source = _installed_from()
    if not source:
        return "Install the course again, from where you got it the first time."
    wanted = f"stable-diffusion-by-hand @ {source}"
    pip = (sys.executable, "-m", "pip", "install", "--force-reinstall", "--no-deps", wanted)
    return f"Repair it with: {pasted(*pip)}"


def pasted(*words: str) -> str:
    """A command as it can be pasted into this system's shell, spaces and quotes and all."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _installed_from() -> str:
    """The address that pip installed the course from, as pip wrote it down; or ""."""
    from importlib.metadata import PackageNotFoundError, distribution  # slow, and rarely needed

    try:
        noted = distribution("stable-diffusion-by-hand").read_text("direct_url.json")
        found = json.loads(noted or "{}")
    except (PackageNotFoundError, ValueError):
        return ""
    version_control = found.get("vcs_info", {}).get("vcs", "")
    return f"{version_control}+{found['url']}" if version_control else str(found.get("url", ""))


def cache() -> Path:
    """The folder for what a learner asked to download: $COURSE_CACHE, or ~/.cache/course_lib."""
    return Path(os.environ.get("COURSE_CACHE", Path.home() / ".cache" / "course_lib"))
