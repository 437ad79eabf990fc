"""Measuring a run end to end, on the bundled digits and the extractors that ship for them."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from support import made_results

from gencore.config.datasets import DATASETS
from gencore.config.options import EXTRACTORS, PRESETS, DDPMConfig, RunConfig
from gencore.data.sources import load
from gencore.evaluation import controllability
from gencore.evaluation.cost import flops_per_sample, network_evaluations
from gencore.evaluation.evaluate import evaluate, with_what_still_stands
from gencore.evaluation.floors import load_reference_figures
from gencore.evaluation.real_data import RealData
from gencore.evaluation.records import ReferenceFigures
from gencore.latent.traversal import MORPH_FRAMES
from gencore.models.ddpm import DDPM
from gencore.models.feature_extractor import MissingFeaturesError, load_extractor
from gencore.sampling.cache import FOLDER
from gencore.store import events, results, runs
from gencore.store.checkpoints import load_checkpoint, save_checkpoint
from gencore.store.extractor_runs import features_run
from gencore.training.loop import train
from gencore.training.summary import LEVELS

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")
LADDER = Path("results/features-digits/selftest.json")
RECONSTRUCTION = {"reconstruction_mse", "reconstruction_psnr", "reconstruction_ssim"}
OF_LABELS = {"conditional_accuracy", "worst_class_accuracy", "fd_over_floor_uniform"}
OF_NEIGHBOURS = ("precision", "recall", "density", "coverage", "f1")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits' extractors and two short trainings."""
    home = tmp_path_factory.mktemp("home")
    for kind in ("results", "checkpoints"):
        for extractor in EXTRACTORS:
            name = features_run("digits", home, extractor).name
            shutil.copytree(ROOT / kind / name, home / kind / name)
    (home / LADDER).unlink()  # put back by the test that needs it
    for preset in ("vae-mlp", "cgan-mlp"):
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controllability, "PROBE_SAMPLES", 300)
        return {
            name: evaluate(runs.run(name, home), CPU, samples=300)
            for name in ("short-vae-mlp", "short-cgan-mlp")
        }


def test_every_metric_has_a_value_or_the_reason_why_not(found: dict[str, results.Results]) -> None:
    for one in found.values():
        absent = {name: metric.reason for name, metric in one.metrics.items() if metric.value is None}
        expected = RECONSTRUCTION if one.label == "cGAN" else OF_LABELS
        too_short = {"fd_infinity", "gradient_spike_share"}
        of_gans = {"collapse_share"} if one.label == "VAE" else set()
        maybe_not_reached = {"fd_last_over_best", "convergence_epoch", "convergence_rate", *LEVELS}
        assert set(absent) - maybe_not_reached == expected | too_short | of_gans and all(absent.values())


def test_image_metrics_stand_beside_the_floor_of_as_many_real_images(
    found: dict[str, results.Results], home: Path
) -> None:
    view, few = RealData.load(DATASETS["digits"], CPU, home, None).first, found["short-vae-mlp"].samples
    for one, shares in ((found["short-vae-mlp"], None), (found["short-cgan-mlp"], "test")):
        floors, stored = view.floors(few, shares, manifold=True), view.reference.floors_for(shares)
        for name in ("fd", *OF_NEIGHBOURS):
            assert one.metrics[name].floor == floors[name]
        assert floors["fd"] > stored["fd"].value, "fewer images of the same kind are farther off"
        assert one.metrics["fd"].value > one.metrics["fd"].floor


def test_the_headline_distance_is_a_multiple_of_its_floor_by_every_extractor(
    found: dict[str, results.Results],
) -> None:
    for one in found.values():
        metric, blur = one.metrics["fd_over_floor"], one.metrics["blur_over_floor"]
        assert list(metric.by_extractor) == list(blur.by_extractor) == list(one.extractor_digests)
        assert list(one.extractor_digests) == list(EXTRACTORS)
        assert len(set(one.extractor_digests.values())) == len(EXTRACTORS)
        assert one.extractor_digests["residual"] == one.extractor_digest
        low, high = min(metric.by_extractor.values()), max(metric.by_extractor.values())
        assert 1 < low < metric.value < high and metric.floor == 1 and metric.warning is None
        assert 0 < metric.spread < metric.value and metric.samples == 300
        # of the first of the three sets of images, which differ little
        assert metric.by_extractor["residual"] == pytest.approx(one.metrics["fd"].over_floor, rel=0.1)


def test_a_conditional_model_is_asked_for_the_classes_of_the_test_split_and_once_for_all_alike(
    found: dict[str, results.Results], home: Path
) -> None:
    gan = found["short-cgan-mlp"]
    labels = RealData.load(DATASETS["digits"], CPU, home, None).labels("test", 300, seed=0)
    assert list(map(sum, gan.confusion)) == labels.bincount(minlength=10).tolist()
    alike = gan.metrics["fd_over_floor_uniform"]
    assert alike.value > 1 and alike.spread is None and list(alike.by_extractor) == list(EXTRACTORS)
    assert alike.value != gan.value("fd_over_floor")


def test_too_few_samples_are_a_warning_inside_the_result(found: dict[str, results.Results]) -> None:
    assert all(one.metrics["fd"].warning for one in found.values())


def test_what_was_written_is_what_was_returned(found: dict[str, results.Results], home: Path) -> None:
    for name, one in found.items():
        run = runs.run(name, home)
        assert run.load_results() == one
        assert (run.results / "samples.png").stat().st_size > 0
        with Image.open(run.results / "morph.png") as morph:
            assert morph.size == (28 * MORPH_FRAMES, 28)


def test_confusion_counts_every_image_of_a_conditional_model_once(found: dict[str, results.Results]) -> None:
    assert found["short-vae-mlp"].confusion is None
    assert sum(map(sum, found["short-cgan-mlp"].confusion)) == 300


def test_the_origin_says_what_trained_where_and_by_which_command(found: dict[str, results.Results]) -> None:
    origin = found["short-cgan-mlp"].origins["training"]
    assert origin.command.startswith("gencore train cgan-mlp") and "--dataset digits" in origin.command
    assert origin.kind == "measured" and origin.threads >= 1 and "torch" in origin.versions


def test_origins_carry_the_digests_of_the_data_that_were_trained_on_and_measured_against(
    found: dict[str, results.Results],
) -> None:
    digests = {split: load(DATASETS["digits"], split).digest for split in ("train", "test")}
    for one in found.values():
        assert one.origins["evaluation"].data_digests == digests
        assert one.origins["training"].data_digests == {"train": digests["train"]}


def test_the_same_seed_measures_the_same(found: dict[str, results.Results], home: Path) -> None:
    shutil.rmtree(home / "checkpoints" / "short-vae-mlp" / FOLDER)  # so that the images are drawn again
    again = evaluate(
        runs.run("short-vae-mlp", home), CPU, samples=300, groups=["distances", "manifold", "classes"]
    )
    for name in ("fd", "precision", "recall", "class_total_variation"):
        assert again.value(name) == found["short-vae-mlp"].value(name)


def test_a_quick_distance_was_measured_each_epoch(home: Path) -> None:
    log = events.tail(runs.run("short-vae-mlp", home).events_path).events
    distances = [event for event in log if isinstance(event, events.QuickDistance)]
    assert [event.epoch for event in distances] == [1, 2] and all(event.fd > 0 for event in distances)


def test_missing_features_are_named_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(MissingFeaturesError, match="gencore features digits"):
        load_extractor(DATASETS["digits"], CPU, tmp_path)


def test_floors_of_another_classifier_are_refused(home: Path) -> None:
    path = features_run("digits", home).results / "reference.json"
    before = path.read_bytes()
    results.save(path, results.load(path, ReferenceFigures).model_copy(update={"extractor_digest": "0" * 64}))
    try:
        with pytest.raises(MissingFeaturesError, match="another classifier"):
            load_reference_figures("digits", load_extractor(DATASETS["digits"], CPU, home), home)
    finally:
        path.write_bytes(before)


def test_only_a_model_that_gives_images_back_has_reconstruction_figures(
    found: dict[str, results.Results],
) -> None:
    vae, gan = found["short-vae-mlp"], found["short-cgan-mlp"]
    assert all(vae.value(name) is not None and gan.metrics[name].reason for name in RECONSTRUCTION)
    assert 0 < vae.value("reconstruction_mse") < 0.2 and -1 < vae.value("reconstruction_ssim") < 1
    assert vae.value("reconstruction_psnr") > 5


def test_nearness_to_training_images_stands_beside_that_of_test_images(
    found: dict[str, results.Results],
) -> None:
    for one in found.values():
        share = one.metrics["authentic_share"]
        assert 0 <= share.value <= 1 and 0 < share.floor <= 1
        assert one.value("train_distance_ratio") > 1, "two epochs copy nothing"


def test_results_quote_what_the_self_test_says_of_their_metrics(
    found: dict[str, results.Results], home: Path
) -> None:
    assert not any(metric.blind_to for metric in found["short-vae-mlp"].metrics.values())
    shutil.copy(ROOT / LADDER, home / LADDER)
    wanted = {"groups": ["distances", "manifold"]}
    quoted, few = (saying("short-vae-mlp", home, **wanted, samples=samples)[0] for samples in (None, 300))
    for one in (quoted, few):
        assert "single class" in one.metrics["precision"].blind_to
        assert "single class" not in one.metrics["coverage"].blind_to
    # real images of the ladder are a floor where they are as many as were measured
    assert quoted.metrics["fd_random"].floor > 0 and few.metrics["fd_random"].floor is None
    assert few.metrics["fd"].floor == found["short-vae-mlp"].metrics["fd"].floor


def test_weights_that_are_not_finite_are_an_error_and_not_black_images(home: Path) -> None:
    path = home / "checkpoints" / "short-vae-mlp" / "final.safetensors"
    whole, before = load_checkpoint(path), path.read_bytes()
    broken = {
        name: x * math.nan if name.startswith("average.") and x.is_floating_point() else x
        for name, x in whole.tensors.items()
    }
    save_checkpoint(path, broken, whole.metadata)
    try:
        with pytest.raises(ValueError, match="weights of run short-vae-mlp are not finite"):
            evaluate(runs.run("short-vae-mlp", home), CPU, samples=200)
    finally:
        path.write_bytes(before)


# Images that are kept


def saying(name: str, home: Path, **options: object) -> tuple[results.Results, list[str]]:
    """Figures of a run, cheap ones unless others are named, and what was said meanwhile."""
    said: list[str] = []
    wanted = {"groups": ["classes"]} | options
    return evaluate(runs.run(name, home), CPU, say=said.append, **wanted), said


def test_measuring_again_draws_nothing_and_finds_the_same(home: Path) -> None:
    first, said = saying("short-cgan-mlp", home, samples=200)
    assert any("generating 200 images" in line for line in said)
    again, said = saying("short-cgan-mlp", home, samples=200)
    assert not any("generating" in line for line in said)
    assert (
        again.value("classifier_score") == first.value("classifier_score")
        and again.confusion == first.confusion
    )


@pytest.mark.parametrize("other", [{"seed": 1}, {"samples": 201}, {"changes": {"prior": "normal"}}])
def test_another_seed_number_or_sampler_is_drawn_anew(home: Path, other: dict[str, object]) -> None:
    saying("short-vae-mlp", home, samples=200)
    _, said = saying("short-vae-mlp", home, **{"samples": 200} | other)
    assert any("generating" in line for line in said)


def test_damaged_images_are_said_and_drawn_anew_and_only_a_few_are_kept(home: Path) -> None:
    folder = home / "checkpoints" / "short-vae-mlp" / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    before, _ = saying("short-vae-mlp", home, samples=200)
    [path] = folder.iterdir()
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    (folder / ".torn.partial").touch()
    after, said = saying("short-vae-mlp", home, samples=200)
    assert any("SHA-256 does not match" in line and "generating again" in line for line in said)
    assert after.value("classifier_score") == before.value("classifier_score")
    for seed in range(8):
        saying("short-vae-mlp", home, samples=200, seed=seed)
    assert len(list(folder.iterdir())) == 6 and not (folder / ".torn.partial").exists()


# How many are measured


def test_without_a_number_as_many_are_measured_as_the_stored_floors_are_of(home: Path) -> None:
    reference = load_reference_figures("digits", load_extractor(DATASETS["digits"], CPU, home), home)
    for name, shares in (("short-vae-mlp", None), ("short-cgan-mlp", "test")):
        measured, _ = saying(name, home, groups=["manifold"])
        floors = reference.floors_for(shares)
        assert measured.samples == floors["coverage"].samples == 750
        for metric in OF_NEIGHBOURS:
            assert measured.metrics[metric].floor == floors[metric].value
    assert reference.floors_for("test") != reference.floors_for(None)


def test_of_so_few_images_that_no_label_came_for_a_class_it_is_said(home: Path) -> None:
    few, _ = saying("short-cgan-mlp", home, samples=8, groups=["distances", "labels"])
    unasked = sum(not any(row) for row in few.confusion)
    for name in ("conditional_accuracy", "worst_class_accuracy"):
        found = few.metrics[name]
        assert 0 <= found.value <= 1 and found.warning == f"{unasked} of 10 classes were not asked for"
    assert few.metrics["fd_over_floor"].samples == 8 and sum(map(sum, few.confusion)) == 8


def test_of_so_few_images_that_their_floor_is_no_nearer_than_a_blur_the_training_is_still_told(
    home: Path,
) -> None:
    path = features_run("digits", home).results / "reference.json"
    before, reference = path.read_bytes(), results.load(path, ReferenceFigures)
    near = reference.fd_of_rungs | {"blurred": reference.floors["fd"].value}  # that of fewer is farther
    results.save(path, reference.model_copy(update={"fd_of_rungs": near}))
    try:
        few, _ = saying("short-vae-mlp", home, samples=100, groups=["distances"])
    finally:
        path.write_bytes(before)
    assert few.value("training_seconds") > 0 and few.value("training_finite") == 1
    for name in ("fd_last_over_best", *LEVELS):
        assert few.value(name) is None and few.metrics[name].reason


def test_more_images_than_there_are_different_real_ones_for_their_floor_are_refused(home: Path) -> None:
    with pytest.raises(ValueError, match="there are 1500, so take 750 or fewer"):
        saying("short-vae-mlp", home, samples=1501)


# Some groups only


def test_figures_of_the_same_images_stay_with_the_origin_they_had(home: Path) -> None:
    run = runs.run("short-cgan-mlp", home)
    first = evaluate(run, CPU, samples=220, groups=["classes"])
    second = evaluate(run, CPU, samples=220, groups=["labels"])
    third = evaluate(run, CPU, samples=220, groups=["diversity"])
    assert third.value("conditional_accuracy") == second.value("conditional_accuracy") is not None
    assert third.value("classifier_score") == first.value("classifier_score") is not None
    for name, words in {
        "classifier_score": "classes",
        "conditional_accuracy": "labels",
        "feature_distance_ratio": "diversity",
    }.items():
        assert third.origins[third.metrics[name].measured_in].command.endswith(f"--metrics {words}")
    assert run.load_results() == third


@pytest.mark.parametrize("other", [{"samples": 230}, {"samples": 220, "seed": 1}])
def test_no_figure_of_other_images_survives(home: Path, other: dict[str, int]) -> None:
    run = runs.run("short-cgan-mlp", home)
    evaluate(run, CPU, samples=220, groups=["classes"])
    assert "classifier_score" not in evaluate(run, CPU, groups=["labels"], **other).metrics


@pytest.mark.parametrize(
    "field", ["checkpoint_digest", "sampler", "extractor_digest", "samples", "sampling_seed"]
)
def test_no_figure_of_other_weights_samplers_or_features_survives(field: str) -> None:
    known = {"samples": 300, "sampling_seed": 0}
    old, new = (
        made_results(**metrics).model_copy(update=known) for metrics in ({"fd": 2.0, "kd": 1.0}, {"fd": 3.0})
    )
    kept = with_what_still_stands(new, old)
    assert (kept.value("fd"), kept.value("kd")) == (3.0, 1.0)
    changed = old.model_copy(update={field: getattr(old, field) * 2 or 7})
    assert with_what_still_stands(new, changed) == new
    unknown = old.model_copy(update={"samples": None})
    assert with_what_still_stands(new, unknown) == new
    assert with_what_still_stands(new, None) == new


def test_no_distance_of_an_extractor_that_was_replaced_survives() -> None:
    known, now = {"samples": 300, "sampling_seed": 0}, {"residual": "1" * 64, "plain": "2" * 64}
    new = made_results(fd=3.0).model_copy(update=known | {"extractor_digests": now})
    for before in ({}, {"residual": "1" * 64}, now | {"plain": "3" * 64}):
        old = made_results(fd_over_floor=2.0, fd=3.0).model_copy(update=known | {"extractor_digests": before})
        assert "fd_over_floor" not in with_what_still_stands(new, old).metrics
    same = made_results(fd_over_floor=2.0).model_copy(update=known | {"extractor_digests": now})
    assert with_what_still_stands(new, same).value("fd_over_floor") == 2.0


# Other features


def test_a_second_opinion_has_its_own_floor_and_published_networks_are_absent_with_the_reason(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    found = evaluate(runs.run("short-vae-mlp", home), CPU, samples=310, spaces=["random", "inception"])
    for name in ("fd_random", "kd_random", "precision_random", "recall_random", "coverage_random"):
        assert found.metrics[name].floor is not None
    assert found.value("fd_random") > found.metrics["fd_random"].floor > 0
    assert "fd" not in found.metrics
    for name in ("fid", "inception_score", "lpips"):
        assert found.value(name) is None and str(tmp_path) in found.metrics[name].reason
    assert not list(tmp_path.rglob("*.pth"))


def test_a_classifier_trained_on_short_trained_images_falls_short_of_one_trained_on_real_ones(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencore.evaluation.cas.STEPS", 60)
    found = evaluate(runs.run("short-cgan-mlp", home), CPU, samples=500, groups=["cas"]).metrics["cas"]
    assert 0.05 < found.value < found.floor - 0.1 and found.floor > 0.6
    absent = evaluate(runs.run("short-vae-mlp", home), CPU, samples=200, groups=["cas"]).metrics["cas"]
    assert absent.value is None and absent.reason == "the model takes no labels"


def test_what_a_picture_costs_is_counted(found: dict[str, results.Results]) -> None:
    spec, config = DATASETS["digits"], DDPMConfig(width=16, timesteps=20, sampling_steps=4)
    ddpm = DDPM(config, spec)
    guided = DDPM(config.model_copy(update={"conditional": True, "guidance": 2.0}), spec)
    for model in (ddpm, guided):
        assert network_evaluations(model) == model.network_evaluations
    assert (network_evaluations(ddpm), network_evaluations(guided)) == (4, 8)
    halved = DDPM(config.model_copy(update={"sampling_steps": 2}), spec)
    assert flops_per_sample(ddpm) == 2 * flops_per_sample(halved) > 0
    gan = found["short-cgan-mlp"]
    assert gan.value("network_evaluations") == 1
    weights = gan.value("sampling_parameters")
    assert 1.8 * weights < gan.value("flops_per_sample") <= 2 * weights, (
        "a multiply-add a weight of an MLP, biases apart"
    )
