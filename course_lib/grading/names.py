"""What the names of files and folders say: who, which hand-in, when. As learning platforms write
them when all submissions are downloaded.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from course_lib.exercises.registry import lessons
from course_lib.files import paths

_PERSON = r"(?P<name>.+?)"
_PLATFORMS = {
    # Anna Smith_12345_assignsubmission_file_/..., or all in one folder
    "Moodle": rf"{_PERSON}_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<rest>.*))?",
    # smithanna_LATE_12345_678901_...
    "Canvas": r"(?P<name>[^_]+)(?P<late>_LATE)?_(?P<id>\d+)_\d{3,}_(?P<rest>.+)",
    # Lesson 01_asmith_attempt_2026-01-15-10-22-33_..., and the same with .txt
    "Blackboard": r".+_(?P<name>[^_]+)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<rest>.+)|\.txt)",
    # 12345-67890 - Anna Smith - Jan 15, 2026 1022 AM/...
    "Brightspace": rf"(?P<id>\d+)-\d+\s*-\s*{_PERSON}\s*-\s*"
    r"(?P<when>[A-Z]\w+ \d+, \d{4} \d{3,4} [AP]M)(?:\s*-\s*(?P<rest>.+))?",
    # Smith, Anna(asmith)/...
    "Sakai": r"(?P<name>[^()/]+,[^()/]*)\((?P<id>[^()/]+)\)",
    # asmith+lesson01+2026-01-15 10:22:33 UTC
    "nbgrader": r"(?P<name>[^+/]+)\+[^+/]+\+(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? \w+",
    # 2026-01-15_asmith_...
    "dated": r"(?P<when>\d{4}-\d\d-\d\d)[_ -]+(?P<name>)(?P<rest>.+)",
}
_WRITTEN = (
    "%Y-%m-%d-%H-%M-%S",
    "%b %d, %Y %I%M %p",
    "%B %d, %Y %I%M %p",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
    "%Y%m%d%H%M%S",
)
_NOTEBOOK = re.compile(r"\.ipynb(?:\.txt|\.json)?$", re.IGNORECASE)
_AGAIN = re.compile(r"(?:[ _]?\((\d+)\)|-Copy(\d*)|[- ]+[Cc]opy|-(\d{1,2}))$")
_COPY_OF = re.compile(r"^(?:Copy of|Kopie von|Copie de|Copia de)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Said:
    """What a name says. `name` is "" where it says nobody; `attempt` is 0 for the first."""

    name: str
    ids: tuple[str, ...] = ()
    when: datetime | None = None
    late: bool = False
    attempt: int = 0
    platform: str = ""


def is_notebook(file_name: str) -> bool:
    """Whether a file calls itself a notebook, also as .IPYNB or .ipynb.txt."""
    return bool(_NOTEBOOK.search(file_name))


def of_platform(name: str) -> tuple[Said, str] | None:
    """What a platform wrote into a name, and the rest of the name, which the student chose."""
    for platform, pattern in _PLATFORMS.items():
        found = re.fullmatch(pattern, name)
        if not found:
            continue
        part = found.groupdict()
        said = Said(
            part["name"].strip(),
            tuple(filter(None, [part.get("id")])),
            date_of(part.get("when") or ""),
            bool(part.get("late")),
            platform=platform,
        )
        return said, part.get("rest") or ""
    return None


def date_of(text: str) -> datetime | None:
    """The date in one of the forms that platforms use, or None. Time zones are left out."""
    for form in _WRITTEN:
        try:
            return datetime.strptime(text.strip(), form)
        except ValueError:
            continue
    return None


@cache
def _topics() -> dict[str, str]:
    """Lesson -> "convolutions", by the names of the course's own notebooks."""
    try:
        stems = [p.stem for p in paths.bundled("notebooks").glob("[0-9][0-9]_*.ipynb")]
    except FileNotFoundError:
        stems = []
    return {stem[:2]: stem[3:] for stem in stems}


def of_file(file_name: str) -> Said:
    """What the name of a notebook that lies alone says: who, and which attempt."""
    found = of_platform(file_name)
    if found and found[0].platform != "dated":
        attempt = _without_attempt(_NOTEBOOK.sub("", found[1]))[1]
        return Said(
            found[0].name, found[0].ids, found[0].when, found[0].late, attempt, found[0].platform
        )
    when = found[0].when if found else None
    stem, attempt = _without_attempt(_NOTEBOOK.sub("", found[1] if found else file_name))
    return Said(_student_of(stem), (), when, False, attempt)


def attempt_of(file_name: str) -> int:
    """1 for "... (1)", 2 for "...-2", 1 for "...-Copy1", else 0."""
    return _without_attempt(_NOTEBOOK.sub("", file_name))[1]


def _without_attempt(stem: str) -> tuple[str, int]:
    attempt = 0
    while found := _AGAIN.search(stem):
        numbers = [int(n) for n in found.groups() if n]
        attempt += max(numbers, default=1)
        stem = stem[: found.start()].rstrip()
    return stem, attempt


def lesson_of_name(file_name: str) -> str:
    """The lesson whose notebook's own name ends this file's name, or ""."""
    stem = _without_attempt(_NOTEBOOK.sub("", file_name))[0]
    plain = re.sub(r"[ -]", "_", stem).casefold()
    for lesson, topic in _topics().items():
        if plain.endswith(f"{lesson}_{topic}") or re.search(rf"(?:^|_){lesson}(?:_[a-z]|$)", plain):
            return lesson
    return ""


def _student_of(stem: str) -> str:
    """ "ann" of "ann_01_convolutions", "Anna Smith - 01_convolutions", "ann_convolutions"."""
    stem = _COPY_OF.sub("", stem)
    plain = re.sub(r"[ -]", "_", stem).casefold()
    for lesson, topic in _topics().items():
        for ending in (f"{lesson}_{topic}", topic):
            if plain == ending:
                return ""
            if plain.endswith(f"_{ending}"):
                before = re.sub(r"[ _-]*Copy of[ _-]*$", "", stem[: -len(ending)])
                return before.strip(" _-")
    found = re.fullmatch(r"(.+?)[ _-]+(\d\d)[_-][A-Za-z].*", stem)
    if found and found[2] in lessons():
        return found[1]
    return stem
