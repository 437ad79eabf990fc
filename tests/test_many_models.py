"""Pages with runs on several data sets and with more models than the headline ones."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import pytest
from browser.made_runs import config, four, measured, seeded, trained
from streamlit.testing.v1 import AppTest
from support import made_results
from visits import checked, pictures, text_of, visit

from dashboard.data import run_catalog
from dashboard.widgets import altair_charts, model_choice
from gencore.analysis import colours
from gencore.analysis.measured_models import Model, load_measured_models
from gencore.analysis.reported import reported
from gencore.reports import charts, reported_figures
from gencore.store.results import Metric

pytestmark = pytest.mark.usefixtures("home", "fresh_caches")

TWELVE = {
    "vae-mlp": 0.3, "vae-elbo": 0.6, "gan-mlp": 0.2, "gan-plain": 0.5, "wgan-gp": 0.7, "sn-gan": 0.9,
    "hinge-gan": 0.4, "cgan-mlp": 0.5, "ddpm-plain": 0.6, "ddpm-eps": 0.5, "cddpm": 0.8, "cgan": 0.1,
}  # fmt: skip


@pytest.fixture
def two(home: Path) -> Path:
    """The headline models on MNIST, and twelve on the digits, of which only the cGAN is a headline model."""
    four(home, "mnist")
    for preset, goodness in TWELVE.items():
        measured(home, f"digits-{preset}", config(preset, "digits"), goodness, kind="measured")
    return home


def drawn(app: AppTest) -> list[str]:
    """The runs whose pictures Home shows, row by row of its two columns."""
    names = [alt.split()[-1] for alt in pictures(app) if alt.startswith("Ten pictures drawn")]
    left = (len(names) + 1) // 2
    return [name for row in zip_longest(names[:left], names[left:]) for name in row if name]


def switch(app: AppTest) -> list[str]:
    """The data sets that can be chosen on the page."""
    found = [box for box in app.main.selectbox if box.key == "dataset.widget"]
    return found[0].options if found else []


def choice(app: AppTest) -> list[str]:
    """The label of the choice of models, where there is one."""
    labels = [block.proto.popover.label for block in app.main.get("popover")]
    return [label for label in labels if label.endswith("models")]


# data sets


def test_the_first_data_set_is_the_one_with_measured_headline_models(two: Path) -> None:
    entries = run_catalog.generative_runs(two)
    assert run_catalog.datasets(entries) == ["mnist", "digits"]
    assert drawn(visit("home")) == ["mnist-vae", "mnist-gan", "mnist-cgan", "mnist-ddpm"]


@pytest.mark.parametrize("page", ["home", "gallery", "performance", "trust"])
def test_the_switch_names_the_data_sets_and_is_absent_when_there_is_one(home: Path, page: str) -> None:
    four(home, "mnist")
    address = {"show": "over training"} if page == "gallery" else {}
    assert not switch(visit(page, **address))
    measured(home, "digits-gan", config("gan"), 0.5)
    assert switch(visit(page, **address)) == ["MNIST", "scikit-learn digits"]


def test_the_switch_changes_the_page_and_its_address(two: Path) -> None:
    app = visit("home", ["mnist-gan"])
    app.main.selectbox(key="dataset.widget").set_value("digits").run()
    assert all(name.startswith("digits-") for name in drawn(checked(app)))
    assert app.query_params == {"dataset": "digits"}, "the run of the other data set is gone"
    app.main.selectbox(key="dataset.widget").set_value("mnist").run()
    assert app.query_params == {} and len(drawn(checked(app))) == 4


def test_the_data_set_stays_chosen_from_page_to_page(two: Path) -> None:
    app = visit("home", dataset="digits")
    app.switch_page("views/performance.py").run()
    assert "digits · 1 seed a model" in text_of(checked(app))
    assert app.query_params == {"dataset": "digits"}


def test_trials_of_a_study_are_no_models_of_a_page_unless_the_address_names_them(home: Path) -> None:
    four(home, "mnist")
    trial = config("gan", "mnist").model_copy(update={"study": "rates"})
    measured(home, "rates-1", trial, 0.99, kind="measured")
    assert drawn(visit("home")) == ["mnist-vae", "mnist-gan", "mnist-cgan", "mnist-ddpm"]
    assert not choice(visit("performance")), "there is nothing to choose beside the headline models"
    assert drawn(visit("home", ["rates-1"])) == ["rates-1"]
    assert "rates-1" in [entry.run.name for entry in run_catalog.generative_runs()], "Runs lists it"


@pytest.mark.parametrize("page", ["home", "performance"])
def test_a_data_set_without_runs_in_a_link_is_named_and_the_first_one_shown(two: Path, page: str) -> None:
    shown = text_of(visit(page, dataset="kmnist"))
    assert "No data set **kmnist** can be shown here" in shown and "mnist · " in shown


def test_runs_in_a_link_decide_the_data_set_and_those_on_another_are_left_out(two: Path) -> None:
    app = visit("performance", ["digits-sn-gan", "mnist-gan", "digits-vae-elbo"])
    shown = text_of(app)
    assert "Run **mnist-gan** is on mnist; one data set is shown at a time" in shown
    assert "**Overall**, best first: GAN 0." in shown and "digits · " in shown
    gallery = visit("gallery", ["digits-sn-gan", "mnist-gan"], show="over training")
    assert [alt.split()[4] for alt in pictures(gallery)] == ["digits-sn-gan"]
    assert "Run **mnist-gan** is on mnist" in text_of(gallery)


def test_a_data_set_with_runs_that_were_not_measured_can_be_chosen_and_says_what_to_do(home: Path) -> None:
    four(home, "mnist")
    trained(home, "digits-vae", config("vae"))
    app = visit("home", dataset="digits")
    assert drawn(app) == ["digits-vae"] and not app.get("plotly_chart")
    assert "Nothing is measured on digits yet" in text_of(app)
    assert "gencore evaluate digits-vae" in text_of(app)
    assert "gencore evaluate digits-vae" in (shown := text_of(visit("performance", dataset="digits")))
    assert "mnist" not in shown


# models


def test_one_model_a_variant_is_shown_the_headline_one_else_the_best(two: Path) -> None:
    app = visit("home", dataset="digits")
    expected = ["digits-vae-elbo", "digits-sn-gan", "digits-cgan", "digits-ddpm-plain", "digits-cddpm"]
    assert drawn(app) == expected and choice(app) == ["5 of 12 models"]


def test_no_choice_is_drawn_while_the_headline_models_are_all_there_is(home: Path) -> None:
    four(home, "mnist")
    assert not choice(visit("home")) and not choice(visit("performance"))
    measured(home, "mnist-gan-plain", config("gan-plain", "mnist"), 0.5)
    assert choice(visit("home")) == ["4 of 5 models"]


def test_a_model_is_chosen_in_its_family_and_the_address_keeps_it(two: Path) -> None:
    app = visit("home", dataset="digits")
    families = [box.label for box in app.main.multiselect]
    assert families == ["VAE", "GAN · cGAN", "DDPM · cDDPM · distilled DDPM"]
    app.main.multiselect(key="models.GAN · cGAN").set_value(["digits-sn-gan", "digits-wgan-gp"]).run()
    chosen = ["digits-vae-elbo", "digits-sn-gan", "digits-ddpm-plain", "digits-cddpm", "digits-wgan-gp"]
    assert drawn(checked(app)) == app.query_params["run"] == chosen
    assert drawn(visit("home", chosen)) == chosen
    assert "GAN · wgan-gp" in text_of(app) and "GAN · sn-gan" in text_of(app)


def test_twelve_models_in_a_link_are_cut_to_the_most_that_a_page_shows(two: Path) -> None:
    names = [f"digits-{preset}" for preset in TWELVE]
    app = visit("performance", names)
    assert "The address names 12 models; the first 10 are shown" in text_of(app)
    assert choice(app) == ["10 of 12 models"]
    assert all(box.disabled or box.max_selections == len(box.value) for box in app.main.multiselect)


def test_seeds_of_a_model_are_one_choice_and_any_of_them_in_a_link_chooses_it(two: Path) -> None:
    measured(two, "digits-sn-gan-43", seeded("sn-gan", 43), 0.85)
    app = visit("performance", ["digits-sn-gan-43", "digits-vae-elbo"])
    assert choice(app) == ["2 of 12 models"] and "1 to 2 seeds a model" in text_of(app)


def test_the_newest_runs_are_shown_by_an_older_link(two: Path) -> None:
    os.utime(two / "results/digits-gan-mlp/config.json", (2e9, 2e9))
    assert "digits-gan-mlp" in drawn(app := visit("home", dataset="digits", newest="true"))
    app.main.toggle(key="newest.widget").set_value(False).run()
    assert "digits-gan-mlp" not in drawn(checked(app)) and "newest" not in app.query_params


def test_the_gallery_offers_the_runs_of_one_data_set(two: Path) -> None:
    app = visit("gallery", dataset="digits", show="over training")
    assert len(pictures(app)) == len(app.query_params["run"]) == 5, "a link shows the same pictures"
    assert {option.split()[2] for box in app.main.multiselect for option in box.options} == {
        f"digits-{preset}" for preset in TWELVE
    }


# looks


def test_models_of_one_variant_differ_in_name_place_and_shade_and_keep_its_colour() -> None:
    runs = [f"digits-{name}" for name in "abcdefg"]
    looks = colours.appearances(dict.fromkeys(runs, "GAN") | {"digits-vae": "VAE"}, "digits")
    assert [look.name for look in looks.values()] == [f"GAN · {name}" for name in "abcdefg"] + ["VAE"]
    assert [look.place for look in looks.values()] == [*range(7), 0]
    assert looks["digits-a"].colour == colours.COLOURS["GAN"]
    red, green, blue = bytes.fromhex(looks["digits-g"].colour[1:])
    assert green < blue < red + 20 and red - green > 20, "still the GAN's pink"


def test_names_without_their_data_set_that_would_be_the_same_stay_whole() -> None:
    looks = colours.appearances({"digits-a": "GAN", "a": "GAN"}, "digits")
    assert [look.name for look in looks.values()] == ["GAN · digits-a", "GAN · a"]


def test_dashes_and_markers_tell_models_of_one_variant_apart(two: Path) -> None:
    found = load_measured_models(["digits-sn-gan", "digits-wgan-gp", "digits-hinge-gan", "digits-vae-elbo"])
    lines = {line.name: (line.line.dash, line.marker.symbol) for line in charts.radar(found.models).data}
    assert len(set(lines.values())) == 3 and lines["VAE"] == lines["GAN · sn-gan"]


def many(count: int) -> list[Model]:
    """Models of one variant with a few metrics."""
    metric = {
        name: Metric(value=0.5, floor=1.0) for name in ("precision", "recall", "coverage", "authentic_share")
    }
    found = made_results("GAN", **metric)
    return [Model(f"GAN · {place}", "#CC79A7", (found,), place=place) for place in range(count)]


def test_a_long_legend_is_a_column_for_which_the_figure_grows() -> None:
    few, more = charts.radar(many(charts.FEW)), charts.radar(many(charts.FEW + 4))
    assert few.layout.legend.orientation == "h" and more.layout.legend.orientation == "v"
    plots = [figure.layout.height - figure.layout.margin.b for figure in (few, more)]
    assert plots[0] == plots[1] and more.layout.height >= few.layout.height + 10 * 15


def test_a_legend_of_few_but_long_names_is_a_column_too() -> None:
    long = [replace(model, name=f"{model.name} of a run with a long name") for model in many(3)]
    assert charts.radar(long).layout.legend.orientation == "v"


def test_bars_carry_names_where_colours_are_alike() -> None:
    models = many(2)
    alike = altair_charts.score_bars(models, model_choice.made_of(models, "quality")).to_dict()
    assert [layer["mark"]["type"] for layer in alike["layer"]] == ["bar", "text"]
    alone = altair_charts.score_bars(models[:1], model_choice.made_of(models[:1], "quality")).to_dict()
    assert alone["mark"]["type"] == "bar"


# what others report


def test_reported_figures_are_grey_rings_beside_what_was_measured_by_the_same_metric() -> None:
    [source] = reported("cifar10")
    figure = reported_figures.rings(source, many(1))
    rings = [trace for trace in figure.data if trace.name == "reported"]
    assert len(rings) == len(reported_figures.drawn(source)) == 10
    assert all(trace.marker.symbol == "circle-open" and trace.marker.color == charts.GREY for trace in rings)
    assert rings[0].y[0] == "DC-GAN (reported)" and rings[0].x[0] == 6.2
    assert rings[0].error_x.array[0] == 0.3 and source.title in rings[0].hovertext[0]
    measured_here = [trace for trace in figure.data if trace.name == "measured here"]
    assert [list(trace.x) for trace in measured_here] == [[0.5], [0.5]], "precision and recall alone"


def test_a_source_without_a_figure_to_draw_has_no_rings() -> None:
    scores_alone = next(source for source in reported("mnist") if source.id == "mnist-comp-readme")
    assert reported_figures.rings(scores_alone, many(1)) is None


def test_cifar_10_shows_what_others_report_on_demand_with_project_and_caveat(home: Path) -> None:
    measured(home, "cifar10-gan", config("gan", "cifar10"), 0.5)
    app = visit("performance")
    assert "Reported by other projects" not in text_of(app)
    before = len(app.get("plotly_chart"))
    app.main.toggle(key="ghosts").set_value(True).run()
    shown = text_of(checked(app))
    assert "Comparative analysis on CIFAR-10, 50 epochs" in shown and "seed counts, hardware" in shown
    assert len(app.get("plotly_chart")) == before + 1
    assert "DC-GAN (reported)" in json.dumps(
        [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")], ensure_ascii=False
    )


def test_a_data_set_on_which_nobody_reports_has_no_switch_for_it(home: Path) -> None:
    measured(home, "digits-gan", config("gan"), 0.5)
    assert "ghosts" not in [toggle.key for toggle in visit("performance").main.toggle]
