"""The Studies page in a real browser: two hundred trials, brushed, and a trial that opens its run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from made_studies import large
from visiting import Visitor, serving

from gencore.studies.records import StudyRecord

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import BrowserContext

LINES = "svg[aria-label^='Parallel'] a"


@pytest.fixture
def study(tmp_path: Path) -> StudyRecord:
    return large(tmp_path)


@pytest.fixture
def researcher(context: BrowserContext, study: StudyRecord) -> Iterator[Visitor]:
    with serving(study.home) as server:
        tab = Visitor(context, server)
        yield tab
        tab.check()
        tab.tab.close()


def test_a_brush_leaves_the_trials_of_its_range_and_a_line_opens_its_run(researcher: Visitor) -> None:
    tab = researcher.tab
    researcher.visit("/studies?study=large")
    researcher.see(LINES + " path")
    assert tab.locator(LINES).count() == 200
    epochs = tab.locator("svg[aria-label^='Parallel'] .field").nth(4)
    epochs.scroll_into_view_if_needed()
    box = epochs.bounding_box()
    assert box
    middle, top = box["x"] + box["width"] / 2, box["y"]
    tab.mouse.move(middle, top + 4)
    tab.mouse.down()
    tab.mouse.move(middle, top + 0.5 * box["height"], steps=5)
    tab.mouse.up()
    researcher.see("text='80 of 200 trials'")
    assert tab.locator(LINES + ":not(.off)").count() == 80, "those that were not cut"
    tab.mouse.click(middle, top + 0.8 * box["height"])
    researcher.see("text='200 trials'")
    href = tab.locator(LINES + ".best").first.get_attribute("href")
    assert href is not None
    name = href.removeprefix("live?run=")
    researcher.visit(f"/{href}")
    researcher.see(f"text={name}")
