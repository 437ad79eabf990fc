"""The groups of metrics by name: each is a function of a model and its generated images.

A new metric is returned by the function of its group and has a row in `gencore.metrics.catalog`. A new group
is a function of the EvaluatedModel, a row in GROUPS and its name in `catalog.MetricGroup`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gencore.evaluation.cas import cas_metrics
from gencore.evaluation.controllability import (
    Control,
    NoControlError,
    RealClasses,
    control_of_images,
    measure_control,
)
from gencore.evaluation.cost import cost_metrics
from gencore.evaluation.distances import Scales
from gencore.evaluation.real_data import RealData
from gencore.evaluation.records import Shares
from gencore.latent.interpolation import PAIRS, PATHS, path_straightness, perceptual_path_length
from gencore.latent.reconstruction import given_back
from gencore.latent.traversal import LatentSpace
from gencore.metrics.catalog import METRICS, NEEDS_CLASSES, MetricGroup
from gencore.metrics.classes import classifier_score_error, conditional_accuracy, confusion_matrix
from gencore.metrics.corruptions import FEWEST_OF_A_CLASS
from gencore.metrics.extrapolation import fd_infinity
from gencore.metrics.memorisation import memorisation
from gencore.metrics.perceptual import feature_lpips, mean_pair_distance
from gencore.metrics.reconstruction import mse, psnr, ssim
from gencore.models.base import GenerativeModel, HasLatent, Reconstructs
from gencore.models.feature_extractor import Extracted
from gencore.store.results import Metric

LEAST_ACCURACY = 0.7
"""Share of each class of the test split, on average, that a classifier must recognise for figures about
classes."""
FEWEST_TO_EXTRAPOLATE = 2000
NEIGHBOURS_SOUGHT = 2000


CONTROL_METRICS = ("control_hit_rate", "control_worst_hit_rate", "control_chance", "control_coverage")
SAMPLING_SEEDS = 3
"""Distances are means over this many sets of images."""
DrawImages = Callable[[Tensor | None, int], Tensor]
"""The model's images (N, C, H, W) uint8 of these labels (N,), None without, from a sampling seed."""


@dataclass(frozen=True)
class EvaluatedModel:
    """A model, its images, and the real ones that they are compared with; all on one device."""

    model: GenerativeModel | None  # None for images from outside
    real: RealData
    images: Tensor  # (N, C, H, W) uint8
    labels: Tensor | None  # (N,) those given to a conditional model, or that come with the images
    extracted: Extracted  # of the images
    floors: Mapping[str, float]
    """Of as many real images, of classes in the same shares."""
    scales: Scales
    of_more_seeds: Sequence[Tensor]  # each like `images`, of another sampling seed
    uniform: tuple[Scales, Tensor] | None  # of a conditional model, images of all classes alike
    seed: int
    dtype: torch.dtype

    @classmethod
    def of(
        cls,
        model: GenerativeModel,
        real: RealData,
        samples: int,
        seed: int,
        dtype: torch.dtype,
        draw: DrawImages,
        with_distances: bool = True,
    ) -> EvaluatedModel:
        """With `samples` images; distances take several times as many.

        Raises ValueError where there are not as many real images."""
        shares: Shares | None = "test" if model.conditional else None
        floors, scales = real.first.floors(samples, shares, manifold=True), Scales.of(real, samples, shares)

        def drawn(seed: int, shares: Shares | None) -> tuple[Tensor, Tensor | None]:
            labels = real.labels(shares, samples, seed) if shares else None
            return draw(labels, seed), labels

        images, labels = drawn(seed, shares)
        more = range(seed + 1, seed + SAMPLING_SEEDS) if with_distances else ()
        uniform = None
        if shares and with_distances:
            uniform = Scales.of(real, samples, "uniform"), drawn(seed, "uniform")[0]
        return cls(
            model,
            real,
            images,
            labels,
            real.first.extractor(images),
            floors,
            scales,
            [drawn(other, shares)[0] for other in more],
            uniform,
            seed,
            dtype,
        )

    @classmethod
    def of_images(
        cls, images: Tensor, labels: Tensor | None, real: RealData, seed: int = 0
    ) -> EvaluatedModel:
        """Images (N, C, H, W) uint8 from outside, with the classes (N,) that they are meant to show, or None.

        Raises ValueError where there are not as many real images."""
        n = len(images)
        floors, scales = real.first.floors(n, None, manifold=True), Scales.of(real, n, None)
        extracted = real.first.extractor(images)
        return cls(None, real, images, labels, extracted, floors, scales, [], None, seed, torch.float32)

    @property
    def sampling(self) -> str:
        """How the images were made, in words."""
        return self.model.sampling if self.model else "images from outside"

    @property
    def confusion(self) -> Tensor | None:
        """Counts (K, K) by label given and class recognised; None without labels."""
        if self.labels is None:
            return None
        return confusion_matrix(self.labels, self.extracted.predicted, self.real.classes)

    def rng(self) -> Generator:
        """A new generator of the evaluation's seed, on the images' device."""
        return Generator(self.images.device).manual_seed(self.seed)

    def with_floors(self, figures: dict[str, float]) -> dict[str, Metric]:
        """Figures with their floors and what they are blind to.

        Where nothing else gives a floor, the ladder's real images do, if they are as many."""
        floors, blind = dict(self.floors), {}
        if ladder := self.real.ladder:
            if ladder.samples == len(self.images):
                floors = {name: statistics.fmean(one.real) for name, one in ladder.metrics.items()} | floors
            blind = {
                name: [rung for rung in one.rungs if rung not in one.sees]
                for name, one in ladder.metrics.items()
            }
        few, samples = self.real.image_metrics.warning(len(self.images)), len(self.images)
        return {
            name: Metric(
                value=value,
                floor=floors.get(name),
                samples=samples,
                warning=few,
                blind_to=blind.get(name, []),
            )
            for name, value in figures.items()
        }


def _distances(evaluated: EvaluatedModel) -> dict[str, Metric]:
    real, samples = evaluated.real.first.test.features, len(evaluated.images)
    metrics = evaluated.with_floors(
        evaluated.real.image_metrics.distances(evaluated.images, evaluated.extracted, evaluated.seed)
    )
    metrics |= _over_floor(evaluated)
    if min(samples, len(real)) < FEWEST_TO_EXTRAPOLATE:
        reason = (
            f"needs {FEWEST_TO_EXTRAPOLATE} images a side; there are {samples} generated and {len(real)} real"
        )
        return metrics | {"fd_infinity": Metric(value=None, reason=reason)}
    endless = fd_infinity(evaluated.extracted.features, real, evaluated.rng())
    return metrics | {"fd_infinity": Metric(value=endless.value, samples=samples, warning=endless.warning)}


def _over_floor(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """Fréchet distances as multiples of their floor, over extractors and sampling seeds."""
    metrics = {
        "fd_over_floor": evaluated.scales.metric([evaluated.images, *evaluated.of_more_seeds]),
        "fd_over_floor_uniform": _no_labels(),
        "blur_over_floor": evaluated.scales.blur(len(evaluated.images)),
        "fd_of_blur": Metric(value=evaluated.real.first.reference.fd_of_blur),
    }
    if evaluated.uniform is not None:
        scales, images = evaluated.uniform
        metrics["fd_over_floor_uniform"] = scales.metric([images])
    return metrics


def _manifold(evaluated: EvaluatedModel) -> dict[str, Metric]:
    return evaluated.with_floors(evaluated.real.image_metrics.neighbours(evaluated.extracted))


def _classes(evaluated: EvaluatedModel) -> dict[str, Metric]:
    metrics = evaluated.with_floors(evaluated.real.image_metrics.classes(evaluated.extracted))
    error = {"spread": classifier_score_error(evaluated.extracted.logits)}
    return metrics | {"classifier_score": metrics["classifier_score"].model_copy(update=error)}


def _diversity(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """Variety over all images, within classes (asked for, else recognised), and by bins."""
    by_class = evaluated.extracted.predicted if evaluated.labels is None else evaluated.labels
    few = Metric(value=None, reason=f"no class has {FEWEST_OF_A_CLASS} test images")
    metrics = dict.fromkeys(("within_class_variance", "worst_within_class_variance"), few)
    metrics |= evaluated.with_floors(
        evaluated.real.image_metrics.diversity(evaluated.images, evaluated.extracted, by_class)
    )
    metrics["feature_lpips"] = _feature_lpips(evaluated)
    samples = len(evaluated.images)
    fewest = evaluated.real.image_metrics.bins.fewest
    if samples < fewest:
        absent = Metric(value=None, reason=f"needs {fewest} images to fill the bins; there are {samples}")
        return metrics | dict.fromkeys(("bins_total_variation", "bins_different", "bin_coverage"), absent)
    return metrics | evaluated.with_floors(evaluated.real.image_metrics.bin_differences(evaluated.extracted))


def _feature_lpips(evaluated: EvaluatedModel) -> Metric:
    """The mean distance of two images in the layers of the first extractor, next to that of test images."""
    activations = evaluated.real.first.extractor.maps
    drawn, real = (
        mean_pair_distance(
            images, lambda x, y: feature_lpips(activations(x), activations(y)), evaluated.rng()
        )
        for images in (evaluated.images, evaluated.real.test.images)
    )
    return Metric(value=drawn.value, floor=real.value, spread=drawn.standard_error, samples=2 * drawn.pairs)


def _memorisation(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """Whether samples are copies, next to the same figure of test images."""
    rng, train = evaluated.rng(), evaluated.real.first.training.features
    few, real = (
        features[torch.randperm(len(features), generator=rng, device=features.device)[:NEIGHBOURS_SOUGHT]]
        for features in (evaluated.extracted.features, evaluated.real.first.test.features)
    )
    found = memorisation(few, train, real)
    return {
        "authentic_share": Metric(value=found.authentic, floor=found.held_out_authentic, samples=len(few)),
        "train_distance_ratio": Metric(
            value=found.distance_ratio, floor=1.0, unit="of test images", samples=len(few)
        ),
    }


def _reconstruction(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """How well the model gives the test split back, on the scale 0 to 1."""
    units = {"reconstruction_mse": "", "reconstruction_psnr": "dB", "reconstruction_ssim": ""}
    if not isinstance(evaluated.model, Reconstructs):
        return dict.fromkeys(units, Metric(value=None, reason="the model gives no image back"))
    test = evaluated.real.test
    latent_space = LatentSpace(evaluated.model, evaluated.dtype)
    x, x_hat = test.images.float() / 255, given_back(latent_space, test.images, test.labels)
    figures = (mse(x_hat, x), psnr(x_hat, x), ssim(x_hat, x))
    return {
        name: Metric(value=value, unit=unit, samples=len(x))
        for (name, unit), value in zip(units.items(), figures, strict=True)
    }


def _labels(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """Whether what was asked for came."""
    names = ("conditional_accuracy", "worst_class_accuracy")
    if evaluated.confusion is None:
        return dict.fromkeys(names, _no_labels())
    accuracy, samples = conditional_accuracy(evaluated.confusion), len(evaluated.images)
    unasked = int((evaluated.confusion.sum(dim=1) == 0).sum())
    warning = f"{unasked} of {evaluated.real.classes} classes were not asked for" if unasked else None
    return {
        "conditional_accuracy": Metric(
            value=accuracy.mean,
            floor=evaluated.real.first.reference.test_accuracy,
            samples=samples,
            warning=warning,
        ),
        "worst_class_accuracy": Metric(value=accuracy.worst, samples=samples, warning=warning),
    }


def _control(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """Whether the model can be steered to each class in turn, by the best means it offers."""
    data, first = evaluated.real, evaluated.real.first
    try:
        real = RealClasses.of(
            first.extractor, first.test, data.test.labels, first.training, data.train.labels, evaluated.seed
        )
    except NoControlError as error:
        return dict.fromkeys(CONTROL_METRICS, Metric(value=None, reason=str(error)))
    if evaluated.model is None:
        return _control_of_images(evaluated.images, evaluated.labels, real)
    return control_metrics(measure_control(evaluated.model, real, evaluated.seed, evaluated.dtype))


def _control_of_images(images: Tensor, labels: Tensor | None, real: RealClasses) -> dict[str, Metric]:
    if labels is None:
        return dict.fromkeys(CONTROL_METRICS, Metric(value=None, reason="the images come without labels"))
    fewest = int(labels.bincount(minlength=real.extractor.spec.classes)[list(real.classes)].min())
    if fewest < real.images_per_class:
        reason = f"needs {real.images_per_class} images of each class; one has {fewest}"
        return dict.fromkeys(CONTROL_METRICS, Metric(value=None, reason=reason))
    return control_metrics(control_of_images(images, labels, real))


def control_metrics(found: Control) -> dict[str, Metric]:
    """As `scores` reads them: the hits of real images are the floor, the means of steering is the unit."""
    samples = found.samples
    return {
        "control_hit_rate": Metric(
            value=found.hit_rate, floor=found.real_accuracy, unit=f"by {found.means}", samples=samples
        ),
        "control_worst_hit_rate": Metric(value=min(found.hit_rates), samples=samples),
        "control_chance": Metric(value=found.chance),
        "control_coverage": Metric(value=found.coverage, floor=found.coverage_floor, samples=samples),
    }


def _latent(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """How images change along great circles between latents, in the classifier's features."""
    names = ("path_straightness", "perceptual_path_length")
    if not isinstance(evaluated.model, HasLatent):
        return dict.fromkeys(names, Metric(value=None, reason="the model has no latent"))
    features = evaluated.real.first.extractor.network.features
    with torch.no_grad():
        straight = path_straightness(evaluated.model, features, evaluated.rng())
        length = perceptual_path_length(evaluated.model, features, evaluated.rng())
    return {
        "path_straightness": Metric(value=straight, samples=PATHS),
        "perceptual_path_length": Metric(value=length.value, spread=length.standard_error, samples=PAIRS),
    }


def _cost(evaluated: EvaluatedModel) -> dict[str, Metric]:
    if evaluated.model is None:
        return {}
    return cost_metrics(evaluated.model, evaluated.dtype)


def _cas(evaluated: EvaluatedModel) -> dict[str, Metric]:
    if evaluated.labels is None:
        return {"cas": _no_labels()}
    return cas_metrics(
        evaluated.images,
        evaluated.labels,
        evaluated.real.train,
        evaluated.real.test,
        evaluated.seed,
    )


def _no_labels() -> Metric:
    return Metric(value=None, reason="the model takes no labels")


def without_class_figures(metrics: dict[str, Metric], real: RealData) -> dict[str, Metric]:
    """`metrics`, those about classes absent where the first extractor hardly tells the classes apart."""
    accuracy = real.first.reference.test_accuracy
    if accuracy >= LEAST_ACCURACY:
        return metrics
    reason = (
        f"the classifier recognises {accuracy:.0%} of each class of the test split on average; figures about "
        f"classes need {LEAST_ACCURACY:.0%}"
    )
    return {
        name: Metric(value=None, reason=reason)
        if name in METRICS and NEEDS_CLASSES in METRICS[name].needs
        else metric
        for name, metric in metrics.items()
    }


GROUPS: dict[MetricGroup, Callable[[EvaluatedModel], dict[str, Metric]]] = {
    "distances": _distances,
    "manifold": _manifold,
    "classes": _classes,
    "diversity": _diversity,
    "memorisation": _memorisation,
    "reconstruction": _reconstruction,
    "labels": _labels,
    "control": _control,
    "latent": _latent,
    "cost": _cost,
    "cas": _cas,
}
"""By name, in the order in which they are measured."""


def random_feature_metrics(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """Distances and neighbours in the features of an untrained network, with their floors."""
    chosen = torch.randperm(
        len(evaluated.real.train.images), generator=evaluated.rng(), device=evaluated.images.device
    )
    real = evaluated.real.train.images[chosen[: len(evaluated.images)]]
    floors = evaluated.real.image_metrics.random_feature_metrics(real, evaluated.seed)
    figures = evaluated.real.image_metrics.random_feature_metrics(evaluated.images, evaluated.seed)
    few = evaluated.real.image_metrics.warning(len(evaluated.images))
    return {
        name: Metric(value=value, floor=floors[name], samples=len(evaluated.images), warning=few)
        for name, value in figures.items()
    }
