"""The Trust page: self-test, floors, feature extractors, training images, warnings, origin."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

import pytest
from browser.made_runs import config, four, measured
from support import made_results
from visits import text_of, visit

from dashboard.views import trust_charts
from gencore.analysis.warnings import ResultWarning, find_warnings
from gencore.evaluation.records import Ladder, ReferenceFigures
from gencore.metrics import catalog
from gencore.metrics.corruptions import LADDER
from gencore.store import results
from gencore.store.results import Metric, Origin, Results
from gencore.store.runs import all_runs


def every_result() -> list[Results]:
    """The results of all runs of the test's home folder."""
    return [found for one in all_runs() if (found := one.load_results())]


SHIPPED = Path(__file__).resolve().parent.parent / "results"


@pytest.fixture
def extractor_run(home: Path) -> Path:
    """The records of the digits' classifier that comes with the product."""
    return shutil.copytree(SHIPPED / "features-digits", home / "results" / "features-digits")


@pytest.fixture
def ladder(extractor_run: Path) -> Ladder:
    return results.load(extractor_run / "selftest.json", Ladder)


@pytest.fixture
def reference(extractor_run: Path) -> ReferenceFigures:
    return results.load(extractor_run / "reference.json", ReferenceFigures)


# ---------------------------------------------------------------- the page


def test_with_nothing_measured_the_page_names_the_commands(home: Path) -> None:
    assert "gencore selftest mnist" in text_of(visit("trust"))


def test_a_data_set_without_a_classifier_names_the_commands_of_its_own(home: Path) -> None:
    measured(home, "digits-vae", config("vae"), 0.5)
    said = text_of(visit("trust"))
    assert "gencore selftest digits" in said and "gencore features digits" in said


def test_a_classifier_alone_shows_its_ladder_and_floors(extractor_run: Path) -> None:
    app = visit("trust")
    assert len(app.main.get("vega_lite_chart")) == 2
    said = text_of(app)
    assert "two models that were measured with several feature extractors" in said
    assert "was not measured for any model here" in said


def test_measured_models_stand_beside_all_that_vouches_for_them(
    home: Path, extractor_run: Path, reference: ReferenceFigures
) -> None:
    for name, fd, ratios in (("vae", 9.0, (4.0, 6.0)), ("gan", 4.0, (2.0, 3.0))):
        made = measured(home, f"digits-{name}", config(name), 0.5)
        _save(made.results, fd, ratios, reference.extractor_digest)
    app = visit("trust")
    assert len(app.main.get("vega_lite_chart")) == 5  # ladder, scale, extractors, two of copies
    assert app.main.success[0].value == "All give the same order."
    assert "measured through another classifier" not in text_of(app)
    assert set(app.main.dataframe[0].value["pass"]) == {"training", "evaluation"}


def test_models_that_extractors_rank_otherwise_are_named_with_what_each_says(
    home: Path, extractor_run: Path, reference: ReferenceFigures
) -> None:
    for name, ratios in (("vae", (4.0, 2.5)), ("gan", (2.0, 3.0)), ("ddpm", (1.5, 1.25))):
        made = measured(home, f"digits-{name}", config(name), 0.5)
        _save(made.results, 4.0, ratios, reference.extractor_digest)
    app = visit("trust")
    said = app.main.warning[0].value
    assert "Extractors disagree on the order of these models, so they tie." in said
    assert "**GAN** (residual 2, plain 3)" in said and "**VAE** (residual 4, plain 2.5)" in said
    assert "DDPM" not in said and not app.main.success
    assert said.count("\n- ") == 1


@pytest.mark.parametrize("extractors", [1, 2])
def test_of_one_model_or_by_one_extractor_no_agreement_is_claimed(
    home: Path, extractor_run: Path, reference: ReferenceFigures, extractors: int
) -> None:
    names = ("vae", "gan") if extractors == 1 else ("vae",)
    for name in names:
        made = measured(home, f"digits-{name}", config(name), 0.5)
        _save(made.results, 4.0, (4.0, 6.0)[:extractors], reference.extractor_digest)
    app = visit("trust")
    assert not app.main.success and "This needs two models" in text_of(app)


def test_figures_of_another_classifier_are_said_to_be_so(home: Path, extractor_run: Path) -> None:
    measured(home, "digits-vae", config("vae"), 0.5)
    assert "digits-vae: measured through another classifier" in text_of(visit("trust"))


def test_an_unreadable_ladder_is_named_and_the_rest_is_shown(extractor_run: Path) -> None:
    (extractor_run / "selftest.json").write_text('{"dataset": "<b>x</b>"')
    app = visit("trust")
    assert "selftest.json is not readable" in app.main.error[0].value.replace("\\", "")
    assert len(app.main.get("vega_lite_chart")) == 1


def _save(folder: Path, fd: float, ratios: tuple[float, ...], extractor_digest: str) -> None:
    path = folder / "results.json"
    before = results.load(path, Results)
    metrics = before.metrics | {
        "fd": Metric(value=fd, floor=2.0),
        "fd_over_floor": _over_floor(*ratios),
        "authentic_share": Metric(value=0.6, floor=0.65),
        "train_distance_ratio": Metric(value=0.9, floor=1.0),
    }
    results.save(path, before.model_copy(update={"metrics": metrics, "extractor_digest": extractor_digest}))


def _over_floor(*ratios: float) -> Metric:
    """The headline distance, as one or two extractors see it."""
    by_extractor = dict(zip(("residual", "plain"), ratios, strict=False))
    return Metric(value=statistics.geometric_mean(ratios), floor=1.0, by_extractor=by_extractor)


# ---------------------------------------------------------------- figures


def test_the_ladder_says_of_every_rung_what_the_metric_makes_of_it(ladder: Ladder) -> None:
    found = trust_charts.ladder(ladder).set_index(["metric", "rung"])
    assert len(found) == len(ladder.metrics) * (1 + len(LADDER))
    for name, seen in ladder.metrics.items():
        for rung, value in seen.rungs.items():
            row = found.loc[(name, rung)]
            assert row["value"] == value
            assert (row["verdict"] == trust_charts.MISORDERS) == (rung in seen.misorders)
            assert (row["verdict"] == trust_charts.MISSES) == (rung not in seen.sees + seen.misorders)


def test_every_rung_is_put_into_words() -> None:
    assert list(trust_charts.RUNGS) == list(LADDER)


def test_every_metric_that_is_compared_or_shipped_is_defined() -> None:
    shipped = [
        name for path in SHIPPED.glob("*/results.json") for name in results.load(path, Results).metrics
    ]
    assert shipped
    undefined = {name for name in shipped if name not in catalog.METRICS}
    assert undefined == set()
    assert all(info.title and info.definition and info.source for info in catalog.METRICS.values())


def test_floors_stand_with_the_deviation_of_their_draws(reference: ReferenceFigures) -> None:
    fd = reference.floors["fd"]
    assert (
        trust_charts.floors(reference).loc["Fréchet distance"].iloc[0]
        == f"{fd.value:.3g} ± {fd.standard_deviation:.1g}"
    )
    assert f"{fd.samples:,} images, {fd.draws} times" in trust_charts.draws(reference)


def test_the_scale_runs_from_real_images_over_a_blur_to_noise_with_the_models_between(
    reference: ReferenceFigures,
) -> None:
    shown = [made_results("VAE", fd=30.0), made_results("GAN", fd=20.0), made_results("DDPM")]
    points = trust_charts.scale_chart(shown, reference).to_dict()
    [rows] = points["datasets"].values()
    assert [row["label"] for row in rows] == ["real images", "GAN", "VAE", "blur of 3 × 3", "pure noise"]
    ends = {row["label"]: row["fd"] for row in rows}
    assert ends["real images"] == reference.floors["fd"].value
    assert ends["blur of 3 × 3"] == reference.fd_of_blur and ends["pure noise"] == reference.fd_of_noise


def test_pairs_disagree_only_where_extractors_that_saw_both_give_other_orders() -> None:
    one = made_results("VAE", fd_over_floor=_over_floor(1.0, 3.0))
    two = made_results("GAN", fd_over_floor=_over_floor(2.0, 2.0))
    three = made_results("DDPM", fd_over_floor=3.0)
    alone = Metric(value=9.0, by_extractor={"mixer": 9.0})
    four = made_results("cGAN", fd_over_floor=alone)
    assert trust_charts.disagreements([one, two, three, four]) == [(one, two)]
    worse = made_results("GAN", fd_over_floor=_over_floor(1.0, 4.0))
    assert trust_charts.disagreements([one, worse]) == [], "equal by one, worse by the other"


def test_every_ratio_is_a_tick_and_their_mean_a_dot_a_model() -> None:
    shown = [
        made_results("VAE", fd_over_floor=_over_floor(4.0, 9.0)).model_copy(update={"run": "a"}),
        made_results("GAN", fd_over_floor=_over_floor(2.0, 2.0)).model_copy(update={"run": "b"}),
        made_results("DDPM", fd=3.0),
    ]
    found = trust_charts.by_extractor(shown)
    assert found[["label", "extractor", "ratio"]].to_numpy().tolist() == [
        ["VAE", "residual", 4.0],
        ["VAE", "plain", 9.0],
        ["GAN", "residual", 2.0],
        ["GAN", "plain", 2.0],
    ]
    assert found["mean"].tolist() == [6.0, 6.0, 2.0, 2.0]
    ticks, dots, _ = trust_charts.extractors_chart(found).layer
    assert ticks.mark.type == "tick" and dots.mark.type == "circle"
    assert len(dots.data) == 2 and ticks.encoding.y.to_dict()["sort"] == ["GAN", "VAE"]


def test_warnings_name_each_reason_once_with_its_figures_and_runs(home: Path) -> None:
    four(home, "digits")
    found = {warning.text: warning.about() for warning in find_warnings(every_result())}
    said = found["the model is not *conditional*"]
    assert said.startswith("Label accuracy of ") and set(said.split(" of ")[1].split(", ")) == {
        "digits-ddpm",
        "digits-gan",
        "digits-vae",
    }


def test_of_many_runs_only_the_first_are_named() -> None:
    runs: dict[str, tuple[str, ...]] = {str(number): () for number in range(9)}
    assert ResultWarning("note", "text", runs).about() == "0, 1, 2, 3, 4, 5 and 3 more"


def test_provenance_has_a_row_a_pass_with_command_device_and_digests() -> None:
    found = trust_charts.provenance([made_results("VAE", fd=1.0)])
    [row] = found.to_dict("records")
    assert (row["command"], row["device"], row["weights SHA-256"]) == (
        "gencore evaluate x",
        "cpu, 1 thread",
        "0" * 64,
    )


def test_a_note_of_a_measurement_is_among_the_warnings(home: Path) -> None:
    made = measured(home, "digits-vae", config("vae"), 0.5)
    before = made.load_results()
    origin = Origin.model_validate(
        before.origins["evaluation"].model_dump() | {"notes": ["the machine was busy"]}
    )
    results.save(made.results_path, before.model_copy(update={"origins": {"evaluation": origin}}))
    assert ResultWarning("note", "the machine was busy", {"digits-vae": ()}) in find_warnings(every_result())
    assert any("the machine was busy" in table.value.to_string() for table in visit("trust").main.table)
