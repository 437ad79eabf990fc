"""A dashboard of its own on a free port, and a real Chromium to look at it; without one, skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from made_runs import config, four, trained
from visiting import Server, Visitor, serving

from gencore import runs

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    four(home)
    trained(home, "digits-bad", config("vae")).config_path.write_text(
        '{"model": {"family": "<img src=x onerror=alert(1)>"}}'
    )
    with serving(home) as dashboard:
        yield dashboard
    for one in runs.all_runs(home):
        one.stop(patience_seconds=5)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def visitor(browser: object, server: Server) -> Iterator[Visitor]:
    yield from _visit(browser, server, webgl=False)


@pytest.fixture
def visitor_in_3d(browser: object, server: Server) -> Iterator[Visitor]:
    yield from _visit(browser, server, webgl=True)


def _visit(browser: object, server: Server, webgl: bool) -> Iterator[Visitor]:
    tab = Visitor(browser, server, webgl)
    yield tab
    tab.check()
    tab.tab.close()
