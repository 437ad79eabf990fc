"""Every figure that a set of images gets against the test split, with no question asked about its origin.

Evaluation puts generated images before the panel, the self-test puts corrupted real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from gencore.data.batches import dequantise
from gencore.data.sources import ImageData
from gencore.features import Extracted, FeatureExtractor
from gencore.metrics.classes import (
    class_coverage,
    class_shares,
    class_total_variation,
    classifier_score,
    confusion_matrix,
)
from gencore.metrics.diversity import mean_pairwise_distance, pixel_variance
from gencore.metrics.frechet import frechet_distance, moments, sample_size_warning
from gencore.metrics.kernel import kernel_distance
from gencore.metrics.manifold import Manifold, manifold_figures
from gencore.networks.random_features import RandomFeatures

Better = Literal["smaller", "larger", "nearer 1"]

FIGURES: dict[str, Better] = {
    "fd": "smaller",
    "fd_random": "smaller",
    "kd": "smaller",
    "precision": "larger",
    "recall": "larger",
    "density": "larger",
    "coverage": "larger",
    "f1": "larger",
    "class_total_variation": "smaller",
    "class_coverage": "larger",
    "classifier_score": "larger",
    "feature_distance_ratio": "nearer 1",
    "pixel_variance_ratio": "nearer 1",
}
"""What the panel measures, and which way is better."""


@dataclass(frozen=True)
class Panel:
    """The test split as each metric needs it, made once; call it with images."""

    extractor: FeatureExtractor
    random: RandomFeatures
    real: Extracted
    manifold: Manifold
    shares: Tensor
    confusion: Tensor
    real_random: Tensor
    feature_distance: float
    pixel_variance: float

    @classmethod
    def of(cls, extractor: FeatureExtractor, test: ImageData) -> Panel:
        """Both on one device; the test split needs at least 6 images."""
        classes, real = len(test.spec.class_names), extractor(test.images)
        random = RandomFeatures(test.spec.channels).to(test.images.device)
        return cls(
            extractor=extractor,
            random=random,
            real=real,
            manifold=Manifold.of(real.features),
            shares=class_shares(test.labels, classes),
            confusion=confusion_matrix(test.labels, real.predicted, classes),
            real_random=_features(random, test.images),
            feature_distance=mean_pairwise_distance(real.features),
            pixel_variance=pixel_variance(test.images),
        )

    def __call__(self, images: Tensor, seen: Extracted, seed: int = 0) -> dict[str, float]:
        """Each of FIGURES for uint8 images (N, C, H, W), which the extractor has `seen`; N at least 6.

        `seed` draws kd's subsets. Raises ValueError where features are not finite.
        """
        rng = Generator(images.device).manual_seed(seed)
        manifold = manifold_figures(self.manifold, Manifold.of(seen.features))
        shares = class_shares(seen.predicted, len(self.shares))
        return {
            "fd": frechet_distance(moments(seen.features), moments(self.real.features)),
            "fd_random": self._fd_random(images),
            "kd": kernel_distance(seen.features, self.real.features, rng).value,
            "precision": manifold.precision,
            "recall": manifold.recall,
            "density": manifold.density,
            "coverage": manifold.coverage,
            "f1": manifold.f1,
            "class_total_variation": class_total_variation(shares, self.shares, self.confusion),
            "class_coverage": class_coverage(shares, self.shares),
            "classifier_score": classifier_score(seen.logits),
            "feature_distance_ratio": mean_pairwise_distance(seen.features) / self.feature_distance,
            "pixel_variance_ratio": pixel_variance(images) / self.pixel_variance,
        }

    def _fd_random(self, images: Tensor) -> float:
        """Fréchet distance in the random network's features, each scaled by its deviation over the test split."""
        mean, deviation = self.real_random.mean(0), self.real_random.std(0)
        standard = [(features - mean) / deviation for features in (_features(self.random, images), self.real_random)]
        return frechet_distance(*map(moments, standard))

    def warning(self, samples: int) -> str | None:
        """What to say where so few images make these figures unsure."""
        return sample_size_warning(min(samples, len(self.real.features)), self.real.features.shape[1])


@torch.no_grad()
def _features(network: RandomFeatures, images: Tensor) -> Tensor:
    return torch.cat([network(dequantise(chunk)) for chunk in images.split(1000)]).double()
