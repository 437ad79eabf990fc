"""Measuring a run end to end, on the bundled digits and the classifier that ships for them."""

import shutil
from pathlib import Path

import pytest
import torch

from gencore import devices, events, results, runs
from gencore.config import PRESETS, RunConfig
from gencore.evaluation import Reference, evaluate, load_reference
from gencore.features import MissingFeaturesError, features_run, load_extractor
from gencore.selftest import selftest
from gencore.training import train

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits' classifier and two short trainings."""
    home = tmp_path_factory.mktemp("home")
    for kind in ("results", "checkpoints"):
        shutil.copytree(ROOT / kind / "features-digits", home / kind / "features-digits")
    (home / "results" / "features-digits" / "selftest.json").unlink()  # made anew by the test that needs it
    for preset in ("vae", "cgan-mlp"):
        given = PRESETS[preset].model_dump()
        given["data"] |= {"dataset": "digits", "batch_size": 100}
        given["training"] |= {"epochs": 2, "sheets": 1, "fd_every": 1, "fd_samples": 256}
        run = runs.run(f"short-{preset}", home)
        run.create(RunConfig.model_validate(given))
        for event in train(run, CPU):
            events.append(run.events_path, event)
    return home


@pytest.fixture(scope="module")
def found(home: Path) -> dict[str, results.Results]:
    return {name: evaluate(runs.run(name, home), CPU, samples=300) for name in ("short-vae", "short-cgan-mlp")}


def test_every_metric_has_a_value_or_the_reason_why_not(found: dict[str, results.Results]) -> None:
    for one in found.values():
        absent = {name: metric.reason for name, metric in one.metrics.items() if metric.value is None}
        expected = set() if one.label == "cGAN" else {"conditional_accuracy", "worst_class_accuracy"}
        assert set(absent) == expected and all(absent.values())


def test_image_metrics_stand_beside_the_floor_of_real_images(found: dict[str, results.Results], home: Path) -> None:
    reference = load_reference("digits", load_extractor("digits", CPU, home), home)
    for one in found.values():
        for name in ("fd", "precision", "recall", "density", "coverage", "f1"):
            assert one.metrics[name].floor == reference.floors[name].value
        assert one.metrics["fd"].value > one.metrics["fd"].floor


def test_too_few_samples_are_a_warning_inside_the_result(found: dict[str, results.Results]) -> None:
    assert all(one.metrics["fd"].warning for one in found.values())


def test_what_was_written_is_what_was_returned(found: dict[str, results.Results], home: Path) -> None:
    for name, one in found.items():
        run = runs.run(name, home)
        assert run.load_results() == one
        assert (run.results / "samples.png").stat().st_size > 0


def test_confusion_counts_every_image_of_a_conditional_model_once(found: dict[str, results.Results]) -> None:
    assert found["short-vae"].confusion is None
    assert sum(map(sum, found["short-cgan-mlp"].confusion)) == 300


def test_the_origin_says_what_trained_where_and_by_which_command(found: dict[str, results.Results]) -> None:
    origin = found["short-cgan-mlp"].origins["training"]
    assert origin.command.startswith("gencore train cgan-mlp") and "--dataset digits" in origin.command
    assert origin.kind == "measured" and origin.threads >= 1 and "torch" in origin.versions


def test_the_same_seed_measures_the_same(found: dict[str, results.Results], home: Path) -> None:
    again = evaluate(runs.run("short-vae", home), CPU, samples=300)
    for name in ("fd", "precision", "recall", "class_total_variation"):
        assert again.value(name) == found["short-vae"].value(name)


def test_a_quick_distance_was_measured_each_epoch(home: Path) -> None:
    log = events.tail(runs.run("short-vae", home).events_path).events
    distances = [event for event in log if isinstance(event, events.QuickDistance)]
    assert [event.epoch for event in distances] == [1, 2] and all(event.fd > 0 for event in distances)


def test_missing_features_are_named_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(MissingFeaturesError, match="gencore features digits"):
        load_extractor("digits", CPU, tmp_path)


def test_floors_of_another_classifier_are_refused(home: Path) -> None:
    path = features_run("digits", home).results / "reference.json"
    before = path.read_bytes()
    results.save(path, results.load(path, Reference).model_copy(update={"extractor_digest": "0" * 64}))
    try:
        with pytest.raises(MissingFeaturesError, match="another classifier"):
            load_reference("digits", load_extractor("digits", CPU, home), home)
    finally:
        path.write_bytes(before)


def test_only_a_model_that_gives_images_back_has_reconstruction_figures(found: dict[str, results.Results]) -> None:
    names = {"reconstruction_mse", "reconstruction_psnr", "reconstruction_ssim"}
    assert names <= set(found["short-vae"].metrics) and not names & set(found["short-cgan-mlp"].metrics)
    vae = found["short-vae"]
    assert 0 < vae.value("reconstruction_mse") < 0.2 and -1 < vae.value("reconstruction_ssim") < 1
    assert vae.value("reconstruction_psnr") > 5


def test_nearness_to_training_images_stands_beside_that_of_test_images(found: dict[str, results.Results]) -> None:
    for one in found.values():
        share = one.metrics["authentic_share"]
        assert 0 <= share.value <= 1 and 0 < share.floor <= 1
        assert one.value("train_distance_ratio") > 1, "two epochs copy nothing"


def test_results_quote_what_the_self_test_says_of_their_metrics(found: dict[str, results.Results], home: Path) -> None:
    assert not any(metric.blind_to for metric in found["short-vae"].metrics.values())
    selftest("digits", CPU, home, None, devices.origin_here(CPU, ["selftest", "digits"]))
    quoted = evaluate(runs.run("short-vae", home), CPU, samples=300)
    assert "single class" in quoted.metrics["precision"].blind_to
    assert "single class" not in quoted.metrics["coverage"].blind_to
    assert quoted.metrics["fd_random"].floor > 0 and quoted.metrics["fd"].floor == found["short-vae"].metrics["fd"].floor
