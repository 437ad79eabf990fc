"""A dashboard of its own on a free port, and a real Chromium to look at it; without one, skipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from made_runs import config, four, trained
from visiting import CHROMIUM, Server, Visitor, launched, serving

from gencore.store import runs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext


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
def driver() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def context(driver: object) -> Iterator[object]:
    """Of a browser that draws no 3-D figures; visitors share its cache, as those who come back do."""
    with closing(launched(driver, in_3d=False)) as browser:
        yield browser.new_context()


@pytest.fixture(scope="session")
def browser_in_3d(driver: object) -> Iterator[object]:
    with closing(launched(driver, in_3d=True)) as browser:
        yield browser


@pytest.fixture
def visitor(context: BrowserContext, server: Server) -> Iterator[Visitor]:
    yield from _visit(context, server)


@pytest.fixture
def visitor_in_3d(browser_in_3d: object, server: Server) -> Iterator[Visitor]:
    yield from _visit(browser_in_3d, server)


def _visit(context: Browser | BrowserContext, server: Server) -> Iterator[Visitor]:
    tab = Visitor(context, server)
    yield tab
    tab.check()
    tab.tab.close()
