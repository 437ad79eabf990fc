"""A dashboard that can be killed and started again, and a tab that notes what must never happen."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # tests are skipped where playwright is not installed
    from playwright.sync_api import Browser, BrowserContext, Locator, Playwright

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PATIENCE_MS = 120_000
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
IN_3D = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def launched(driver: Playwright, in_3d: bool) -> Browser:
    """Chromium, by Playwright's `driver`. With WebGL, a machine without a graphics card does little else than
    draw.
    """
    arguments = ["--no-sandbox", *(IN_3D if in_3d else ["--disable-gpu"])]
    return driver.chromium.launch(executable_path=CHROMIUM, args=arguments)


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
    """A tab that notes what must never happen: a page error, a request to the outside, a dialog."""

    def __init__(self, context: Browser | BrowserContext, server: Server) -> None:
        self.tab = context.new_page()
        self.tab.set_viewport_size({"width": 1280, "height": 900})
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
        self.tab.wait_for_selector(
            "[data-testid=stMain] [data-testid=stElementContainer]"
        )  # before, nothing runs yet
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Until the page's script has ended; while it runs, what is clicked may be replaced."""
        self.tab.wait_for_selector("[data-test-script-state=notRunning]")

    def see(self, selector: str) -> Locator:
        """What is found once it is visible; fails at once where the page breaks instead."""
        found = self.tab.locator(selector).first
        found.or_(self._broken).first.wait_for(state="visible")
        self.check()
        return found

    @property
    def _broken(self) -> Locator:
        return self.tab.locator("[data-testid=stException]").first

    def check(self) -> None:
        assert self._broken.count() == 0, "an exception box is on the page"
        assert self.wrongs == []
