"""The Runs page in a real browser: compare, export, duplicate, delete; and the Trust page."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse

from made_runs import config, trained
from support import wait_until
from visiting import Server, Visitor

from gencore.store import runs


def test_runs_are_compared_and_exported_as_a_report(visitor: Visitor, tmp_path: Path) -> None:
    visitor.visit("/runs?run=mnist-vae&run=mnist-gan")
    visitor.see("text=Options that differ")
    visitor.tab.get_by_role("button", name="Report", exact=True).click()
    with visitor.tab.expect_download() as download:
        visitor.tab.get_by_role("button", name="Download 2-runs.html").click()
    download.value.save_as(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text()
    assert "mnist-vae" in report and "mnist-gan" in report


def test_options_are_copied_into_the_form(visitor: Visitor, server: Server) -> None:
    visitor.visit("/runs?run=mnist-cgan")
    visitor.tab.get_by_role("button", name="Duplicate").click()
    visitor.see("[data-testid=stSidebar] input[placeholder='mnist-cgan-2']")
    model = visitor.tab.get_by_test_id("stSidebar").get_by_role("combobox", name="Model")
    wait_until(lambda: model.input_value() == "cGAN")
    epochs = visitor.tab.get_by_test_id("stSidebar").get_by_role("spinbutton", name="Epochs")
    assert epochs.input_value() == str(runs.run("mnist-cgan", server.home).config().training.epochs)


def test_a_run_is_deleted_only_after_confirmation(visitor: Visitor, server: Server) -> None:
    trained(server.home, "digits-doomed", config("gan"))
    visitor.visit("/runs?run=digits-doomed")
    for answer, stays in (("Cancel", True), ("Delete 1 run", False)):
        visitor.tab.get_by_role("button", name="Delete …").click()
        visitor.see("[role=dialog] >> text=digits-doomed")
        visitor.tab.get_by_role("button", name=answer).click()
        visitor.tab.locator("[role=dialog]").wait_for(state="detached")
        assert runs.run("digits-doomed", server.home).exists == stays
    visitor.tab.wait_for_selector("[data-testid=stMain] >> text=digits-doomed", state="detached")


def test_filters_are_in_the_address(visitor: Visitor) -> None:
    visitor.visit("/runs?model=GAN&text=mnist")
    visitor.see("text=/^1 of [0-9]+ runs/")
    visitor.tab.get_by_role("textbox", name="Name contains").fill("nothing like it")
    visitor.see("text=Remove a filter")
    visitor.tab.wait_for_url(re.compile("text=nothing"))
    asked = parse_qs(urlparse(visitor.tab.url).query)
    assert asked["model"] == ["GAN"] and asked["text"] == ["nothing like it"]


def test_what_vouches_for_the_figures_is_shown_or_its_command_is(visitor: Visitor) -> None:
    visitor.visit("/trust")
    for told in ("gencore selftest mnist", "Warnings"):
        assert visitor.see(f"text={told}").is_visible()
    assert visitor.see("[data-testid=stDataFrame] canvas").bounding_box()["height"] > 100
