"""Pictures of every page, light and dark, in docs/: what a visitor of this checkout sees.

    python benchmarks/screenshots.py

Needs Chromium and Playwright (requirements-dev.txt). The runs are the ones that lie in this checkout.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from visiting import launched, serving  # noqa: E402  (the browser journeys' own server)

PAGES = {
    "home": "/",
    "live": "/live?run=mnist-ddpm",
    "gallery": "/gallery",
    "latent": "/latent?run=mnist-vae",
    "translate": "/translate",
    "performance": "/performance",
    "diffusion": "/diffusion",
    "quiz": "/quiz",
    "trust": "/trust",
    "studies": "/studies",
    "runs": "/runs",
}


def main() -> None:
    with serving(ROOT) as server, sync_playwright() as driver:
        browser = launched(driver, in_3d=True)
        for scheme in ("light", "dark"):
            for name, path in PAGES.items():
                tab = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme=scheme)
                tab.set_default_timeout(120_000)
                tab.goto(server.url + path)
                tab.wait_for_selector("[data-test-connection-state=CONNECTED]")
                tab.wait_for_selector("[data-test-script-state=notRunning]")
                tab.wait_for_timeout(6000)  # the 3-D figure and the pictures draw themselves after the script
                target = ROOT / "docs" / f"{name}{'-dark' if scheme == 'dark' else ''}.png"
                tab.screenshot(path=target)
                tab.close()
                print(target.relative_to(ROOT))
        browser.close()


if __name__ == "__main__":
    main()
