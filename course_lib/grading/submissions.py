"""What was handed in: students, and their notebooks by lesson. No link is ever followed.

    submissions/STUDENT/*.ipynb      submissions/STUDENT_NN_topic.ipynb      submissions/STUDENT.zip
or one zip that holds any of these.
"""

import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from course_lib.checks.find import code_cells
from course_lib.checks.registry import exercises_of, lessons
from course_lib.grading.slices import Notebook

MOST_BYTES = 30_000_000
_MOST_FILES = 20_000
_LESSON = re.compile(r"(?:^|.*?[\W_])(\d\d)[_-][A-Za-z]")
_STUDENT_FIRST = re.compile(r"(?P<student>.+?)[ _-]+(?P<lesson>\d\d)[_-].*")


@dataclass(frozen=True)
class Handed:
    """One file: its name for the report, and its bytes, or why it is not read."""

    file: str
    content: bytes = b""
    refused: str = ""

    @property
    def lesson(self) -> str:
        """The lesson that the file's name says, or ""."""
        found = _LESSON.match(PurePosixPath(self.file).name)
        return found[1] if found and found[1] in lessons() else ""

    @property
    def is_notebook(self) -> bool:
        """Whether it can be read."""
        try:
            self.notebook()
        except ValueError:
            return False
        return True

    def notebook(self) -> Notebook:
        """Its parsed code. Raises ValueError where it cannot be read."""
        if self.refused:
            raise ValueError(self.refused)
        return Notebook(code_cells(self.content))


@dataclass
class Student:
    """A student, and all that they handed in."""

    name: str
    handed: list[Handed] = field(default_factory=list)

    def lessons(self, wanted: Sequence[str]) -> dict[str, list[Handed]]:
        """Lesson -> files: by their names, or else by the exercises they define; "" for none."""
        found: dict[str, list[Handed]] = {}
        for handed in self.handed:
            lesson = handed.lesson or _lesson_inside(handed, wanted)
            found.setdefault(lesson, []).append(handed)
        return {lesson: files for lesson, files in found.items() if lesson in ("", *wanted)}

    def by_lesson(self, wanted: Sequence[str]) -> dict[str, list[Handed]]:
        """The same. What cannot be read may have been for any lesson that is missing."""
        found = self.lessons(wanted)
        unreadable = [h for h in found.pop("", []) if not h.is_notebook]
        return {n: files for n in wanted if (files := found.get(n, unreadable))}


def _lesson_inside(handed: Handed, wanted: Sequence[str]) -> str:
    """The lesson whose exercises are in the file; the only one asked for, if there are none."""
    try:
        names = handed.notebook().written()
    except ValueError:
        return ""
    hits = {n: sum(e.name in names for e in exercises_of(n)) for n in wanted}
    best = max(hits, key=lambda n: hits[n], default="")
    return best if best and hits[best] else (wanted[0] if len(wanted) == 1 else "")


def collect(source: Path) -> list[Student]:
    """All students in a folder or a zip, by name. Raises ValueError where there is nobody."""
    if source.is_dir():
        found = _in_folder(source)
    elif zipfile.is_zipfile(source):
        found = _in_zip(source, source.name)
    else:
        raise ValueError(f"{source} is neither a folder nor a zip file of submissions")
    students: dict[str, Student] = {}
    for name, handed in found:
        student = students.setdefault(name, Student(name))
        if handed:
            student.handed.append(handed)
    if not students:
        raise ValueError(
            f"there is nothing to grade in {source}. Wanted: a folder for each student with their "
            "notebooks, or files called STUDENT_NN_topic.ipynb, or a zip of these."
        )
    return [students[name] for name in sorted(students)]


def _in_folder(source: Path) -> Iterator[tuple[str, Handed | None]]:
    for folder, folders, files in os.walk(source):
        inside = Path(folder).relative_to(source)
        for name in sorted(folders):
            if not inside.parts and not name.startswith("."):
                yield from _nothing(source / name)
            if name.endswith(".ipynb"):
                yield _student(inside / name), Handed(str(inside / name), b"", "it is a folder")
        folders[:] = sorted(n for n in folders if not n.startswith((".", "__MACOSX")))
        for name in sorted(files):
            path = inside / name
            if name.endswith(".ipynb") and not name.startswith("."):
                yield _student(path), _read(source / path, str(path))
            elif name.endswith(".zip"):
                yield from _in_zip(source / path, str(path), _student(path))


def _nothing(folder: Path) -> Iterator[tuple[str, Handed | None]]:
    """A student's folder without any notebook still makes a row."""
    if folder.is_symlink():
        yield folder.name, Handed(folder.name, b"", "it is a link to another folder")
    elif not any(p.suffix in (".ipynb", ".zip") for p in folder.rglob("*")):
        yield folder.name, None


def _student(path: PurePosixPath | Path) -> str:
    """The first folder's name, or what stands before the lesson in the file's."""
    if len(path.parts) > 1:
        return path.parts[0]
    if path.suffix == ".zip":
        return path.stem
    found = _STUDENT_FIRST.fullmatch(path.name)
    return found["student"] if found else path.name.removesuffix(".ipynb")


def _read(path: Path, name: str) -> Handed:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        why = "it is a link" if path.is_symlink() else f"it cannot be opened: {error.strerror}"
        return Handed(name, b"", why)
    with os.fdopen(descriptor, "rb") as f:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Handed(name, b"", "it is no plain file")
        content = f.read(MOST_BYTES + 1)
    return Handed(name, content) if len(content) <= MOST_BYTES else Handed(name, b"", _too_large())


def _too_large() -> str:
    return f"it is larger than {MOST_BYTES // 10**6} MB"


def _in_zip(
    archive: Path | io.BytesIO, name: str, student: str = ""
) -> Iterator[tuple[str, Handed | None]]:
    """The notebooks of a student's zip, or all students of a class's zip, which may hold theirs.

    It is read in memory: nothing is ever unpacked onto the disk.
    """
    try:
        with zipfile.ZipFile(archive) as whole:
            every = [i for i in whole.infolist() if not i.filename.startswith("__MACOSX")]
            kinds = (".ipynb",) if student else (".ipynb", ".zip")
            inside = [i for i in every if i.filename.endswith(kinds)][:_MOST_FILES]
            prefix = "" if student else _common_folder(every, inside)
            for info in inside:
                path = PurePosixPath(info.filename.removeprefix(prefix))
                handed = _unzip(whole, info, str(path))
                if path.suffix == ".zip" and not handed.refused:
                    yield from _in_zip(io.BytesIO(handed.content), str(path), _student(path))
                else:
                    yield student or _student(path), handed
            for folder in [student] if student else _folders(every, prefix):
                yield folder, None
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        broken = Handed(name, b"", f"its zip is broken: {error}")
        yield student or PurePosixPath(name).stem, broken


def _folders(every: Sequence[zipfile.ZipInfo], prefix: str) -> list[str]:
    """The students' folders in a class's zip: also one without a notebook makes a row."""
    paths = [PurePosixPath(i.filename.removeprefix(prefix)) for i in every]
    deep = [p for i, p in zip(every, paths, strict=True) if p.parts[1:] or (p.parts and i.is_dir())]
    return [name for name in dict.fromkeys(p.parts[0] for p in deep) if not name.startswith(".")]


def _common_folder(every: Sequence[zipfile.ZipInfo], inside: Sequence[zipfile.ZipInfo]) -> str:
    """ "submissions/" where a zip holds one folder around all that students handed in, else ""."""
    first = {i.filename.partition("/")[0] for i in every if "/" in i.filename}
    names = [i.filename for i in inside]
    alone = (_STUDENT_FIRST.match(PurePosixPath(n).name) or n.endswith(".zip") for n in names)
    deep = all(n.count("/") >= (1 if one else 2) for n, one in zip(names, alone, strict=True))
    return f"{first.pop()}/" if len(first) == 1 and deep else ""


def _unzip(whole: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Handed:
    if info.file_size > MOST_BYTES:
        return Handed(name, b"", _too_large())
    try:
        with whole.open(info) as f:
            content = f.read(MOST_BYTES + 1)
    except Exception as error:  # a zip that lies about what is inside
        return Handed(name, b"", f"its zip is broken: {error}")
    return Handed(name, content) if len(content) <= MOST_BYTES else Handed(name, b"", _too_large())
