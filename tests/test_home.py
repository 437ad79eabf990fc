"""Home without a browser: scores on every card, the space, and links to every page."""

from __future__ import annotations

import gc
import json
import re
from pathlib import Path

import pytest
from browser.made_runs import config, four, measured, trained
from browser.made_scores import all_scored
from PIL import Image, ImageOps
from streamlit.testing.v1 import AppTest
from visits import REPOSITORY, text_of, visit

from gencore.analysis.scores import SCORES
from gencore.store import results
from gencore.store.runs import run

pytestmark = pytest.mark.usefixtures("home", "fresh_caches")


def reasons(app: AppTest, score: str) -> list[str]:
    """Why a score is a dash, a card each."""
    return [
        line.help.replace("\\", "")
        for line in app.main.markdown
        if line.value == f":small[:gray[{score}]]  \n—"
    ]


def groups_of_bars(app: AppTest) -> list[str]:
    """What the bars of the scores by model are of."""
    [chart] = app.main.get("vega_lite_chart")
    return json.loads(chart.proto.spec)["encoding"]["y"]["sort"]


def seen(app: AppTest) -> tuple[list[str], list[str]]:
    """What the page shows of pictures: where each lies, an address made from its content, and the strips
    under the slider.
    """
    strips = [json.loads(part.proto.json)["tiles"] for part in app.main.get("bidi_component")]
    return [image.url for part in app.main.get("image") for image in part.proto.imgs], [
        tile["strip"] for tile in sum(strips, [])
    ]


def test_a_card_shows_the_scores_that_there_are_and_the_reason_for_each_that_is_not(home: Path) -> None:
    four(home)
    app = visit("home")
    assert len(re.findall(r":gray\[quality\]\]  \n\*\*0\.\d\d\*\*", text_of(app))) == 4
    assert len(reasons(app, "controllability")) == 4
    assert all("control_hit_rate not measured" in reason for reason in reasons(app, "controllability"))
    assert "quality alone" in text_of(app)
    assert groups_of_bars(app) == [
        "quality", "realism", "fidelity", "variety", "coverage", "novelty", "balance",
    ]  # fmt: skip


def test_with_all_scores_the_axes_are_the_scores_and_nothing_is_a_dash(home: Path) -> None:
    all_scored(home, seeds=3)
    app = visit("home")
    assert "Axes: quality, stability, controllability" in text_of(app) and "quality alone" not in text_of(app)
    assert not any(reasons(app, score) for score in ("quality", "stability", "controllability", "efficiency"))


def test_of_single_seeds_stability_is_a_dash_and_efficiency_an_axis_in_its_place(home: Path) -> None:
    all_scored(home, seeds=1)
    app = visit("home")
    assert reasons(app, "stability") == ["seeds: needs 3 seeds; there are 1"] * 4
    assert not any(reasons(app, score) for score in ("quality", "controllability", "efficiency"))
    assert "Axes: quality, controllability, efficiency" in text_of(app)
    assert "Efficiency stands for stability" in text_of(app)
    assert groups_of_bars(app) == list(SCORES)


def test_models_of_unlike_machines_have_no_efficiency_and_the_cards_say_why(home: Path) -> None:
    all_scored(home, seeds=1)
    made = run("digits-gan")
    found = made.load_results()
    elsewhere = found.origins["training"].model_copy(update={"device": "NVIDIA H200"})
    results.save(
        made.results_path, found.model_copy(update={"origins": found.origins | {"training": elsewhere}})
    )
    app = visit("home")
    told = "machines: not compared: trained on NVIDIA H200 (2 threads) and on cpu (2 threads)"
    assert reasons(app, "efficiency") == [told] * 4
    assert not reasons(app, "quality") and "quality alone" in text_of(app)


def test_a_model_that_was_not_measured_stands_beside_those_that_have_all_scores(home: Path) -> None:
    all_scored(home, seeds=3)
    for name in ("digits-gan", "digits-gan-43", "digits-gan-44"):
        run(name).results_path.unlink()
    app = visit("home")
    assert reasons(app, "quality") == reasons(app, "efficiency") == ["not evaluated yet"]
    assert "Axes: quality, stability, controllability" in text_of(app)


def test_a_run_that_was_not_measured_says_so_beside_those_that_were(home: Path) -> None:
    measured(home, "digits-vae", config("vae"), 0.6)
    trained(home, "digits-gan", config("gan"))
    app = visit("home")
    assert reasons(app, "quality") == ["not evaluated yet"]
    assert len(app.get("plotly_chart")) == 1


def test_one_slider_turns_the_pictures_of_every_model_that_has_a_way(home: Path) -> None:
    runs = four(home)
    (runs[0].results / "morph.png").unlink()
    [component] = visit("home").get("bidi_component")
    data = json.loads(component.proto.json)
    assert [tile["name"] for tile in data["tiles"]] == ["GAN", "cGAN", "DDPM"] and (
        data["first"],
        data["last"],
    ) == ("3", "8")
    assert all(
        tile["frames"] == 5 and tile["strip"].startswith("data:image/png;base64,") for tile in data["tiles"]
    )
    for one in runs[1:]:
        (one.results / "morph.png").unlink()
    assert not visit("home").get("bidi_component")


def test_what_was_imported_is_spared_the_collection_after_every_run_and_later_garbage_is_not(
    home: Path,
) -> None:
    four(home)
    visit("home")
    settled = gc.get_freeze_count()
    assert settled > 50_000
    visit("home")
    assert gc.get_freeze_count() <= settled


def test_pictures_drawn_anew_are_shown_anew(home: Path) -> None:
    made = four(home)[0]
    for name in ("samples.png", "morph.png"):
        before = seen(visit("home"))
        path = made.results / name
        with Image.open(path) as picture:
            ImageOps.invert(picture.convert("RGB")).save(path)
        assert seen(visit("home")) != before, name


def test_every_page_is_one_click_away(home: Path) -> None:
    four(home)
    pages = re.findall(
        r'st\.Page\("views/(\w+)\.py", title="([\w ]+)"', (REPOSITORY / "dashboard/app.py").read_text()
    )
    links = {link.proto.label for link in visit("home").main.get("page_link")}
    assert len(pages) > 4 and {title for name, title in pages if name != "home"} <= links
