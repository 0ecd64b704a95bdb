"""The page of the class: marks first, then how hard each exercise was, and why."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from statistics import mean, median

from course_lib.grading.mark import Row
from course_lib.grading.report.graded import Graded, Report, tidy
from course_lib.grading.report.page import SIGNS, line, page, short, table, text, write
from course_lib.grading.report.similarity import Pair

_SCRIPT = (Path(__file__).parent / "sort_and_filter.js").read_text(encoding="utf-8")
_BINS = 10
_TOP = 10


def write_class(path: Path, report: Report, files: dict[str, str], pairs: Sequence[Pair]) -> None:
    """Marks, exercises, mistakes, remarks, similar answers, files that were left out."""
    rows = [r for s in report.students for r in s.rows]
    sections = {
        "Marks": _marks(report, files),
        "Exercises": _exercises(report, rows),
        "Mistakes": _mistakes(report, rows),
        "Remarks": _remarks(report, files),
        "Similar answers": _similar(pairs, files),
        "Files and notes": _notes(report),
    }
    there = {name: list(lines) for name, lines in sections.items()}
    there = {name: lines for name, lines in there.items() if lines}
    points = [s.points for s in report.students]
    body = [
        f"<p>{len(report.students)} students, {len(report.exercises)} exercises, {report.of} points"
        f"; mean {tidy(mean(points))}, median {tidy(median(points))}. "
        f"Written {datetime.now():%Y-%m-%d %H:%M}.</p>",
        "<nav>" + "".join(f'<a href="#{_id(n)}">{n}</a>' for n in there) + "</nav>",
    ]
    for name, lines in there.items():
        body += [f'<h2 id="{_id(name)}">{name}</h2>', *lines]
    write(path, page("The class", body, protected=report.protected, script=_SCRIPT))


def _id(name: str) -> str:
    return name.partition(" ")[0].lower()


def _marks(report: Report, files: dict[str, str]) -> Iterator[str]:
    legend = ", ".join(f"{sign} {status}" for status, (sign, _) in SIGNS.items())
    yield f"<p>{text(legend)}. A sign leads to its reason.</p>"
    yield '<p><input id="filter" placeholder="filter" aria-label="filter the students" hidden></p>'
    lessons = report.lessons if len(report.lessons) > 1 else []
    head = "<th>student</th><th>points</th>"
    head += "".join(f"<th>{n}</th>" for n in lessons)
    head += "".join(f'<th class="id"><span>{text(e.id)}</span></th>' for e in report.exercises)
    yield f'<div class="wide marks"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>'
    for student in report.students:
        known = {r.exercise: r for r in student.rows}
        link = f'<a href="{text(files[student.name])}"><bdi>{short(student.name)}</bdi></a>'
        cells = [f'<td class="number">{student.points}</td>']
        cells += [f'<td class="number">{student.points_of(n)}</td>' for n in lessons]
        cells += [_cell(known.get(e.id), files[student.name]) for e in report.exercises]
        yield f"<tr><th>{link}</th>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def _cell(row: Row | None, file: str) -> str:
    if row is None:
        return "<td></td>"
    sign, kind = SIGNS[row.status]
    order = len(SIGNS) - list(SIGNS).index(row.status)
    return (
        f'<td class="{kind}" data-key="{order}"><a href="{text(file)}#{text(row.exercise)}" '
        f'title="{text(row.words[:300])}">{sign}<span class="hidden"> {row.status}</span></a></td>'
    )


def _exercises(report: Report, rows: Sequence[Row]) -> Iterator[str]:
    yield from _histogram(report.students, report.of)
    by_id: dict[str, list[Row]] = {e.id: [] for e in report.exercises}
    for row in rows:
        by_id[row.exercise].append(row)
    passed = {e.id: sum(r.status == "passed" for r in by_id[e.id]) for e in report.exercises}
    lines = []
    for e in sorted(report.exercises, key=lambda e: (passed[e.id], e.id)):
        own = by_id[e.id]
        kinds = Counter(SIGNS[r.status][1] for r in own)
        bar = "".join(
            f'<span class="{kind}" style="width:{kinds[kind] / max(len(own), 1):.1%}"></span>'
            for kind in ("good", "bad", "odd", "none")
        )
        said = ", ".join(f"{n} {s}" for s, n in Counter(r.status for r in own).most_common())
        average = tidy(mean([r.points for r in own] or [0]))
        lines.append(
            f"<tr><th>{text(e.id)}</th><td>{passed[e.id]} of {len(own)}</td>"
            f'<td>{average} of {e.points}</td><td><div class="bar">{bar}</div>{text(said)}</td>'
            f"<td>{text(e.task)}</td></tr>"
        )
    yield "<p>The hardest first. Blue: passed; orange: wrong; purple: ended; grey: not there.</p>"
    yield from table(["exercise", "passed", "mean", "what happened", "task"], lines)


def _histogram(students: Sequence[Graded], of: int) -> Iterator[str]:
    """How many students reached how many points."""
    counts = [0] * _BINS
    for s in students:
        counts[min(int(_BINS * s.points / max(of, 1)), _BINS - 1)] += 1
    most = max(counts) or 1
    bars = "".join(
        f'<div>{n}<i style="height:{75 * n / most:.0f}%"></i>'
        f"{tidy(of * i / _BINS)}-{tidy(of * (i + 1) / _BINS)}</div>"
        for i, n in enumerate(counts)
    )
    yield f'<p>Students by points:</p><div class="histogram">{bars}</div>'


def _mistakes(report: Report, rows: Sequence[Row]) -> Iterator[str]:
    made = Counter((r.exercise, r.mistake) for r in rows if r.mistake).most_common()
    hints = {(e.id, w.name): w.hint for e in report.exercises for w in e.wrong}
    lines = [
        line(f"{exercise}: {mistake.replace('_', ' ')}", n, hints.get((exercise, mistake), ""))
        for (exercise, mistake), n in made
    ]
    header = ["mistake", "students", "hint"]
    if lines:
        yield from table(header, lines[:_TOP])
    if lines[_TOP:]:
        yield f"<details><summary>{len(lines) - _TOP} more</summary>"
        yield from table(header, lines[_TOP:])
        yield "</details>"


def _remarks(report: Report, files: dict[str, str]) -> Iterator[str]:
    lines = [
        f"<tr><th>{_link(s.name, files)}</th><td>{text(r.exercise)}</td><td>{text(r.status)}</td>"
        f"<td>{text('; '.join(r.remarks))}</td></tr>"
        for s in report.students
        for r in s.rows
        if r.remarks
    ]
    if lines:
        yield "<p>For you to judge; no points were taken off.</p>"
        yield from table(["student", "exercise", "status", "remark"], lines)


def _similar(pairs: Sequence[Pair], files: dict[str, str]) -> Iterator[str]:
    lines = [
        f"<tr><th>{text(p.exercise)}</th><td>{_link(p.one, files)}</td>"
        f"<td>{_link(p.other, files)}</td><td>{p.share:.0%}</td></tr>"
        for p in pairs
    ]
    if lines:
        yield (
            "<p>Answers with the same structure, whatever their names and numbers. People who "
            "learned together write alike: read both before you think of anything.</p>"
        )
        yield from table(["exercise", "one", "other", "in common"], lines)


def _link(student: str, files: dict[str, str]) -> str:
    if student not in files:
        return text(student)
    return f'<a href="{text(files[student])}"><bdi>{short(student)}</bdi></a>'


def _notes(report: Report) -> Iterator[str]:
    if report.notes:
        yield "<ul>" + "".join(f"<li>{text(n)}</li>" for n in report.notes) + "</ul>"
    if report.ignored:
        yield f"<details><summary>{len(report.ignored)} files were left out</summary>"
        yield from table(["file", "why"], [line(file, why) for file, why in report.ignored])
        yield "</details>"
