"""How long a visitor of the Studies page waits, in a real browser, on a made-up study of 200 trials.

    python benchmarks/studies_page.py [--repeats 10]

Opening: from the address in a new tab until parallel coordinates, learning curves and the heading of the last
table are there and the script has ended; once on a server that has not read the study yet, then on the same
server. Beside it stands Trust without any run, which is what Streamlit and the browser take by themselves.
Brushing: from a move of the mouse along an axis to the frame that shows what is left; its clock runs in the
browser. Needs Chromium and Playwright (requirements-dev.txt).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

from gencore import devices

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = map(
    str, (ROOT, ROOT / "tests" / "browser", ROOT / "tests")
)  # in place of this folder: `dashboard` is not this file

from made_studies import large  # noqa: E402  (the tests' own made-up study)
from visiting import Server, Visitor, launched, serving  # noqa: E402

PARALLEL = "svg[aria-label^='Parallel'] path"
FIELD = "svg[aria-label^='Parallel'] .field"
CURVES = "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
WATCH = """
    () => {
        window.waited = [];
        window.addEventListener("pointermove", (move) => {
            if (move.buttons) requestAnimationFrame(() => setTimeout(() => window.waited.push(
                performance.now() - move.timeStamp)));
        }, { capture: true });
    }
"""
"""Leaves in `window.waited` the milliseconds from each move of a pressed mouse to the end of its frame."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args().repeats
    origin = devices.origin_here(
        devices.pick(), ["python", "benchmarks/studies_page.py", "--repeats", str(repeats)]
    )
    print(f"{origin.device}, {origin.threads} threads; ms, median (slowest) of {repeats}")
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        trials = len(large(home).trials())
        context = launched(driver, in_3d=False).new_context()
        with serving(home) as server:
            _load(context, server, "/runs")  # the browser's cache, as at every visit but the first
            _say(f"opening, {trials} trials not read yet", [_load(context, server, "/studies")])
            _say("opening Trust without runs", [_load(context, server, "/trust") for _ in range(repeats)])
            _say("opening", [_load(context, server, "/studies") for _ in range(repeats)])
            _say("brushing", _brushes(context, server, repeats))


def _load(context: BrowserContext, server: Server, path: str) -> float:
    """Milliseconds from the address to the charts and the end of the script."""
    visitor = Visitor(context, server)
    begun = time.perf_counter()
    visitor.tab.goto(server.url + path)
    if path == "/studies":
        visitor.see(PARALLEL)
        visitor.see(CURVES)
        visitor.see("[data-testid=stHeading] >> text=/^Trials$/")
    visitor.wait_until_idle()
    waited = 1000 * (time.perf_counter() - begun)
    visitor.check()
    visitor.tab.close()
    return waited


def _brushes(context: BrowserContext, server: Server, repeats: int) -> list[float]:
    """Milliseconds from each move to picture, of drags along the second axis."""
    visitor = Visitor(context, server)
    visitor.visit("/studies")
    field = visitor.see(FIELD)
    field.scroll_into_view_if_needed()
    visitor.tab.evaluate(WATCH)
    box = visitor.tab.locator(FIELD).nth(1).bounding_box()
    assert box
    x = box["x"] + box["width"] / 2
    for i in range(repeats):
        visitor.tab.mouse.move(x, box["y"] + 0.8 * box["height"])
        visitor.tab.mouse.down()
        visitor.tab.mouse.move(x, box["y"] + (0.2 + 0.02 * i) * box["height"], steps=8)
        visitor.tab.mouse.up()
    visitor.see("text=/^[0-9]+ of 200 trials$/")
    visitor.tab.wait_for_timeout(1000)
    waited: list[float] = visitor.tab.evaluate("window.waited")
    visitor.check()
    visitor.tab.close()
    return waited


def _say(name: str, times: list[float]) -> None:
    print(f"  {name:34s} {statistics.median(times):6.0f} ({max(times):.0f})", flush=True)


if __name__ == "__main__":
    main()
