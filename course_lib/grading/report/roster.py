"""The list of a class, as learning platforms export it, and who of it handed in what."""

import csv
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.grading.submissions import HandIns, Student

_FIRST = ("first name", "given name", "vorname", "prenom", "nombre")
_LAST = ("last name", "surname", "family name", "nachname", "nom", "apellido(s)")
_WHOLE = ("student", "full name", "name", "student name", "nom complet", "vollstandiger name")
_IDS = (
    "id",
    "id number",
    "sis user id",
    "sis login id",
    "identifier",
    "student id",
    "username",
    "user name",
    "login",
    "orgdefinedid",
    "github_username",
    "github_id",
    "number",
)
_EMAILS = ("email", "email address", "e-mail", "e-mail address", "mail")
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody of the class: the name, all ids, the e-mail address, the roster's own columns."""

    name: str
    ids: tuple[str, ...]
    email: str
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Roster:
    """The people of a class, and the roster's header."""

    people: tuple[Person, ...] = ()
    header: tuple[str, ...] = ()


def read_roster(path: Path) -> Roster:
    """A CSV file. Raises ValueError where no column is known to hold names."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="cp1252", errors="replace")
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    lines = list(csv.reader(text.splitlines(), delimiter=separator))
    header = tuple(h.strip() for h in lines[0]) if lines else ()
    plain = [_plain(h) for h in header]
    if not any(h in (*_FIRST, *_LAST, *_WHOLE) for h in plain):
        raise ValueError(
            f"{path}: no column holds the names. Wanted: a header with `name` (or `first name` and "
            f"`last name`), and any of `id`, `email`; got {', '.join(header) or 'an empty file'}."
        )
    people = []
    for line in lines[1:]:
        cells = [c.strip() for c in line] + [""] * (len(header) - len(line))
        name = _name(plain, cells)
        if name and not name.casefold().startswith("points possible"):
            ids = tuple(c for h, c in zip(plain, cells, strict=False) if h in _IDS and c)
            email = next((c for h, c in zip(plain, cells, strict=False) if h in _EMAILS), "")
            people.append(Person(name, ids, email, dict(zip(header, cells, strict=False))))
    return Roster(tuple(people), header)


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text)
    return "".join(c for c in letters if not unicodedata.combining(c)).strip().casefold()


def _name(header: Sequence[str], cells: Sequence[str]) -> str:
    """ "Anna Smith" of one column or of two; "Smith, Anna" is turned round."""

    def of(known: tuple[str, ...]) -> str:
        return next((c for h, c in zip(header, cells, strict=False) if h in known and c), "")

    if first_and_last := f"{of(_FIRST)} {of(_LAST)}".strip():
        return first_and_last
    last, comma, first = of(_WHOLE).partition(",")
    return f"{first.strip()} {last.strip()}".strip() if comma else last.strip()


def assign(hand_ins: HandIns, roster: Roster) -> dict[str, Person]:
    """Student's name -> person; names become the roster's, and whoever is missing is added.

    A student who fits two people, or two students who fit one, stay as they are, and it is noted.
    """
    fits = {id(s): [p for p in roster.people if _same(s, p)] for s in hand_ins.students}
    taken: dict[str, Person] = {}
    found: set[int] = set()
    for p in roster.people:
        mine = [s for s in hand_ins.students if fits[id(s)] == [p]]
        found |= {id(p)} if mine else set()
        if len(mine) > 1:
            names = " and ".join(s.name for s in mine)
            hand_ins.notes.append(f"{names} both look like {p.name} of the roster: kept apart")
        elif mine:
            mine[0].name = _unique(p, roster)
            taken[mine[0].name] = p
    for s in hand_ins.students:
        if len(fits[id(s)]) > 1:
            names = ", ".join(p.name for p in fits[id(s)])
            hand_ins.notes.append(f"{s.name} may be any of {names} of the roster: not assigned")
        elif not fits[id(s)]:
            hand_ins.notes.append(f"{s.name} is not on the roster")
    for p in roster.people:
        if id(p) not in found:
            missing = Student(_unique(p, roster), p.ids)
            hand_ins.students.append(missing)
            taken[missing.name] = p
    hand_ins.students.sort(key=lambda s: (s.name.casefold(), s.name))
    return taken


def _unique(person: Person, roster: Roster) -> str:
    same = [p for p in roster.people if p.name == person.name]
    more = next(iter(person.ids), person.email) or str(same.index(person) + 1)
    return f"{person.name} ({more})" if len(same) > 1 else person.name


def _same(student: Student, person: Person) -> bool:
    """By an id, else by a user name or e-mail address, else by the name in any order."""
    ids = {_plain(i).removeprefix("participant ") for i in (*person.ids, person.email) if i}
    if student.ids:
        own = {_plain(i) for i in student.ids}
        if own & ids:
            return True
    name = _plain(student.name)
    users = ids | ({_plain(person.email).partition("@")[0]} if person.email else set())
    if name in users or any(len(u) > 2 and name.endswith(f"-{u}") for u in users):
        return True
    words = _words(person.name)
    if _words(student.name) == words:
        return True
    in_order = _plain(person.name).replace("-", " ").split()
    turned = {"".join(in_order[i:] + in_order[:i]) for i in range(len(in_order))}
    return student.platform == "Canvas" and name in turned


def _words(name: str) -> frozenset[str]:
    return frozenset(_plain(name).replace(",", " ").replace("_", " ").replace("-", " ").split())
