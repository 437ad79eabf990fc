"""The report: which runs make a model, what is left out and why, and each kind of file it can be."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser.made_runs import config, four, measured, seeded, trained
from browser.made_scores import all_scored
from PIL import Image
from support import Result

from gencore.analysis.measured_models import MeasuredModels, load_measured_models
from gencore.analysis.reported import note, reported
from gencore.config.options import RunConfig
from gencore.evaluation.ladder import Ladder, MetricLadder
from gencore.reports.bundle import render, write
from gencore.store import results, runs
from gencore.store.results import Metric, Origin
from gencore.store.runs import Run

HOSTILE = "<img src=x onerror=alert(1)>"

REPOSITORY = Path(__file__).resolve().parent.parent


def relabelled(run: Run, **changes: object) -> None:
    results.save(run.results_path, run.load_results().model_copy(update=changes))


@pytest.fixture
def loaded(tmp_path: Path) -> MeasuredModels:
    """The four headline models, the VAE on three seeds."""
    names = [run.name for run in four(tmp_path, "digits")]
    names += [
        measured(tmp_path, f"vae-seed{seed}", seeded("vae", seed), 0.5 + seed / 20, kind="measured").name
        for seed in (1, 2)
    ]
    return load_measured_models(names, tmp_path)


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text outside scripts and styles."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if not self.tags or self.tags[-1][0] not in {"script", "style"} or not data.strip():
            self.text += " ".join(data.split()) + " "


# which runs make a model


def test_runs_that_differ_only_in_their_seed_are_one_model_with_intervals(loaded: MeasuredModels) -> None:
    assert {name: [member.results.seed for member in group] for name, group in loaded.members.items()} == {
        "VAE": [1, 2, 42], "GAN": [42], "cGAN": [42], "DDPM": [42],
    }  # fmt: skip
    estimate = loaded.models[0].estimate("fd")
    assert len(estimate.values) == 3 and estimate.low < estimate.mean < estimate.high


def test_another_recipe_or_the_same_seed_again_is_a_model_of_its_own(tmp_path: Path) -> None:
    measured(tmp_path, "a", seeded("vae", 1), 0.5)
    measured(tmp_path, "again", seeded("vae", 1), 0.6)
    measured(tmp_path, "longer", config("vae", epochs=5), 0.7)
    found = load_measured_models(["a", "again", "longer", "a"], tmp_path)
    assert list(found.members) == ["VAE · a", "VAE · again", "VAE · longer"]
    assert len({model.colour for model in found.models}) == 3


def test_what_cannot_be_used_is_named_with_its_reason_and_the_rest_is_reported(tmp_path: Path) -> None:
    measured(tmp_path, "good", config("vae"), 0.5)
    trained(tmp_path, "raw", config("gan"))
    torn = measured(tmp_path, "torn", config("ddpm"), 0.5)
    torn.results_path.write_text('{"schema_version": 1, "run"')
    found = load_measured_models(["torn", "good", "raw"], tmp_path)
    assert [model.name for model in found.models] == ["VAE"]
    assert (
        "results.json is not readable" in found.left_out["torn"]
        and "gencore evaluate raw" in found.left_out["raw"]
    )
    assert "raw is left out" in Tags(render(found, ".html")).text


def test_a_broken_event_log_or_sheet_costs_only_its_own_figure(tmp_path: Path) -> None:
    run = measured(tmp_path, "x", config("vae"), 0.5)
    run.events_path.write_bytes(b"\xff\x00 no log\n")
    (run.results / "samples.png").write_bytes((run.results / "samples.png").read_bytes()[:500])
    found = load_measured_models(["x"], tmp_path)
    assert found.every[0].sheet is None
    assert "no sample sheet that can be read (x)" in Tags(render(found, ".html")).text


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "name at least one run"),
        (("nosuch",), "no run named nosuch"),
        (("raw",), "no run to report on: raw"),
        (("a", "b"), "different data sets"),
    ],
)
def test_nothing_to_report_is_an_error_that_says_why(
    tmp_path: Path, names: tuple[str, ...], told: str
) -> None:
    trained(tmp_path, "raw", config("gan"))
    measured(tmp_path, "a", config("vae"), 0.5)
    measured(tmp_path, "b", config("vae", "mnist"), 0.5)
    with pytest.raises((ValueError, FileNotFoundError), match=told):
        load_measured_models(names, tmp_path)


# the page


def test_the_page_asks_no_network_for_anything(loaded: MeasuredModels) -> None:
    tags = Tags(render(loaded, ".html")).tags
    asked = [
        value
        for tag, attributes in tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "data", "action"}
    ]
    assert asked and all(value.startswith("data:") for value in asked)
    assert not {"link"} & {tag for tag, attributes in tags if attributes.get("rel") == "stylesheet"}
    pictures = [attributes for tag, attributes in tags if tag == "img"]
    assert len(pictures) == 6 and all(picture["alt"] for picture in pictures)
    drawn = [attributes for _, attributes in tags if "data-figure" in attributes]
    assert len(drawn) == 8 and all(one["aria-label"] and one["role"] == "img" for one in drawn)


def test_rows_say_where_they_come_from_and_what_is_missing_says_why(loaded: MeasuredModels) -> None:
    text = Tags(render(loaded, ".html")).text
    for told in (
        "measured here and shipped",
        "real images (floor)",
        "3 seeds",
        "left out to show <b>a</b> dash",
    ):
        assert told in text
    for one in loaded.every:
        assert one.run.name in text and f"gencore evaluate {one.run.name}" in text
    for reason in loaded.models[0].scores["stability"].missing.values():
        assert reason in text
    assert "±" in text and "has no interval, so no two models are ranked" in text


def test_a_score_that_is_absent_says_why_for_every_model(tmp_path: Path) -> None:
    all_scored(tmp_path, seeds=1)
    names = ["digits-vae", "digits-gan"]
    text = Tags(render(load_measured_models(names, tmp_path), ".html")).text
    assert text.count("without seeds: needs 3 seeds; there are 1") == 2
    assert "Efficiency stands for stability, which needs 3 seeds of every model" in text
    gan = runs.run("digits-gan", tmp_path)
    origins = gan.load_results().origins
    elsewhere = origins["training"].model_copy(update={"threads": 16})
    relabelled(gan, origins=origins | {"training": elsewhere})
    text = Tags(render(load_measured_models(names, tmp_path), ".html")).text
    told = "without machines: not compared: trained on cpu (16 threads) and on cpu (2 threads)"
    assert text.count(told) == 2 and "Efficiency stands for" not in text


def test_a_model_that_copies_training_images_is_said_to(tmp_path: Path) -> None:
    told = "copies training images: 11% of its images are authentic, 55% of unseen real ones"
    copying = measured(tmp_path, "x", config("vae"), 0.5)
    assert "copies training images" not in Tags(render(load_measured_models(["x"], tmp_path), ".html")).text
    share = {"authentic_share": Metric(value=0.11, floor=0.55)}
    relabelled(copying, metrics=copying.load_results().metrics | share)
    found = load_measured_models(["x"], tmp_path)
    assert told in Tags(render(found, ".html")).text
    assert json.loads(render(found, ".json"))["scores"]["VAE"]["quality"]["note"] == told


def test_text_from_files_cannot_act(tmp_path: Path) -> None:
    run = measured(tmp_path, "x", config("vae"), 0.5)
    found = run.load_results()
    warned = {"fd": found.metrics["fd"].model_copy(update={"warning": HOSTILE}), HOSTILE: Metric(value=1.0)}
    hostile = Origin(
        kind="measured",
        command=HOSTILE,
        device=HOSTILE,
        threads=1,
        versions={HOSTILE: HOSTILE},
        unix_time=0,
        notes=[HOSTILE],
    )
    relabelled(
        run, label=f"{HOSTILE}</script>", reference=HOSTILE, extractor=HOSTILE, sampler=HOSTILE,
        metrics=found.metrics | warned, origins={"evaluation": hostile},
    )  # fmt: skip
    page = render(load_measured_models(["x"], tmp_path), ".html")
    tags = Tags(page).tags
    assert not [
        attributes for _, attributes in tags if "onerror" in attributes or attributes.get("src") == "x"
    ]
    assert (
        sum(tag == "script" for tag, _ in tags)
        == page.count(b"</script>")
        == 2 + sum("data-figure" in a for _, a in tags)
    )


def test_several_seeds_of_all_are_ranked_with_ties(tmp_path: Path) -> None:
    for seed in (1, 2):
        measured(tmp_path, f"vae{seed}", seeded("vae", seed), 0.5 + seed / 100)
        measured(tmp_path, f"gan{seed}", seeded("gan", seed), 0.5 + (3 - seed) / 100)
    text = Tags(render(load_measured_models(["vae1", "vae2", "gan1", "gan2"], tmp_path), ".html")).text
    assert "GAN = VAE" in text or "VAE = GAN" in text


def test_models_through_other_extractors_are_not_ranked(tmp_path: Path) -> None:
    for preset, plain in (("vae", "2"), ("gan", "3")):
        for seed in (1, 2):
            made = measured(tmp_path, f"{preset}{seed}", seeded(preset, seed), 0.5)
            relabelled(made, extractor_digests={"residual": "1" * 64, "plain": plain * 64})
    found = load_measured_models(["vae1", "vae2", "gan1", "gan2"], tmp_path)
    assert [len(model.results) for model in found.models] == [2, 2]
    text = Tags(render(found, ".html")).text
    assert "Not ranked: these results differ in their feature extractors" in text


def test_seeds_through_other_extractors_are_models_of_their_own(tmp_path: Path) -> None:
    for seed, plain in ((1, "2"), (2, "3"), (3, "2")):
        made = measured(tmp_path, f"vae{seed}", seeded("vae", seed), 0.5)
        relabelled(made, extractor_digests={"residual": "1" * 64, "plain": plain * 64})
    found = load_measured_models(["vae1", "vae2", "vae3"], tmp_path)
    assert [[one.seed for one in model.results] for model in found.models] == [[1, 3], [2]]


def test_the_self_test_of_the_same_classifier_is_quoted_and_another_is_not(tmp_path: Path) -> None:
    run = measured(tmp_path, "x", config("vae"), 0.5)
    seen = MetricLadder(
        better="smaller",
        real=[1.0, 1.0],
        rungs={"blurred": 9.5, "shifted": 1.0},
        sees=["blurred"],
        misorders=["pure noise"],
    )
    made = Ladder(
        dataset="digits",
        extractor_digest="1" * 64,
        samples=50,
        metrics={"fd": seen},
        origin=run.load_results().origins["evaluation"],
    )
    path = tmp_path / "results" / "features-digits" / "selftest.json"
    path.parent.mkdir()
    results.save(path, made)
    text = Tags(render(load_measured_models(["x"], tmp_path), ".html")).text
    assert "What the metrics detect" in text and "blurred" in text and "9.5" in text and "pure noise" in text
    results.save(path, made.model_copy(update={"extractor_digest": "2" * 64}))
    assert load_measured_models(["x"], tmp_path).ladder is None
    path.write_text("{")
    assert "selftest.json" in load_measured_models(["x"], tmp_path).left_out["self-test"]


def test_figures_through_different_classifiers_carry_a_warning(tmp_path: Path) -> None:
    measured(tmp_path, "a", config("vae"), 0.5)
    relabelled(measured(tmp_path, "b", config("gan"), 0.5), extractor_digest="2" * 64)
    assert "classifiers differ" in Tags(render(load_measured_models(["a", "b"], tmp_path), ".html")).text


def test_figures_through_classifiers_of_which_only_a_further_one_differs_carry_a_warning(
    tmp_path: Path,
) -> None:
    for name, plain in (("a", "2"), ("b", "2"), ("c", "3")):
        digests = {"residual": "1" * 64, "plain": plain * 64}
        relabelled(measured(tmp_path, name, config("vae"), 0.5), extractor_digests=digests)
    alike, unlike = (
        Tags(render(load_measured_models(names, tmp_path), ".html")).text
        for names in (["a", "b"], ["a", "c"])
    )
    assert "classifiers differ" not in alike and "classifiers differ" in unlike


# the other files


def test_the_table_has_a_row_a_run_with_metrics_and_floors(loaded: MeasuredModels) -> None:
    rows = list(csv.DictReader(io.StringIO(render(loaded, ".csv").decode())))
    assert [row["run"] for row in rows] == [one.run.name for one in loaded.every]
    assert float(rows[0]["fd"]) == loaded.every[0].results.value("fd") and rows[0]["fd_floor"] == "2.0"
    assert (
        rows[-1]["model"] == "DDPM"
        and rows[-1]["training_seconds"] == ""
        and "training_seconds_floor" not in rows[0]
    )
    of_run = loaded.every[0].results.metrics["fd_over_floor"]
    assert float(rows[0]["fd_over_floor"]) == of_run.value and rows[0]["fd_over_floor_floor"] == "1.0"
    quality = loaded.models[0].scores["quality"].value
    scored = [float(row["score_quality"]) for row in rows if row["model"] == rows[0]["model"]]
    assert sum(scored) / len(scored) == pytest.approx(quality)


def test_the_table_has_spreads_and_each_extractor_of_the_shipped_models() -> None:
    found = load_measured_models(["mnist-vae", "mnist-cgan"], REPOSITORY)
    rows = list(csv.DictReader(io.StringIO(render(found, ".csv").decode())))
    for row, member in zip(rows, found.every, strict=True):
        headline = member.results.metrics["fd_over_floor"]
        assert float(row["fd_over_floor_spread"]) == headline.spread
        assert {
            name: float(row[f"fd_over_floor_{name}"]) for name in headline.by_extractor
        } == headline.by_extractor
        assert all(digest in row["extractors"] for digest in member.results.extractor_digests.values())


def test_a_label_cannot_be_a_formula_of_a_spreadsheet(tmp_path: Path) -> None:
    relabelled(measured(tmp_path, "x", config("vae"), 0.5), label="=cmd()")
    [row] = csv.DictReader(io.StringIO(render(load_measured_models(["x"], tmp_path), ".csv").decode()))
    assert row["label"] == row["model"] == "'=cmd()"


def test_the_data_hold_the_results_as_they_are_and_the_reported_apart(tmp_path: Path) -> None:
    measured(tmp_path, "x", config("vae", "mnist"), 0.5)
    found = load_measured_models(["x"], tmp_path)
    data = json.loads(render(found, ".json"), parse_constant=pytest.fail)
    assert data["results"] == [json.loads(found.every[0].run.results_path.read_text())]
    assert data["scores"]["VAE"]["quality"]["value"] == pytest.approx(found.models[0].scores["quality"].value)
    assert {source["label"] for source in data["reported"]} == {"reported"} and all(
        source["caveat"] for source in data["reported"]
    )
    assert "MNIST_COMP" not in json.dumps(data["results"]) and "MNIST_COMP" in json.dumps(data["reported"])


def test_the_archive_holds_page_table_data_configs_and_samples(
    loaded: MeasuredModels, tmp_path: Path
) -> None:
    write(tmp_path / "out" / "all.zip", loaded)
    with zipfile.ZipFile(tmp_path / "out" / "all.zip") as archive:
        names = set(archive.namelist())
        assert names == {"report.html", "report.csv", "report.json"} | {
            name
            for one in loaded.every
            for name in (f"configs/{one.run.name}.json", f"samples/{one.run.name}.png")
        }
        assert RunConfig.model_validate_json(archive.read("configs/digits-gan.json")) == config("gan")
        with Image.open(archive.open("samples/digits-gan.png")) as sheet:
            assert sheet.size == (280, 280)
        assert archive.read("report.csv") == render(loaded, ".csv")


@pytest.mark.parametrize("ending", ["", ".pdf", ".HTML"])
def test_another_ending_is_refused_with_the_four(loaded: MeasuredModels, ending: str) -> None:
    with pytest.raises(ValueError, match=r"\.html, \.csv, \.json, \.zip"):
        render(loaded, ending)


# reported figures


def test_reported_figures_are_labelled_and_carry_title_and_caveat() -> None:
    every = [source for dataset in ("mnist", "cifar10", "mixed") for source in reported(dataset)]
    assert len(every) == 6 and len({source.id for source in every}) == 6
    assert all(source.label == "reported" and source.title and source.caveat for source in every)
    assert reported("digits") == [] and "measured here" in note()


def test_only_scores_from_0_to_1_on_all_three_axes_make_a_point() -> None:
    summary, readme, notebook, search = reported("mnist")
    assert readme.point("VAE") == (0.7, 0.9, 0.6) and notebook.point("DDPM") == (0.727, 0.974, 0.8)
    assert summary.point("VAE") is None and search.point("cDDPM") is None


# the command


@pytest.mark.parametrize("ending", [".html", ".csv", ".json"])
def test_the_command_writes_what_the_name_ends_in(
    gencore: Callable[..., Result], home: Path, ending: str
) -> None:
    measured(home, "good", config("vae"), 0.5)
    trained(home, "raw", config("gan"))
    done = gencore("report", "good", "raw", "--out", str(home / f"r{ending}"))
    assert done.code == 0 and "VAE on digits" in done.out and "raw is left out" in done.err
    assert (home / f"r{ending}").read_bytes() == render(load_measured_models(["good", "raw"], home), ending)


def test_the_command_refuses_an_ending_before_it_reads_anything(
    gencore: Callable[..., Result], home: Path
) -> None:
    refused = gencore("report", "nosuch", "--out", "report.pdf")
    assert refused.code == 2 and "report.pdf" in refused.complaint and ".zip" in refused.complaint


def test_reporting_loads_no_torch() -> None:
    code = "import sys, gencore.reports.bundle; sys.exit(bool({'torch', 'streamlit'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent).returncode == 0
