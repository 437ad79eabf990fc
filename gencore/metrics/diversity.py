"""How much a set of images varies, as a multiple of how much real images vary, and in which bins it falls.

Both ratios are two-sided: below 1 is collapse, above 1 is more than reality, and noise has the most of all.
Bins are those of NDB (Richardson & Weiss 2018), in feature space.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor

from gencore.metrics.validation import comparable_features, finite_features

ALPHA = 0.05
"""Level of the test for a bin: about this share of bins differs between two sets of one distribution."""
_KEPT = 0.2  # of its real share, for a bin to be covered; as in `classes.class_coverage`
_PER_BIN = 5  # images a bin on average: with fewer, counts are not near enough to normal for the test


@dataclass(frozen=True)
class Diversity:
    """Spread of generated images over that of real ones: by features, and by pixels; 1 is as real."""

    feature_distance_ratio: float
    pixel_variance_ratio: float


@dataclass(frozen=True)
class BinsDifference:
    """How differently two sets fill k-means bins; both figures lie in [0, 1].

    total_variation: ½ Σ |share - real share|. different: share of bins whose shares differ significantly
    (NDB / K). covered: share of bins that keep at least a fifth of their real share. Between real sets the
    first two do not reach 0, nor the last 1; judge all against their floor.
    """

    total_variation: float
    different: float
    covered: float
    bins: int


def diversity(
    generated_features: Tensor, real_features: Tensor, generated_images: Tensor, real_images: Tensor
) -> Diversity:
    """Spread of features (N, D) and uint8 images (N, C, H, W) relative to real (M, D) and (M, C, H, W).

    Raises ValueError if features and images of a side are not equally many, the sides differ in shape, the
    real images are all alike, or as `mean_pairwise_distance` and `pixel_variance`.
    """
    comparable_features(generated_features, real_features, at_least=2)
    pairs = (("generated", generated_features, generated_images), ("real", real_features, real_images))
    for side, features, images in pairs:
        if len(features) != len(images):
            raise ValueError(
                f"{side}: features of {len(features)} images, {len(images)} images; expected as many of both"
            )
    if generated_images.shape[1:] != real_images.shape[1:]:
        raise ValueError(
            f"generated images are {tuple(generated_images.shape[1:])}, real {tuple(real_images.shape[1:])}; "
            "expected equal (C, H, W)"
        )
    distance, variance = mean_pairwise_distance(real_features), pixel_variance(real_images)
    if distance == 0 or variance == 0:
        raise ValueError(
            f"the {len(real_images)} real images or their features are all alike; expected images that vary"
        )
    return Diversity(
        mean_pairwise_distance(generated_features) / distance, pixel_variance(generated_images) / variance
    )


def mean_pairwise_distance(features: Tensor, chunk: int = 512) -> float:
    """Mean of ‖x_i - x_j‖ over the pairs i < j of features (N, D), in units of the features.

    `chunk` rows of distances are held at once. Raises ValueError on N < 2, a wrong shape, NaN or infinity.
    """
    x = finite_features(features, at_least=2)
    x = x - x[0]  # about one of them: distances lose no digits to a large mean, and are 0 where all are alike
    total = x.new_zeros(())
    for start in range(0, len(x), chunk):
        distances = torch.cdist(x[start : start + chunk], x[start:])  # (chunk, N - start)
        total += distances.triu_(diagonal=1).sum()
    return total.item() / (len(x) * (len(x) - 1) / 2)


def pixel_variance(images: Tensor, chunk: int = 256) -> float:
    """Unbiased variance over uint8 images (N, C, H, W) scaled to [0, 1], averaged over pixels and channels.

    `chunk` pixels are converted at once. Raises ValueError on N < 2, another type or shape.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images[:1].numel() == 0:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, type {images.dtype}; expected (N, C, H, W) uint8"
        )
    if len(images) < 2:
        raise ValueError(f"{len(images)} image; a variance needs at least 2, so draw more")
    # On 0 to 255, where sums are exact, so that images all alike have variance 0 and not a rounding error.
    columns = images.flatten(start_dim=1).split(chunk, dim=1)
    variances = torch.cat([pixels.to(torch.float64).var(dim=0) for pixels in columns])
    return variances.mean().item() / 255**2


@dataclass(frozen=True)
class Bins:
    """K-means bins of real features (M, D): K centres, and the count of real features in each; reusable."""

    k_means: KMeans
    real_counts: Tensor  # (K,) float64

    @classmethod
    def of(cls, real: Tensor, bins: int, seed: int = 0) -> Bins:
        """Fits the bins. Raises ValueError on bins < 2, under 5 images a bin, too few distinct, or NaN."""
        if bins < 2:
            raise ValueError(f"bins is {bins}; expected at least 2, and 100 where 10,000 images are compared")
        y = finite_features(real, at_least=_PER_BIN * bins)
        distinct = len(y.unique(dim=0))
        if distinct < bins:
            raise ValueError(
                f"{distinct} distinct real features for {bins} bins; use at most {distinct} bins"
            )
        k_means = KMeans(bins, n_init=1, random_state=seed).fit(y.cpu().numpy())
        return cls(k_means, _counts(k_means.labels_, bins))

    @property
    def fewest(self) -> int:
        """How many images can be compared at least."""
        return _PER_BIN * len(self.real_counts)

    def difference(self, generated: Tensor) -> BinsDifference:
        """How differently features (N, D) fill the bins.

        Richardson & Weiss 2018: two-proportion z-test of each bin, uncorrected for their number. As bins
        are fitted to the real images, other images of the same distribution differ a little. Raises
        ValueError on N < `fewest`, other dimensions than the real ones', a wrong shape, NaN or infinity.
        """
        centres = torch.as_tensor(self.k_means.cluster_centers_, device=generated.device)
        x, bins = finite_features(generated, at_least=self.fewest), len(self.real_counts)
        comparable_features(x, centres, at_least=1)
        in_x, in_y = _counts(self.k_means.predict(x.cpu().numpy()), bins), self.real_counts
        n, m = len(x), in_y.sum()
        difference, pooled = in_x / n - in_y / m, (in_x + in_y) / (n + m)
        z = difference / (pooled * (1 - pooled) * (1 / n + 1 / m)).sqrt()
        significant = z.abs() > NormalDist().inv_cdf(1 - ALPHA / 2)
        return BinsDifference(
            total_variation=difference.abs().sum().item() / 2,
            different=significant.count_nonzero().item() / bins,
            covered=(in_x / n >= _KEPT * in_y / m).count_nonzero().item() / bins,
            bins=bins,
        )


def _counts(which: NDArray[np.int32], bins: int) -> Tensor:
    return torch.as_tensor(which, dtype=torch.int64).bincount(minlength=bins).to(torch.float64)
