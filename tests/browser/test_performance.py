"""A visitor weighs the models, sends the link on, and takes the figures along."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from made_scores import all_scored
from support import at_rest, wait_until
from visiting import Server, Visitor, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Four models with all four scores; the DDPM is best and slowest."""
    home = tmp_path_factory.mktemp("scored")
    all_scored(home, 3, "mnist")
    with serving(home) as dashboard:
        yield dashboard


def test_weights_change_the_ranking_and_a_link_restores_it(visitor: Visitor) -> None:
    tab = visitor.tab
    visitor.visit("/performance?quality=0&stability=0&controllability=0")
    assert _ranked(visitor)[-1] == "DDPM"
    tab.get_by_role("slider", name="Quality").focus()
    for _ in range(10):
        tab.keyboard.press("ArrowRight")
    tab.wait_for_url("**quality=10**")
    wait_until(lambda: _ranked(visitor)[-1] != "DDPM")
    address = tab.url
    visitor.visit("/live")
    visitor.visit(address.removeprefix(visitor.url))
    wait_until(lambda: _ranked(visitor)[-1] != "DDPM")

    visitor.tab.get_by_text("Reported by others", exact=True).click()
    visitor.see("text=/reported · MNIST_COMP, README/")
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name="Table", exact=True).click()
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text())))
    assert {row["model"] for row in rows} == {"VAE", "GAN", "cGAN", "DDPM"}


def test_the_camera_stays_where_it_was_put_while_weights_change(visitor_in_3d: Visitor) -> None:
    visitor, tab = visitor_in_3d, visitor_in_3d.tab
    visitor.visit("/performance?quality=0&stability=0&controllability=0")
    box = visitor.see(".js-plotly-plot .gl-container canvas").bounding_box()
    before = _camera(visitor)
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=4)
    tab.mouse.up()
    wait_until(lambda: _camera(visitor) != before)
    turned = at_rest(lambda: _camera(visitor))
    tab.get_by_role("slider", name="Quality").focus()
    for _ in range(10):
        tab.keyboard.press("ArrowRight")
    wait_until(lambda: _ranked(visitor)[-1] != "DDPM")
    assert at_rest(lambda: _camera(visitor)) == turned


def _camera(visitor: Visitor) -> dict[str, float]:
    return visitor.tab.evaluate(
        "document.querySelector('.js-plotly-plot')._fullLayout.scene._scene.getCamera().eye"
    )


def _ranked(visitor: Visitor) -> list[str]:
    told = visitor.see("[data-testid=stMain] >> text=/Overall, best first/").inner_text()
    return [part.split()[0] for part in told.split(": ")[1].split(" · ")]
