"""Translation runs on the pages: listed and followed with their triptychs, no rivals of generative models."""

from __future__ import annotations

import io
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import QUIET, pairs_of, record
from visits import pictures, text_of, visit

from dashboard.data import run_catalog, sheets
from gencore.config.options import DataConfig, Pix2PixConfig, RunConfig, TrainingConfig
from gencore.store.runs import Run, run

NAME = "edges-digits-tiny"


@pytest.fixture
def translating(home: Path) -> Run:
    config = RunConfig(
        data=DataConfig(dataset="edges:digits", batch_size=16),
        model=Pix2PixConfig(width=8),
        training=TrainingConfig(**QUIET | {"epochs": 1, "sheets": 1}),
    )
    one = run(NAME)
    one.create(config)
    record(one, pairs_of("digits", 64))
    return one


def test_live_shows_its_triptychs_and_curves(translating: Run) -> None:
    app = visit("live")
    assert "source, output and real image of test pairs" in text_of(app) and "pix2pix" in text_of(app)
    assert any(alt.startswith(f"Triptychs of test pairs by {NAME}") for alt in pictures(app))


def test_runs_lists_it_with_a_row_of_triptychs_and_what_to_do_with_it(translating: Run) -> None:
    app = visit("runs", run=[NAME])
    row = app.main.dataframe[0].value.set_index("run").loc[NAME]
    assert (row["model"], row["data"], row["state"]) == ("pix2pix", "edges:digits", "finished")
    with Image.open(io.BytesIO(b64decode(row["samples"].partition(",")[2]))) as thumbnail:
        assert thumbnail.size == (4 * (3 * 84 + 2), 4 * 28)  # three triptychs of 28 pixels, gaps of one
    assert f"gencore translate {NAME} --test 10" in text_of(app)


@pytest.mark.parametrize("page", ["home", "gallery", "performance", "latent", "quiz"])
def test_pages_of_generative_models_do_without_it(translating: Run, page: str) -> None:
    app = visit(page)
    assert NAME not in text_of(app) and not pictures(app)


def test_runs_are_told_apart_by_their_task(translating: Run) -> None:
    names = {
        "listed": [one.run.name for one in run_catalog.listed_runs()],
        "trainings": [one.run.name for one in run_catalog.trainings()],
        "generative": [one.run.name for one in run_catalog.generative_runs()],
        "models": [one.run.name for one in run_catalog.trained_models()],
    }
    assert names == {"listed": [NAME], "trainings": [NAME], "generative": [], "models": []}


def test_the_form_offers_pairs_to_what_translates_and_images_alone_to_the_rest(home: Path) -> None:
    app = visit("home")
    assert app.sidebar.selectbox(key="train.dataset").value == "mnist"
    app.sidebar.selectbox(key="train.preset").set_value("pix2pix").run()
    chosen = app.sidebar.selectbox(key="train.pairs")
    assert chosen.value == "edges:mnist" and all(":" in one for one in chosen.options)
    assert not app.sidebar.error
    assert "edges-mnist-pix2pix" in app.sidebar.text_input(key="train.name").placeholder
    app.sidebar.selectbox(key="train.preset").set_value("vae").run()
    assert not any(":" in one for one in app.sidebar.selectbox(key="train.dataset").options)
    assert not app.sidebar.error and not app.exception


def test_a_sheet_that_holds_no_triptychs_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((28, 56, 3), np.uint8)).save(tmp_path / "two.png")
    with pytest.raises(
        sheets.SheetError, match="a sheet of triptychs has pictures of 28 × 28 pixels in threes"
    ):
        sheets.draw_triptychs(tmp_path / "two.png", 28)
