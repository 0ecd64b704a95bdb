"""Reports: late days, overrides, similar answers, exports, pages, and a large class."""

import csv
import zipfile
from dataclasses import replace
from datetime import datetime

import pytest

from course_lib.exercises.code_slice import Notebook
from course_lib.exercises.registry import all_exercises, exercises_of, find
from course_lib.grading import originality
from course_lib.grading.mark import Row
from course_lib.grading.report.graded import Graded, Lateness, Report, override, take_off
from course_lib.grading.report.page import page, text
from course_lib.grading.report.roster import Person
from course_lib.grading.report.similarity import similar
from course_lib.grading.report.tables import safe
from course_lib.grading.report.write import write_report


def rows(student, status="passed", **more):
    return [
        Row(
            student,
            e.id,
            status,
            e.points * (status == "passed"),
            e.points,
            file=f"{student}/x.ipynb",
        )
        for e in exercises_of("01")
    ]


def report(*students):
    return Report(list(students), exercises_of("01"))


def read(path):
    with path.open(encoding="utf-8-sig", newline="") as f:
        return list(csv.reader(f))


# --- late days ---

DUE = {"": datetime(2026, 1, 15, 23, 59)}


@pytest.mark.parametrize(
    ("when", "late", "days"),
    [
        ("2026-01-15T10:00:00", False, 0),
        ("2026-01-15T23:59:00", False, 0),
        ("2026-01-16T00:00:00", False, 1),
        ("2026-01-17T12:00:00", False, 2),
        ("", True, 1),
        ("", False, 0),
    ],
)
def test_days_that_have_begun_count(when, late, days):
    row = replace(rows("ann")[0], when=when, late=late)
    assert Lateness(DUE, 0.1).days(row) == days


def test_a_lesson_may_have_a_date_of_its_own():
    row = replace(rows("ann")[0], when="2026-01-20T10:00:00")
    assert Lateness({"01": datetime(2026, 1, 31)}, 0.1).days(row) == 0
    assert Lateness({"02": datetime(2026, 1, 1)}, 0.1).days(row) == 0


def test_late_days_cost_their_share_and_never_more_than_all():
    for when, share in (("2026-01-17T12:00:00", 0.8), ("2026-03-17T12:00:00", 0.0)):
        ann = Graded("ann", [replace(r, when=when) for r in rows("ann")])
        take_off(report(ann), Lateness(DUE, 0.1))
        assert ann.points == pytest.approx(share * sum(e.points for e in exercises_of("01")))
        assert "late: 10% a day taken off" in ann.notes["01.conv2d"]


# --- overrides ---


def test_overrides_change_points_and_leave_comments(tmp_path):
    ann, bob = Graded("ann", rows("ann", "failed"), ids=("7",)), Graded("bob", rows("bob"))
    both = report(ann, bob)
    (tmp_path / "o.csv").write_text(
        "student,exercise,points,comment\n7,01.conv2d,1.5,half right\nbob,,,well done\n"
        "eve,01.conv2d,1,\nbob,99.x,1,\nbob,01.conv2d,many,\nbob,01.conv2d,-1,\n"
    )
    override(both, tmp_path / "o.csv")
    assert ann.points == 1.5
    assert ann.comments == {"01.conv2d": "half right"}
    assert "from 0 to 1.5" in ann.notes["01.conv2d"]
    assert (bob.comment, bob.points) == ("well done", 8)
    assert [n.partition(":")[0] for n in both.notes] == [f"o.csv, line {i}" for i in (4, 5, 6, 7)]
    (tmp_path / "o.csv").write_text("name\nann\n")
    with pytest.raises(ValueError, match="should have the columns student, exercise, points"):
        override(both, tmp_path / "o.csv")


def test_overrides_are_never_written_over(tmp_path):
    write_report(tmp_path, report(Graded("ann", rows("ann"))))
    assert read(tmp_path / "overrides.csv") == [["student", "exercise", "points", "comment"]]
    (tmp_path / "overrides.csv").write_text("mine")
    write_report(tmp_path, report(Graded("ann", rows("ann"))))
    assert (tmp_path / "overrides.csv").read_text() == "mine"


# --- similar answers ---

ANSWER = """
def conv2d(image, kernel):
    rows = image.shape[0] - kernel.shape[0] + 1
    columns = image.shape[1] - kernel.shape[1] + 1
    out = torch.zeros(rows, columns)
    for r in range(rows):
        for c in range(columns):
            patch = image[r : r + kernel.shape[0], c : c + kernel.shape[1]]
            out[r, c] = (patch * kernel).sum()
    return out
"""
RENAMED = ANSWER.replace("rows", "h").replace("columns", "w").replace("patch", "piece")
OTHER = """
def conv2d(image, kernel):
    patches = image.unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    weighted = torch.einsum("abcd,cd->abcd", patches, kernel)
    total = weighted.sum(dim=3)
    if total.ndim != 3:
        raise ValueError("three axes are wanted", total.shape)
    return total.sum(dim=2)
"""


def shaped(student, code):
    e = find("01.conv2d")
    (slice_,) = Notebook([code]).find(e).slices
    shape = originality.shape(e, slice_)
    return Row(student, e.id, "passed", 2, 2, shape=tuple(shape))


def test_answers_of_one_structure_are_listed_whatever_their_names():
    answers = [("ann", ANSWER), ("bob", RENAMED), ("cyd", OTHER)]
    found = similar([shaped(*a) for a in answers])
    assert [(p.one, p.other) for p in found] == [("ann", "bob")]
    assert found[0].share > 0.9


def test_what_the_whole_class_has_and_short_answers_are_not_similar():
    assert similar([shaped(f"s{i}", ANSWER) for i in range(12)]) == []
    assert similar([shaped(n, "def conv2d(a, b):\n    return a") for n in ("ann", "bob")]) == []


# --- exports ---


def test_canvas_gets_its_own_columns(tmp_path):
    columns = {"Student": "Smith, Anna", "ID": "101", "SIS User ID": "", "SIS Login ID": "asmith"}
    person = Person("Anna Smith", ("101",), "", {**columns, "Section": "A"})
    whole = report(Graded("Anna Smith", rows("Anna Smith"), person=person))
    write_report(tmp_path, whole)
    header, possible, anna = read(tmp_path / "canvas.csv")
    assert header == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lesson 01"]
    assert possible[-1] == "8"
    assert anna == ["Smith, Anna", "101", "", "asmith", "A", "8"]
    assert not (tmp_path / "moodle.csv").exists()


def test_moodles_worksheet_comes_back_filled_in(tmp_path):
    header = ("Identifier", "Full name", "Email address", "Grade")
    person = Person(
        "Anna", ("Participant 5",), "", dict(zip(header, ("P 5", "Anna", "a", ""), strict=True))
    )
    whole = report(Graded("Anna", rows("Anna"), person=person))
    whole.roster = header
    write_report(tmp_path, whole)
    assert read(tmp_path / "moodle.csv") == [list(header), ["P 5", "Anna", "a", "8"]]


def test_without_a_roster_the_ids_of_the_download_are_enough(tmp_path):
    write_report(tmp_path, report(Graded("Anna", rows("Anna"), ("5",), "Moodle")))
    assert read(tmp_path / "moodle.csv")[1] == ["Participant 5", "Anna", "8"]
    write_report(tmp_path, report(Graded("Anna", rows("Anna"), ("5",), "Canvas")))
    assert read(tmp_path / "canvas.csv")[2] == ["Anna", "5", "", "", "", "8"]
    assert not (tmp_path / "moodle.csv").exists()


def test_feedback_lies_where_the_hand_in_lay(tmp_path):
    own = [replace(r, file="Anna_5_assignsubmission_file_/01_c.ipynb") for r in rows("Anna")]
    evil = [replace(r, file="../../etc/x.ipynb") for r in rows("Eve")]
    write_report(tmp_path, report(Graded("Anna", own), Graded("Eve", evil)))
    with zipfile.ZipFile(tmp_path / "feedback.zip") as z:
        assert z.namelist() == ["Anna_5_assignsubmission_file_/01_c.html", "etc/x.html"]
        assert b"8 of 8 points" in z.read(z.namelist()[0])


def test_every_text_is_quoted_and_no_separator_begins_a_formula(tmp_path):
    name = "x;=1+1;y"
    write_report(tmp_path, report(Graded(name, rows(name))))
    assert '"x;=1+1;y"' in (tmp_path / "marks.csv").read_text(encoding="utf-8-sig")
    assert safe("a\u202egnp") == "agnp"


# --- pages ---


def test_pages_of_students_who_are_gone_go(tmp_path):
    write_report(tmp_path, report(Graded("ann", rows("ann")), Graded("bob", rows("bob"))))
    assert {p.name for p in (tmp_path / "students").iterdir()} == {"ann.html", "bob.html"}
    write_report(tmp_path, report(Graded("bob", rows("bob"))))
    assert {p.name for p in (tmp_path / "students").iterdir()} == {"bob.html"}


def test_a_students_page_has_their_code_what_it_printed_the_file_and_comments(tmp_path):
    own = rows("ann", "failed")
    own[1] = replace(own[1], code="def f(): <b>", printed="  It printed:\n    7", words="no")
    ann = Graded("ann", own, comment="see me", comments={"01.conv2d": "nearly"})
    write_report(tmp_path, report(ann))
    source = (tmp_path / "students" / "ann.html").read_text(encoding="utf-8")
    for words in ("def f(): &lt;b&gt;", "It printed:", "ann/x.ipynb", "see me", "nearly"):
        assert words in source
    assert 'id="01.conv2d"' in source


def test_text_that_turns_or_hides_is_shown_as_it_is():
    assert text("a\u202eb\x00c<d>\ud800") == "ab\ufffdc&lt;d&gt;\ufffd"
    assert "script-src" not in page("x", [], protected=True)


def test_two_hundred_students_and_all_exercises(tmp_path):
    everything = all_exercises()
    students = []
    for i in range(200):
        mistakes = [e.wrong[i % len(e.wrong)] for e in everything]
        own = [
            Row(f"s{i}", e.id, "failed", 0, e.points, words=w.hint, mistake=w.name, file="x.ipynb")
            if (i + n) % 3
            else Row(f"s{i}", e.id, "passed", e.points, e.points, file="x.ipynb")
            for n, (e, w) in enumerate(zip(everything, mistakes, strict=True))
        ]
        students.append(Graded(f"s{i}", own))
    write_report(tmp_path, Report(students, everything, ignored=[("a.pdf", "it is no notebook")]))
    source = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert len(source) < 4_000_000
    assert source.index(">Marks</h2>") < source.index(">Exercises</h2>")
    before_more = source[source.index(">Mistakes</h2>") : source.index(" more</summary>")]
    first_ten = before_more.partition("<details>")[0].partition("<tbody>")[2]
    assert first_ten.count("<tr>") == 10
    assert "a.pdf" in source
    assert "mean" in source
