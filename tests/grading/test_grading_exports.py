"""What learning platforms give when all submissions are downloaded, rebuilt by code: who, what, and
nobody merged or lost.
"""

import io
import zipfile

import pytest
from grading_corpus import RIGHT, notebook

from course_lib.grading.names import attempt_of, date_of, lesson_of_name
from course_lib.grading.report.roster import assign, read_roster
from course_lib.grading.submissions import collect

N = "01_convolutions.ipynb"
MOODLE = "Anna Smith_12345_assignsubmission_file_"


def build(folder, files):
    """Write {path: bytes or None for a notebook}; a path that ends in .zip: {...} is a zip."""
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(packed(content) if isinstance(content, dict) else filled(path, content))
    return folder


def filled(path, content):
    if content is not None:
        return content
    return notebook(RIGHT) if ".ipynb" in path.lower() else b"something else"


def packed(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        for path, content in files.items():
            z.writestr(
                path, packed(content) if isinstance(content, dict) else filled(path, content)
            )
    return buffer.getvalue()


FORMATS = {
    "Moodle folders": (
        [
            f"{MOODLE}/{N}",
            "Bo Lee_22_assignsubmission_file_/02_unet_segmentation.ipynb",
            "Anna Smith_12345_assignsubmission_onlinetext_/onlinetext.html",
        ],
        {"Anna Smith": 1, "Bo Lee": 1},
    ),
    "Moodle folders without the last line": (
        [f"Anna Smith_12345_assignsubmission_file/{N}", f"Bo_2_assignsubmission_file/{N}"],
        {"Anna Smith": 1, "Bo": 1},
    ),
    "Moodle flat": (
        [
            f"{MOODLE}{N}",
            f"Anna Smith_12_assignsubmission_file_{N}",
            "Cy Lo_13_assignsubmission_file_essay.pdf",
        ],
        {"Anna Smith (12345)": 1, "Anna Smith (12)": 1, "Cy Lo": 0},
    ),
    "Canvas": (
        [
            f"smithanna_101_70001_{N}",
            "leebo_LATE_102_70002_01_convolutions-2.ipynb",
            "locy_103_70003_essay.pdf",
            "kimdan_104_70004_01_convolutions.IPYNB",
            "roeeve_105_70005_01_convolutions.ipynb.txt",
            "smithanna_101_70006_01_convolutions-1.ipynb",
        ],
        {"smithanna": 2, "leebo": 1, "locy": 0, "kimdan": 1, "roeeve": 1},
    ),
    "Blackboard": (
        [
            f"Lesson 01_asmith_attempt_2026-01-15-10-22-33_{N}",
            "Lesson 01_asmith_attempt_2026-01-15-10-22-33.txt",
            "Lesson 01_blee_attempt_2026-01-16-10-22-33.txt",
            f"Lesson 01_clo_attempt_2026-01-16-10-22-33_{N}",
        ],
        {"asmith": 1, "blee": 0, "clo": 1},
    ),
    "Blackboard HW-03": (
        [
            f"HW-03_asmith_attempt_2026-01-15-10-22-33_{N}",
            f"HW-03_b_attempt_2026-01-15-10-22-34_{N}",
        ],
        {"asmith": 1, "b": 1},
    ),
    "Google flat": (
        [N, "01_convolutions (1).ipynb", "Copy of 01_convolutions.ipynb"],
        {N: 1, "01_convolutions (1).ipynb": 1, "Copy of 01_convolutions.ipynb": 1},
    ),
    "Google Classroom": (
        [f"Anna Smith - {N}", f"Cy Lo - Copy of {N}", f"Copy of Bo Lee - {N}"],
        {"Anna Smith": 1, "Cy Lo": 1, "Bo Lee": 1},
    ),
    "GitHub Classroom": (
        [
            f"lesson-01-asmith/notebooks/{N}",
            f"lesson-01-asmith/solutions/{N}",
            f"lesson-01-blee/notebooks/{N}",
            "lesson-01-blee/README.md",
        ],
        {"lesson-01-asmith": 1, "lesson-01-blee": 1},
    ),
    "one fork": ([f"asmith/notebooks/{N}", f"asmith/solutions/{N}"], {"asmith": 1}),
    "Brightspace": (
        [
            f"12-34 - Anna Smith - Jan 15, 2026 1022 AM/{N}",
            "index.html",
            f"12-34 - Anna Smith - Jan 16, 2026 822 PM/{N}",
            f"13-34 - Bo - Jan 16, 2026 822 PM/{N}",
        ],
        {"Anna Smith": 2, "Bo": 1},
    ),
    "Brightspace flat": (
        [
            f"12-34 - Anna Smith - Jan 15, 2026 1022 AM - {N}",
            f"9-1 - Bo - Jan 15, 2026 1022 AM - {N}",
        ],
        {"Anna Smith": 1, "Bo": 1},
    ),
    "Sakai": (
        [
            f"Lesson 1/Smith, Anna(asmith)/Submission attachment(s)/{N}",
            "Lesson 1/grades.csv",
            "Lesson 1/Smith, Anna(asmith)/timestamp.txt",
            f"Lesson 1/Lee, Bo(blee)/Submission attachment(s)/{N}",
        ],
        {"Smith, Anna": 1, "Lee, Bo": 1},
    ),
    "nbgrader": (
        [f"submitted/asmith/lesson01/{N}", f"submitted/blee/lesson01/{N}"],
        {"asmith": 1, "blee": 1},
    ),
    "nbgrader's exchange": (
        [f"asmith+l1+2026-01-15 10:22:33 UTC/{N}", f"blee+l1+2026-01-15 10:22:34 UTC/{N}"],
        {"asmith": 1, "blee": 1},
    ),
    "a folder around a class": ([f"class/ann/{N}", f"class/bob/{N}"], {"ann": 1, "bob": 1}),
    "two folders around a class": ([f"a/b/ann/{N}", f"a/b/bob/{N}"], {"ann": 1, "bob": 1}),
    "two classes": (
        [f"A/ann/{N}", f"A/bob/{N}", f"B/cy/{N}", f"B/dan/{N}"],
        {"ann": 1, "bob": 1, "cy": 1, "dan": 1},
    ),
    "two classes with an Ann each": (
        [f"A/ann/{N}", f"A/bob/{N}", f"B/ann/{N}", f"B/dan/{N}"],
        {"ann (A/ann)": 1, "bob": 1, "ann (B/ann)": 1, "dan": 1},
    ),
    "one student's folder": ([f"ann/{N}", "ann/02_unet_segmentation.ipynb"], {"ann": 2}),
    "dates in front": (
        [f"2026-01-15_asmith_{N}", f"2026-01-16_blee_{N}", f"2026-01-17 asmith {N}"],
        {"asmith": 2, "blee": 1},
    ),
    "numbers in names": ([f"lee_98_{N}", f"lee_99_{N}"], {"lee_98": 1, "lee_99": 1}),
    "a number before the topic": (
        ["group_07_convolutions.ipynb", "group_08_convolutions.ipynb"],
        {"group_07": 1, "group_08": 1},
    ),
    "attempts": (
        [f"ann_{N}", "ann_01_convolutions (1).ipynb", "ann_01_convolutions-Copy1.ipynb"],
        {"ann": 3},
    ),
    "case": ([f"Ann/{N}", f"ANN/{N}", f"CON/{N}"], {"Ann": 1, "ANN": 1, "CON": 1}),
    "checkpoints": (
        [f"ann/{N}", f"ann/.ipynb_checkpoints/{N}", f"bob/{N}", f"__MACOSX/ann/{N}"],
        {"ann": 1, "bob": 1},
    ),
}


# With one folder around it, one student's folder cannot be told from a class's.
ALONE = ("Google flat", "one fork", "one student's folder", "attempts")


@pytest.mark.parametrize("how", ["folder", "zip", "zip in a folder", "folder in a zip"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_student_of_an_export_is_found_once(name, how, tmp_path):
    paths, wanted = FORMATS[name]
    if name in ALONE:
        how = how.partition(" ")[0]
    if "folder in a zip" in how:
        paths = [f"download/{p}" for p in paths]
    files = dict.fromkeys(paths)
    if how == "folder":
        source = build(tmp_path / "in", files)
    elif how == "zip in a folder":
        source = build(tmp_path / "in", {"download.zip": files})
    else:
        source = build(tmp_path, {"download.zip": files}) / "download.zip"
    found = collect(source)
    strip = "download.zip/" if how == "zip in a folder" else ""
    prefix = "download/" if "folder in a zip" in how else strip
    named = {s.name.replace(prefix, ""): len(s.submissions) for s in found.students}
    assert named == wanted, found.notes
    kept = {x.file for s in found.students for x in s.submissions}
    left_out = {path for path, _ in found.ignored} | kept
    hidden = (".ipynb_checkpoints", "__MACOSX")
    quiet = ("grades.csv", "timestamp.txt", "index.html")
    for path in paths:  # every file counts, or is listed with its reason
        if not any(h in path for h in hidden) and not path.endswith(quiet):
            assert any(one.endswith(path) for one in left_out), path


def test_the_newest_attempt_comes_last(tmp_path):
    files = ["01_convolutions (2).ipynb", "01_convolutions.ipynb", "01_convolutions-Copy1.ipynb"]
    (ann,) = collect(build(tmp_path, {f"ann/{f}": None for f in files})).students
    assert [s.attempt for s in ann.submissions] == [0, 1, 2]
    days = build(tmp_path / "d", {f"2026-01-{d}_ann_{N}": None for d in (17, 15, 16)})
    (ann,) = collect(days).students
    assert [s.when.day for s in ann.submissions] == [15, 16, 17]


def test_a_platforms_dates_and_late_marks_are_kept(tmp_path):
    paths, _ = FORMATS["Canvas"]
    by_name = {s.name: s for s in collect(build(tmp_path / "c", dict.fromkeys(paths))).students}
    assert [by_name[n].submissions[0].late for n in ("leebo", "smithanna")] == [True, False]
    sakai = dict.fromkeys(FORMATS["Sakai"][0])
    sakai["Lesson 1/Smith, Anna(asmith)/timestamp.txt"] = b"20260115102233456"
    by_name = {s.name: s for s in collect(build(tmp_path / "s", sakai)).students}
    assert f"{by_name['Smith, Anna'].submissions[0].when}" == "2026-01-15 10:22:33"


def test_zips_in_zips_and_large_ones(tmp_path):
    files = {
        "ann.zip": {"homework.zip": {N: None}},
        "bob.zip": {f"../../{N}": None},
        "cy.zip": b"PK\3\4 and no more",
        "dan.zip": {
            f"{i}.zip": {f"{j}.zip": {"x.zip": {"y.zip": {N: None}}} for j in range(2)}
            for i in range(2)
        },
    }
    by_name = {s.name: s for s in collect(build(tmp_path, files)).students}
    assert [len(by_name[n].submissions) for n in ("ann", "bob", "cy")] == [1, 1, 1]
    assert by_name["ann"].submissions[0].content() == notebook(RIGHT)
    assert by_name["bob"].submissions[0].content() == notebook(RIGHT)
    assert by_name["cy"].submissions[0].refused.startswith("its zip is broken")
    assert {s.refused for s in by_name["dan"].submissions} == {"it is a zip too deep in other zips"}


@pytest.mark.parametrize(
    ("name", "attempt", "lesson"),
    [
        ("01_convolutions.ipynb", 0, "01"),
        ("01_convolutions (1).ipynb", 1, "01"),
        ("01_convolutions-2.IPYNB", 2, "01"),
        ("01_convolutions-Copy3.ipynb.txt", 3, "01"),
        ("01-convolutions.ipynb", 0, "01"),
        ("homework.ipynb", 0, ""),
        ("group_07_convolutions.ipynb", 0, "07"),
    ],
)
def test_attempts_and_lessons_of_names(name, attempt, lesson):
    assert (attempt_of(name), lesson_of_name(name)) == (attempt, lesson)


def test_dates():
    assert f"{date_of('Jan 15, 2026 1022 AM')}" == "2026-01-15 10:22:00"
    assert date_of("soon") is None


# --- the list of the class ---

ROSTERS = {
    "Moodle": "First name,Last name,ID number,Email address\nAnna,Smith,s1,anna@x.org\n"
    "Bo,Lee,s2,blee@x.org\nZoe,Zed,s3,z@x.org\n",
    "Moodle's worksheet": "Identifier,Full name,Email address,Status,Grade\nParticipant 12345,"
    "Anna Smith,anna@x.org,,\nParticipant 22,Bo Lee,b@x.org,,\nParticipant 3,Zoe Zed,z@x.org,,\n",
    "Canvas": "Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\n"
    '"Smith, Anna",101,s1,asmith,A\n"Lee, Bo",102,s2,blee,A\n"Zed, Zoe",103,s3,zzed,A\n',
    "plain, with semicolons": "name;id;email\nAnna Smith;1;a@x.org\nBo Lee;2;b@x.org\nZoe Zed;3;\n",
}
HANDED_IN = {
    "Moodle": [f"Anna Smith_1_assignsubmission_file_/{N}", f"Bo Lee_2_assignsubmission_file_/{N}"],
    "Moodle's worksheet": [f"{MOODLE}/{N}", f"B. Lee_22_assignsubmission_file_/{N}"],
    "Canvas": [f"smithanna_101_70001_{N}", f"leebo_LATE_102_70002_{N}"],
    "plain, with semicolons": [f"lee_bo/{N}", f"Smith, Anna/{N}"],
}


@pytest.mark.parametrize("name", ROSTERS)
def test_a_roster_gives_names_and_rows_for_whoever_is_missing(name, tmp_path):
    (tmp_path / "class.csv").write_text(ROSTERS[name], encoding="utf-8-sig")
    roster = read_roster(tmp_path / "class.csv")
    found = collect(build(tmp_path / "in", dict.fromkeys(HANDED_IN[name])))
    people = assign(found, roster)
    assert {s.name: len(s.submissions) for s in found.students} == {
        "Anna Smith": 1,
        "Bo Lee": 1,
        "Zoe Zed": 0,
    }
    assert set(people) == {"Anna Smith", "Bo Lee", "Zoe Zed"}
    assert not [n for n in found.notes if "roster" in n]


def test_nobody_is_guessed(tmp_path):
    (tmp_path / "class.csv").write_text("name,id\nAnna Smith,1\nAnna Smith,2\nBo Lee,3\n")
    found = collect(build(tmp_path / "in", dict.fromkeys([f"Anna Smith/{N}", f"Eve/{N}"])))
    people = assign(found, read_roster(tmp_path / "class.csv"))
    assert sorted(s.name for s in found.students) == [
        "Anna Smith",
        "Anna Smith (1)",
        "Anna Smith (2)",
        "Bo Lee",
        "Eve",
    ]
    assert "Eve is not on the roster" in found.notes
    assert any("may be any of" in n for n in found.notes)
    assert "Anna Smith" not in people


def test_a_roster_without_names_is_refused(tmp_path):
    (tmp_path / "class.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no column holds the names"):
        read_roster(tmp_path / "class.csv")
