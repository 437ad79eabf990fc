"""The groups of metrics by name: each is a function of a model and its generated images.

A new metric is returned by the function of its group and has a row in `gencore.metrics.catalog`. A new group
is a function of the EvaluatedModel, a row in GROUPS and its name in `catalog.MetricGroup`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gencore import devices
from gencore.data.batches import dequantise
from gencore.data.sources import ImageData
from gencore.evaluation.cas import cas_metrics
from gencore.evaluation.controllability import Control, RealClasses, measure_control
from gencore.evaluation.cost import cost_metrics
from gencore.evaluation.image_metrics import ImageMetrics
from gencore.evaluation.records import Ladder, ReferenceFigures
from gencore.latent.interpolation import PAIRS, PATHS, path_straightness, perceptual_path_length
from gencore.metrics.catalog import MetricGroup
from gencore.metrics.classes import conditional_accuracy, confusion_matrix, within_class_variance
from gencore.metrics.extrapolation import fd_infinity
from gencore.metrics.memorisation import memorisation
from gencore.metrics.reconstruction import mse, psnr, ssim
from gencore.models.base import GenerativeModel, HasLatent, Reconstructs
from gencore.models.feature_extractor import Extracted
from gencore.store.results import Metric

FEWEST_TO_EXTRAPOLATE = 2000
NEIGHBOURS_SOUGHT = 2000


@dataclass(frozen=True)
class EvaluatedModel:
    """A model, what it drew, and the real images beside it; all on one device."""

    model: GenerativeModel
    images: Tensor  # (N, C, H, W) uint8
    labels: Tensor | None  # (N,) the labels given to a conditional model
    extracted: Extracted  # of the images
    image_metrics: ImageMetrics  # of the test split
    train: ImageData
    train_extracted: Extracted
    reference: ReferenceFigures
    ladder: Ladder | None
    seed: int
    dtype: torch.dtype

    @property
    def classes(self) -> int:
        """How many classes the data set has."""
        return len(self.train.spec.class_names)

    @property
    def confusion(self) -> Tensor | None:
        """Counts (K, K) by label given and class recognised; None without labels."""
        return (
            None
            if self.labels is None
            else confusion_matrix(self.labels, self.extracted.predicted, self.classes)
        )

    def rng(self) -> Generator:
        """A new generator of the evaluation's seed, on the images' device."""
        return Generator(self.images.device).manual_seed(self.seed)

    def with_floors(self, figures: dict[str, float]) -> dict[str, Metric]:
        """Figures with their floors and what they are blind to; of two floors, that of more draws."""
        floors, blind = {name: floor.value for name, floor in self.reference.floors.items()}, {}
        if self.ladder:
            floors = {name: statistics.fmean(one.real) for name, one in self.ladder.metrics.items()} | floors
            blind = {
                name: [rung for rung in one.rungs if rung not in one.sees]
                for name, one in self.ladder.metrics.items()
            }
        few, samples = self.image_metrics.warning(len(self.images)), len(self.images)
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
    real, samples = evaluated.image_metrics.real.features, len(evaluated.images)
    metrics = evaluated.with_floors(
        evaluated.image_metrics.distances(evaluated.images, evaluated.extracted, evaluated.seed)
    )
    metrics["fd_of_noise"] = Metric(
        value=evaluated.reference.fd_of_noise,
        samples=len(real),
        warning=evaluated.image_metrics.warning(samples),
    )
    if min(samples, len(real)) < FEWEST_TO_EXTRAPOLATE:
        reason = (
            f"needs {FEWEST_TO_EXTRAPOLATE} images a side; there are {samples} generated and {len(real)} real"
        )
        return metrics | {"fd_infinity": Metric(value=None, reason=reason)}
    endless = fd_infinity(evaluated.extracted.features, real, evaluated.rng())
    return metrics | {"fd_infinity": Metric(value=endless.value, samples=samples, warning=endless.warning)}


def _manifold(evaluated: EvaluatedModel) -> dict[str, Metric]:
    return evaluated.with_floors(evaluated.image_metrics.neighbours(evaluated.extracted))


def _classes(evaluated: EvaluatedModel) -> dict[str, Metric]:
    return evaluated.with_floors(evaluated.image_metrics.classes(evaluated.extracted))


def _diversity(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """Variety over all images, within classes (asked for, else recognised), and by bins."""
    metrics, samples = (
        evaluated.with_floors(evaluated.image_metrics.diversity(evaluated.images, evaluated.extracted)),
        len(evaluated.images),
    )
    by_class = evaluated.extracted.predicted if evaluated.labels is None else evaluated.labels
    variance = within_class_variance(evaluated.extracted.features, by_class, evaluated.classes).cpu()
    ratios = variance / torch.tensor(evaluated.reference.within_class_variance)
    metrics["within_class_variance"] = Metric(value=float(ratios.mean()), unit="of real", samples=samples)
    metrics["worst_within_class_variance"] = Metric(
        value=float(ratios.min()), unit="of real", samples=samples
    )
    fewest = evaluated.image_metrics.bins.fewest
    if samples < fewest:
        absent = Metric(value=None, reason=f"needs {fewest} images to fill the bins; there are {samples}")
        return metrics | dict.fromkeys(("bins_total_variation", "bins_different"), absent)
    return metrics | evaluated.with_floors(evaluated.image_metrics.bin_differences(evaluated.extracted))


def _memorisation(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """Whether samples are copies: a flag beside the same figure of test images, not part of any score."""
    rng, train = evaluated.rng(), evaluated.train_extracted.features
    few, real = (
        features[torch.randperm(len(features), generator=rng, device=features.device)[:NEIGHBOURS_SOUGHT]]
        for features in (evaluated.extracted.features, evaluated.image_metrics.real.features)
    )
    found = memorisation(few, train, real)
    return {
        "authentic_share": Metric(value=found.authentic, floor=found.held_out_authentic, samples=len(few)),
        "train_distance_ratio": Metric(
            value=found.distance_ratio, floor=1.0, unit="of test images", samples=len(few)
        ),
    }


@torch.no_grad()
def _reconstruction(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """How well the model gives the test split back, on the scale 0 to 1."""
    units = {"reconstruction_mse": "", "reconstruction_psnr": "dB", "reconstruction_ssim": ""}
    if not isinstance(evaluated.model, Reconstructs):
        return dict.fromkeys(units, Metric(value=None, reason="the model gives no image back"))
    images = evaluated.image_metrics.test.images
    with devices.autocast(images.device, evaluated.dtype):
        given_back = torch.cat(
            [evaluated.model.reconstruct(dequantise(chunk)) for chunk in images.split(1000)]
        )
    x, x_hat = images.float() / 255, ((given_back + 1) / 2).clamp(0, 1)
    figures = (mse(x_hat, x), psnr(x_hat, x), ssim(x_hat, x))
    return {
        name: Metric(value=value, unit=unit, samples=len(x))
        for (name, unit), value in zip(units.items(), figures, strict=True)
    }


def _labels(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """Whether what was asked for came."""
    if evaluated.confusion is None:
        return dict.fromkeys(("conditional_accuracy", "worst_class_accuracy"), _no_labels())
    accuracy, samples = conditional_accuracy(evaluated.confusion), len(evaluated.images)
    return {
        "conditional_accuracy": Metric(
            value=accuracy.mean, floor=evaluated.reference.test_accuracy, samples=samples
        ),
        "worst_class_accuracy": Metric(value=accuracy.worst, samples=samples),
    }


def _control(evaluated: EvaluatedModel) -> dict[str, Metric]:
    """Whether the model can be steered to each class in turn, by the best means it offers."""
    image_metrics, train = evaluated.image_metrics, evaluated.train
    real = RealClasses.of(
        image_metrics.extractor,
        image_metrics.real,
        image_metrics.test.labels,
        evaluated.train_extracted,
        train.labels,
        evaluated.seed,
    )
    return control_metrics(measure_control(evaluated.model, real, evaluated.seed, evaluated.dtype))


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
    features = evaluated.image_metrics.extractor.network.features
    with torch.no_grad():
        straight = path_straightness(evaluated.model, features, evaluated.rng())
        length = perceptual_path_length(evaluated.model, features, evaluated.rng())
    return {
        "path_straightness": Metric(value=straight, samples=PATHS),
        "perceptual_path_length": Metric(value=length.value, spread=length.standard_error, samples=PAIRS),
    }


def _cost(evaluated: EvaluatedModel) -> dict[str, Metric]:
    return cost_metrics(evaluated.model, evaluated.dtype)


def _cas(evaluated: EvaluatedModel) -> dict[str, Metric]:
    if evaluated.labels is None:
        return {"cas": _no_labels()}
    return cas_metrics(
        evaluated.images, evaluated.labels, evaluated.train, evaluated.image_metrics.test, evaluated.seed
    )


def _no_labels() -> Metric:
    return Metric(value=None, reason="the model takes no labels")


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
        len(evaluated.train.images), generator=evaluated.rng(), device=evaluated.images.device
    )
    real = evaluated.train.images[chosen[: len(evaluated.images)]]
    floors = evaluated.image_metrics.random_feature_metrics(real, evaluated.seed)
    figures = evaluated.image_metrics.random_feature_metrics(evaluated.images, evaluated.seed)
    few = evaluated.image_metrics.warning(len(evaluated.images))
    return {
        name: Metric(value=value, floor=floors[name], samples=len(evaluated.images), warning=few)
        for name, value in figures.items()
    }
