"""The panel, the ladder and the score of quality, on real images and the extractors that ship for them."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from support import made_results

from gencore import devices
from gencore.analysis.scores import Score, scores
from gencore.config.datasets import DATASETS
from gencore.config.options import EXTRACTORS
from gencore.data.registry import availability
from gencore.data.sources import ImageData, load
from gencore.evaluation.evaluate import measured_groups
from gencore.evaluation.image_metrics import ImageMetrics
from gencore.evaluation.ladder import load_ladder, measure_ladder, metric_ladder
from gencore.evaluation.real_data import RealData
from gencore.evaluation.records import Ladder
from gencore.evaluation.suite import EvaluatedModel
from gencore.metrics import catalog
from gencore.metrics.classes import conditional_accuracy, confusion_matrix
from gencore.metrics.corruptions import LADDER, ladder_for
from gencore.models.feature_extractor import FeatureExtractor, load_extractor
from gencore.store import results
from gencore.store.results import Results

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return load_extractor(DATASETS["digits"], CPU, ROOT)


@pytest.fixture(scope="module")
def image_metrics(extractor: FeatureExtractor) -> ImageMetrics:
    test = load(DATASETS["digits"], "test")
    return ImageMetrics(test, extractor(test.images))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for kind in ("results", "checkpoints"):
        shutil.copytree(ROOT / kind / "features-digits", home / kind / "features-digits")
    return home


@pytest.fixture(scope="module")
def ladder(home: Path) -> Ladder:
    return measure_ladder(
        DATASETS["digits"], CPU, home, None, devices.origin_here(CPU, ["selftest", "digits"])
    )


def accuracy(drawn: ImageData, extractor: FeatureExtractor) -> float:
    """Share of pictures recognised as what they were asked to be."""
    return conditional_accuracy(confusion_matrix(drawn.labels, extractor(drawn.images).predicted, 10)).mean


def test_the_panels_figures_are_finite_and_known_by_which_way_is_better(
    image_metrics: ImageMetrics, extractor: FeatureExtractor
) -> None:
    images = load(DATASETS["digits"], "train").images[:300]
    figures = image_metrics(images, extractor(images))
    assert (
        len(figures) == 18
        and set(figures) - {"worst_within_class_variance"} <= {info.id for info in catalog.compared()}
        and all(torch.tensor(list(figures.values())).isfinite())
    )
    assert figures == image_metrics(images, extractor(images)), "kd's subsets follow from the seed"


def test_distances_and_class_figures_pass_and_neighbours_or_pixels_alone_fall_for_a_single_class(
    ladder: Ladder,
) -> None:
    """The blur of enlarged digits leaves nothing near a real one, so that a single class is ahead of it."""
    misordered = {name: metric.misorders for name, metric in ladder.metrics.items() if metric.misorders}
    assert misordered.pop("pixel_variance_ratio") == ["pure noise", "single class"]
    neighbours = {"precision", "recall", "density", "coverage", "f1"}
    assert misordered == dict.fromkeys(neighbours | {"fd_random", "feature_distance_ratio"}, ["single class"])
    assert {"fd", "kd", "class_total_variation", "classifier_score"} <= set(ladder.metrics)


def test_on_mnist_coverage_passes_as_the_distances_do() -> None:
    shipped = results.load(ROOT / "results/features-mnist/selftest.json", Ladder)
    for name in ("fd", "kd", "coverage", "class_total_variation", "classifier_score"):
        assert shipped.metrics[name].passes, f"{name} misorders {shipped.metrics[name].misorders}"


def test_variety_within_classes_is_seen_from_both_sides(ladder: Ladder) -> None:
    within = ladder.metrics["within_class_variance"]
    assert within.better == "nearer 1" and within.passes
    assert {"blurred", "single class", "pure noise"} <= set(within.sees)
    assert all(0.8 < real < 1.1 for real in within.real)


def test_pure_noise_is_the_worst_rung_by_every_distance(ladder: Ladder) -> None:
    for name in ("fd", "fd_random", "kd"):
        rungs = ladder.metrics[name].rungs
        assert max(rungs, key=rungs.get) == "pure noise"


@pytest.mark.parametrize("rung", LADDER)
def test_every_rung_is_seen_by_some_metric(ladder: Ladder, rung: str) -> None:
    assert any(rung in metric.sees for metric in ladder.metrics.values())


def test_the_ladder_is_stored_beside_the_classifier_and_belongs_to_it(
    ladder: Ladder, home: Path, extractor: FeatureExtractor
) -> None:
    assert load_ladder("digits", extractor, home) == ladder
    assert load_ladder("digits", replace(extractor, digest="another"), home) is None
    assert load_ladder("mnist", extractor, home) is None


def test_seeing_is_coming_out_clearly_worse_than_any_draw_of_real_images() -> None:
    rungs = {"blurred": 2.0, "single class": 1.5, "pure noise": 9.0}
    found = metric_ladder("smaller", [1.0, 1.1, 0.9], rungs)
    assert found.sees == ["blurred", "pure noise"]  # 1.1 + 4 x 0.1 = 1.5 is not exceeded
    assert found.misorders == ["single class"] and not found.passes
    assert metric_ladder("larger", [1.0, 1.1, 0.9], rungs).sees == []
    ratio = metric_ladder("nearer 1", [1.0, 1.01, 0.99], rungs | {"pure noise": 0.0})
    assert ratio.sees == ["blurred", "single class", "pure noise"] and ratio.misorders == ["single class"]


# The whole path, from images to the score of their quality


@dataclass(frozen=True)
class Halves:
    """A data set of which half of the test split is real and the other half is measured."""

    real: RealData
    held_out: ImageData

    def measured(self, images: torch.Tensor) -> Results:
        evaluated = EvaluatedModel.of_images(images, None, self.real)
        groups = ("distances", "manifold", "classes", "diversity", "memorisation")
        return made_results(**measured_groups(evaluated, groups, ["classifier"], lambda text: None))

    def quality(self, images: torch.Tensor) -> Score:
        return scores([self.measured(images)])["quality"]

    def corrupted(self, rung: str) -> torch.Tensor:
        spec, rng = self.held_out.spec, torch.Generator().manual_seed(0)
        corrupt = ladder_for(spec.size, spec.native_size)[rung]
        return corrupt(self.held_out.images, self.held_out.labels, rng).images


@pytest.fixture(scope="module", params=["digits", pytest.param("mnist", marks=pytest.mark.mnist)])
def halves(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Halves:
    dataset = request.param
    if availability(dataset, None) == "would be downloaded":
        pytest.skip("no MNIST on disk; set GENCORE_DATA to a folder that holds MNIST/")
    whole = RealData.load(DATASETS[dataset], CPU, ROOT, None)
    assert list(whole.views) == list(EXTRACTORS)
    order = torch.randperm(len(whole.test.images), generator=torch.Generator().manual_seed(0))[:2000]
    ours, theirs = (chosen(whole.test, half) for half in order.chunk(2))
    train = chosen(whole.train, torch.arange(2500))
    own = tmp_path_factory.mktemp("features")  # that of few images is not to be kept beside the classifier
    views = {
        name: replace(view, test_images=theirs.images, train=train, folder=own)
        for name, view in whole.views.items()
    }
    return Halves(replace(whole, splits={"train": train, "test": theirs}, views=views, ladder=None), ours)


def chosen(data: ImageData, which: torch.Tensor) -> ImageData:
    which = which[which < len(data.images)]
    return replace(data, images=data.images[which], labels=data.labels[which])


def collapsed(halves: Halves, pictures_a_class: int) -> ImageData:
    """What a generator draws that knows a few pictures a class by heart, each of them recognised."""
    data, extractor = halves.held_out, halves.real.first.extractor
    right = extractor(data.images).predicted == data.labels
    of_class = [((data.labels == c) & right).nonzero()[:pictures_a_class, 0] for c in range(10)]
    known = torch.cat(of_class)
    return chosen(data, known.repeat(len(data.images) // len(known) + 1)[: len(data.images)])


def test_held_out_real_images_score_high(halves: Halves) -> None:
    found = halves.quality(halves.held_out.images)
    assert set(found.parts) == {"realism", "fidelity", "variety", "coverage", "balance", "novelty"}
    assert found.value > 0.85 and min(found.parts.values()) > 0.75 and not found.note


@pytest.mark.parametrize("rung", ["blurred", "noisy", "half duplicated", "one class missing"])
def test_held_out_real_images_score_above_the_same_ones_spoilt(halves: Halves, rung: str) -> None:
    real, spoilt = halves.quality(halves.held_out.images), halves.quality(halves.corrupted(rung))
    assert spoilt.value < real.value - 0.02
    assert spoilt.parts["realism"] < real.parts["realism"]


def test_blurred_images_score_below_noisy_ones_and_all_noise_scores_nothing(halves: Halves) -> None:
    blurred, noisy, noise = (
        halves.quality(halves.corrupted(rung)).value for rung in ("blurred", "noisy", "pure noise")
    )
    assert noise <= blurred < noisy and noise < 0.01


@pytest.mark.parametrize("deviation", [0.0, 3.0], ids=["exact", "with faint noise"])
def test_copies_of_training_images_score_below_three_tenths_though_they_look_real(
    halves: Halves, deviation: float
) -> None:
    copies = halves.real.train.images[: len(halves.held_out.images)].float()
    noise = deviation * torch.randn(copies.shape, generator=torch.Generator().manual_seed(0))
    found = halves.quality((copies + noise).round().clamp(0, 255).to(torch.uint8))
    assert found.value < 0.3 and found.note.startswith("copies training images")
    assert min(found.parts[part] for part in ("realism", "fidelity", "variety", "coverage")) > 0.6


def test_copies_among_real_images_lower_the_score_by_their_share(halves: Halves) -> None:
    half = len(halves.held_out.images) // 2
    mixed = torch.cat([halves.held_out.images[:half], halves.real.train.images[:half]])
    found = halves.quality(mixed)
    assert 0.3 < found.value < 0.65 and "copies training images" in found.note


def test_a_collapse_to_a_few_pictures_a_class_scores_low_although_every_label_is_right(
    halves: Halves,
) -> None:
    for pictures in {1, max(1, len(halves.held_out.images) // 200)}:
        drawn = collapsed(halves, pictures)
        assert accuracy(drawn, halves.real.first.extractor) == 1
        assert halves.quality(drawn.images).value < 0.5


# What must not pass in silence


def random_feature_metrics(image_metrics: ImageMetrics, images: torch.Tensor) -> dict[str, float]:
    return image_metrics.random_feature_metrics(images, seed=0)


@pytest.mark.parametrize("value", [0, 255])
def test_images_all_alike_have_finite_figures_and_none_of_them_good(
    image_metrics: ImageMetrics, extractor: FeatureExtractor, value: int
) -> None:
    images = torch.full((100, 1, 28, 28), value, dtype=torch.uint8)
    figures = image_metrics(images, extractor(images)) | random_feature_metrics(image_metrics, images)
    assert all(torch.tensor(list(figures.values())).isfinite())
    assert figures["fd"] > 30 and figures["recall"] == figures["recall_random"] == 0
    assert figures["bins_total_variation"] > 0.8 and figures["feature_distance_ratio"] == pytest.approx(
        0, abs=1e-6
    )
    assert figures["classifier_score"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("count", [1, 5])
def test_too_few_images_are_an_error_of_the_panel(
    image_metrics: ImageMetrics, extractor: FeatureExtractor, count: int
) -> None:
    images = load(DATASETS["digits"], "train").images[:count]
    with pytest.raises(ValueError, match="needs at least"):
        image_metrics.neighbours(extractor(images))
    with pytest.raises(ValueError, match="needs at least"):
        image_metrics(images, extractor(images))
    with pytest.raises(ValueError, match="needs at least"):
        random_feature_metrics(image_metrics, images)


def test_features_do_not_depend_on_the_images_beside_them(
    extractor: FeatureExtractor, image_metrics: ImageMetrics
) -> None:
    images = load(DATASETS["digits"], "train").images[:20]
    one_by_one = torch.cat([extractor(image[None]).features for image in images])
    torch.testing.assert_close(extractor(images).features, one_by_one, rtol=1e-4, atol=1e-4)
