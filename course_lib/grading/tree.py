"""A folder or zip of submissions as one tree of names; zips inside are folders. Nothing is unpacked
onto the disk, no link is followed, and a file's bytes are read when they are wanted.
"""

import io
import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MOST_BYTES = 100_000_000  # of one notebook, its outputs included
_MOST_ZIP_BYTES = 300_000_000  # of a zip inside a zip
_MOST_FILES = 50_000
_MOST_DEPTH = 12
_SWELLS = 200  # times the packed size; a notebook full of pictures has about 1.3, of text 10
_JUNK = ("__MACOSX", ".", "desktop.ini", "Thumbs.db")


@dataclass(frozen=True)
class File:
    """A file: its name, its path for the report, where its bytes are, or why they are not read.

    `where` is a path on the disk, then names inside the zips that lie in each other.
    """

    name: str
    path: str
    where: tuple[str, ...]
    refused: str = ""

    def content(self, most: int = MOST_BYTES) -> bytes:
        """Its bytes. Raises ValueError, with the reason, where they cannot be had."""
        if self.refused:
            raise ValueError(self.refused)
        return _read(self.where, most)


@dataclass
class Folder:
    """A folder, or a zip, and all that is in it."""

    name: str
    path: str
    folders: dict[str, "Folder"] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    refused: str = ""

    def all_files(self) -> Iterator[File]:
        """The files of this folder and of all below."""
        yield from self.files
        for name in sorted(self.folders):
            yield from self.folders[name].all_files()

    def all_refused(self) -> Iterator["Folder"]:
        """Folders and zips, this one included, that could not be looked into."""
        if self.refused:
            yield self
        for folder in self.folders.values():
            yield from folder.all_refused()


def read_tree(source: Path) -> Folder:
    """The tree of a folder or zip. Raises ValueError for anything else."""
    if source.is_dir():
        return _folder(source, Folder(source.name, ""), 0)
    if zipfile.is_zipfile(source):
        return _zip(Folder(source.stem, ""), (str(source),), 0)
    raise ValueError(f"{source} is neither a folder nor a zip file of submissions")


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _folder(place: Path, into: Folder, depth: int) -> Folder:
    if depth > _MOST_DEPTH:
        into.refused = f"it lies more than {_MOST_DEPTH} folders deep"
        return into
    try:
        entries = sorted(os.scandir(place), key=lambda e: e.name)
    except OSError as error:
        into.refused = f"it cannot be opened: {error.strerror}"
        return into
    for entry in entries:
        path = _join(into.path, entry.name)
        if entry.name.startswith(_JUNK):
            continue
        if entry.is_symlink() and "." in entry.name:
            into.files.append(File(entry.name, path, (), "it is a link"))
        elif entry.is_symlink():
            into.folders[entry.name] = Folder(entry.name, path, refused="it is a link")
        elif entry.is_dir():
            below = Folder(entry.name, path)
            into.folders[entry.name] = _folder(Path(entry.path), below, depth + 1)
        elif not entry.is_file():
            into.files.append(File(entry.name, path, (), "it is no plain file"))
        elif entry.name.lower().endswith(".zip"):
            below = Folder(entry.name[:-4], path)
            into.folders[entry.name] = _zip(below, (entry.path,), depth + 1)
        else:
            large = entry.stat().st_size > MOST_BYTES
            into.files.append(File(entry.name, path, (entry.path,), _too_large() if large else ""))
    return into


def _too_large() -> str:
    return f"it is larger than {MOST_BYTES // 10**6} MB"


def _zip(into: Folder, where: tuple[str, ...], depth: int) -> Folder:
    if depth > _MOST_DEPTH or len(where) > 4:
        into.refused = "it is a zip too deep in other zips"
        return into
    try:
        with _opened(where) as archive:
            members = archive.infolist()
    except ValueError as error:
        into.refused = f"{error}"
        return into
    if len(members) > _MOST_FILES:
        into.refused = f"its zip holds more than {_MOST_FILES} files"
        return into
    for member in members:
        *above, name = [p for p in member.filename.split("/") if p not in ("", ".", "..")] or [""]
        if any(part.startswith(_JUNK) for part in (*above, name)) or len(above) > _MOST_DEPTH:
            continue
        folder = into
        for part in above:
            folder = folder.folders.setdefault(part, Folder(part, _join(folder.path, part)))
        if member.is_dir():
            folder.folders.setdefault(name, Folder(name, _join(folder.path, name)))
            continue
        path, inside = _join(folder.path, name), (*where, member.filename)
        if name.lower().endswith(".zip"):
            below = Folder(name[:-4], path)
            folder.folders[name] = _zip(below, inside, depth + 1 + len(above))
        else:
            folder.files.append(File(name, path, inside, _suspicious(member)))
    return into


def _suspicious(member: zipfile.ZipInfo) -> str:
    if member.file_size > MOST_BYTES:
        return _too_large()
    if stat.S_ISLNK(member.external_attr >> 16):
        return "it is a link"
    if member.file_size > 1_000_000 and member.file_size > _SWELLS * max(member.compress_size, 1):
        return f"it swells to more than {_SWELLS} times its size in the zip"
    return ""


def _opened(where: tuple[str, ...]) -> zipfile.ZipFile:
    """The zip at this place, which may lie in other zips. Raises ValueError."""
    place: str | io.BytesIO = where[0]
    if len(where) > 1:
        place = io.BytesIO(_read(where, _MOST_ZIP_BYTES))
    try:
        return zipfile.ZipFile(place)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise ValueError(f"its zip is broken: {error}") from None


def _read(where: tuple[str, ...], most: int) -> bytes:
    if len(where) > 1:
        with _opened(where[:-1]) as archive:
            try:
                with archive.open(where[-1]) as member:
                    content = member.read(most + 1)
            except Exception as error:  # a zip that lies about what is inside, or has a password
                raise ValueError(f"its zip is broken: {error}") from None
    else:
        content = _from_disk(where[0], most)
    if len(content) > most:
        raise ValueError(f"it is larger than {most // 10**6} MB")
    return content


def _from_disk(path: str, most: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"it cannot be opened: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as f:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no plain file")
        return f.read(most + 1)
