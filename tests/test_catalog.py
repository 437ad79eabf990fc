"""The catalogue of metrics, and that a metric appears everywhere once it has a function and a row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from browser.made_runs import config, measured
from support import Result, made_results
from visits import visit

from gencore.analysis.comparison import compare
from gencore.analysis.measured_models import group_by_model, load_measured_models
from gencore.analysis.warnings import find_warnings
from gencore.cli import tables
from gencore.evaluation import suite
from gencore.evaluation.suite import EvaluatedModel
from gencore.metrics import catalog
from gencore.metrics.catalog import DEFAULT_GROUPS, METRICS, MetricInfo
from gencore.reports import charts
from gencore.reports.bundle import render
from gencore.reports.model_card import card
from gencore.store import results
from gencore.store.results import Metric, Results
from gencore.store.runs import run

INK = MetricInfo(
    id="mean_ink",
    title="Mean ink",
    group="classes",
    better="nearer 1",
    unit="of real",
    short="ink",
    headline=True,
    source="this test",
    definition="Mean pixel value divided by that of real images",
)


def mean_ink(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """The metric that the tests add to the group `classes`."""
    real = evaluated.real.test.images.float().mean()
    return {"mean_ink": Metric(value=float(evaluated.images.float().mean() / real))}


@pytest.fixture
def with_ink(monkeypatch: pytest.MonkeyPatch) -> None:
    """The metric added as a developer adds one: a function in its group and a row in the catalogue."""
    classes = suite.GROUPS["classes"]
    monkeypatch.setitem(suite.GROUPS, "classes", lambda evaluated: classes(evaluated) | mean_ink(evaluated))
    monkeypatch.setitem(METRICS, "mean_ink", INK)


def test_a_metric_needs_only_a_function_and_a_row_to_appear_everywhere(
    with_ink: None, gencore: Callable[..., Result], with_extractor: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("evaluate", "vae", "--samples", "200", "--metrics", "distances", "classes")
    [printed] = gencore(*command, "--json").json
    value = printed["metrics"]["mean_ink"]["value"]
    assert value > 0

    tables.show_results([run("vae").load_results()])
    header, row, *_ = capsys.readouterr().out.splitlines()
    assert "  ink" in header and f"{value:.4g}" in row
    [listed] = [line for line in gencore(*command).out.splitlines() if " mean_ink " in line]
    assert listed.split()[-2:] == ["of", "real"] and "nearer 1" in listed

    loaded = load_measured_models(["vae"], with_extractor)
    heat, _ = charts.heatmap(loaded.models).data
    place = list(heat.y).index("Mean ink · nearer 1")
    assert heat.z[place][0] == pytest.approx(min(value, 1 / value))
    assert "Mean ink · nearer 1" in [note.text for note in charts.bars(loaded.models).layout.annotations]
    page = render(loaded, ".html").decode()
    assert "Mean ink</th>" in page and "Mean pixel value divided by that of real images (this test)" in page
    assert "| Mean ink | mean\\_ink |" in card(run("vae"))

    schema = json.loads(gencore("schema").out)
    assert schema["properties"]["metrics"]["properties"]["mean_ink"]["title"] == "Mean ink"
    jsonschema.validate(json.loads(run("vae").results_path.read_bytes()), schema)
    definitions = visit("trust").main.table[-1].value
    assert definitions.loc["Mean ink", "definition"] == INK.definition


def test_a_metric_with_a_direction_is_ranked_over_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    members = {
        label: [made_results(label, seed=seed, mean_ink=value + seed / 100) for seed in (1, 2)]
        for label, value in (("VAE", 0.2), ("GAN", 0.6))
    }
    assert "mean_ink" not in compare(members).rankings
    monkeypatch.setitem(METRICS, "mean_ink", MetricInfo(**vars(INK) | {"better": "larger"}))
    assert list(compare(members).rankings["mean_ink"].models) == ["GAN", "VAE"]


def test_every_group_measures_exactly_the_metrics_that_the_catalogue_gives_it(
    gencore: Callable[..., Result], with_extractor: Path
) -> None:
    measured_now = gencore("evaluate", "vae", "--samples", "300", "--json").json[0]["metrics"]
    expected = {info.id for info in METRICS.values() if info.group in (*DEFAULT_GROUPS, "training")} - {
        "control_real_accuracy"
    }  # of results of earlier versions
    assert set(measured_now) == expected
    for name, metric in measured_now.items():
        if METRICS[name].unit and metric["value"] is not None:
            assert metric["unit"] in {"", METRICS[name].unit}, name


def test_titles_are_unique_and_ids_are_keys() -> None:
    assert len({info.title for info in METRICS.values()}) == len(METRICS)
    assert all(name == info.id for name, info in METRICS.items())


def test_results_of_a_later_version_show_an_unknown_metric_by_its_id() -> None:
    assert catalog.title("unheard_of") == "unheard_of" and catalog.better("unheard_of") is None
    assert catalog.text("unheard_of", 12.345) == "12.3" and catalog.unit("unheard_of") == ""


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("fd", 1234.5, "1,230"),
        ("fd", None, "–"),
        ("parameters", 1234567.0, "1,234,567"),
        ("parameters", None, "–"),
        ("training_finite", 1.0, "yes"),
        ("training_finite", 0.0, "no"),
    ],
)
def test_a_value_is_written_in_the_format_of_its_metric(metric: str, value: float | None, text: str) -> None:
    assert catalog.text(metric, value) == text


def test_the_distance_over_its_floor_is_one_computation() -> None:
    assert Metric(value=3.0, floor=2.0).over_floor == 1.5
    assert Metric(value=3.0).over_floor is None and Metric(value=3.0, floor=0.0).over_floor is None
    assert Metric(value=None, floor=2.0, reason="not measured").over_floor is None


def test_runs_are_one_model_only_if_the_same_classifier_measured_them() -> None:
    plan = config("vae")
    others = plan.model_copy(update={"training": plan.training.model_copy(update={"seed": 7})})
    first, second = made_results(seed=42), made_results(seed=7)
    other_classifier = made_results(seed=8, extractor_digest="2" * 64)
    members = [(plan, first), (others, second), (plan, other_classifier), (plan, first)]
    groups = group_by_model(members, lambda member: member)
    assert [[found.seed for _, found in group] for group in groups] == [[42, 7], [8], [42]]


def test_a_report_does_not_average_over_feature_classifiers(tmp_path: Path) -> None:
    """It did, while the pages kept such runs apart."""
    plan = config("vae")
    for seed, digest in ((1, "1" * 64), (2, "2" * 64)):
        of_seed = plan.model_copy(update={"training": plan.training.model_copy(update={"seed": seed})})
        made = measured(tmp_path, f"seed{seed}", of_seed, 0.5)
        found = made.load_results()
        assert found is not None
        results.save(made.results_path, found.model_copy(update={"extractor_digest": digest}))
    loaded = load_measured_models(["seed1", "seed2"], tmp_path)
    assert list(loaded.members) == ["VAE · seed1", "VAE · seed2"]


def test_warnings_list_each_text_once_by_the_number_of_runs() -> None:
    few = Metric(value=1.0, warning="few images")
    absent = Metric(value=None, reason="no labels")
    one = made_results(fd=few, recall=few)
    two = made_results(fd=few, cas=absent).model_copy(update={"run": "y"})
    found = find_warnings([one, two])
    assert [(warning.kind, warning.text) for warning in found] == [
        ("warning", "few images"),
        ("absent", "no labels"),
    ]
    assert found[0].about() == "Fréchet distance, Recall of x; Fréchet distance of y"
    assert found[0].metrics == ["fd", "recall"]
    assert find_warnings([one, two], kinds=("absent",)) == [found[1]]


def test_a_metric_that_results_of_an_earlier_version_lack_is_absent_with_the_reason() -> None:
    everything = {name: 1.0 for name in METRICS}
    whole = made_results(**everything)
    before = made_results(**{name: 1.0 for name in METRICS if name != "feature_lpips"})
    assert find_warnings([whole], kinds=("missing",)) == []
    [missing] = find_warnings([whole, before], kinds=("missing",))
    assert missing.metrics == ["feature_lpips"] and "earlier version" in missing.text


def test_results_that_do_not_compare_carry_a_warning() -> None:
    one = made_results(fd=Metric(value=1.0, samples=100))
    two: Results = made_results(fd=Metric(value=1.0, samples=200), extractor_digest="2" * 64)
    texts = [warning.text for warning in find_warnings([one, two]) if warning.kind == "unlike"]
    assert len(texts) == 2 and "classifiers differ" in texts[0] and "numbers of measured images" in texts[1]
