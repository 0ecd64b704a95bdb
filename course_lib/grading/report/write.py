"""All of a report into one folder."""

from pathlib import Path

from course_lib.grading.report import tables
from course_lib.grading.report.class_page import write_class
from course_lib.grading.report.graded import Report
from course_lib.grading.report.page import file_names
from course_lib.grading.report.similarity import similar
from course_lib.grading.report.student_page import write_student


def write_report(out: Path, report: Report) -> None:
    """index.html, students/*.html, the tables, feedback.zip. Pages of earlier reports go."""
    folder = out / "students"
    folder.mkdir(parents=True, exist_ok=True)
    files = file_names([s.name for s in report.students])
    pages = {name: folder / file for name, file in files.items()}
    for student in report.students:
        write_student(pages[student.name], student, report)
    for old in set(folder.glob("*.html")) - set(pages.values()):
        old.unlink()
    links = {name: f"students/{file}" for name, file in files.items()}
    pairs = similar([r for s in report.students for r in s.rows])
    write_class(out / "index.html", report, links, pairs)
    tables.write_marks(out / "marks.csv", report)
    tables.write_details(out / "details.csv", report)
    tables.write_canvas(out / "canvas.csv", report)
    tables.write_moodle(out / "moodle.csv", report)
    tables.write_feedback(out / "feedback.zip", report, pages)
    tables.write_empty_overrides(out / "overrides.csv")
