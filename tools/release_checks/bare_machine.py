"""The README's two commands on a machine as new: Debian with Python and nothing else, no root.

    sudo python3 tools/release_checks/bare_machine.py               lab, then every test (an hour)
    sudo python3 tools/release_checks/bare_machine.py --tests tests/exercises tests/grading

Makes a root folder with debootstrap (Debian's package of that name): Python, python3-venv as the
README asks, and no git, bubblewrap, chromium or compiler. In it an ordinary user gets a clone of
the last commit and types what the README prints. pip's settings of this machine, and the files that
they name, are there too; nothing else is. Before every release; the last lines belong in its notes.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
USER, HOME = 1000, "/home/learner"
PACKAGES = "python3,python3-venv,ca-certificates"
# In namespaces of its own: the new root becomes the only one (user namespaces, which bubblewrap
# needs, are refused in a mere chroot), then root's powers are given up for good.
ENTER = """set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for d in null zero full random urandom tty; do
  touch "$1/dev/$d"
  mount --bind /dev/$d "$1/dev/$d"
done
ln -s /proc/self/fd "$1/dev/fd"
mkdir -m 1777 "$1/dev/shm"
for f in $4; do mount --bind -o ro "$f" "$1$f"; done
cd "$1"
mkdir -p old
pivot_root . old
umount -l /old
cd "$2"
exec setpriv --reuid=1000 --regid=1000 --clear-groups --inh-caps=-all sh -c "$3"
"""


def main(arguments: list[str]) -> int:
    """Make the machine, run both commands; 0 if both ended well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the root is made, or made already")
    parser.add_argument("--packages", default=PACKAGES, help=f"of Debian ({PACKAGES})")
    parser.add_argument(
        "--zip", action="store_true", help='a copy without history ("Download ZIP")'
    )
    parser.add_argument("--place", default="course", help="the name of the course's folder")
    parser.add_argument("--skip-lab", action="store_true", help="the tests only")
    parser.add_argument("--tests", nargs="*", help="what pytest runs (everything); none: no tests")
    options = parser.parse_args(arguments)
    if os.geteuid():
        sys.exit(
            "This check makes a machine's root folder: run it as root (the course needs none)."
        )
    folder = options.folder or Path(tempfile.mkdtemp(prefix="bare-machine-"))
    make(folder, options.packages)
    copy_course(folder, options.place, history=not options.zip)
    print(
        f"A bare machine in {folder}: {said(folder, 'cat /etc/debian_version').strip()}, ", end=""
    )
    print(said(folder, "python3 --version; id -un; command -v git bwrap chromium gcc sudo || true"))
    start = re.search(r"^    python (tools/start\.py lab)$", readme(), re.MULTILINE)
    test = re.search(r"^    python (tools/start\.py test)$", readme(), re.MULTILINE)
    if not start or not test:
        sys.exit("README.md no longer prints its two commands in lines of their own.")
    place = f"{HOME}/{options.place}"
    failed = 0
    if not options.skip_lab:
        failed += not lab(folder, place, f"python3 {start[1]}")
    if options.tests != []:
        failed += not tests(folder, place, f"python3 {test[1]}", options.tests or [])
    print("Both commands work on a bare machine." if not failed else f"{failed} failed.")
    return int(failed > 0)


def readme() -> str:
    """The page that a learner reads."""
    return (ROOT / "README.md").read_text(encoding="utf-8")


def make(folder: Path, packages: str) -> None:
    """A Debian with these packages, a user, and this machine's way to the package index."""
    if not (folder / "etc" / "debian_version").exists():
        asked = ["debootstrap", "--variant=minbase", f"--include={packages}", "stable"]
        codename = release()
        if codename:
            asked[-1] = codename
        with open(folder.with_suffix(".log"), "w") as log:
            subprocess.run([*asked, str(folder)], check=True, stdout=log, stderr=log)
    for name in ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt", "pip.conf", "xdg/pip"):
        source, target = Path("/etc") / name, folder / "etc" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.is_file():
            shutil.copyfile(source, target)
    home = folder / HOME.lstrip("/")
    home.mkdir(parents=True, exist_ok=True)
    own = Path.home() / ".config" / "pip"
    if own.is_dir():
        shutil.copytree(own, home / ".config" / "pip", dirs_exist_ok=True)
    for one in local_indexes():
        (folder / one.lstrip("/")).mkdir(parents=True, exist_ok=True)
    passwd = folder / "etc" / "passwd"
    if "learner" not in passwd.read_text():
        with passwd.open("a") as file:
            file.write(f"learner:x:{USER}:{USER}::{HOME}:/bin/sh\n")
    own_all(home)


def release() -> str:
    """The code name of this machine's own Debian, so that the packages are known to be reached."""
    text = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    found = re.search(r"^VERSION_CODENAME=(\w+)$", text, re.MULTILINE)
    return found[1] if found and "ID=debian" in text.splitlines() else ""


def local_indexes() -> list[str]:
    """This machine's folders that pip's settings name: the new one sees them, read-only."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True)
    found = re.findall(r"(?:file://|')(/[^\s':]+)", listed.stdout.decode())
    folders = {f.removesuffix("/simple") for f in found if not f.startswith("/etc")}
    return sorted(f for f in folders if Path(f).is_dir())  # an index's files lie beside simple/


def copy_course(folder: Path, place: str, *, history: bool) -> None:
    """The last commit, as `git clone` or "Download ZIP" would bring it; an environment stays."""
    target = folder / HOME.lstrip("/") / place
    fresh = target.with_name(f"{place}.new")
    clone = ["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(fresh)]
    subprocess.run(clone, check=True)
    if not history:
        shutil.rmtree(fresh / ".git")
    if target.exists():
        shutil.rmtree(target)
    fresh.rename(target)
    own_all(target)


def own_all(folder: Path) -> None:
    """Give a folder and all in it to the learner."""
    subprocess.run(["chown", "--recursive", f"{USER}:{USER}", str(folder)], check=True)


def call(folder: Path, place: str, command: str) -> list[str]:
    """The words that run a command line there, as the learner."""
    inner = f"ulimit -c 0; exec 2>&1; {command}"
    words = ["unshare", "--mount", "--pid", "--fork", "--ipc", "--uts"]
    return [*words, "sh", "-c", ENTER, "sh", str(folder), place, inner, " ".join(local_indexes())]


def outside() -> dict[str, str]:
    """A new login's variables, and how this machine reaches the index and computes."""
    kept = ("PIP_", "SSL_CERT", "REQUESTS_CA", "OPENBLAS_")
    own = {k: v for k, v in os.environ.items() if k.startswith(kept) or k.endswith("_proxy")}
    plain = {"HOME": HOME, "USER": "learner", "LANG": "C.UTF-8", "TERM": "dumb"}
    return {**own, **plain, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}


def said(folder: Path, command: str) -> str:
    """What a command prints there."""
    ran = subprocess.run(call(folder, HOME, command), env=outside(), capture_output=True, text=True)
    return ran.stdout


def lab(folder: Path, place: str, command: str) -> bool:
    """Whether JupyterLab comes up, serves a lesson, and its Python runs one from top to bottom."""
    print(f"\n$ {command}", flush=True)
    started = time.monotonic()
    log = folder.with_suffix(".lab.log")
    with log.open("w") as out:
        process = subprocess.Popen(call(folder, place, command), env=outside(), stdout=out)
    address = None
    while process.poll() is None and time.monotonic() - started < 3600:
        address = re.search(
            r"(http://(?:127\.0\.0\.1|localhost):\d+)/\S*\?token=(\w+)", log.read_text()
        )
        if address:
            break
        time.sleep(2)
    try:
        if not address:
            print(log.read_text()[-3000:], "\nJupyterLab did not come up.")
            return False
        said = "^(Preparing|Your notebooks|Bringing).*|Jupyter Server .* is running"
        print("\n".join(m[0] for m in re.finditer(said, log.read_text(), re.MULTILINE)))
        seconds = time.monotonic() - started
        page = fetched(f"{address[1]}/lab?token={address[2]}")
        lesson = fetched(f"{address[1]}/api/contents/01_convolutions.ipynb?token={address[2]}")
        ok = b"JupyterLab" in page and b"conv2d" in lesson
        print(f"JupyterLab answers after {seconds:.0f} s, and serves lesson 01: {ok}", flush=True)
    finally:
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)  # the first of its namespace: all others end too
        process.wait()
    notebook = "my-course/01_convolutions.ipynb"
    run = f".venv/bin/python -m nbconvert --to notebook --execute --stdout {notebook}"
    ran = subprocess.run(
        call(folder, place, f"{run} | grep -c '\"output_type\"'"),
        env=outside(),
        capture_output=True,
        text=True,
    )
    count = (ran.stdout.strip().splitlines() or [""])[-1]
    good = count.isdigit() and int(count) > 20
    print(f"Lesson 01 runs there from top to bottom: {good} ({count} outputs)", flush=True)
    return ok and good


def fetched(url: str) -> bytes:
    """A page of this machine's own; empty where there is none."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return bytes(answer.read())
    except OSError as error:
        print(f"{url.partition('?')[0]}: {error}")
        return b""


def tests(folder: Path, place: str, command: str, what: list[str]) -> bool:
    """Whether the test command ends well; its last lines are shown."""
    command = " ".join([command, *what])
    print(f"\n$ {command}", flush=True)
    log = folder.with_suffix(".test.log")
    with log.open("w") as out:
        ended = subprocess.run(call(folder, place, command), env=outside(), stdout=out).returncode
    print("\n".join(log.read_text().splitlines()[-25:]))
    print(f"exit code {ended}; all of it is in {log}")
    return ended == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
