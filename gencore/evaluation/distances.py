"""Fréchet distances as multiples of their floor, in the features of several extractors.

A ranking may change with the classifier whose features are used. So a distance is divided by that of as many
real images in the same features, and the geometric mean is taken over extractors, each reported next to it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from gencore.evaluation.real_data import RealData
from gencore.evaluation.records import Shares
from gencore.metrics.frechet import Moments, frechet_distance, moments
from gencore.metrics.scale import geometric_mean
from gencore.models.feature_extractor import FeatureExtractor
from gencore.store.results import Metric


@dataclass(frozen=True)
class Scale:
    """Distances of n images in one extractor's features."""

    extractor: FeatureExtractor
    real: Moments
    floor: float
    blur: float
    """Of barely wrong images, as a multiple of the floor."""

    def over_floor(self, images: Tensor) -> float:
        """fd of images (n, C, H, W) uint8 to the test split, divided by that of real ones."""
        return frechet_distance(moments(self.extractor(images).features), self.real) / self.floor


@dataclass(frozen=True)
class Scales:
    """The scales of a data set by extractor, and why others are not used."""

    by_extractor: Mapping[str, Scale]
    left_out: Sequence[str] = ()

    @classmethod
    def of(cls, real: RealData, samples: int, shares: Shares | None) -> Scales:
        """For `samples` images whose classes come in these shares, None for those of the training split.

        An extractor that puts far worse images ahead of a blur is left out. Raises ValueError where that
        leaves none, or there are not as many real images."""
        found, left_out = {}, []
        for name, view in real.views.items():
            if wrong := view.reference.misorders:
                put_ahead = " and ".join(wrong)
                left_out.append(f"the {name} extractor is not used: it puts {put_ahead} ahead of a blur")
                continue
            floor = view.floors(samples, shares, manifold=False)["fd"]
            real_moments = moments(view.test.features)
            found[name] = Scale(view.extractor, real_moments, floor, view.reference.fd_of_blur / floor)
        if not found:
            raise ValueError("; ".join(left_out))
        return cls(found, left_out)

    @property
    def digests(self) -> dict[str, str]:
        """Of the weights, by extractor."""
        return {name: scale.extractor.digest for name, scale in self.by_extractor.items()}

    def metric(self, image_sets: Sequence[Tensor]) -> Metric:
        """The mean over sets of images, one a sampling seed, of the geometric mean over extractors."""
        ratios = {
            name: [scale.over_floor(images) for images in image_sets]
            for name, scale in self.by_extractor.items()
        }
        of_set = [geometric_mean(each) for each in zip(*ratios.values(), strict=True)]
        alone = ["by a single feature extractor"] if len(ratios) == 1 else []
        return Metric(
            value=statistics.fmean(of_set),
            floor=1.0,
            spread=statistics.stdev(of_set) if len(of_set) > 1 else None,
            samples=len(image_sets[0]),
            by_extractor={name: statistics.fmean(each) for name, each in ratios.items()},
            warning="; ".join([*self.left_out, *alone]) or None,
        )

    def blur(self, samples: int) -> Metric:
        """The bad end of the scale."""
        blur = {name: scale.blur for name, scale in self.by_extractor.items()}
        return Metric(value=geometric_mean([*blur.values()]), floor=1.0, samples=samples, by_extractor=blur)
