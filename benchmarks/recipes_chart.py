"""Time to quality of the four families, before and now, as a picture.

    python benchmarks/recipes_chart.py

Draws the rows of `python benchmarks/recipes.py` in docs/performance.md, as docs/time_to_quality.png.
Needs Chromium and Playwright (requirements-dev.txt).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright
from plotly.subplots import make_subplots

from gencore.analysis.colours import OTHER, colour
from gencore.config.options import PRESETS

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from visiting import launched  # noqa: E402  (the browser journeys' own Chromium)

SOURCE, TARGET = ROOT / "docs" / "performance.md", ROOT / "docs" / "time_to_quality.png"
WIDTH, HEIGHT = 1160, 320
_POINT = re.compile(r"([\d.]+) \(([\d.]+) s\)")


class Curve(NamedTuple):
    """fd ÷ floor against processor seconds of one recipe."""

    preset: str
    is_former: bool
    seconds: list[float]
    fd_over_floor: list[float]


def curves(markdown: str) -> list[Curve]:
    """Those of the table of recipes: a row `| preset: how | distance (seconds s) | … |` each."""
    found = []
    for line in markdown.splitlines():
        recipe, *cells = line.strip("| ").split("|")
        points = [_POINT.fullmatch(cell.strip()) for cell in cells]
        measured = [point for point in points if point]
        preset, _, how = recipe.strip().partition(": ")
        if measured and preset in PRESETS:
            distances, seconds = zip(*(map(float, point.groups()) for point in measured), strict=True)
            found.append(Curve(preset, how == "as before", list(seconds), list(distances)))
    return found


def figure(drawn: list[Curve]) -> go.Figure:
    """A panel a family, on common logarithmic axes."""
    labels = {curve.preset: PRESETS[curve.preset].label for curve in drawn}
    panels = make_subplots(
        cols=len(labels), shared_yaxes=True, subplot_titles=list(labels.values()), horizontal_spacing=0.02
    )
    for curve in drawn:
        panels.add_scatter(
            x=curve.seconds,
            y=curve.fd_over_floor,
            name="before" if curve.is_former else "now",
            mode="lines+markers+text",
            text=["", "", "before" if curve.is_former else "now"],
            textposition="middle right",
            line={
                "color": OTHER if curve.is_former else colour(labels[curve.preset]),
                "dash": "dash" if curve.is_former else "solid",
            },
            row=1,
            col=list(labels).index(curve.preset) + 1,
        )
    panels.update_xaxes(type="log", title="processor seconds", range=[0.95, 3], tickvals=[10, 30, 100, 300])
    panels.update_yaxes(type="log", range=[0.1, 2.3], tickvals=[2, 5, 10, 20, 50, 100])
    panels.update_yaxes(title="fd ÷ floor", col=1)
    panels.update_layout(
        template="plotly_white",
        width=WIDTH,
        height=HEIGHT,
        showlegend=False,
        margin={"t": 30, "r": 10, "b": 50},
    )
    return panels


def main() -> None:
    page = figure(curves(SOURCE.read_text())).to_html(include_plotlyjs=True, config={"staticPlot": True})
    with sync_playwright() as driver:
        browser = launched(driver, in_3d=False)
        tab = browser.new_page(viewport={"width": WIDTH + 16, "height": HEIGHT + 16})
        tab.set_content(page)
        tab.locator(".main-svg").first.wait_for()
        tab.locator(".plotly-graph-div").screenshot(path=TARGET)
        browser.close()
    print(TARGET.relative_to(ROOT))


if __name__ == "__main__":
    main()
