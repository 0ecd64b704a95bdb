"""What is graded already, one line per notebook, so that an interrupted run continues there."""

import json
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from course_lib.grading.mark import Row
from course_lib.grading.submissions import Submission

_NAME = ".grading.jsonl"


def key_of(student: str, lesson: str, submissions: Sequence[Submission]) -> str:
    """Changes with whatever could change a notebook's rows, except for the settings of the run."""
    digest = sha256(f"{student}\0{lesson}".encode("utf-8", "surrogateescape"))
    for one in submissions:
        digest.update(f"\0{one.file}\0{one.age}\0".encode("utf-8", "surrogateescape"))
        try:
            digest.update(sha256(one.content()).digest())
        except ValueError as why:
            digest.update(f"{why}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


class Journal:
    """The file in the report's folder.

    `settings` are what the rows depend on besides; with other settings than last time everything is
    graded again, as it is when `fresh`. A last line that was cut short counts as not written.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], *, fresh: bool = False) -> None:
        self._file = folder / _NAME
        self._lock = threading.Lock()
        self._done: dict[str, list[Row]] = {}
        before = [] if fresh else self._lines()
        if before and before[0].get("settings") == settings:
            self._done = {
                line["key"]: [Row.from_json(r) for r in line["rows"]] for line in before[1:]
            }
        lines: list[dict[str, Any]] = [{"settings": settings}]
        lines += [{"key": k, "rows": [r.as_json() for r in v]} for k, v in self._done.items()]
        part = self._file.with_suffix(".part")
        part.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        part.replace(self._file)

    def _lines(self) -> list[dict[str, Any]]:
        found = []
        try:
            for line in self._file.read_text(encoding="utf-8").splitlines():
                found.append(json.loads(line))
        except (OSError, ValueError):
            pass
        return found

    def get(self, key: str) -> list[Row] | None:
        """The rows of a notebook that is done."""
        return self._done.get(key)

    def add(self, key: str, rows: list[Row]) -> None:
        """Remember them, at once and on disk."""
        with self._lock, self._file.open("a", encoding="utf-8") as f:
            f.write(json.dumps({"key": key, "rows": [r.as_json() for r in rows]}) + "\n")
