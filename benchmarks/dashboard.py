"""How long a visitor waits, in a real browser: for a page, for the picture after a slider, for a list of 500
runs.

    python benchmarks/dashboard.py [--repeats 20] [--training]

A slider's picture is drawn by the server and then, in the same run, by the model in the page: from a key, and
as pictures a second while the slider moves all the time; with --training, once more beside a training. Beside
each figure stands that of a page which does nothing else, on the same server and machine: what Streamlit and
the browser take by themselves. A page is there when its script has ended and its first picture, chart or
table is on the screen; a slider's clock runs in the browser, from the key to the frame that shows another
picture. Needs Chromium and Playwright (requirements-dev.txt); the runs are the shipped ones."""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

from gencore import devices
from gencore.store import events, runs
from gencore.store.events import Progress

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = map(
    str, (ROOT, ROOT / "tests" / "browser", ROOT / "tests")
)  # in place of this folder: `dashboard` is not this file

from made_runs import GOODNESS, config, measured  # noqa: E402  (the journeys' own server and made-up runs)
from visiting import Server, Visitor, launched, serving  # noqa: E402

from dashboard.data import run_catalog  # noqa: E402
from dashboard.views import runs_table  # noqa: E402

SHIPPED = ("mnist-vae", "mnist-gan", "mnist-cgan", "mnist-ddpm")
PAGES = {
    "Home": "/",
    "Live": "/live?run=mnist-cgan",
    "Gallery": "/gallery",
    "Latent space": "/latent?run=mnist-vae",
    "Performance": "/performance",
    "Diffusion": "/diffusion",
    "Trust": "/trust",
    "Runs": "/runs",
    "Quiz": "/quiz",
}
SHOWN = ", ".join(
    f"[data-testid=stMain] {part}" for part in ("img", "[data-testid=stVegaLiteChart] svg", "canvas", "table")
)
IMAGE = "[data-testid=stMain] img[alt^=Image]"
WATCH = """
    (picture) => {
        const old = picture.src;
        window.waited = new Promise((done) => {
            document.addEventListener("keydown", () => {
                const pressed = performance.now();
                const look = () => {
                    if (picture.src !== old && picture.complete) done(performance.now() - pressed);
                    else requestAnimationFrame(look);
                };
                look();
            }, { once: true, capture: true });
        });
    }
"""
"""Leaves in `window.waited` the milliseconds from the next key until the picture is another."""
BARE = """
import numpy as np
import streamlit as st

@st.fragment
def show():
    amount = st.slider("amount", -1.0, 1.0, 0.0, 0.05)
    st.image(np.full((28, 28), int(127 * (1 + amount)), np.uint8), width=336, alt="Image")

show()
"""
"""The least that a Streamlit page with a slider and a picture can be."""
MANY = 500
IN_PAGE = "drawn in this page"


FRAMES = """
    async ([slider, seconds]) => {
        const root = slider.getRootNode(), picture = root.querySelector("img");
        const drawn = () => +(picture.dataset.drawn ?? 0), before = drawn(), start = performance.now();
        for (let i = 0; performance.now() - start < 1000 * seconds; i++) {
            slider.value = Math.sin(i / 20);
            slider.dispatchEvent(new Event("input", { bubbles: true }));
            await new Promise(requestAnimationFrame);
        }
        return (drawn() - before) / seconds;
    }
"""
"""Pictures a second that the page draws while the slider moves with every frame of the screen."""
SECONDS = 4
ENDLESS = "train ddpm --dataset digits --steps 1000000 --fd-every 0 --threads 1 --name beside".split()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--repeats", type=int, default=20, help="slider moves a model, and a quarter as many page loads"
    )
    parser.add_argument("--training", action="store_true", help="also beside a training on one thread")
    asked = parser.parse_args()
    repeats = asked.repeats
    origin = devices.origin_here(
        devices.pick(), ["python", "benchmarks/dashboard.py", "--repeats", str(repeats)]
    )
    print(
        f"{origin.device}, {origin.threads} threads; median (slowest) of {repeats} moves, "
        f"{max(1, repeats // 4)} loads"
    )
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = launched(driver, in_3d=False)
        context = browser.new_context()
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        with serving(Path(folder), bare) as server:
            print("\nfrom a slider's key to the picture, ms")
            nothing = _moves(context, server, "/", "amount", repeats)
            _say("a page with nothing else", nothing)
            loads = _loads(context, server, "/", repeats)
        with serving(_copied(Path(folder) / "shipped")) as server:
            for name in SHIPPED:
                path, slider = f"/latent?run={name}", "direction 1 ·"
                _say(f"{name}, server", _moves(context, server, path, slider, repeats, "**/*.onnx*"), nothing)
                _say(f"{name}, page", _moves(context, server, path, slider, repeats), nothing)
            print("\npictures a second while the slider moves")
            for name in SHIPPED:
                print(f"  {name:26s} {_frames(context, server, name):6.1f}", flush=True)
            if asked.training:
                with _training(server.home):
                    for name in SHIPPED:
                        print(
                            f"  {name + ', training':26s} {_frames(context, server, name):6.1f}", flush=True
                        )
            print("\nfrom the address to the page, ms; without 3-D figures")
            _say("a page with nothing else", loads)
            for name, path in PAGES.items():
                _say(name, _loads(context, server, path, repeats), loads)
        many = _many(Path(folder) / "many")
        with serving(many) as server:
            _say(f"Runs, {MANY} of them", _loads(context, server, "/runs", repeats), loads)
            _say("  of that, to list them", [_listed(many)])
        browser.close()


def _copied(home: Path) -> Path:
    """The shipped runs in a folder of their own, so that nothing found on the way stays in the checkout."""
    for kind in ("results", "checkpoints"):
        for name in (*SHIPPED, "features-mnist"):
            shutil.copytree(ROOT / kind / name, home / kind / name)
    return home


def _many(home: Path) -> Path:
    for preset, goodness in GOODNESS.items():
        measured(home, f"mnist-{preset}", config(preset, "mnist"), goodness)
    firsts = runs.all_runs(home)
    for i in range(MANY - len(firsts)):
        one = firsts[i % len(firsts)]
        shutil.copytree(one.results, one.results.with_name(f"{one.name}-{i}"))
    return home


@contextmanager
def _training(home: Path) -> Iterator[None]:
    """A training runs beside."""
    words = [sys.executable, "-m", "gencore", *ENDLESS, "--output-dir", str(home)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not isinstance(events.last(runs.run("beside", home).events_path), Progress):
            assert process.poll() is None, "the training ended"
            time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


def _frames(context: BrowserContext, server: Server, run: str) -> float:
    """Pictures a second that the page draws by itself."""
    visitor = Visitor(context, server)
    visitor.visit(f"/latent?run={run}")
    visitor.tab.get_by_text(IN_PAGE).wait_for()
    slider = visitor.tab.get_by_role("slider", name="direction 1 ·").element_handle()
    found: float = visitor.tab.evaluate(FRAMES, [slider, SECONDS])
    visitor.check()
    visitor.tab.close()
    return found


def _moves(
    context: BrowserContext, server: Server, path: str, slider: str, repeats: int, blocked: str = ""
) -> list[float]:
    """Milliseconds from a key on the slider to another picture; the first move, which loads the model, is
    left out. With the model's address `blocked`, the server draws.
    """
    visitor = Visitor(context, server)
    if blocked:
        visitor.tab.route(blocked, lambda route: route.abort())
    visitor.visit(path)
    picture = visitor.see(IMAGE)
    if path != "/":
        visitor.tab.get_by_text("drawn by the server: " if blocked else IN_PAGE).wait_for()
    visitor.tab.get_by_role("slider", name=slider).focus()
    waited = []
    for i in range(repeats + 1):
        visitor.tab.wait_for_selector("[data-test-script-state=notRunning]")
        picture.evaluate(WATCH)
        visitor.tab.keyboard.press("ArrowRight" if i < repeats / 2 else "ArrowLeft")
        waited.append(visitor.tab.evaluate("window.waited"))
    visitor.check()
    visitor.tab.close()
    return waited[1:]


def _loads(context: BrowserContext, server: Server, path: str, repeats: int) -> list[float]:
    """Milliseconds from an address in a new tab to the page; the first visit, which fills caches here and
    there, is left out.
    """

    def load() -> float:
        visitor = Visitor(context, server)
        begun = time.perf_counter()
        visitor.visit(path)
        visitor.see(SHOWN)
        waited = 1000 * (time.perf_counter() - begun)
        visitor.check()
        visitor.tab.close()
        return waited

    return [load() for _ in range(max(1, repeats // 4) + 1)][1:]


def _listed(home: Path) -> float:
    """Milliseconds that a server which knows none of the runs takes to read and list them."""
    begun = time.perf_counter()
    found = run_catalog.generative_runs(home)
    table = runs_table.listing(found, {one.run.name: one.run.status() for one in found})
    assert len(table) == MANY
    return 1000 * (time.perf_counter() - begun)


def _say(name: str, times: list[float], beside: list[float] | None = None) -> None:
    ratio = f"  {statistics.median(times) / statistics.median(beside):.1f} x" if beside else ""
    print(f"  {name:26s} {statistics.median(times):6.0f} ({max(times):.0f}){ratio}", flush=True)


if __name__ == "__main__":
    main()
