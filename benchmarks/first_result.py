"""From the press on *Quick training* to the last image of a first training, in a real browser.

    python benchmarks/first_result.py [--datasets digits mnist] [--presets vae gan …] [--sheets FOLDER]

For each model and data set, in an installation that holds feature classifiers alone: seconds from the
click to the first sample sheet and to the end of the training, the latter's Fréchet distance over its floor
and its quality. --sheets keeps the last sheets, to be looked at. Needs Chromium and Playwright
(requirements-dev.txt), and MNIST where GENCORE_DATA says.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = map(str, (ROOT, ROOT / "tests" / "browser", ROOT / "tests"))

from visiting import Server, Visitor, launched, serving  # noqa: E402

from gencore import devices  # noqa: E402
from gencore.analysis import scores  # noqa: E402
from gencore.config.options import EXTRACTORS, QUICK, preset_title  # noqa: E402
from gencore.models.feature_extractor import features_run  # noqa: E402
from gencore.store import events, runs  # noqa: E402
from gencore.store.runs import Run  # noqa: E402

PATIENCE = 600.0


def first_training(browser: Browser, server: Server, home: Path, dataset: str, preset: str) -> None:
    """Press the button, wait for the run to be measured, and print a row."""
    visitor = Visitor(browser, server)
    visitor.visit("/live")
    choose(visitor, "Model", preset_title(preset))
    choose(visitor, "Dataset", dataset)
    run = runs.run(f"{dataset}-{QUICK[preset]}", home)
    pressed = time.time()
    visitor.tab.get_by_role("button", name="Quick training").click()
    while not (run.exists and run.load_results()):
        if time.time() > pressed + PATIENCE:
            raise SystemExit(f"{run.name} has no results after {PATIENCE:g} s")
        time.sleep(0.1)
    visitor.tab.close()
    history = events.tail(run.events_path).events
    first = next(event.time for event in history if isinstance(event, events.Sheet)) - pressed
    last = next(event.time for event in history if isinstance(event, events.Ended)) - pressed
    print(f"{run.name:20} first sheet {first:5.1f} s, trained {last:5.1f} s, {figures(run)}", flush=True)


def choose(visitor: Visitor, label: str, option: str) -> None:
    """Take an option of a selectbox in the sidebar; the state of a data set may follow its name."""
    box = visitor.tab.locator("[data-testid=stSidebar] [data-testid=stSelectbox]").filter(has_text=label)
    box.locator("input").click()
    whole = re.compile(rf"^{re.escape(option)}( ·|$)")
    visitor.tab.get_by_role("option").filter(has_text=whole).first.click()
    visitor.wait_until_idle()


def figures(run: Run) -> str:
    results = run.load_results()
    assert results is not None, "it was waited for"
    ratio, quality = results.value("fd_over_floor"), scores.score_of_seed("quality", results)
    return (
        f"fd ÷ floor {ratio:.2f}, quality {quality:.2f}" if ratio and quality is not None else "not measured"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", default=["digits", "mnist"])
    parser.add_argument("--presets", nargs="+", default=[*QUICK], choices=[*QUICK])
    parser.add_argument("--sheets", type=Path)
    asked = parser.parse_args()
    origin = devices.origin_here(devices.pick(), [])
    print(f"{origin.device}, {origin.threads} threads, torch {origin.versions['torch']}")
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        home, browser = Path(folder), launched(driver, in_3d=False)
        for dataset in asked.datasets:
            for kind, name in product(("results", "checkpoints"), EXTRACTORS):
                folder_of = features_run(dataset, ROOT, name).name
                shutil.copytree(ROOT / kind / folder_of, home / kind / folder_of)
        with serving(home) as server:
            for dataset in asked.datasets:
                for preset in asked.presets:
                    first_training(browser, server, home, dataset, preset)
        if asked.sheets:
            asked.sheets.mkdir(parents=True, exist_ok=True)
            for one in runs.all_runs(home):
                if sheets := sorted((one.results / "sheets").glob("*.png")):
                    shutil.copy(sheets[-1], asked.sheets / f"{one.name}.png")
        browser.close()


if __name__ == "__main__":
    main()
