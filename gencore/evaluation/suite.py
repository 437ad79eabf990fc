"""The groups of metrics that can be asked for by name: what each says of a model and of the images it drew.

A new group is a function of the Subject, a row in GROUPS and its name in `results.MetricGroup`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gencore import devices
from gencore.cas import cas_metrics
from gencore.control import Control, RealClasses, control_figures
from gencore.cost import cost_metrics
from gencore.data.batches import dequantise
from gencore.data.sources import ImageData
from gencore.features import Extracted
from gencore.judge import Reference, SelfTest
from gencore.latent import PAIRS, PATHS, path_straightness, perceptual_path_length
from gencore.metrics.classes import conditional_accuracy, confusion_matrix, within_class_variance
from gencore.metrics.extrapolation import fd_infinity
from gencore.metrics.memorisation import memorisation
from gencore.metrics.reconstruction import mse, psnr, ssim
from gencore.models.base import GenerativeModel, HasLatent, Reconstructs
from gencore.panel import Panel
from gencore.results import Metric, MetricGroup

FEWEST_TO_EXTRAPOLATE = 2000
NEIGHBOURS_SOUGHT = 2000


@dataclass(frozen=True)
class Subject:
    """A model, what it drew, and the real images beside it; all on one device."""

    model: GenerativeModel
    images: Tensor  # (N, C, H, W) uint8
    asked: Tensor | None  # (N,) the labels they were asked for, of a conditional model
    seen: Extracted  # of the images
    panel: Panel  # of the test split
    train: ImageData
    reference: Reference
    ladder: SelfTest | None
    seed: int
    dtype: torch.dtype

    @property
    def classes(self) -> int:
        return len(self.train.spec.class_names)

    @property
    def confusion(self) -> Tensor | None:
        """Counts (K, K) by class asked for and class recognised; None where nothing was asked for."""
        return None if self.asked is None else confusion_matrix(self.asked, self.seen.predicted, self.classes)

    def rng(self) -> Generator:
        return Generator(self.images.device).manual_seed(self.seed)

    def judged(self, figures: dict[str, float]) -> dict[str, Metric]:
        """Figures beside their floors and what they are blind to; the floor of more draws where there are two."""
        floors, blind = {name: floor.value for name, floor in self.reference.floors.items()}, {}
        if self.ladder:
            floors = {name: statistics.fmean(seen.real) for name, seen in self.ladder.metrics.items()} | floors
            blind = {name: [rung for rung in seen.rungs if rung not in seen.sees] for name, seen in self.ladder.metrics.items()}
        few, samples = self.panel.warning(len(self.images)), len(self.images)
        return {
            name: Metric(value=value, floor=floors.get(name), samples=samples, warning=few, blind_to=blind.get(name, []))
            for name, value in figures.items()
        }


def _distances(subject: Subject) -> dict[str, Metric]:
    real, samples = subject.panel.real.features, len(subject.images)
    metrics = subject.judged(subject.panel.distances(subject.images, subject.seen, subject.seed))
    metrics["fd_of_noise"] = Metric(value=subject.reference.fd_of_noise, samples=len(real), warning=subject.panel.warning(samples))
    if min(samples, len(real)) < FEWEST_TO_EXTRAPOLATE:
        reason = f"needs {FEWEST_TO_EXTRAPOLATE} images a side; there are {samples} generated and {len(real)} real"
        return metrics | {"fd_infinity": Metric(value=None, reason=reason)}
    endless = fd_infinity(subject.seen.features, real, subject.rng())
    return metrics | {"fd_infinity": Metric(value=endless.value, samples=samples, warning=endless.warning)}


def _manifold(subject: Subject) -> dict[str, Metric]:
    return subject.judged(subject.panel.neighbours(subject.seen))


def _classes(subject: Subject) -> dict[str, Metric]:
    return subject.judged(subject.panel.classes(subject.seen))


def _diversity(subject: Subject) -> dict[str, Metric]:
    """Variety over all images, within classes (asked for, else recognised), and by bins."""
    metrics, samples = subject.judged(subject.panel.diversity(subject.images, subject.seen)), len(subject.images)
    by_class = subject.seen.predicted if subject.asked is None else subject.asked
    variance = within_class_variance(subject.seen.features, by_class, subject.classes).cpu()
    ratios = variance / torch.tensor(subject.reference.within_class_variance)
    metrics["within_class_variance"] = Metric(value=float(ratios.mean()), unit="of real", samples=samples)
    metrics["worst_within_class_variance"] = Metric(value=float(ratios.min()), unit="of real", samples=samples)
    fewest = subject.panel.bins.fewest
    if samples < fewest:
        absent = Metric(value=None, reason=f"needs {fewest} images to fill the bins; there are {samples}")
        return metrics | dict.fromkeys(("bins_total_variation", "bins_different"), absent)
    return metrics | subject.judged(subject.panel.filling(subject.seen))


def _memorisation(subject: Subject) -> dict[str, Metric]:
    """Whether samples are copies: a flag beside the same figure of test images, not part of any score."""
    rng, train = subject.rng(), subject.panel.extractor(subject.train.images).features
    few, real = (
        features[torch.randperm(len(features), generator=rng, device=features.device)[:NEIGHBOURS_SOUGHT]]
        for features in (subject.seen.features, subject.panel.real.features)
    )
    found = memorisation(few, train, real)
    return {
        "authentic_share": Metric(value=found.authentic, floor=found.held_out_authentic, samples=len(few)),
        "train_distance_ratio": Metric(value=found.distance_ratio, floor=1.0, unit="of test images", samples=len(few)),
    }


@torch.no_grad()
def _reconstruction(subject: Subject) -> dict[str, Metric]:
    """How well the model gives the test split back, on the scale 0 to 1."""
    units = {"reconstruction_mse": "", "reconstruction_psnr": "dB", "reconstruction_ssim": ""}
    if not isinstance(subject.model, Reconstructs):
        return dict.fromkeys(units, Metric(value=None, reason="the model gives no image back"))
    images = subject.panel.test.images
    with devices.autocast(images.device, subject.dtype):
        given_back = torch.cat([subject.model.reconstruct(dequantise(chunk)) for chunk in images.split(1000)])
    x, x_hat = images.float() / 255, ((given_back + 1) / 2).clamp(0, 1)
    figures = (mse(x_hat, x), psnr(x_hat, x), ssim(x_hat, x))
    return {
        name: Metric(value=value, unit=unit, samples=len(x)) for (name, unit), value in zip(units.items(), figures, strict=True)
    }


def _labels(subject: Subject) -> dict[str, Metric]:
    """Whether what was asked for came."""
    if subject.confusion is None:
        return dict.fromkeys(("conditional_accuracy", "worst_class_accuracy"), _no_labels())
    accuracy, samples = conditional_accuracy(subject.confusion), len(subject.images)
    return {
        "conditional_accuracy": Metric(value=accuracy.mean, floor=subject.reference.test_accuracy, samples=samples),
        "worst_class_accuracy": Metric(value=accuracy.worst, samples=samples),
    }


def _control(subject: Subject) -> dict[str, Metric]:
    """Whether the model can be steered to each class in turn, by the best means it offers."""
    panel, train = subject.panel, subject.train
    seen = panel.extractor(train.images)
    real = RealClasses.of(panel.extractor, panel.real, panel.test.labels, seen, train.labels, subject.seed)
    return control_metrics(control_figures(subject.model, real, subject.seed, subject.dtype))


def control_metrics(found: Control) -> dict[str, Metric]:
    """As `scores` reads them: the hits of real images are the floor, the means of steering is the unit."""
    samples = found.samples
    return {
        "control_hit_rate": Metric(value=found.hit_rate, floor=found.real_accuracy, unit=f"by {found.means}", samples=samples),
        "control_worst_hit_rate": Metric(value=min(found.hit_rates), samples=samples),
        "control_chance": Metric(value=found.chance),
        "control_coverage": Metric(value=found.coverage, floor=found.coverage_floor, samples=samples),
    }


def _latent(subject: Subject) -> dict[str, Metric]:
    """How images change along great circles between latents, in the classifier's features."""
    names = ("path_straightness", "perceptual_path_length")
    if not isinstance(subject.model, HasLatent):
        return dict.fromkeys(names, Metric(value=None, reason="the model has no latent"))
    features = subject.panel.extractor.network.features
    with torch.no_grad():
        straight = path_straightness(subject.model, features, subject.rng())
        length = perceptual_path_length(subject.model, features, subject.rng())
    return {
        "path_straightness": Metric(value=straight, samples=PATHS),
        "perceptual_path_length": Metric(value=length.value, spread=length.standard_error, samples=PAIRS),
    }


def _cost(subject: Subject) -> dict[str, Metric]:
    return cost_metrics(subject.model, subject.dtype)


def _cas(subject: Subject) -> dict[str, Metric]:
    if subject.asked is None:
        return {"cas": _no_labels()}
    return cas_metrics(subject.images, subject.asked, subject.train, subject.panel.test, subject.seed)


def _no_labels() -> Metric:
    return Metric(value=None, reason="the model takes no labels")


GROUPS: dict[MetricGroup, Callable[[Subject], dict[str, Metric]]] = {
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


def second_opinion(subject: Subject) -> dict[str, Metric]:
    """Distances and neighbours in the features of an untrained network, beside those of as many training images."""
    chosen = torch.randperm(len(subject.train.images), generator=subject.rng(), device=subject.images.device)
    real = subject.train.images[chosen[: len(subject.images)]]
    floors = subject.panel.second_opinion(real, subject.seed)
    figures = subject.panel.second_opinion(subject.images, subject.seed)
    few = subject.panel.warning(len(subject.images))
    return {
        name: Metric(value=value, floor=floors[name], samples=len(subject.images), warning=few)
        for name, value in figures.items()
    }
