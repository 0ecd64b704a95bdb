"""Play with every control of the course in JupyterLab, in a real browser, as a learner would.

    python tools/release_checks/browser_check.py                 every notebook that has a control
    python tools/release_checks/browser_check.py 01 06           these lessons

For each: open a copy, run all cells, then move each control with the keyboard and with the mouse.
The picture below it must change every time, and the browser's console must show no error. A pad to
drag is tried once more without anywidget, where its sliders do the same. Screenshots are kept in
runs/browser/, for people to look at. Needs a chromium: $CHROMIUM, or the one on the path.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Locator, Page, Route, sync_playwright

from course_lib.commands.lab import copy_notebooks

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "runs" / "browser"
MINUTE = 60_000  # milliseconds, as Playwright counts
LONGEST_RUN = 15 * MINUTE  # of one notebook, on a busy machine
LONGEST_DRAWING = MINUTE  # of one picture that follows a control
_PANEL = "window.jupyterapp.shell.currentWidget"
_EMPTY_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg"/>'
_KINDS = {  # what a learner can move, and how it is found in the page
    "drag pad": ".course-drag-pad",
    "slider": ".noUi-target",
    "menu": "select",
    "number": "input[type=number]",
    "text": "input[type=text]",
}


def main(arguments: list[str]) -> int:
    """Try the lessons named, or all that have a control; 1 if any of them fails."""
    if (browser := chromium()) is None:
        print("There is no chromium: `apt-get install chromium`, or say where in $CHROMIUM.")
        return 2
    SHOTS.mkdir(parents=True, exist_ok=True)
    failed = 0
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name) / "my-course"
        copy_notebooks(folder)
        chosen = [n for n in with_controls(folder) if not arguments or n.name[:2] in arguments]
        with jupyterlab(folder) as address:
            options = ["--no-sandbox", "--disable-gpu"]
            window = playwright.chromium.launch(executable_path=browser, args=options)
            for notebook in chosen:
                page = window.new_page(viewport={"width": 1200, "height": 1000})
                tried = Trial(page, notebook)
                with contextlib.closing(page):
                    tried.run(address)
                print(f"{notebook.stem}: {tried.report()}", flush=True)
                failed += bool(tried.troubles)
            window.close()
    print(f"{len(chosen)} notebooks, {failed} with trouble. Pictures to look at: {SHOTS}")
    return int(failed > 0)


def chromium() -> str | None:
    """The program: what $CHROMIUM says, or the one on the path."""
    return shutil.which(os.environ.get("CHROMIUM", "chromium"))


def with_controls(folder: Path) -> list[Path]:
    """The notebooks in which something can be moved, in order."""
    return [n for n in sorted(folder.glob("*.ipynb")) if cells_with_controls(n)]


def cells_with_controls(notebook: Path) -> list[int]:
    """The places of the cells that call explore()."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    call = re.compile(r"^explore\(", re.MULTILINE)
    sources = ["".join(c["source"]) if c["cell_type"] == "code" else "" for c in cells]
    return [i for i, source in enumerate(sources) if call.search(source)]


@contextlib.contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """JupyterLab for this one folder, with nobody's own settings; its address with the token.

    Raises RuntimeError when it does not start within two minutes.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    token = secrets.token_hex()
    kinds = ("JUPYTER_CONFIG", "JUPYTER_DATA", "JUPYTERLAB_SETTINGS", "JUPYTERLAB_WORKSPACES")
    own = {f"{kind}_DIR": str(folder.parent / kind) for kind in kinds}
    quiet = folder.parent / "JUPYTERLAB_SETTINGS" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    settings = [f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"]
    settings += [f"--IdentityProvider.token={token}"]
    settings += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    settings += ["--LabApp.expose_app_in_browser=True", "--allow-root", "--no-browser"]
    with (folder.parent / "jupyterlab.log").open("w+") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *settings],
            env={**os.environ, **own, "COURSE_PROGRESS": str(folder)},
            stdout=log,
            stderr=log,
        )
        try:
            until = time.monotonic() + 120
            while not _answers(port):
                if time.monotonic() > until or server.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(f"JupyterLab did not start:\n{log.read()[-2000:]}")
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}&reset"
        finally:
            server.terminate()  # it ends its kernels
            server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Trial:
    """One notebook in one page: what was moved, and what went wrong."""

    def __init__(self, page: Page, notebook: Path) -> None:
        self.moved: list[str] = []
        self.troubles: list[str] = []
        self._page, self._notebook = page, notebook
        page.on("pageerror", lambda error: self.troubles.append(f"console: {error}"))
        page.on("console", self._listen)
        page.route(re.compile("^https?://(?!127.0.0.1)"), self._offline)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(f"console: {message.text} {message.location.get('url', '')}")

    def _offline(self, route: Route) -> None:
        """Nothing may be asked of other hosts, but for the picture of the Colab badge."""
        if route.request.url.endswith("/colab-badge.svg"):
            route.fulfill(content_type="image/svg+xml", body=_EMPTY_PICTURE)
        else:
            self.troubles.append(f"asks for {route.request.url}")
            route.abort()

    def report(self) -> str:
        """One line, or one for each trouble."""
        if self.troubles:
            return "\n    ".join(["TROUBLE", *dict.fromkeys(self.troubles)])
        return f"the picture follows {', '.join(self.moved)}"

    def run(self, address: str) -> None:
        """Open, run all, move everything."""
        page = self._page
        page.goto(address.format(self._notebook.name), timeout=2 * MINUTE)
        connected = f"{_PANEL}?.sessionContext?.session?.kernel?.connectionStatus == 'connected'"
        page.wait_for_function(f"window.jupyterapp && {connected}", timeout=2 * MINUTE)
        page.set_default_timeout(LONGEST_RUN)
        went_well = page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        if not went_well:
            self.troubles.append("a cell stopped the run")
            self._shoot("stopped")
        page.set_default_timeout(MINUTE)
        for cell in cells_with_controls(self._notebook):
            self._play(cell)
            if self._box(cell).locator(_KINDS["drag pad"]).count():
                self._run_without_anywidget(cell)
                if self._box(cell).locator(_KINDS["drag pad"]).count():
                    self.troubles.append("the drag pad is there without anywidget")
                self._play(cell, "without anywidget ")
        page.evaluate(f"{_PANEL}.sessionContext.shutdown()")

    def _run_without_anywidget(self, cell: int) -> None:
        """Take the package from the kernel, and run the cell again."""
        self._page.evaluate(
            f"""async (cell) => {{
              const panel = {_PANEL}, code = "import sys; sys.modules['anywidget'] = None";
              await panel.sessionContext.session.kernel.requestExecute({{code}}).done;
              panel.content.activeCellIndex = cell;
              await window.jupyterapp.commands.execute("notebook:run-cell");
            }}""",
            cell,
        )

    def _box(self, cell: int) -> Locator:
        """The controls of a cell. JupyterLab keeps only the cells in sight in the page."""
        self._page.evaluate(
            f"""async (cell) => {{
              const notebook = {_PANEL}.content;
              notebook.activeCellIndex = cell;
              await notebook.scrollToItem(cell, "start");
              notebook.widgets[cell].node.id = `cell-${{cell}}`;
            }}""",
            cell,
        )
        return self._page.locator(f"#cell-{cell} .jp-OutputArea-output > .widget-vbox")

    def _play(self, cell: int, how: str = "") -> None:
        """Move each control of one cell, in every way that it has."""
        box = self._box(cell)
        box.wait_for()
        for kind, where in _KINDS.items():
            count = box.locator(where).count()
            for i in range(min(count, 1) if kind == "number" else count):
                for way in ("keyboard", "mouse"):
                    if kind == "text" and way == "mouse":
                        continue  # words are typed
                    name = f"{how}{kind} {i + 1} by {way}"
                    self._move_and_look(cell, box, box.locator(where).nth(i), kind, way, name)

    def _move_and_look(
        self, cell: int, box: Locator, control: Locator, kind: str, way: str, name: str
    ) -> None:
        before = _picture(box)
        control.scroll_into_view_if_needed()
        _move(self._page, control, kind, way)
        until = time.monotonic() + LONGEST_DRAWING / 1000
        while _picture(box) in ("", before):
            if time.monotonic() > until:
                words = box.locator(".widget-label").last.text_content()
                self.troubles.append(f"the picture does not follow {name}; below it: {words}")
                break
            self._page.wait_for_timeout(200)
        else:
            self.moved.append(name)
        self._shoot(f"{cell}_{name}".replace(" ", "_"))

    def _shoot(self, name: str) -> None:
        self._page.screenshot(path=SHOTS / f"{self._notebook.stem[:2]}_{name}.png")


def _picture(box: Locator) -> str:
    """The bytes of the picture that follows the controls, or "" while it is hidden."""
    picture = box.locator("img").last
    if not picture.count() or not picture.is_visible():
        return ""
    bytes_of = "async (image) => (await (await fetch(image.src)).bytes()).toBase64()"
    return str(picture.evaluate(bytes_of))


def _move(page: Page, control: Locator, kind: str, way: str) -> None:
    """Each kind of control in its own way, always away from where it stands."""
    if kind in ("drag pad", "slider") and way == "mouse":
        _drag(page, control)
    elif kind == "drag pad":
        control.focus()
        for key in ["ArrowRight", "ArrowUp"] * 4:
            page.keyboard.press(key)
    elif kind == "slider":
        handle = control.locator(".noUi-handle")
        at_the_end = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
        handle.press("ArrowLeft" if at_the_end else "ArrowRight")
    elif kind == "menu" and way == "keyboard":
        control.focus()
        last = control.evaluate("menu => menu.selectedIndex == menu.options.length - 1")
        control.press("ArrowUp" if last else "ArrowDown")
    elif kind == "menu":
        control.select_option(index=control.evaluate("menu => menu.selectedIndex == 0 ? 1 : 0"))
    elif kind == "number" and way == "keyboard":
        control.fill("2.5")
        control.press("Enter")
    elif kind == "number":
        control.hover()
        size = control.bounding_box() or {"width": 0, "height": 0}
        control.click(position={"x": size["width"] - 8, "y": size["height"] / 4})
    else:
        words = control.input_value().split()
        others = words * 2 if len(words) == 1 else words[::-1] if len(words) < 4 else words[:-1]
        control.fill(" ".join(others))
        control.press("Enter")


def _drag(page: Page, control: Locator) -> None:
    """Press at the middle, move to one side, let go."""
    box = control.bounding_box()
    if box is None:
        raise RuntimeError("a control that cannot be seen cannot be dragged")
    y = box["y"] + box["height"] / 2
    handle = control.locator(".noUi-handle")
    start = handle.bounding_box() if handle.count() else None
    x = start["x"] + start["width"] / 2 if start else box["x"] + box["width"] / 2
    to = 0.15 if x > box["x"] + box["width"] / 2 else 0.85
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(box["x"] + to * box["width"], y, steps=4)
    page.mouse.up()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
