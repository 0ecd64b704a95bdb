"""From a fresh copy of the course to a running one, in one command.

    python tools/start.py lab            make .venv, install the course, open it in JupyterLab
    python tools/start.py test           the same with the tools for testing, then run every test
    python tools/start.py install        with these tools too, then stop and say where Python is

What follows the word goes to `course lab` or to pytest. The environment is made once, again when
it no longer works, and brought up to date when pyproject.toml changes; $COURSE_VENV puts it
elsewhere. uv makes it where there is one, otherwise pip, whose own settings count.
"""

# Any Python can read this file, also one that is far too old, to say so: so no annotations here.
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def minor_versions(root=ROOT):
    """The second numbers of the Pythons that fit: [11, 12, 13] for requires-python >=3.11,<3.14."""
    with open(os.path.join(root, "pyproject.toml"), "rb") as settings:
        text = settings.read().decode("utf-8")
    first, beyond = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', text).groups()
    return list(range(int(first), int(beyond)))


def unfit(version, minors):
    """A sentence for a Python (3, 8, 18) that does not fit, or ""."""
    if version[0] == 3 and version[1] in minors:
        return ""
    known = ["3." + str(minor) for minor in minors]
    newest = known[-1]
    return (
        "The course needs Python " + ", ".join(known[:-1]) + " or " + newest + "; this is "
        + ".".join(map(str, version[:3])) + ". Install one of them beside it and name it: python"
        + newest + " tools/start.py lab; on Windows: py -" + newest + " tools/start.py lab. "
        "If a `python3` is there, it may be one of them already."
    )  # fmt: skip


if __name__ == "__main__":
    problem = unfit(sys.version_info, minor_versions())
    if problem:
        print(problem)
        sys.exit(2)
    if sys.argv[1:2] not in (["lab"], ["test"], ["install"]):
        print(__doc__)
        sys.exit(0 if sys.argv[1:2] == ["--help"] else 2)
    import environment

    sys.exit(environment.main(sys.argv[1:]))
