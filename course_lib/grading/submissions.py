"""What was handed in: students, and their files. See docs/INSTRUCTORS.md for the forms.

Nobody is merged with somebody else because of a name, and no file is dropped without a reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from course_lib.grading.names import (
    Said,
    attempt_of,
    date_of,
    is_notebook,
    lesson_of_name,
    of_file,
    of_platform,
)
from course_lib.grading.tree import File, Folder, read_tree

_MOST_NOTEBOOKS = 2000  # of one student
_OF_A_CHECKOUT = ("notebooks", "solutions", "lessons", "my-course")
_SOLUTIONS = "solutions"
_NO_HAND_IN = ("grades.csv", "grades.xls", "index.html", "timestamp.txt", "comments.txt")


@dataclass(frozen=True)
class Submission:
    """One notebook file that was handed in, and what its name or folder says about it."""

    file: str
    source: File
    when: datetime | None = None
    late: bool = False
    attempt: int = 0

    @property
    def refused(self) -> str:
        """Why it is not read, or ""."""
        return self.source.refused

    def content(self) -> bytes:
        """Its bytes. Raises ValueError, with the reason, where they cannot be had."""
        return self.source.content()

    @property
    def age(self) -> tuple[datetime, int, str]:
        """The newest has the greatest."""
        return (self.when or datetime.min, self.attempt, self.file)


@dataclass
class Student:
    """A student, the ids that a platform gave them, their notebooks, and their other files."""

    name: str
    ids: tuple[str, ...] = ()
    submissions: list[Submission] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    where: str = ""
    platform: str = ""


@dataclass
class HandIns:
    """All students by name, the files that were left out and why, and what was not certain."""

    students: list[Student]
    ignored: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def collect(source: Path) -> HandIns:
    """All students in a folder or a zip. Raises ValueError where there is nobody."""
    found = HandIns([])
    students = [s for s in _in_class(read_tree(source), found) if s.name]
    found.students = _joined(students, found)
    for student in found.students:
        _leave_out(student, found)
    if not found.students:
        raise ValueError(
            f"there is nothing to grade in {source}. Wanted: a folder for each student with their "
            "notebooks, or files called STUDENT_NN_topic.ipynb, or a zip of these, or what a "
            "learning platform gives when all submissions are downloaded."
        )
    return found


def _in_class(folder: Folder, found: HandIns, top: bool = True) -> Iterator[Student]:
    """The students of a folder that holds a class, or several classes."""
    folders = [folder.folders[name] for name in sorted(folder.folders)]
    notebooks = [f for f in folder.files if is_notebook(f.name)]
    if len(folders) == 1 and not notebooks and _holds_a_class(folders[0], alone=True):
        found.notes.append(f"{folders[0].path}/ was taken as a folder around the whole class")
        folders, folder = [], folders[0]
        yield from _in_class(folder, found, top)
        return
    for below in folders:
        if _holds_a_class(below, alone=False):
            found.notes.append(f"{below.path}/ was taken as the folder of a class")
            yield from _in_class(below, found, False)
        else:
            yield _of_folder(below)
    yield from _of_files(folder.files, found)


def _holds_a_class(folder: Folder, *, alone: bool) -> bool:
    """Whether a folder holds several students rather than one student's files."""
    names = [*folder.folders, *(f.name for f in folder.files)]
    if any((said := of_platform(n)) and said[0].platform != "dated" for n in names):
        return True
    below = [f for f in folder.folders.values() if f.name.lower() not in _OF_A_CHECKOUT]
    with_notebooks = [f for f in below if any(is_notebook(x.name) for x in f.all_files())]
    own = [f for f in folder.files if is_notebook(f.name)]
    named = {of_file(f.name).name for f in own} - {""}
    if alone:
        if len(with_notebooks) == 1 and not own and len(folder.folders) == 1:
            return _holds_a_class(with_notebooks[0], alone=True)
        return len(below) >= 2 or (len(own) >= 2 and len(named) >= 2)
    lessons = [{lesson_of_name(x.name) for x in f.all_files()} - {""} for f in with_notebooks]
    return not own and any(a & b for i, a in enumerate(lessons) for b in lessons[:i])


def _of_folder(folder: Folder) -> Student:
    """A student who has a folder or a zip."""
    said, _ = of_platform(folder.name) or (Said(folder.name), "")
    name = said.name or folder.name
    student = Student(name, said.ids, where=folder.path, platform=said.platform)
    when = said.when or _timestamp(folder)
    for file in folder.all_files():
        if is_notebook(file.name):
            inside = of_platform(file.name)
            own = Submission(file.path, file, when, said.late, attempt_of(file.name))
            if inside and inside[0].when:
                own = replace(own, when=inside[0].when)
            student.submissions.append(own)
        else:
            student.others.append(file.path)
    for one in _notebook_folders(folder):
        file = File(one.name, one.path, (), "it is a folder")
        student.submissions.append(Submission(one.path, file))
    for one in folder.all_refused():
        student.submissions.append(Submission(one.path, File(one.name, one.path, (), one.refused)))
    return student


def _notebook_folders(folder: Folder) -> Iterator[Folder]:
    for below in folder.folders.values():
        if is_notebook(below.name):
            yield below
        yield from _notebook_folders(below)


def _timestamp(folder: Folder) -> datetime | None:
    """The date in the file timestamp.txt that Sakai and nbgrader write."""
    for file in folder.all_files():
        if file.name == "timestamp.txt":
            try:
                text = file.content(most=200).decode("ascii", "replace")
            except ValueError:
                return None
            return date_of(text[:14]) or date_of(text[:19].replace("T", " "))
    return None


def _of_files(files: Sequence[File], found: HandIns) -> Iterator[Student]:
    """Students whose files lie side by side."""
    for file in files:
        said = of_file(file.name) if is_notebook(file.name) else None
        if said is None:
            platform = of_platform(file.name)
            said = platform[0] if platform and platform[0].name else None
        if file.name in _NO_HAND_IN or (said is None and not is_notebook(file.name)):
            found.ignored.append((file.path, "it is no notebook, and its name says no student"))
            continue
        assert said is not None
        name = said.name or file.name
        student = Student(name, said.ids, where=file.path if not said.name else "")
        student.platform = said.platform
        if not said.name:
            found.notes.append(f"the name of {file.path} says no student; it has a row of its own")
        if is_notebook(file.name):
            one = Submission(file.path, file, said.when, said.late, said.attempt)
            student.submissions.append(one)
        else:
            student.others.append(file.path)
        yield student


def _joined(students: Sequence[Student], found: HandIns) -> list[Student]:
    """Each student once. With an id, the id says who; without, the name does, unless two folders of
    that name hold the same lesson.
    """
    by_key: dict[tuple[str, ...], Student] = {}
    for s in students:
        key: tuple[str, ...] = (s.platform, *s.ids) if s.ids else (s.name,)
        if key in by_key and not s.ids and _clash(by_key[key], s):
            found.notes.append(
                f"{by_key[key].where} and {s.where} have the same name and the same lesson: "
                "they are kept apart"
            )
            key = (s.name, s.where)
        if key in by_key:
            by_key[key].submissions += s.submissions
            by_key[key].others += s.others
        else:
            by_key[key] = s
    _tell_apart(list(by_key.values()))
    return sorted(by_key.values(), key=lambda s: (s.name.casefold(), s.name))


def _clash(one: Student, other: Student) -> bool:
    """Two folders, of two classes perhaps, with the same lesson in both."""
    if not one.where or not other.where or one.where == other.where:
        return False
    lessons = [{lesson_of_name(x.file) for x in s.submissions} - {""} for s in (one, other)]
    return bool(lessons[0] & lessons[1])


def _tell_apart(students: list[Student]) -> None:
    """Students who share a name get their id, or their folder, behind it."""
    names = [s.name for s in students]
    for s in students:
        if names.count(s.name) > 1:
            s.name = f"{s.name} ({s.ids[0] if s.ids else s.where})"


def _leave_out(student: Student, found: HandIns) -> None:
    """The course's own solutions in a copy of the repository, where there is work besides."""
    parts = [s.file.split("/") for s in student.submissions]
    own = [s for s, p in zip(student.submissions, parts, strict=True) if _SOLUTIONS not in p[:-1]]
    if own:
        for s in student.submissions:
            if s not in own:
                found.ignored.append((s.file, "it lies in solutions/, beside work of their own"))
        student.submissions = own
    for s in student.submissions[_MOST_NOTEBOOKS:]:
        found.ignored.append((s.file, f"more than {_MOST_NOTEBOOKS} notebooks of one student"))
    del student.submissions[_MOST_NOTEBOOKS:]
    student.submissions.sort(key=lambda s: s.age)
    for path in student.others:
        if path.rpartition("/")[2] not in _NO_HAND_IN:
            found.ignored.append((path, "it is no notebook"))
