"""All metrics of a set of images against the test split, wherever the images come from.

Evaluation measures generated images, the self-test corrupted real ones.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from gencore.data.batches import dequantise
from gencore.data.sources import ImageData
from gencore.metrics.classes import (
    class_coverage,
    class_shares,
    class_total_variation,
    classifier_score,
    confusion_matrix,
    within_class_variance,
)
from gencore.metrics.corruptions import FEWEST_OF_A_CLASS
from gencore.metrics.diversity import Bins, diversity
from gencore.metrics.frechet import frechet_distance, moments, sample_size_warning
from gencore.metrics.kernel import kernel_distance
from gencore.metrics.manifold import Manifold, manifold_figures
from gencore.models.feature_extractor import Extracted
from gencore.networks.random_features import RandomFeatures

_BINS = 100  # Richardson & Weiss 2018
_REAL_PER_BIN = 30  # fewer bins where the test split is small, so that even one class alone can fill them


@dataclass(frozen=True)
class ImageMetrics:
    """The test split as each metric needs it, computed at first use; extractor and images on one device.

    Images are uint8 (N, C, H, W), `extracted` their features and logits; `seed` chooses kd's subsets. Every
    metric raises ValueError where features are not finite or images too few.
    """

    test: ImageData
    real: Extracted
    """Features and logits of the test split."""

    def __call__(self, images: Tensor, extracted: Extracted, seed: int = 0) -> dict[str, float]:
        """Every figure but the second opinion; N at least 6, and `bins.fewest`."""
        return (
            self.distances(images, extracted, seed)
            | _neighbours(self.manifold, extracted.features)
            | self.classes(extracted)
            | self.diversity(images, extracted, extracted.predicted)
            | self.bin_differences(extracted)
        )

    def distances(self, images: Tensor, extracted: Extracted, seed: int) -> dict[str, float]:
        """Distances of the features' distribution from the real one; fd in random features too."""
        return {
            "fd": frechet_distance(moments(extracted.features), moments(self.real.features)),
            "fd_random": frechet_distance(moments(self._at_random(images)), moments(self._real_at_random)),
            "kd": _kernel_distance(extracted.features, self.real.features, seed),
        }

    def neighbours(self, extracted: Extracted) -> dict[str, float]:
        """Fidelity and variety by nearest neighbours."""
        return _neighbours(self.manifold, extracted.features)

    def random_feature_metrics(self, images: Tensor, seed: int) -> dict[str, float]:
        """Distances and neighbours in random features, scaled by their deviation over the test split."""
        features, real = self._at_random(images), self._real_at_random
        figures = {"kd": _kernel_distance(features, real, seed)} | _neighbours(
            self._manifold_at_random, features
        )
        fd = frechet_distance(moments(features), moments(real))
        return {"fd_random": fd} | {f"{name}_random": value for name, value in figures.items()}

    def classes(self, extracted: Extracted) -> dict[str, float]:
        """Balance of the recognised classes, and how certain the classifier is."""
        shares = class_shares(extracted.predicted, len(self.shares))
        return {
            "class_total_variation": class_total_variation(
                shares, self.shares, self.confusion if self.shares.all() else None
            ),
            "class_coverage": class_coverage(shares, self.shares),
            "classifier_score": classifier_score(extracted.logits),
        }

    def diversity(self, images: Tensor, extracted: Extracted, by_class: Tensor) -> dict[str, float]:
        """How much images vary, over all and within classes (N,), as a multiple of how much real ones do.

        Classes with fewer than FEWEST_OF_A_CLASS test images do not count."""
        variety = diversity(extracted.features, self.real.features, images, self.test.images)
        figures = {
            "feature_distance_ratio": variety.feature_distance_ratio,
            "pixel_variance_ratio": variety.pixel_variance_ratio,
        }
        many = self.test.labels.bincount(minlength=len(self.shares)) >= FEWEST_OF_A_CLASS
        if many.any():
            within = within_class_variance(extracted.features, by_class, len(self.shares))
            ratios = (within / self.variance_within_classes)[many].tolist()
            figures["within_class_variance"] = statistics.fmean(ratios)
            figures["worst_within_class_variance"] = min(ratios)
        return figures

    def bin_differences(self, extracted: Extracted) -> dict[str, float]:
        """How differently images fill the bins that the test split falls into; N at least `bins.fewest`."""
        found = self.bins.difference(extracted.features)
        return {
            "bins_total_variation": found.total_variation,
            "bins_different": found.different,
            "bin_coverage": found.covered,
        }

    def warning(self, samples: int) -> str | None:
        """The warning that so few images make these figures uncertain; None where they do not."""
        return sample_size_warning(min(samples, len(self.test.images)), self.real.features.shape[1])

    @cached_property
    def manifold(self) -> Manifold:
        """The manifold of the test split's features."""
        return Manifold.of(self.real.features)

    @cached_property
    def shares(self) -> Tensor:
        """Of the classes, by the labels: (K,) float64."""
        return class_shares(self.test.labels, self.test.spec.classes)

    @cached_property
    def variance_within_classes(self) -> Tensor:
        """Feature variance (K,) of the test split within each class, by its labels."""
        return within_class_variance(self.real.features, self.test.labels, len(self.shares))

    @cached_property
    def confusion(self) -> Tensor:
        """Counts (K, K) of the test split by true class (row) and recognised class (column)."""
        return confusion_matrix(self.test.labels, self.real.predicted, self.test.spec.classes)

    @cached_property
    def bins(self) -> Bins:
        """The k-means bins of the test split's features."""
        return Bins.of(self.real.features, min(_BINS, len(self.test.images) // _REAL_PER_BIN))

    @cached_property
    def _random(self) -> RandomFeatures:
        return RandomFeatures(self.test.spec.channels).to(self.test.images.device)

    @cached_property
    def _random_scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the random features over the test split."""
        features = _features(self._random, self.test.images)
        return features.mean(0), features.std(0)

    def _at_random(self, images: Tensor) -> Tensor:
        mean, deviation = self._random_scale
        return (_features(self._random, images) - mean) / deviation

    @cached_property
    def _real_at_random(self) -> Tensor:
        return self._at_random(self.test.images)

    @cached_property
    def _manifold_at_random(self) -> Manifold:
        return Manifold.of(self._real_at_random)


def _kernel_distance(features: Tensor, real: Tensor, seed: int) -> float:
    return kernel_distance(features, real, Generator(features.device).manual_seed(seed)).value


def _neighbours(real: Manifold, features: Tensor) -> dict[str, float]:
    found = manifold_figures(real, Manifold.of(features))
    return {name: getattr(found, name) for name in ("precision", "recall", "density", "coverage", "f1")}


@torch.no_grad()
def _features(network: RandomFeatures, images: Tensor) -> Tensor:
    return torch.cat([network(dequantise(chunk)) for chunk in images.split(1000)]).double()
