"""A visitor's way through the pages that draw, on the models that came with the product."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from PIL import Image
from support import record, tiny_config
from visiting import REPOSITORY, Server, Visitor, serving

from gencore.config.options import HEADLINE
from gencore.data.sources import ImageData
from gencore.store.runs import run

SHIPPED = [f"mnist-{preset}" for preset in HEADLINE]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, few_digits: ImageData) -> Iterator[Server]:
    """A dashboard on the shipped models, and on one of the digits, whose real pictures need no network."""
    home = tmp_path_factory.mktemp("shipped")
    for name in (*SHIPPED, "features-mnist"):
        for kind in ("results", "checkpoints"):
            shutil.copytree(REPOSITORY / kind / name, home / kind / name)
    made = run("digits-vae", home)
    made.create(tiny_config("vae", epochs=1))
    record(made, few_digits)
    with serving(home) as dashboard:
        yield dashboard


def address(visitor: Visitor) -> dict[str, list[str]]:
    return parse_qs(urlparse(visitor.tab.url).query)


def source(visitor: Visitor, alt: str) -> str:
    return visitor.see(f"img[alt^='{alt}']").get_attribute("src")


def changed(visitor: Visitor, alt: str, before: str) -> str:
    """The address of that picture once it is another."""
    visitor.see(f"img[alt^='{alt}']:not([src='{before}'])")
    return source(visitor, alt)


def test_four_models_draw_side_by_side_with_sharp_pixels_and_a_link_restores_them(visitor: Visitor) -> None:
    visitor.visit("/gallery?count=10")
    for label, name in zip(("VAE", "GAN", "cGAN", "DDPM"), SHIPPED, strict=True):
        picture = visitor.see(f"img[alt='10 pictures drawn by the {label} of run {name}']")
        assert picture.evaluate("p => p.decode().then(() => p.clientWidth)") == (5 * 29 - 1) * 3
        assert picture.evaluate("p => [p.naturalWidth, getComputedStyle(p).imageRendering]") == [
            432,
            "pixelated",
        ]
    gan = "10 pictures drawn by the GAN"
    before = source(visitor, gan)
    visitor.tab.get_by_role("button", name="Another").click()
    another = changed(visitor, gan, before)
    visitor.tab.wait_for_url("**seed=1**")
    visitor.tab.reload()
    assert source(visitor, gan).split("/")[-1] == another.split("/")[-1]
    assert address(visitor)["run"] == SHIPPED


def test_what_is_shown_can_be_taken_home(visitor: Visitor) -> None:
    visitor.visit("/gallery?run=mnist-cgan&count=12&digit=7")
    visitor.see("img[alt='12 pictures drawn by the cGAN of run mnist-cgan']")
    content = {}
    for kind in ("PNG", "NPZ"):
        with visitor.tab.expect_download() as download:
            visitor.tab.get_by_role("button", name=kind).click()
        assert download.value.suggested_filename == f"mnist-cgan.{kind.lower()}"
        content[kind] = download.value.path().read_bytes()
    arrays = np.load(io.BytesIO(content["NPZ"]))
    assert arrays["images"].shape == (12, 28, 28) and set(arrays["labels"].tolist()) == {7}
    sheet = np.asarray(Image.open(io.BytesIO(content["PNG"])))
    np.testing.assert_array_equal(sheet[:28, :28], arrays["images"][0])


def test_the_scrubber_walks_from_noise_to_picture_by_keys(visitor: Visitor) -> None:
    visitor.visit("/diffusion?run=mnist-ddpm&t=999")
    film = "Steps 1 to 10 of a picture by mnist-ddpm"
    before = source(visitor, film)
    branches = visitor.see("img[alt^='10 pictures that share x_t at t = 999']")
    assert branches.evaluate("p => p.decode().then(() => p.naturalWidth)") == (10 * 29 - 1) * 3
    slider = visitor.tab.get_by_role("slider", name="Timestep t")
    slider.focus()
    slider.press("End")
    changed(visitor, film, before)
    visitor.see("img[alt^='10 pictures that share x_t at t = 99,']")
    assert address(visitor)["t"] == ["99"]
    visitor.see("img[alt='5 pictures by ddim in 50 steps']")
    visitor.see(
        "[data-testid=stMain] [data-testid=stVegaLiteChart] svg"
    )  # fd against steps, measured before shipping


def test_the_quiz_is_played_by_keys_and_its_address_tells_nothing(visitor: Visitor) -> None:
    visitor.visit("/quiz?run=digits-vae")
    visitor.see("img[alt='A picture: is it real, or was it drawn by a model?']")
    visitor.tab.keyboard.press("ArrowLeft")
    visitor.see("text=/You were right in [01] of 1/")
    visitor.tab.keyboard.press("ArrowRight")
    visitor.see("text=/You were right in [012] of 2/")
    visitor.see("img[alt^='The picture before, which was ']")
    assert address(visitor) == {"run": ["digits-vae"]}


@pytest.mark.parametrize("path", ["/gallery?count=10", "/diffusion", "/quiz?run=digits-vae"])
def test_at_800_pixels_nothing_is_cut_off(visitor: Visitor, path: str) -> None:
    visitor.tab.set_viewport_size({"width": 800, "height": 900})
    visitor.visit(path)
    visitor.see("[data-testid=stMain] img[alt]")
    assert visitor.tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth <= innerWidth")
    for picture in visitor.tab.locator("[data-testid=stMain] [data-testid=stImage] img").all():
        assert picture.evaluate("p => p.getBoundingClientRect().right <= innerWidth")
