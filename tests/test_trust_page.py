"""The Trust page: self-test, floors, random features, training images, warnings, origin."""

from __future__ import annotations

import shutil
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
    assert "This needs two models" in text_of(app) and "was not measured" in text_of(app)


def test_measured_models_stand_beside_all_that_vouches_for_them(
    home: Path, extractor_run: Path, reference: ReferenceFigures
) -> None:
    for name, fd, fd_random in (("vae", 9.0, 3.0), ("gan", 4.0, 2.0)):
        _save(
            measured(home, f"digits-{name}", config(name), 0.5).results,
            fd,
            fd_random,
            reference.extractor_digest,
        )
    app = visit("trust")
    assert len(app.main.get("vega_lite_chart")) == 5  # ladder, scale, second opinion, two of copies
    assert app.main.success[0].value == "Both give the same ranking: GAN \\< VAE."
    assert "measured through another classifier" not in text_of(app)
    assert set(app.main.dataframe[0].value["pass"]) == {"training", "evaluation"}


def test_models_that_the_second_opinion_ranks_otherwise_are_named(
    home: Path, extractor_run: Path, reference: ReferenceFigures
) -> None:
    for name, fd, fd_random in (("vae", 9.0, 1.0), ("gan", 4.0, 2.0)):
        _save(
            measured(home, f"digits-{name}", config(name), 0.5).results,
            fd,
            fd_random,
            reference.extractor_digest,
        )
    said = text_of(visit("trust"))
    assert "do not rank them by one distance alone" in said and "**GAN** before **VAE**" in said


def test_figures_of_another_classifier_are_said_to_be_so(home: Path, extractor_run: Path) -> None:
    measured(home, "digits-vae", config("vae"), 0.5)
    assert "digits-vae: measured through another classifier" in text_of(visit("trust"))


def test_an_unreadable_ladder_is_named_and_the_rest_is_shown(extractor_run: Path) -> None:
    (extractor_run / "selftest.json").write_text('{"dataset": "<b>x</b>"')
    app = visit("trust")
    assert "selftest.json is not readable" in app.main.error[0].value.replace("\\", "")
    assert len(app.main.get("vega_lite_chart")) == 1


def _save(folder: Path, fd: float, fd_random: float, extractor_digest: str) -> None:
    path = folder / "results.json"
    before = results.load(path, Results)
    metrics = before.metrics | {
        "fd": Metric(value=fd, floor=2.0),
        "fd_random": Metric(value=fd_random),
        "authentic_share": Metric(value=0.6, floor=0.65),
        "train_distance_ratio": Metric(value=0.9, floor=1.0),
    }
    results.save(path, before.model_copy(update={"metrics": metrics, "extractor_digest": extractor_digest}))


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


def test_the_scale_runs_from_real_images_to_noise_with_the_models_between(
    reference: ReferenceFigures,
) -> None:
    shown = [made_results("VAE", fd=30.0), made_results("GAN", fd=20.0), made_results("DDPM")]
    points = trust_charts.scale_chart(shown, reference).to_dict()
    [rows] = points["datasets"].values()
    assert [row["label"] for row in rows] == ["real images", "GAN", "VAE", "pure noise"]


def test_pairs_are_told_apart_only_where_both_distances_were_measured() -> None:
    one = made_results("VAE", fd=1.0, fd_random=3.0)
    two = made_results("GAN", fd=2.0, fd_random=2.0)
    three = made_results("DDPM", fd=3.0)
    assert trust_charts.disagreements([three, two, one]) == [(one, two)]
    assert trust_charts.disagreements([one.model_copy(update={"metrics": two.metrics}), two]) == []


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
