"""How long a visitor of the Studies page waits, in a real browser, on a made-up study of 200 trials.

    python benchmarks/studies_page.py [--repeats 10]

Opening: from the address in a new tab until the parallel coordinates, the learning curves and the heat map are
drawn and the script has ended; once on a server that has read nothing yet, then on the same server. Brushing:
from the release of the mouse after a drag along an axis until the frame after Plotly has drawn what is left.
The clock of brushing runs in the browser. Needs Chromium and Playwright (requirements-dev.txt).
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

PARALLEL = "[data-testid=stPlotlyChart] .parcoords"
CURVES = "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
WATCH = """
    (chart) => {
        const figure = chart.closest(".js-plotly-plot");
        window.waited = new Promise((done) => {
            let released = 0;
            window.addEventListener("mouseup", () => { released = performance.now(); }, { once: true, capture: true });
            figure.once("plotly_restyle", () => requestAnimationFrame(() => requestAnimationFrame(
                () => done(performance.now() - released))));
        });
    }
"""
"""Leaves in `window.waited` the milliseconds from the next release of the mouse until brushed lines are drawn."""


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
        context = launched(driver, in_3d=True).new_context()
        with serving(home) as server:
            _load(context, server, "/runs")  # the browser's cache, as at every visit but the first
            _say(f"opening, {trials} trials not read yet", [_load(context, server, "/studies")])
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
    """Milliseconds from release to picture, of drags of different length along the second axis."""
    visitor = Visitor(context, server)
    visitor.visit("/studies")
    chart = visitor.see(PARALLEL)
    chart.scroll_into_view_if_needed()
    waited = []
    for i in range(repeats):
        box = visitor.tab.locator(".parcoords .axis-brush rect").nth(3).bounding_box()
        assert box
        x, low, high = (
            box["x"] + box["width"] / 2,
            box["y"] + box["height"] * 0.8,
            box["y"] + box["height"] * 0.2,
        )
        chart.evaluate(WATCH)
        visitor.tab.mouse.move(x, low)
        visitor.tab.mouse.down()
        visitor.tab.mouse.move(x, high + 5 * i, steps=8)
        visitor.tab.mouse.up()
        waited.append(visitor.tab.evaluate("window.waited"))
    visitor.check()
    visitor.tab.close()
    return waited


def _say(name: str, times: list[float]) -> None:
    print(f"  {name:34s} {statistics.median(times):6.0f} ({max(times):.0f})", flush=True)


if __name__ == "__main__":
    main()
