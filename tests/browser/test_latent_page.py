"""The latent page in a real browser, on the shipped runs: sliders, downloads, links."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from support import at_rest, wait_until
from visiting import REPOSITORY, Server, Visitor, serving

from dashboard.components.in_page import fetch_runtime

NEEDS_MNIST = pytest.mark.skipif(
    "GENCORE_DATA" not in os.environ, reason="GENCORE_DATA is not set; its test pictures are shown"
)
LARGE = "[data-testid=stMain] :is(img[alt^='Image'], [aria-label^='Image generated'])"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dashboard on copies of the shipped runs."""
    home = tmp_path_factory.mktemp("shipped")
    for kind in ("results", "checkpoints"):
        for name in ("mnist-vae", "mnist-cgan", "mnist-ddpm", "features-mnist"):
            shutil.copytree(REPOSITORY / kind / name, home / kind / name)
    with serving(home) as dashboard:
        yield dashboard


def pixels(visitor: Visitor) -> bytes:
    """Of the large image, as it is on the screen."""
    visitor.tab.wait_for_selector("[data-test-script-state=notRunning]")
    visitor.see(LARGE).evaluate("image => image.decode?.()")
    return shown(visitor)


def shown(visitor: Visitor) -> bytes:
    """As `pixels`, of a page whose server may be gone."""
    return Image.open(io.BytesIO(visitor.tab.locator(LARGE).first.screenshot())).convert("L").tobytes()


def looks(visitor: Visitor, like: bytes) -> None:
    """Returns once the large image is this one: old images fade out, and paths take time to load."""
    wait_until(lambda: pixels(visitor) == like)


@pytest.mark.parametrize("name", ["mnist-vae", "mnist-cgan", "mnist-ddpm"])
def test_a_key_on_a_slider_changes_the_image_and_the_link_restores_it(visitor: Visitor, name: str) -> None:
    in_page(visitor, f"/latent?run={name}")
    visitor.see("img[alt^='Image with all sliders at 0']")
    before = at_rest(lambda: pixels(visitor))
    visitor.tab.get_by_role("slider", name="direction 1 ·").press("End")
    visitor.see("img[alt^='Image with direction 1 at 1,']")
    after = at_rest(lambda: pixels(visitor))
    assert after != before and "d1=1" in visitor.tab.url
    visitor.visit(visitor.tab.url.removeprefix(visitor.url))
    looks(visitor, after)


def test_after_fast_slider_moves_the_image_has_their_last_values_and_back_to_0_undoes_all(
    visitor: Visitor,
) -> None:
    in_page(visitor, "/latent?run=mnist-ddpm")
    visitor.see("img[alt^='Image with all sliders at 0']")
    still = at_rest(lambda: pixels(visitor))
    for direction in (1, 2):
        for _ in range(15):
            visitor.tab.get_by_role("slider", name=f"direction {direction} ·").press("ArrowRight")
    visitor.see("img[alt^='Image with direction 1 at 0.75, direction 2 at 0.75,']")
    far = at_rest(lambda: pixels(visitor))
    assert far != still
    visitor.visit(visitor.tab.url.removeprefix(visitor.url))
    looks(visitor, far)
    visitor.tab.get_by_role("button", name="Back to 0").click()
    visitor.see("img[alt^='Image with all sliders at 0']")
    looks(visitor, still)
    assert "d1" not in visitor.tab.url


def test_a_raw_coordinate_gets_a_slider_and_the_others_stay_where_they_are(visitor: Visitor) -> None:
    visitor.visit("/latent?run=mnist-vae&d1=0.5&coordinates=3")
    visitor.tab.get_by_role("slider", name="add to coordinate 3").press("End")
    visitor.see("img[alt^='Image with direction 1 at 0.5, coordinate 3 by 4,']")
    assert "d1=0.5" in visitor.tab.url and "z3=4" in visitor.tab.url


def test_a_coordinate_chosen_on_the_page_moves_and_the_address_outlives_another_latent(
    visitor: Visitor,
) -> None:
    visitor.visit("/latent?run=mnist-vae")
    visitor.tab.get_by_role("slider", name="direction 1 ·").press("End")
    visitor.see("img[alt^='Image with direction 1 at 1,']")
    visitor.tab.get_by_role("combobox", name="Raw coordinates").fill("3")
    visitor.tab.get_by_role("option", name="3", exact=True).click()
    visitor.tab.keyboard.press("Escape")  # the open menu hides what is around it from those who hear the page
    visitor.tab.get_by_role("slider", name="add to coordinate 3").press("End")
    visitor.see("img[alt^='Image with direction 1 at 1, coordinate 3 by 4,']")
    visitor.tab.get_by_role("button", name="Another").click()
    visitor.tab.wait_for_url(re.compile("seed=1"))
    visitor.tab.wait_for_url(lambda url: "d1=1" in url and "z3=4" in url)
    assert visitor.see("img[alt^='Image with direction 1 at 1, coordinate 3 by 4,']").is_visible()


@NEEDS_MNIST
def test_a_path_is_shown_and_downloaded_and_its_link_restores_it(visitor: Visitor, tmp_path: Path) -> None:
    visitor.visit("/latent?run=mnist-vae&walk=interpolation&ends=4&end2=test+picture")
    visitor.see("img[alt^='Grid of 9 by 9']")
    before = at_rest(lambda: pixels(visitor))
    visitor.tab.get_by_role("slider", name="From end 1 to end 4").press("End")
    visitor.see("[aria-label$=', 100 % of the way from end 1 to end 4']")
    end = at_rest(lambda: pixels(visitor))
    assert end != before and "along=100" in visitor.tab.url
    with visitor.tab.expect_download() as download:
        visitor.tab.get_by_role("button", name="GIF").click()
    download.value.save_as(tmp_path / "walk.gif")
    with Image.open(tmp_path / "walk.gif") as gif:
        assert gif.format == "GIF" and gif.n_frames > 36
    visitor.visit(visitor.tab.url.removeprefix(visitor.url))
    looks(visitor, end)


def test_a_stroke_on_the_canvas_makes_an_end_and_clear_takes_it_back(visitor: Visitor) -> None:
    visitor.visit("/latent?run=mnist-vae&walk=interpolation&end1=drawn")
    visitor.see("img[alt^='End 1, generated by']")
    before = at_rest(lambda: pixels(visitor))
    board = visitor.see("canvas[aria-label^='Canvas']").bounding_box()
    mouse = visitor.tab.mouse
    for i, (x, y) in enumerate([(0.3, 0.2), (0.7, 0.2), (0.45, 0.85)]):
        mouse.move(board["x"] + x * board["width"], board["y"] + y * board["height"], steps=5)
        if i == 0:
            mouse.down()
    mouse.up()
    visitor.see("img[alt^='End 1: the drawing and its reconstruction']")
    wait_until(lambda: pixels(visitor) != before)
    visitor.tab.get_by_role("button", name="Clear").press("Enter")
    visitor.see("img[alt^='End 1, generated by']")
    looks(visitor, before)
    assert "end1=drawn" in visitor.tab.url


@NEEDS_MNIST
def test_a_click_on_the_map_shows_that_image_and_at_800_pixels_nothing_is_cut_off(visitor: Visitor) -> None:
    visitor.tab.set_viewport_size({"width": 800, "height": 1000})
    visitor.visit("/latent?run=mnist-vae&walk=map")
    visitor.see("img[alt^='Test image 0 and']")
    marks = visitor.tab.locator("[data-testid=stVegaLiteChart] svg .mark-text.role-mark text")
    marks.nth(17).click(force=True)
    visitor.tab.wait_for_selector("img[alt^='Test image 0 and']", state="detached")
    visitor.tab.wait_for_url("**point=**")
    assert visitor.tab.evaluate("document.documentElement.scrollWidth") <= 800


def in_page(visitor: Visitor, path: str) -> None:
    visitor.visit(path)
    visitor.tab.get_by_text("drawn in this page").wait_for()


@pytest.mark.parametrize("name", ["mnist-vae", "mnist-ddpm"])
def test_the_model_draws_in_the_page_what_the_server_draws(visitor: Visitor, name: str) -> None:
    drawn = []
    for path in ("**/*.onnx*", "**/no-such-file"):  # at first without the model, then with it
        visitor.tab.route(path, lambda route: route.abort())
        visitor.visit(f"/latent?run={name}&d1=0.5")
        visitor.tab.get_by_text(
            "drawn by the server: " if "onnx" in path else "drawn in this page"
        ).wait_for()
        visitor.see("img[alt^='Image with direction 1 at 0.5']")
        drawn.append(np.frombuffer(at_rest(lambda: pixels(visitor)), np.uint8).astype(int))
        visitor.tab.unroute_all()
    assert np.abs(drawn[0] - drawn[1]).max() < 8, (
        "levels of 255; the server computes in bfloat16 where it can"
    )


def test_sliders_go_on_without_the_server(visitor: Visitor, server: Server) -> None:
    in_page(visitor, "/latent?run=mnist-cgan")
    before = at_rest(lambda: pixels(visitor))
    server.kill()
    try:
        visitor.tab.get_by_role("slider", name="direction 1 ·").press("End")
        visitor.tab.wait_for_selector("img[alt^='Image with direction 1 at 1,']")
        assert at_rest(lambda: shown(visitor)) != before
    finally:
        server.start()


def test_what_is_no_run_and_no_file_of_the_page_is_not_found(server: Server) -> None:
    for path in ("decoder/nosuch.onnx", "decoder/features-mnist.onnx", "nosuch.mjs", "routes.py"):
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{server.url}/in-page/{path}", timeout=60)


def test_the_runtime_is_the_published_one() -> None:
    for name, digest in fetch_runtime.SHA256.items():
        content = (fetch_runtime.FOLDER / name).read_bytes()
        unpacked = gzip.decompress(content) if name.endswith(".gz") else content
        assert hashlib.sha256(unpacked).hexdigest() == digest
