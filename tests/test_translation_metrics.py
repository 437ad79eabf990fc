"""The evaluation of translation models: closed forms, answers that need no model, what is refused."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from support import QUIET, Result, made_results, pairs_of, record
from torch import Generator, Tensor
from visits import text_of, visit

from dashboard.data import run_catalog
from gencore.analysis.measured_models import load_measured_models
from gencore.config.datasets import DATASETS, derived
from gencore.config.options import DataConfig, Pix2PixConfig, RunConfig, TrainingConfig
from gencore.data.filters import edges, sources_of
from gencore.data.sources import ImageData
from gencore.evaluation import inception
from gencore.evaluation.cost import translation_cost_metrics
from gencore.evaluation.evaluate import evaluate
from gencore.evaluation.paired_figures import PairFigures, translation_metrics, variety
from gencore.evaluation.translation import evaluate_translation
from gencore.metrics import translation
from gencore.metrics.catalog import METRICS, TRANSLATION_GROUPS
from gencore.metrics.translation import edge_f1, mean_picture, nearest_sources, source_agreement
from gencore.models import build
from gencore.models.feature_extractor import FeatureExtractor, load_extractor
from gencore.sampling.translate import translate
from gencore.store import results
from gencore.store.results import Metric, Results
from gencore.store.runs import run

CPU = torch.device("cpu")
NAME = "edges-digits-tiny"
MASKED = derived("masked", DATASETS["digits"])


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def patches(values: list[int], size: int = 28) -> Tensor:
    """Images of one grey value each."""
    return torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, size, size).contiguous()


def masked_pairs(images: Tensor) -> ImageData:
    labels = torch.zeros(len(images), dtype=torch.int64)
    return ImageData(images, labels, MASKED, sources_of("masked", images))


@pytest.fixture
def extractor(extractor_home: Path) -> FeatureExtractor:
    return load_extractor(DATASETS["digits"], CPU, extractor_home)


# Closed forms


def line(column: int, size: int = 16) -> Tensor:
    image = torch.zeros(1, 1, size, size, dtype=torch.uint8)
    image[..., column] = 255
    return image


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 1.0), (2, 0.0), (3, 0.0)])
def test_edges_beside_their_place_by_one_pixel_agree_and_by_more_do_not(shift: int, expected: float) -> None:
    assert edge_f1(line(5 + shift), line(5)).tolist() == [expected]


def test_the_f1_of_edges_is_the_harmonic_mean_of_what_is_right_and_what_is_found() -> None:
    two_lines = line(2) | line(12)
    assert edge_f1(two_lines, line(2)).item() == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert edge_f1(line(2), two_lines).item() == pytest.approx(2 * 0.5 * 1 / 1.5)
    empty = torch.zeros_like(two_lines)
    assert edge_f1(empty, empty).item() == 1 and edge_f1(empty, two_lines).item() == 0
    assert edge_f1(two_lines, empty).item() == 0


@pytest.mark.parametrize("filter_id", ["edges", "blur", "masked"])
def test_real_images_agree_with_their_sources_wholly_and_others_less(filter_id: str) -> None:
    images = pairs_of("digits", 20).images
    sources = sources_of(filter_id, images)
    assert source_agreement(filter_id, images, sources).tolist() == [1.0] * 20
    assert source_agreement(filter_id, images.roll(1, 0), sources).mean() < 0.95


def test_a_grey_image_agrees_with_a_blurred_source_by_the_difference_of_their_values() -> None:
    agreement = source_agreement("blur", patches([100, 0]), patches([49, 255]))
    assert agreement.tolist() == pytest.approx([1 - 51 / 255, 0.0])


def test_the_mean_picture_is_the_rounded_mean_of_each_pixel() -> None:
    images = torch.cat([patches([0, 0, 255] * 700), patches([1])])
    images[:, 0, 3, 4] = 200
    mean = mean_picture(images)
    assert mean.shape == (1, 1, 28, 28) and mean[0, 0, 0, 0] == 85 and mean[0, 0, 3, 4] == 200


def test_the_nearest_source_is_found_where_it_is_planted() -> None:
    among = torch.randint(0, 256, (300, 3, 16, 16), generator=rng(), dtype=torch.uint8)
    places = torch.tensor([299, 0, 41])
    planted = (among[places].int() + torch.randint(-3, 4, (3, 3, 16, 16), generator=rng(1))).clamp(0, 255)
    assert torch.equal(nearest_sources(planted.to(torch.uint8), among), places)


def test_of_black_and_white_sources_the_nearest_in_l1_is_found_also_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = pairs_of("digits", 400)
    assert pairs.sources is not None
    sources, among = pairs.sources[:60], pairs.sources[60:]
    flat = [one.flatten(1).float() for one in (sources, among)]
    least = torch.cdist(*flat, p=1).min(1).values
    for at_once in (translation._VALUES_AT_ONCE, 50 * 784):
        monkeypatch.setattr(translation, "_VALUES_AT_ONCE", at_once)
        found = nearest_sources(sources, among)
        assert torch.equal((flat[0] - flat[1][found]).abs().sum(1), least)


def test_a_search_too_long_for_seconds_takes_fewer_training_sources() -> None:
    assert translation.sources_searched(10_000, 60_000, 784) == 60_000
    assert translation.sources_searched(10_000, 240_000, 784) == 10**12 // 7_840_000
    assert translation.sources_searched(10**6, 10, 10**7) == 1


def test_the_source_shown_as_output_of_masked_pairs_errs_in_the_middle_alone(
    extractor: FeatureExtractor,
) -> None:
    pairs = masked_pairs(patches([0, 255, 0, 255]))
    found = translation_metrics(pairs.images, PairFigures(pairs, extractor), pairs, lambda text: None)
    l1 = found["translation_l1"]
    assert l1.baselines["identity"] == pytest.approx((128 + 127) / 2 / 255 / 4)  # a quarter is hidden
    assert l1.baselines["mean picture"] == pytest.approx(0.5, abs=1e-9)  # 127.5 is rounded to 128
    assert l1.value == l1.floor == l1.baselines["nearest pair"] == 0
    psnr = [-10 * math.log10((error / 255) ** 2 / 4) for error in (128, 127)]
    assert found["translation_psnr"].baselines["identity"] == pytest.approx(sum(psnr) / 2)
    assert found["translation_psnr"].value is None and found["translation_psnr"].reason == "came out as inf"
    assert found["translation_ssim"].value == pytest.approx(1)
    assert found["source_agreement"].value == found["source_agreement"].floor == 1
    assert found["label_agreement"].value == found["label_agreement"].floor


def test_the_floor_of_an_error_is_the_better_answer_without_a_model(extractor: FeatureExtractor) -> None:
    test, train = masked_pairs(patches([100, 140])), masked_pairs(patches([0, 255, 200]))
    found = translation_metrics(test.images, PairFigures(test, extractor), train, lambda text: None)
    for name in ("translation_l1", "translation_psnr", "translation_ssim", "translation_feature_lpips"):
        best = max if METRICS[name].better == "larger" else min
        assert set(found[name].baselines) == {"identity", "mean picture", "nearest pair"}
        assert found[name].floor == best(found[name].baselines.values())
    assert found["translation_l1"].baselines["nearest pair"] == pytest.approx((100 + 60) / 2 / 255)


def test_colour_has_no_answer_in_grey_and_grey_is_shown_in_colour() -> None:
    assert translation.source_as_output(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), 1) is None
    shown = translation.source_as_output(patches([7], 8), 3)
    assert shown is not None and shown.shape == (1, 3, 8, 8) and (shown == 7).all()


def test_pairs_that_were_given_have_no_agreement_with_the_source_and_the_reason(
    extractor: FeatureExtractor,
) -> None:
    spec = DATASETS["digits"].model_copy(update={"name": "shoes", "source_channels": 1, "digest": "0" * 64})
    pairs = ImageData(patches([0, 255]), torch.tensor([0, 1]), spec, patches([3, 4]))
    found = translation_metrics(pairs.images, PairFigures(pairs, extractor), pairs, lambda text: None)
    assert found["source_agreement"].value is None
    assert "the pairs were given" in (found["source_agreement"].reason or "")


# Results


def test_results_without_baselines_are_written_as_before_and_those_with_come_back(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    given = made_results(
        fd=1.5, translation_l1=Metric(value=0.1, floor=0.2, baselines={"identity": 0.2, "mean picture": 0.3})
    )
    results.save(path, given)
    assert results.load(path, Results) == given
    written = json.loads(path.read_text())["metrics"]
    assert "baselines" not in written["fd"] and written["translation_l1"]["baselines"]["identity"] == 0.2
    del written["fd"]["by_extractor"]  # of before there were several extractors
    assert Metric.model_validate(written["fd"]) == Metric(value=1.5)


def test_an_answer_that_is_not_finite_is_left_out() -> None:
    assert Metric(value=1.0, baselines={"a": math.inf, "b": 2.0}).baselines == {"b": 2.0}


# Runs


@dataclass(frozen=True)
class Evaluated:
    home: Path
    results: Results


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, extractor_home: Path) -> Evaluated:
    """A home folder with a translator of a moment's training, measured on 60 test pairs, and a VAE."""
    home = tmp_path_factory.mktemp("measured") / "home"
    shutil.copytree(extractor_home, home)
    config = RunConfig(
        data=DataConfig(dataset="edges:digits", batch_size=16),
        model=Pix2PixConfig(width=8),
        training=TrainingConfig(**QUIET | {"epochs": 1, "sheets": 1}),
    )
    one = run(NAME, home)
    one.create(config)
    record(one, pairs_of("digits", 64))
    return Evaluated(home, evaluate_translation(one, CPU, samples=60))


@pytest.fixture
def with_translator(home: Path, evaluated: Evaluated) -> Path:
    shutil.copytree(evaluated.home, home, dirs_exist_ok=True)
    return home


def test_a_translation_run_is_measured_by_exactly_what_the_catalogue_gives_its_groups(
    evaluated: Evaluated,
) -> None:
    groups = (*TRANSLATION_GROUPS, "training")
    assert set(evaluated.results.metrics) == {info.id for info in METRICS.values() if info.group in groups}
    for name, metric in evaluated.results.metrics.items():
        if METRICS[name].unit and metric.value is not None:
            assert metric.unit in {"", METRICS[name].unit}, name
    absent = {name for name, metric in evaluated.results.metrics.items() if metric.value is None}
    assert not absent & {info.id for info in METRICS.values() if info.group in ("translation", "cost")}


def test_the_figures_of_a_run_are_those_of_its_outputs_and_carry_their_origin(evaluated: Evaluated) -> None:
    found = evaluated.results
    l1, agreement = found.metrics["translation_l1"], found.metrics["source_agreement"]
    assert l1.samples == found.samples == 60
    assert l1.value is not None and l1.floor == min(l1.baselines.values()) < l1.value  # hardly trained
    assert agreement.floor == 1 and agreement.baselines["nearest pair"] > 0.5
    assert found.value("network_evaluations") == 1 and (found.value("translation_variety") or 0) > 0
    assert found.sampler == "one pass of the generator, dropout 0.5"
    assert found.confusion is not None and sum(map(sum, found.confusion)) == 60
    origin = found.origins["evaluation"]
    assert (
        origin.command == f"gencore evaluate {NAME} --samples 60 --seed 0" and "test" in origin.data_digests
    )
    with Image.open(evaluated.home / "results" / NAME / "samples.png") as sheet:
        assert sheet.size == (9 * 28, 10 * 28)


def test_the_command_prints_what_it_measured_and_keeps_what_stands(
    gencore: Callable[..., Result], with_translator: Path, evaluated: Evaluated
) -> None:
    command = ("evaluate", NAME, "--samples", 60, "--metrics", "translation")
    [printed] = gencore(*command, "--json").json
    known = evaluated.results.metrics["translation_l1"]
    assert printed["metrics"]["translation_l1"]["value"] == known.value
    assert printed["metrics"]["translation_l1"]["baselines"] == known.baselines
    assert printed["metrics"]["fd"]["measured_in"].startswith("evaluation ")
    [row] = [line for line in gencore(*command).out.splitlines() if " translation_l1 " in line]
    assert "mean picture" in row and "smaller" in row


def test_a_training_can_be_measured_as_it_ends(gencore: Callable[..., Result], with_extractor: Path) -> None:
    words = ("train", "palette-quick", "--dataset", "edges:digits", "--steps", 2, "--sampling-steps", 2)
    done = gencore(*words, "--width", 32, "--name", "small", "--evaluate")
    assert done.code == 0, done.err
    found = run("small").load_results()
    assert found is not None and found.value("translation_l1") is not None
    assert found.value("network_evaluations") == 2 and found.samples == 297


def test_variety_is_how_much_translations_of_a_source_differ_and_none_without_noise() -> None:
    pairs = pairs_of("digits", 70)

    def by_seed(sources: Tensor, seed: int) -> Tensor:
        return patches([51 * seed] * len(sources))

    assert variety(by_seed, pairs, 2).value == pytest.approx(0.2)
    for dropout, varies in ((0.0, False), (0.5, True)):
        model = build(Pix2PixConfig(width=8, dropout=dropout), pairs.spec).eval().requires_grad_(False)
        for x in model.parameters():
            torch.nn.init.normal_(x, 0, 0.1, generator=rng())
        found = variety(lambda sources, seed, m=model: translate(m, sources, seed, torch.float32), pairs, 0)
        assert (found.value != 0) == varies


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("RUN --metrics manifold translation", "of which manifold is not measured; its groups are distances"),
        ("RUN --features random", "not measured in random features; use classifier or inception"),
        ("RUN --samples 298", "on test pairs, and scikit-learn digits from edges has 297"),
        ("RUN --steps 3", "pix2pix has no option sampling_steps"),
        ("vae --metrics translation", "run vae generates images without a source"),
        ("vae RUN --metrics control", "of which control is not measured"),
    ],
)
def test_what_does_not_apply_is_refused_in_a_sentence(
    gencore: Callable[..., Result], with_translator: Path, words: str, message: str
) -> None:
    done = gencore("evaluate", *words.replace("RUN", NAME).split())
    assert done.code == 2 and message in done.complaint


def test_a_translator_is_never_a_model_of_a_comparison(
    gencore: Callable[..., Result], with_translator: Path
) -> None:
    evaluate(run("vae"), CPU, samples=60, groups=("distances",))
    loaded = load_measured_models(["vae", NAME], with_translator)
    assert list(loaded.members) == ["VAE"] and "translates images" in loaded.left_out[NAME]
    done = gencore("report", NAME, "--out", with_translator / "x.html")
    assert done.code == 2 and "no run to report on" in done.complaint
    assert [one.run.name for one in run_catalog.generative_runs()] == ["vae"]
    for page in ("performance", "home", "trust"):
        assert NAME not in text_of(visit(page))
    assert NAME in visit("runs").main.dataframe[0].value["run"].tolist()


def test_published_lpips_is_absent_with_the_reason_where_its_weights_cannot_be_had(
    with_translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    found = evaluate_translation(run(NAME), CPU, samples=60, spaces=["inception"])
    for name in ("fid", "translation_lpips"):
        assert found.value(name) is None and str(tmp_path) in (found.metrics[name].reason or "")
    assert "lpips" not in found.metrics
    assert found.metrics["translation_l1"].measured_in.startswith("evaluation ")  # of the earlier one


def test_published_lpips_compares_each_output_with_its_own_real_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Difference(torch.nn.Module):  # in place of a network whose weights are not here
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            assert x.shape[1] == y.shape[1] == 3
            return (x.float() - y.float()).abs().mean(dim=(1, 2, 3))

    monkeypatch.setattr(inception, "_lpips_network", Difference)
    targets = torch.arange(120, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    assert inception.lpips_to_targets(targets, targets, lambda text: None).value == 0
    found = inception.lpips_to_targets(targets + 2, targets, lambda text: None)
    assert (found.value, found.spread, found.samples) == (2, 0, 120)


def test_large_batches_of_large_images_are_not_timed() -> None:
    spec = derived("edges", DATASETS["digits"]).model_copy(update={"size": 80})
    model = build(Pix2PixConfig(width=8), spec).eval().requires_grad_(False)
    sources = edges(torch.zeros(2, 1, 80, 80, dtype=torch.uint8))
    found = translation_cost_metrics(model, sources, torch.float32)
    assert [name for name, metric in found.items() if metric.value is None] == [
        "samples_per_second_100",
        "samples_per_second_1000",
    ]
    assert "more than 64 pixels" in (found["samples_per_second_100"].reason or "")
