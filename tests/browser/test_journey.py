"""A visitor's way through the dashboard in a real browser, with a real training on the bundled digits."""

from __future__ import annotations

import re

from support import at_rest, wait_until
from visiting import Server, Visitor

from gencore.store import events, runs
from gencore.store.events import Progress


def test_the_first_visit_shows_samples_spheres_scores_and_what_is_broken(visitor_in_3d: Visitor) -> None:
    visitor_in_3d.visit("/")
    for model in ("VAE", "GAN", "cGAN", "DDPM"):
        picture = visitor_in_3d.see(f"img[alt^='Ten pictures drawn by the {model} ']")
        assert picture.evaluate("picture => picture.naturalWidth") >= 5 * 28 * 3
    three = visitor_in_3d.see("[aria-label='DDPM, 0 % of the way from 3 to 8']").screenshot()
    visitor_in_3d.tab.get_by_role("slider", name="From 3 to 8").focus()
    visitor_in_3d.tab.keyboard.press("End")
    assert visitor_in_3d.see("[aria-label='DDPM, 100 % of the way from 3 to 8']").screenshot() != three
    visitor_in_3d.see(".js-plotly-plot .gl-container canvas")
    visitor_in_3d.see("text=digits-bad")
    assert visitor_in_3d.tab.locator("img[src='x']").count() == 0


def test_a_training_is_started_watched_stopped_adopted_and_resumed(visitor: Visitor, server: Server) -> None:
    visitor.visit("/live")
    _choose(visitor, "Model", "VAE · plain MLP")
    visitor.see("[data-testid=stSidebar] input[placeholder$='vae-mlp']")
    _choose(visitor, "Dataset", "digits")
    visitor.see("[data-testid=stSidebar] input[placeholder='digits-vae-mlp']")
    _fill(visitor, "Epochs", 3000)
    visitor.tab.get_by_text("All options").click()
    _fill(visitor, "Sheets", 1000)
    visitor.tab.get_by_role("button", name="Start").dblclick()
    visitor.tab.wait_for_url("**/live?run=digits-vae-mlp")
    run = runs.run("digits-vae-mlp", server.home)

    visitor.see("[data-testid=stMain] [data-testid=stVegaLiteChart] svg")
    visitor.see("img[alt^='A hundred pictures drawn by digits-vae-mlp']")
    epoch = _shown_epoch(visitor)
    wait_until(lambda: _shown_epoch(visitor) > epoch)
    assert not runs.run("digits-vae-mlp-2", server.home).results.exists(), (
        "the double click made a second run"
    )

    server.kill()
    before = _steps(run)
    wait_until(lambda: _steps(run) > before)
    server.start()
    visitor.visit("/live?run=digits-vae-mlp")
    visitor.see("[data-testid=stMain] >> text=running")

    process = run.process()
    process.suspend()  # it cannot end before the page has shown that it is stopping
    visitor.tab.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
    visitor.see("[data-testid=stMain] >> text=/stopping$/")
    assert visitor.tab.get_by_test_id("stMain").get_by_role("button", name="Stopping …").is_disabled()
    process.resume()
    visitor.see("[data-testid=stMain] >> text=stopped")
    assert run.status() == "stopped" and run.process() is None

    at = _steps(run)
    visitor.tab.get_by_test_id("stMain").get_by_role("button", name="Resume").click()
    wait_until(lambda: _steps(run) > at)
    visitor.see("[data-testid=stMain] >> text=running")
    run.stop()
    visitor.see("[data-testid=stMain] >> text=stopped")


def test_duplicate_on_live_fills_the_form_and_moves_nothing_on_the_page(visitor: Visitor) -> None:
    visitor.visit("/live?run=mnist-cgan")
    visitor.see("img[alt^='A hundred pictures drawn by mnist-cgan']")
    visitor.see("[data-testid=stMain] [data-testid=stVegaLiteChart] svg")
    visitor.see("[data-testid=stSidebar] input[placeholder='mnist-vae-2']")
    before = at_rest(lambda: _positions(visitor))
    visitor.tab.get_by_role("button", name="Duplicate").click()
    visitor.see("[data-testid=stSidebar] input[placeholder='mnist-cgan-2']")
    sidebar = visitor.tab.get_by_test_id("stSidebar")
    wait_until(lambda: sidebar.get_by_role("combobox", name="Model").input_value() == "cGAN")
    assert sidebar.get_by_role("spinbutton", name="Epochs").input_value() == "4"
    assert at_rest(lambda: _positions(visitor)) == before


def test_a_link_restores_its_page(visitor: Visitor) -> None:
    visitor.visit("/live?run=mnist-cgan&step=12")
    visitor.see("text=mnist-cgan after epoch 1.0")
    visitor.visit("/?view=own+place")
    assert visitor.see("button[aria-checked=true] >> text=own place")


def _positions(visitor: Visitor) -> list[tuple[str, float, float]]:
    """Test id, left and top of every element of the page, in document order."""
    return visitor.tab.locator("[data-testid=stMain] [data-testid]").evaluate_all(
        """elements => elements.map(element => {
            const { left, top } = element.getBoundingClientRect();
            return [element.dataset.testid, Math.round(left), Math.round(top)];
        })"""
    )


def _choose(visitor: Visitor, label: str, option: str) -> None:
    visitor.tab.get_by_role("combobox", name=label).click()
    visitor.tab.get_by_role("option", name=re.compile(f"^{option}")).first.click()
    visitor.tab.wait_for_selector("[data-test-script-state=notRunning]")


def _fill(visitor: Visitor, label: str, number: int) -> None:
    visitor.tab.get_by_role("spinbutton", name=label).fill(str(number))
    visitor.tab.keyboard.press("Enter")
    visitor.tab.wait_for_selector("[data-test-script-state=notRunning]")


def _shown_epoch(visitor: Visitor) -> float:
    text = visitor.see("[data-testid=stMain] >> text=/epoch [0-9.]+ of/").inner_text()
    return float(text.split("epoch ")[1].split(" of")[0])


def _steps(run: runs.Run) -> int:
    reached = [event.step for event in events.tail(run.events_path).events if isinstance(event, Progress)]
    return max(reached, default=0)
