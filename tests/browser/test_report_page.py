"""The report in a real browser, opened from its file: no error, no request, everything drawn, light and
dark.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from made_runs import config, four, trained

from gencore.analysis.measured_models import load_measured_models
from gencore.reports.bundle import write

PATIENCE_MS = 120_000


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 800)])
def test_the_report_opens_from_a_file_without_errors_or_requests(
    browser_in_3d: object, tmp_path: Path, scheme: str, width: int
) -> None:
    names = [run.name for run in four(tmp_path)] + [trained(tmp_path, "raw", config("vae")).name]
    write(tmp_path / "report.html", load_measured_models(names, tmp_path))
    tab = browser_in_3d.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    errors: list[str] = []
    asked: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto((tmp_path / "report.html").as_uri(), wait_until="domcontentloaded", timeout=PATIENCE_MS)
    places = tab.locator(".draw")
    for i in range(places.count()):
        places.nth(i).scroll_into_view_if_needed(timeout=PATIENCE_MS)
        tab.wait_for_selector(f"[data-figure='figure-{i + 1}'][data-drawn] .main-svg", timeout=PATIENCE_MS)
    assert tab.locator(".draw .gl-container canvas").count() >= 2
    assert all(
        tab.locator(".samples").evaluate_all("pictures => pictures.map(picture => picture.naturalWidth)")
    )
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = tab.locator(".draw text").first.evaluate("text => getComputedStyle(text).fill")
    assert (_light(ground), _light(ink)) == ((True, False) if scheme == "light" else (False, True))
    assert errors == [] and all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    tab.close()


def _light(rgb: str) -> bool:
    return sum(int(part) for part in rgb.removeprefix("rgb(").removesuffix(")").split(",")) > 3 * 128
