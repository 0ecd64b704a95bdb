"""Reading the files inside a package: wheels (zip), npm's .tgz and Debian's .deb."""

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path


def contents(package: Path, prefix: str = "") -> dict[str, bytes]:
    """Every regular file of the package whose name starts with `prefix`, by name, in order of name.

    A leading "./" is dropped. Raises ValueError if there is none: a prefix that fits nothing is
    always a mistake.
    """
    if package.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(package) as archive:
            names = [n for n in archive.namelist() if n.startswith(prefix) and not n.endswith("/")]
            files = {name: archive.read(name) for name in names}
    else:
        files = _tar_contents(package, prefix)
    if not files:
        raise ValueError(f"{package.name} holds no file that starts with {prefix!r}")
    return dict(sorted(files.items()))


def _tar_contents(package: Path, prefix: str) -> dict[str, bytes]:
    if package.suffix == ".deb":
        unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=-1, check=True)
        archive = tarfile.open(fileobj=io.BytesIO(unpacked.stdout))
    else:
        archive = tarfile.open(package)
    files = {}
    with archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isfile() and name.startswith(prefix):
                file = archive.extractfile(member)
                assert file is not None
                files[name] = file.read()
    return files
