"""The panel and the ladder, on the bundled digits and the classifier that ships for them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support import made_results

from gencore import devices
from gencore.analysis.scores import geometric_mean, quality_parts
from gencore.data.registry import availability
from gencore.data.sources import ImageData, load
from gencore.evaluation.floors import load_reference_figures
from gencore.evaluation.image_metrics import ImageMetrics
from gencore.evaluation.ladder import load_ladder, measure_ladder, metric_ladder
from gencore.evaluation.records import Ladder
from gencore.metrics import catalog
from gencore.metrics.classes import conditional_accuracy, confusion_matrix
from gencore.metrics.corruptions import LADDER
from gencore.models.feature_extractor import FeatureExtractor, load_extractor
from gencore.store.results import Metric

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return load_extractor("digits", CPU, ROOT)


@pytest.fixture(scope="module")
def image_metrics(extractor: FeatureExtractor) -> ImageMetrics:
    return ImageMetrics(extractor, load("digits", "test"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for kind in ("results", "checkpoints"):
        shutil.copytree(ROOT / kind / "features-digits", home / kind / "features-digits")
    return home


@pytest.fixture(scope="module")
def ladder(home: Path) -> Ladder:
    return measure_ladder("digits", CPU, home, None, devices.origin_here(CPU, ["selftest", "digits"]))


def quality(image_metrics: ImageMetrics, images: torch.Tensor, extractor: FeatureExtractor) -> float:
    reference = load_reference_figures(extractor.spec.name, extractor, ROOT)
    figures = image_metrics(images, extractor(images))
    floors = {name: floor.value for name, floor in reference.floors.items()}
    metrics = {name: Metric(value=value, floor=floors.get(name)) for name, value in figures.items()}
    parts = quality_parts(made_results(**metrics, fd_of_noise=reference.fd_of_noise))
    assert set(parts) == {"realism", "fidelity", "coverage", "balance"}
    return geometric_mean(list(parts.values()))


def accuracy(drawn: ImageData, extractor: FeatureExtractor) -> float:
    """Share of pictures recognised as what they were asked to be."""
    return conditional_accuracy(confusion_matrix(drawn.labels, extractor(drawn.images).predicted, 10)).mean


def collapsed(data: ImageData, pictures_a_class: int, n: int) -> ImageData:
    """What a generator draws that knows a few pictures a class by heart."""
    known = torch.cat([(data.labels == digit).nonzero()[:pictures_a_class, 0] for digit in range(10)])
    chosen = known.repeat(n // len(known))
    return replace(data, images=data.images[chosen], labels=data.labels[chosen])


def test_the_panels_figures_are_finite_and_known_by_which_way_is_better(
    image_metrics: ImageMetrics, extractor: FeatureExtractor
) -> None:
    images = load("digits", "train").images[:300]
    figures = image_metrics(images, extractor(images))
    assert (
        len(figures) == 15
        and set(figures) <= {info.id for info in catalog.compared()}
        and all(torch.tensor(list(figures.values())).isfinite())
    )
    assert figures == image_metrics(images, extractor(images)), "kd's subsets follow from the seed"


def test_a_collapse_to_one_picture_a_digit_scores_low_although_every_label_is_right(
    image_metrics: ImageMetrics, extractor: FeatureExtractor
) -> None:
    train = load("digits", "train")
    drawn = collapsed(train, 1, 1000)
    assert accuracy(drawn, extractor) == 1
    assert quality(image_metrics, drawn.images, extractor) < 0.6
    assert quality(image_metrics, train.images, extractor) > 0.95


@pytest.fixture(scope="module")
def mnist() -> tuple[ImageMetrics, ImageData]:
    """The metrics against 2,000 test images of MNIST, made once, and the training split."""
    if availability("mnist", None) == "would be downloaded":
        pytest.skip("no MNIST on disk; set GENCORE_DATA to a folder that holds MNIST/")
    test = load("mnist", "test")
    few = replace(test, images=test.images[:2000], labels=test.labels[:2000])
    return ImageMetrics(load_extractor("mnist", CPU, ROOT), few), load("mnist", "train")


@pytest.mark.mnist
@pytest.mark.parametrize("pictures", [1, 5])
def test_a_collapse_to_a_few_pictures_a_digit_of_mnist_scores_low(
    mnist: tuple[ImageMetrics, ImageData], pictures: int
) -> None:
    """With label accuracy 1 and a classifier score near 10, although nearly all images are alike."""
    few, train = mnist
    generated = collapsed(train, pictures, 2000)
    assert accuracy(generated, few.extractor) == 1
    assert quality(few, generated.images, few.extractor) < 0.5


@pytest.mark.mnist
def test_real_images_of_mnist_score_high(mnist: tuple[ImageMetrics, ImageData]) -> None:
    few, train = mnist
    assert quality(few, train.images[:2000], few.extractor) > 0.85  # the floor is that of 10,000 images


def test_the_metrics_that_rank_pass_and_precision_alone_falls_for_a_single_class(ladder: Ladder) -> None:
    for name in (
        "fd",
        "fd_random",
        "kd",
        "recall",
        "coverage",
        "f1",
        "class_total_variation",
        "classifier_score",
    ):
        assert ladder.metrics[name].passes, f"{name} misorders {ladder.metrics[name].misorders}"
    assert ladder.metrics["precision"].misorders == ["single class"]


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
    images = load("digits", "train").images[:count]
    with pytest.raises(ValueError, match="needs at least"):
        image_metrics.neighbours(extractor(images))
    with pytest.raises(ValueError, match="needs at least"):
        image_metrics(images, extractor(images))
    with pytest.raises(ValueError, match="needs at least"):
        random_feature_metrics(image_metrics, images)


def test_features_do_not_depend_on_the_images_beside_them(
    extractor: FeatureExtractor, image_metrics: ImageMetrics
) -> None:
    images = load("digits", "train").images[:20]
    one_by_one = torch.cat([extractor(image[None]).features for image in images])
    torch.testing.assert_close(extractor(images).features, one_by_one, rtol=1e-4, atol=1e-4)
