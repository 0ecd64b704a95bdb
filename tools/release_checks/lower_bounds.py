"""Print pip's constraints for the oldest versions that pyproject.toml allows.

python tools/release_checks/lower_bounds.py > oldest.txt
python3.11 -m venv /tmp/oldest && /tmp/oldest/bin/pip install -e '.[test]' -c oldest.txt
/tmp/oldest/bin/python -m pytest tests
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def oldest(pyproject: Path = ROOT / "pyproject.toml") -> dict[str, str]:
    """Package -> its lower bound, of everything that the course or one of its extras names."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    found = (re.match(r"([\w.-]+)>=([\d.]+)(;|$)", r) for group in groups for r in group)
    return {m[1]: m[2] for m in found if m}


if __name__ == "__main__":
    print("\n".join(f"{name}=={version}" for name, version in oldest().items()))
    print("pyparsing<3.3")  # of matplotlib 3.9's time: it calls what later ones warn about
