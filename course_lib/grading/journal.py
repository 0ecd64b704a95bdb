"""What is graded already, one line a notebook, so that an interrupted run goes on where it was."""

import json
import secrets
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from course_lib.grading.mark import Row
from course_lib.grading.submissions import Handed

_NAME = ".grading.jsonl"


def key_of(student: str, lesson: str, handed: Sequence[Handed]) -> str:
    """Changes with whatever could change a notebook's rows, but for the settings of the run."""
    digest = sha256(f"{student}\0{lesson}".encode("utf-8", "surrogateescape"))
    for one in handed:
        digest.update(f"\0{one.file}\0{one.refused}\0".encode("utf-8", "surrogateescape"))
        digest.update(sha256(one.content).digest())
    return digest.hexdigest()


class Journal:
    """The file in the report's folder. `seed` is drawn once, and kept for as long as it is.

    `settings` are what the rows depend on besides; with others than last time all starts anew,
    as it does when `fresh`. A last line that was cut short counts as not written.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], *, fresh: bool = False) -> None:
        self._file = folder / _NAME
        self._lock = threading.Lock()
        self._done: dict[str, list[Row]] = {}
        self.seed = secrets.randbelow(2**31)
        before = [] if fresh else self._lines()
        if before and before[0].get("settings") == settings:
            self.seed = int(before[0]["seed"])
            self._done = {line["key"]: _rows(line["rows"]) for line in before[1:]}
        lines = [{"seed": self.seed, "settings": settings}]
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


def _rows(values: list[dict[str, Any]]) -> list[Row]:
    return [Row(**{**v, "remarks": tuple(v["remarks"])}) for v in values]
