"""Several feature extractors a data set: their networks and training, their scales, floors and refusals."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from support import QUIET, Result
from torch import Generator, Tensor

from gencore.analysis.scores import scores
from gencore.cli import training
from gencore.config.datasets import DATASETS, DatasetSpec
from gencore.config.options import (
    EXTRACTORS,
    ClassifierConfig,
    RunConfig,
    TrainingConfig,
    features_preset,
)
from gencore.data.batches import dequantise
from gencore.data.sources import load
from gencore.evaluation.distances import Scale, Scales
from gencore.evaluation.evaluate import evaluate, measured_before
from gencore.evaluation.floors import load_reference_figures
from gencore.evaluation.real_data import RealData
from gencore.evaluation.real_images import RealImages, default_samples, draw_classes, weights_of_classes
from gencore.evaluation.records import ReferenceFigures
from gencore.metrics.frechet import frechet_distance, moments
from gencore.models.classifier import AUGMENTATIONS, jitter, shifted, warped
from gencore.models.feature_extractor import (
    Extracted,
    FeatureExtractor,
    MissingFeaturesError,
    extractors_at_hand,
    load_extractor,
)
from gencore.networks.classifier import CLASSIFIERS, FeatureClassifier
from gencore.store import results
from gencore.store.checkpoints import load_checkpoint
from gencore.store.extractor_runs import features_run
from gencore.store.results import Metric
from gencore.store.runs import run

CPU = torch.device("cpu")
DIGITS = DATASETS["digits"]
SPECS = {"grey 28": DIGITS, "colour 32": DIGITS.model_copy(update={"channels": 3, "size": 32})}
networks = pytest.mark.parametrize("network", CLASSIFIERS)
specs = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
Gencore = Callable[..., Result]


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def digits(n: int = 16) -> Tensor:
    return dequantise(load(DATASETS["digits"], "train").images[:n])


# ---------------------------------------------------------------- networks


def made(network: str, spec: DatasetSpec = DIGITS) -> FeatureClassifier:
    torch.manual_seed(0)
    return CLASSIFIERS[network](spec.channels, spec.size, len(spec.class_names), 8, 12)


def test_every_extractor_is_of_another_network_and_trained_on_images_changed_otherwise() -> None:
    assert list(EXTRACTORS) == list(CLASSIFIERS) == ["residual", "plain", "mixer"]
    assert [config.network for config in EXTRACTORS.values()] == list(EXTRACTORS)
    assert len({config.augment for config in EXTRACTORS.values()}) == len(EXTRACTORS)
    presets = [features_preset(DATASETS["digits"], name, seed=7) for name in EXTRACTORS]
    assert [preset.model for preset in presets] == list(EXTRACTORS.values())
    assert [preset.training.seed for preset in presets] == [7, 8, 9]


@networks
@specs
def test_images_become_features_and_features_logits(network: str, spec: DatasetSpec) -> None:
    classifier = made(network, spec).eval()
    x = torch.rand(5, spec.channels, spec.size, spec.size, generator=rng()) * 2 - 1
    features = classifier.features(x)
    assert features.shape == (5, 12) and classifier.pooled(x).shape == (5, classifier.feature.in_features)
    assert classifier(x).shape == (5, 10)
    assert torch.equal(classifier(x), classifier.logits(features))
    expected = features.clamp(min=0) @ classifier.logit.weight.T + classifier.logit.bias
    torch.testing.assert_close(classifier(x), expected)


@networks
@specs
def test_every_weight_is_moved_by_the_loss_and_features_are_of_each_image_alone(
    network: str, spec: DatasetSpec
) -> None:
    classifier = made(network, spec)
    x = torch.rand(6, spec.channels, spec.size, spec.size, generator=rng()) * 2 - 1
    torch.nn.functional.cross_entropy(classifier(x), torch.arange(6)).backward()
    still = [name for name, weight in classifier.named_parameters() if not weight.grad.abs().sum() > 0]
    assert still == []
    classifier.eval()
    with torch.no_grad():
        one_by_one = torch.cat([classifier.features(image[None]) for image in x])
        torch.testing.assert_close(classifier.features(x), one_by_one, rtol=1e-4, atol=1e-5)


def test_the_plain_network_keeps_where_a_response_is_and_the_others_do_not() -> None:
    """Two places four pixels apart, far from the edges: the same to a pool over the whole image."""
    here, there = torch.full((2, 1, 1, 28, 28), -1.0)
    here[..., 8:12, 8:12] = there[..., 12:16, 12:16] = 1.0
    apart = {}
    for name in CLASSIFIERS:
        classifier = made(name).eval()
        with torch.no_grad():
            one, two = classifier.pooled(here), classifier.pooled(there)
        apart[name] = ((one - two).norm() / one.norm()).item()
    assert apart["plain"] > 5 * max(apart["residual"], apart["mixer"])


# ---------------------------------------------------------------- augmentations


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_augmentation_keeps_black_black_and_pixels_in_their_range(name: str, channels: int) -> None:
    augment, x = AUGMENTATIONS[name], digits(32).expand(-1, channels, -1, -1)
    changed = augment(x, rng())
    assert changed.shape == x.shape and changed.min() >= -1 - 1e-5 and changed.max() <= 1 + 1e-5
    black = torch.full_like(x, -1.0)
    torch.testing.assert_close(augment(black, rng()), black, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "none"])
def test_an_augmentation_is_decided_by_its_generator_and_differs_from_image_to_image(name: str) -> None:
    augment, x = AUGMENTATIONS[name], digits(1).expand(6, -1, -1, -1).contiguous()
    state, before = torch.get_rng_state(), x.clone()
    first, again, other = augment(x, rng(1)), augment(x, rng(1)), augment(x, rng(2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(x, before) and torch.equal(torch.get_rng_state(), state)
    assert len({image.numpy().tobytes() for image in first}) == 6


def test_none_changes_nothing_and_no_strength_changes_nothing() -> None:
    x = digits()
    assert torch.equal(AUGMENTATIONS["none"](x, rng()), x)
    for unchanged in (jitter(x, rng(), degrees=0, scale=0, shift=0), warped(x, rng(), strength=0)):
        torch.testing.assert_close(unchanged, x, atol=1e-4, rtol=0)


def places(x: Tensor) -> Tensor:
    """Centres of mass (B, 2) in pixels, down and right."""
    mass, at = (x[:, 0] + 1).double(), torch.arange(x.shape[-1], dtype=torch.float64)
    total = mass.sum(dim=(1, 2))
    down, right = (mass.sum(dim=2) @ at) / total, (mass.sum(dim=1) @ at) / total
    return torch.stack([down, right], dim=1)


def test_a_shift_moves_the_whole_image_by_up_to_a_fourteenth_of_its_side() -> None:
    x = torch.full((200, 1, 28, 28), -1.0)
    x[:, :, 6:9, 6:9] = x[:, :, 18:21, 18:21] = 1.0
    moved = shifted(x, rng())
    by = places(moved) - places(x)
    assert by.abs().max() <= 2 + 1e-4 and by.abs().max() > 1.9 and by.mean(dim=0).abs().max() < 0.4
    torch.testing.assert_close((moved + 1).sum(dim=(1, 2, 3)), (x + 1).sum(dim=(1, 2, 3)), rtol=1e-3, atol=0)


def test_a_warp_moves_parts_of_an_image_by_different_amounts() -> None:
    apart = []
    for corner in (slice(4, 7), slice(20, 23)):
        x = torch.full((200, 1, 28, 28), -1.0)
        x[:, :, corner, corner] = 1.0
        apart.append(places(warped(x, rng())) - places(x))
    one, two = apart
    assert max(one.abs().max(), two.abs().max()) < 2, "8 % of half the side is 1.1 pixels"
    assert (one - two).norm(dim=1).median() > 0.3


@pytest.mark.parametrize(("before", "now"), [(True, "affine"), (False, "none"), ("warp", "warp")])
def test_a_config_of_an_earlier_version_is_read(before: object, now: str) -> None:
    assert ClassifierConfig.model_validate({"augment": before}).augment == now


# ---------------------------------------------------------------- runs that hold them


def test_each_extractor_has_a_run_of_its_own_and_those_at_hand_come_in_the_tables_order(
    with_extractor: Path,
) -> None:
    names = [features_run("digits", with_extractor, name).name for name in EXTRACTORS]
    assert names == ["features-digits", "features-digits-plain", "features-digits-mixer"]
    assert extractors_at_hand("digits", with_extractor) == list(EXTRACTORS)
    loaded = [load_extractor(DATASETS["digits"], CPU, with_extractor, name) for name in EXTRACTORS]
    assert [one.kind for one in loaded] == list(EXTRACTORS)
    assert len({one.digest for one in loaded}) == len({one.name for one in loaded}) == 3
    assert load_extractor(DATASETS["digits"], CPU, with_extractor).digest == loaded[0].digest
    shutil.rmtree(with_extractor / "checkpoints" / "features-digits")
    assert extractors_at_hand("digits", with_extractor) == ["plain", "mixer"]
    with pytest.raises(MissingFeaturesError, match="run `gencore features digits` first"):
        load_extractor(DATASETS["digits"], CPU, with_extractor)


def test_without_its_first_extractor_a_data_set_is_refused(with_extractor: Path) -> None:
    shutil.rmtree(with_extractor / "checkpoints" / "features-digits")
    with pytest.raises(MissingFeaturesError, match="no feature classifier for digits"):
        RealData.load(DATASETS["digits"], CPU, with_extractor, None)


def test_a_model_under_the_name_of_an_extractor_is_refused(with_extractor: Path) -> None:
    for kind in ("results", "checkpoints"):
        shutil.rmtree(with_extractor / kind / "features-digits-plain")
        shutil.copytree(with_extractor / kind / "vae", with_extractor / kind / "features-digits-plain")
    with pytest.raises(MissingFeaturesError, match="features-digits-plain holds no feature classifier"):
        load_extractor(DATASETS["digits"], CPU, with_extractor, "plain")


# ---------------------------------------------------------------- scales, by hand


def oracle(generated: Tensor, real: Tensor) -> float:
    """Fréchet distance by scipy's matrix root."""
    a, b = generated.double().numpy(), real.double().numpy()
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    shift = np.square(a.mean(0) - b.mean(0)).sum()
    return float(shift + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root))


def stub(columns: slice) -> FeatureExtractor:
    """An extractor whose features are some pixels, for scales that need nothing else of one."""

    def extract(images: Tensor) -> Extracted:
        features = images.flatten(1)[:, columns].double()
        return Extracted(features, features)

    return extract  # type: ignore[return-value]


def pixels(n: int, seed: int) -> Tensor:
    return torch.randint(256, (n, 1, 4, 4), dtype=torch.uint8, generator=rng(seed))


def stub_scales(*columns: slice, floors: Sequence[float], left_out: Sequence[str] = ()) -> Scales:
    """Of stubs called a, b, …, against random images."""
    real = pixels(300, seed=99)
    return Scales(
        {
            name: Scale(extract := stub(some), moments(extract(real).features), floor, blur=8.0 * floor)
            for name, some, floor in zip("abc", columns, floors, strict=False)
        },
        left_out,
    )


def test_a_distance_is_the_mean_over_sets_of_the_geometric_mean_over_extractors_of_fd_over_floor() -> None:
    columns, floors = (slice(0, 4), slice(4, 10), slice(10, 13)), (2.0, 50.0, 0.3)
    sets, real = [pixels(200, seed) // 2 for seed in range(3)], pixels(300, seed=99)
    found = stub_scales(*columns, floors=floors).metric(sets)
    by_hand = [
        [
            oracle(images.flatten(1)[:, some], real.flatten(1)[:, some]) / floor
            for some, floor in zip(columns, floors, strict=True)
        ]
        for images in sets
    ]
    of_set = [(a * b * c) ** (1 / 3) for a, b, c in by_hand]
    assert found.value == pytest.approx(sum(of_set) / 3, rel=1e-6)
    assert found.spread == pytest.approx(statistics.stdev(of_set), rel=1e-4)
    for name, of_extractor in zip("abc", zip(*by_hand, strict=True), strict=True):
        assert found.by_extractor[name] == pytest.approx(sum(of_extractor) / 3, rel=1e-6)
    assert (found.floor, found.samples, found.warning) == (1.0, 200, None)


def test_of_one_set_there_is_no_spread_and_by_one_extractor_a_warning() -> None:
    images = [pixels(200, 0) // 2]
    alone = stub_scales(slice(0, 4), floors=[2.0]).metric(images)
    assert alone.spread is None and alone.warning == "by a single feature extractor"
    assert alone.value == pytest.approx(alone.by_extractor["a"]) == pytest.approx(8 * alone.value / 8)
    both = stub_scales(slice(0, 4), slice(4, 8), floors=[2.0, 3.0], left_out=["the c extractor is not used"])
    assert both.metric(images).warning == "the c extractor is not used"
    left = stub_scales(slice(0, 4), floors=[2.0], left_out=["the c extractor is not used"])
    assert left.metric(images).warning == "the c extractor is not used; by a single feature extractor"


def test_no_extractor_decides_by_the_size_of_its_features_alone() -> None:
    """Features ten times as large have a hundred times the distance, and the same multiple of a floor."""
    images, real, some = pixels(200, 0) // 2, pixels(300, seed=99), slice(0, 5)
    plain = stub(some)

    def large(given: Tensor) -> Extracted:
        features = 10 * plain(given).features
        return Extracted(features, features)

    found = [
        Scale(extract, moments(extract(real).features), floor, 1.0).over_floor(images)
        for extract, floor in ((plain, 3.0), (large, 300.0))
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-9)


def test_real_images_themselves_lie_at_no_distance() -> None:
    found = stub_scales(slice(0, 4), slice(4, 8), floors=[2.0, 3.0]).metric([pixels(300, seed=99)])
    assert found.value == pytest.approx(0, abs=1e-9)
    assert found.by_extractor == {"a": pytest.approx(0, abs=1e-9), "b": pytest.approx(0, abs=1e-9)}


def test_the_blur_is_a_multiple_of_the_same_floors() -> None:
    blur = stub_scales(slice(0, 4), slice(4, 8), floors=[2.0, 3.0]).blur(samples=200)
    assert blur.by_extractor == {"a": 16.0, "b": 24.0} and blur.samples == 200
    assert blur.value == pytest.approx((16 * 24) ** 0.5)


# ---------------------------------------------------------------- scales of a data set


@pytest.fixture
def real(with_extractor: Path) -> RealData:
    return RealData.load(DATASETS["digits"], CPU, with_extractor, None)


def altered(real: RealData, **fd_of_rungs: dict[str, float]) -> RealData:
    """With other distances of the ladder's rungs, by extractor."""
    views = {
        name: replace(
            view,
            reference=view.reference.model_copy(
                update={"fd_of_rungs": view.reference.fd_of_rungs | fd_of_rungs.get(name, {})}
            ),
        )
        for name, view in real.views.items()
    }
    return replace(real, views=views)


def test_scales_are_of_all_extractors_with_their_own_floors_and_blur(real: RealData) -> None:
    found = Scales.of(real, 750, None)
    assert list(found.by_extractor) == list(EXTRACTORS) and not found.left_out
    for name, view in real.views.items():
        scale, reference = found.by_extractor[name], view.reference
        assert scale.floor == reference.floors["fd"].value
        assert scale.blur == reference.fd_of_rungs["blurred"] / scale.floor > 1
    assert found.digests == {name: view.extractor.digest for name, view in real.views.items()}
    images = real.train.images[:750]
    expected = oracle(real.first.extractor(images).features, real.first.test.features)
    ratio = found.metric([images]).by_extractor["residual"]
    assert ratio == pytest.approx(expected / real.first.reference.floors["fd"].value, rel=1e-4)


def test_an_extractor_that_puts_a_far_worse_rung_ahead_of_a_blur_is_left_out_and_named(
    real: RealData,
) -> None:
    wrong = altered(real, plain={"pure noise": 1.0}, mixer={"single class": 0.5, "pure noise": 0.5})
    found = Scales.of(wrong, 750, None)
    assert list(found.by_extractor) == ["residual"] == list(found.digests)
    warning = found.metric([real.train.images[:750]]).warning
    assert warning == (
        "the plain extractor is not used: it puts pure noise ahead of a blur; "
        "the mixer extractor is not used: it puts pure noise and single class ahead of a blur; "
        "by a single feature extractor"
    )


def test_the_first_extractor_too_is_left_out_of_distances_and_without_any_they_are_refused(
    real: RealData,
) -> None:
    wrong = {"blurred": 1e9}
    assert list(Scales.of(altered(real, residual=wrong), 750, None).by_extractor) == ["plain", "mixer"]
    with pytest.raises(ValueError, match=r"the residual extractor is not used: .*; the plain .*; the mixer"):
        Scales.of(altered(real, residual=wrong, plain=wrong, mixer=wrong), 750, None)


def test_a_reference_misorders_where_noise_or_one_class_lie_nearer_than_a_blur(real: RealData) -> None:
    reference = real.first.reference
    assert reference.misorders == []
    assert (reference.fd_of_blur, reference.fd_of_noise) == (
        reference.fd_of_rungs["blurred"],
        reference.fd_of_rungs["pure noise"],
    )
    for rung in ("pure noise", "single class"):
        rungs = reference.fd_of_rungs | {rung: reference.fd_of_blur - 0.1}
        assert reference.model_copy(update={"fd_of_rungs": rungs}).misorders == [rung]
    near = reference.fd_of_rungs | {"noisy": 0.0, "one class missing": 0.0}
    assert reference.model_copy(update={"fd_of_rungs": near}).misorders == [], "rungs that are no worse"


# ---------------------------------------------------------------- floors


def test_half_of_the_training_split_is_measured_but_no_more_than_ten_thousand() -> None:
    assert [default_samples(n) for n in (1500, 1501, 19_999, 20_000, 60_000)] == [
        750,
        750,
        9999,
        10_000,
        10_000,
    ]


def test_stored_floors_are_those_of_draws_from_the_training_split_against_the_test_split(
    real: RealData,
) -> None:
    view, n, generator = real.first, 750, rng()
    expected = []
    for _ in range(8):
        chosen = torch.randperm(1500, generator=generator)[:n]
        expected.append(
            frechet_distance(moments(view.training.features[chosen]), moments(view.test.features))
        )
    stored = view.reference.floors["fd"]
    assert stored.value == pytest.approx(statistics.fmean(expected), rel=1e-5)
    assert stored.standard_deviation == pytest.approx(statistics.stdev(expected), rel=1e-3)
    assert (stored.samples, stored.draws) == (n, 8)


def test_floors_of_the_stored_number_are_not_drawn_again_and_others_are(
    real: RealData, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, drawn = real.first.reference, []
    floors = RealImages.floors

    def counted(self: RealImages, n: int, weights: Tensor | None, *further: object) -> object:
        drawn.append((n, weights))
        return floors(self, n, weights, *further)

    monkeypatch.setattr(RealImages, "floors", counted)
    for shares in (None, "test", "uniform"):
        kept = real.first.floors(750, shares, manifold=True)
        assert kept == {name: floor.value for name, floor in reference.floors_for(shares).items()}
    assert drawn == []
    few = real.first.floors(200, "uniform", manifold=True)
    [(n, weights)] = drawn
    assert n == 200 and weights.tolist() == pytest.approx([0.1] * 10)
    assert few.keys() == reference.floors.keys()
    assert few["fd"] > reference.floors_by_shares["uniform"]["fd"].value
    assert few == real.first.floors(200, "uniform", manifold=True), "drawn from a seed"
    assert real.first.floors(200, None, manifold=False) == {"fd": pytest.approx(few["fd"], rel=0.5)}


def test_further_extractors_have_floors_of_distances_alone(real: RealData) -> None:
    first, *others = (view.reference for view in real.views.values())
    assert set(first.floors) == {"fd", "precision", "recall", "density", "coverage", "f1"}
    assert set(first.half_floors) == set(first.floors)
    for reference in others:
        assert set(reference.floors) == {"fd"} and reference.half_floors == {}
        assert {name: set(floors) for name, floors in reference.floors_by_shares.items()} == {
            "test": {"fd"},
            "uniform": {"fd"},
        }


@pytest.mark.parametrize("weights", [None, [0.5, 0.3, 0.2], [0.0, 0.5, 0.5]])
def test_a_draw_takes_different_images_of_classes_in_the_shares_asked_for(
    weights: list[float] | None,
) -> None:
    labels = torch.arange(3).repeat_interleave(1000)
    train = torch.arange(3000.0)[:, None]
    images = RealImages(torch.zeros(10, 1), train, labels)
    chosen = images.draw(900, None if weights is None else torch.tensor(weights), rng())[:, 0].long()
    assert len(chosen) == len(chosen.unique()) == 900
    counts = labels[chosen].bincount(minlength=3) / 900
    assert (counts - torch.tensor(weights or [1 / 3] * 3)).abs().max() < 0.05
    again = images.draw(900, None if weights is None else torch.tensor(weights), rng())
    assert torch.equal(again[:, 0].long(), chosen)


THIRTY = RealImages(torch.zeros(9, 1), torch.arange(30.0)[:, None], torch.arange(3).repeat(10))
"""Ten images of each of three classes; an image's feature is its number, its class that modulo 3."""


@pytest.mark.parametrize("weights", [None, [0.8, 0.1, 0.1]])
def test_more_images_than_there_are_are_refused(weights: list[float] | None) -> None:
    given = None if weights is None else torch.tensor(weights)
    with pytest.raises(ValueError, match="31 images are to be measured.*there are 30"):
        THIRTY.draw(31, given, rng())


@pytest.mark.parametrize(
    ("n", "weights", "of_first"),
    [(30, [0.8, 0.1, 0.1], 10), (12, [1.0, 0.0, 0.0], 10), (6, [1.0, 0, 0], 6)],
)
def test_where_a_class_has_no_more_images_others_take_its_place(
    n: int, weights: list[float], of_first: int
) -> None:
    drawn = THIRTY.draw(n, torch.tensor(weights), rng())[:, 0]
    assert len(drawn.unique()) == n and (drawn % 3 == 0).sum() == of_first


@pytest.mark.parametrize("shares", [None, "test", "uniform"])
def test_floors_of_more_images_than_there_are_say_how_many_may_be_measured(
    real: RealData, shares: str | None
) -> None:
    with pytest.raises(ValueError, match="there are 1500, so take 750 or fewer"):
        Scales.of(real, 1501, shares)


def test_labels_are_drawn_with_the_shares_of_the_test_split_or_uniformly(real: RealData) -> None:
    n = 20_000
    of_test, uniform = real.labels("test", n, seed=0), real.labels("uniform", n, seed=0)
    shares = real.test.labels.bincount(minlength=10) / len(real.test.labels)
    deviation = (0.1 * 0.9 / n) ** 0.5
    assert (of_test.bincount(minlength=10) / n - shares).abs().max() < 5 * deviation
    assert (uniform.bincount(minlength=10) / n - 0.1).abs().max() < 5 * deviation
    assert torch.equal(of_test, real.labels("test", n, seed=0))
    assert not torch.equal(of_test, real.labels("test", n, seed=1))


def test_a_class_without_a_share_is_never_drawn() -> None:
    weights = weights_of_classes(torch.tensor([0.75, 0.0, 0.25], dtype=torch.float64))
    drawn = draw_classes(weights["test"], 4000, rng()).bincount(minlength=3)
    assert drawn[1] == 0 and drawn[0] / 4000 == pytest.approx(0.75, abs=0.04)
    assert weights["uniform"].tolist() == pytest.approx([1 / 3] * 3)


# ---------------------------------------------------------------- commands and refusals


def damaged(home: Path, extractor: str, **changes: object) -> Path:
    """Its floors with other fields, as JSON; a field that is None is left out."""
    path = features_run("digits", home, extractor).results / "reference.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))
    return path


OLD = {"floors_by_shares": None, "fd_of_rungs": None, "fd_of_blur": 100.0, "fd_of_noise": 900.0}


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_floors_of_an_earlier_version_are_refused_with_the_command_that_measures_them_again(
    with_extractor: Path, gencore: Gencore, extractor: str
) -> None:
    damaged(with_extractor, extractor, **OLD)
    refused = gencore("evaluate", "vae", "--samples", "100")
    assert refused.code == 2 and "run `gencore features digits --resume`" in refused.complaint
    assert not run("vae").results_path.exists()


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_floors_of_another_classifier_are_refused(with_extractor: Path, extractor: str) -> None:
    damaged(with_extractor, extractor, extractor_digest="0" * 64)
    with pytest.raises(MissingFeaturesError, match="the floors of digits belong to another classifier"):
        load_reference_figures(
            "digits", load_extractor(DATASETS["digits"], CPU, with_extractor, extractor), with_extractor
        )


def test_an_extractor_whose_floors_were_not_measured_is_named_with_a_command_that_does_it(
    with_extractor: Path, gencore: Gencore, tiny_presets: None
) -> None:
    (features_run("digits", with_extractor, "mixer").results / "reference.json").unlink()
    refused = gencore("evaluate", "vae", "--samples", "100")
    assert refused.code == 2 and "no floors for digits yet" in refused.complaint
    command = refused.complaint.partition("`gencore ")[2].partition("`")[0].split()
    assert gencore(*command).code == 0, command


@pytest.fixture
def tiny_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extractors that train in moments, in place of those that `gencore features` trains."""

    def tiny(spec: DatasetSpec, extractor: str, seed: int = 42) -> RunConfig:
        preset = features_preset(spec, extractor, seed)
        settings = QUIET | {"epochs": 6, "ema_decay": 0.9, "seed": preset.training.seed}
        return RunConfig(
            data=preset.data,
            model=preset.model.model_copy(update={"width": 8, "feature_dim": 8}),
            training=TrainingConfig(**settings),
        )

    monkeypatch.setattr(training, "features_preset", tiny)


def weights(home: Path) -> dict[str, str]:
    """Digests of the extractors' weights."""
    return {
        name: load_checkpoint(features_run("digits", home, name).checkpoints / "final.safetensors").digest
        for name in extractors_at_hand("digits", home)
    }


def references(home: Path) -> dict[str, ReferenceFigures]:
    return {
        name: results.load(features_run("digits", home, name).results / "reference.json", ReferenceFigures)
        for name in extractors_at_hand("digits", home)
    }


def test_resuming_trains_the_extractor_that_is_missing_and_measures_all_again(
    with_extractor: Path, gencore: Gencore, tiny_presets: None
) -> None:
    before, measured = weights(with_extractor), references(with_extractor)
    for kind in ("results", "checkpoints"):
        shutil.rmtree(with_extractor / kind / "features-digits-plain")
    damaged(with_extractor, "mixer", **OLD)
    done = gencore("features", "digits", "--resume", "--seed", "9")
    assert done.code == 0
    assert "features-digits-plain: finished" in done.err
    assert "features-digits: finished" not in done.err and "mixer: finished" not in done.err
    now = weights(with_extractor)
    assert [name for name in EXTRACTORS if now[name] != before[name]] == ["plain"]
    again = references(with_extractor)
    for name in ("residual", "mixer"):
        assert again[name].floors == measured[name].floors
        assert again[name].fd_of_rungs == measured[name].fd_of_rungs
    assert again["residual"].origin.unix_time > measured["residual"].origin.unix_time
    assert [line.split(":")[0] for line in done.out.splitlines()] == [
        f"digits, {name}" for name in EXTRACTORS
    ]
    assert gencore("evaluate", "vae", "--samples", "100", "--metrics", "distances").code == 0


def test_without_resume_or_overwrite_nothing_is_trained_where_one_extractor_is_there(
    with_extractor: Path, gencore: Gencore, tiny_presets: None
) -> None:
    shutil.rmtree(with_extractor / "checkpoints" / "features-digits")
    shutil.rmtree(with_extractor / "results" / "features-digits")
    refused = gencore("features", "digits")
    assert refused.code == 2 and "features-digits-plain exists; use --resume" in refused.complaint
    assert extractors_at_hand("digits", with_extractor) == ["plain", "mixer"]


def test_all_extractors_are_trained_from_seeds_of_their_own_and_their_floors_printed(
    home: Path, gencore: Gencore, tiny_presets: None
) -> None:
    printed = gencore("features", "digits", "--json").json
    assert list(printed) == list(EXTRACTORS) == extractors_at_hand("digits", home)
    for name, one in printed.items():
        assert ReferenceFigures.model_validate(one) == references(home)[name]
    configs = [features_run("digits", home, name).config() for name in EXTRACTORS]
    assert [config.training.seed for config in configs] == [42, 43, 44]
    assert [config.model.network for config in configs] == list(EXTRACTORS)


def test_an_extractor_that_is_not_used_is_said_to_be_so_when_it_is_measured(
    capsys: pytest.CaptureFixture[str], with_extractor: Path
) -> None:
    found = references(with_extractor)
    rungs = found["plain"].fd_of_rungs | {"pure noise": 0.0}
    training._print_references(
        "digits", found | {"plain": found["plain"].model_copy(update={"fd_of_rungs": rungs})}
    )
    used, plain, mixer = capsys.readouterr().out.splitlines()
    assert plain.endswith("; not used, as it puts pure noise ahead of a blur")
    assert "not used" not in used + mixer


# ---------------------------------------------------------------- results


def over_floor(home: Path) -> Metric:
    return evaluate(run("vae", home), CPU, samples=100, groups=["distances"]).metrics["fd_over_floor"]


def test_by_the_first_extractor_alone_a_result_says_so(with_extractor: Path) -> None:
    all_three = over_floor(with_extractor)
    for name in ("plain", "mixer"):
        shutil.rmtree(features_run("digits", with_extractor, name).checkpoints)
    alone = over_floor(with_extractor)
    assert alone.warning == "by a single feature extractor" and list(alone.by_extractor) == ["residual"]
    assert alone.value == pytest.approx(all_three.by_extractor["residual"])
    found = run("vae", with_extractor).load_results()
    assert found.extractor_digests == {"residual": found.extractor_digest}


def test_an_extractor_that_misorders_is_named_in_the_result_of_a_run(with_extractor: Path) -> None:
    rungs = references(with_extractor)["plain"].fd_of_rungs | {"pure noise": 0.0}
    damaged(with_extractor, "plain", fd_of_rungs=rungs)
    found = over_floor(with_extractor)
    assert found.warning == "the plain extractor is not used: it puts pure noise ahead of a blur"
    assert list(found.by_extractor) == ["residual", "mixer"]
    assert list(run("vae", with_extractor).load_results().extractor_digests) == ["residual", "mixer"]


def test_a_result_by_fewer_extractors_or_other_weights_is_not_taken_for_a_current_one(
    with_extractor: Path,
) -> None:
    one = run("vae", with_extractor)
    found = evaluate(one, CPU, samples=100)
    assert measured_before(one, CPU, samples=100) == found
    digests = found.extractor_digests
    for other in ({"residual": digests["residual"]}, digests | {"mixer": "0" * 64}):
        results.save(one.results_path, found.model_copy(update={"extractor_digests": other}))
        assert measured_before(one, CPU, samples=100) is None


def test_a_result_without_an_extractor_that_misorders_is_a_current_one(with_extractor: Path) -> None:
    rungs = references(with_extractor)["plain"].fd_of_rungs | {"pure noise": 0.0}
    damaged(with_extractor, "plain", fd_of_rungs=rungs)
    one = run("vae", with_extractor)
    found = evaluate(one, CPU, samples=100)
    assert measured_before(one, CPU, samples=100) == found


def test_where_so_few_real_images_are_no_nearer_than_a_blur_its_scale_is_absent_with_a_reason(
    with_extractor: Path,
) -> None:
    for name, reference in references(with_extractor).items():
        damaged(with_extractor, name, fd_of_rungs=reference.fd_of_rungs | {"blurred": 1e-6})
    found = evaluate(run("vae", with_extractor), CPU, samples=100)
    assert found.metrics["fd_over_floor"].value > 1
    for name in ("seconds_to_blur", "seconds_to_half", "fd_last_over_best"):
        assert found.value(name) is None and found.metrics[name].reason
    quality = scores([found])["quality"]
    assert quality.value is None and list(quality.missing) == ["realism"]
