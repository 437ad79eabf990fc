"""A dashboard that can be killed and started again, and a tab that notes what must never happen."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PATIENCE_MS = 120_000
NO_WEBGL = """
    const context = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
        return kind.includes("webgl") ? null : context.call(this, kind, ...rest);
    };
"""


@dataclass
class Server:
    """A dashboard on runs of its own, which can be killed and started again."""

    home: Path
    port: int
    app: Path = REPOSITORY / "dashboard" / "Home.py"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "streamlit", "run", str(self.app), "--server.headless=true"]
        self.process = subprocess.Popen(
            [*command, f"--server.port={self.port}"],
            cwd=REPOSITORY,
            env=os.environ | {"GENCORE_HOME": str(self.home), "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 90
        while not self._answers():
            assert time.monotonic() < deadline and self.process.poll() is None, "the dashboard did not start"
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            return urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2).status == 200
        except OSError:
            return False

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(home: Path, app: Path = Server.app) -> Iterator[Server]:
    """A dashboard (or another `app`) on `home`, on a free port, until the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    dashboard = Server(home, port, app)
    try:
        dashboard.start()
        yield dashboard
    finally:
        if dashboard.process:
            dashboard.kill()


class Visitor:
    """A tab that notes what must never happen: a page error, a request to the outside, a dialog.

    Without `webgl` it draws no 3-D figures: a machine without a graphics card spends most of its time on them.
    """

    def __init__(self, browser: object, server: Server, webgl: bool) -> None:
        self.tab = browser.new_page(viewport={"width": 1280, "height": 900})
        if not webgl:
            self.tab.add_init_script(NO_WEBGL)
        self.tab.set_default_timeout(PATIENCE_MS)
        self.url = server.url
        self.wrongs: list[str] = []
        self.tab.on("pageerror", lambda error: self.wrongs.append(f"page error: {error}"))
        self.tab.on("request", lambda request: self._note_outside(request.url))
        self.tab.on("dialog", lambda dialog: self.wrongs.append(f"dialog: {dialog.message}"))

    def _note_outside(self, url: str) -> None:
        if not url.startswith((self.url, self.url.replace("http", "ws"), "data:", "blob:")):
            self.wrongs.append(f"outside: {url}")

    def visit(self, path: str) -> None:
        self.tab.goto(self.url + path)
        self.tab.wait_for_selector("[data-test-connection-state=CONNECTED]")
        self.tab.wait_for_selector("[data-test-script-state=notRunning]")

    def see(self, selector: str) -> object:
        """What is found once it is visible; fails at once where the page breaks instead."""
        found = self.tab.locator(selector).first
        found.or_(self._broken).first.wait_for(state="visible")
        self.check()
        return found

    @property
    def _broken(self) -> object:
        return self.tab.locator("[data-testid=stException]").first

    def check(self) -> None:
        assert self._broken.count() == 0, "an exception box is on the page"
        assert self.wrongs == []
