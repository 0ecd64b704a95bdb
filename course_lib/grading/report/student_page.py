"""The page to send back to a student: what passed, and for the rest the sentence that helps."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from course_lib.exercises.exercise import Exercise
from course_lib.grading.mark import Row
from course_lib.grading.report.graded import Graded, Report, tidy
from course_lib.grading.report.page import SIGNS, page, text, write


def write_student(path: Path, student: Graded, report: Report) -> None:
    """Points, each exercise with its reason, the student's own code and the file it came from."""
    exercises = {e.id: e for e in report.exercises}
    of = sum(r.of for r in student.rows)
    body = [f"<p><strong>{student.points} of {of} points.</strong></p>"]
    if student.comment:
        body.append(f'<p class="comment">{text(student.comment)}</p>')
    for lesson, group in groupby(student.rows, key=lambda r: r.exercise[:2]):
        rows = list(group)
        points = tidy(sum(r.points for r in rows))
        body.append(f"<h2>Lesson {lesson}: {points} of {sum(r.of for r in rows)} points</h2>")
        if rows[0].file:
            when = f", handed in {rows[0].when.replace('T', ' ')}" if rows[0].when else ""
            body.append(f"<p>The file: {text(rows[0].file)}{when}</p>")
        for row in rows:
            body += _section(row, student, exercises)
    write(path, page(student.name, body, protected=report.protected))


def _section(row: Row, student: Graded, exercises: dict[str, Exercise]) -> Iterator[str]:
    sign, kind = SIGNS[row.status]
    task = exercises[row.exercise].task if row.exercise in exercises else ""
    yield f'<section class="{kind}" id="{text(row.exercise)}">\n<h2>{text(row.exercise)}</h2>'
    yield f"<p>{text(task)}</p>"
    yield f"<p><strong>{sign} {row.status}</strong>: {row.points} of {row.of}</p>"
    for words in (row.words, student.notes.get(row.exercise)):
        if words:
            yield f"<p>{text(words)}</p>"
    if row.exercise in student.comments:
        yield f'<p class="comment">{text(student.comments[row.exercise])}</p>'
    if row.printed:
        yield f"<pre>{text(row.printed)}</pre>"
    if row.code:
        yield f"<details><summary>your code</summary><pre>{text(row.code)}</pre></details>"
    yield "</section>"
