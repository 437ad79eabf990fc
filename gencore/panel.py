"""Every figure that a set of images gets against the test split, with no question asked about its origin.

Evaluation puts generated images before the panel, the self-test puts corrupted real ones.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from gencore.metrics.diversity import diversity
from gencore.metrics.frechet import frechet_distance, moments, sample_size_warning
from gencore.metrics.kernel import kernel_distance
from gencore.metrics.manifold import Manifold, manifold_figures
from gencore.networks.random_features import RandomFeatures


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
    real_images: Tensor

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
            real_images=test.images,
        )

    def __call__(self, images: Tensor, seen: Extracted, seed: int = 0) -> dict[str, float]:
        """Every figure of uint8 images (N, C, H, W), which the extractor has `seen`; N at least 6.

        `seed` draws kd's subsets. Raises ValueError where features are not finite.
        """
        rng = Generator(images.device).manual_seed(seed)
        manifold = manifold_figures(self.manifold, Manifold.of(seen.features))
        variety = diversity(seen.features, self.real.features, images, self.real_images)
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
            "feature_distance_ratio": variety.feature_distance_ratio,
            "pixel_variance_ratio": variety.pixel_variance_ratio,
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
