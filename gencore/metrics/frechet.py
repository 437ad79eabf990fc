"""Fréchet distance of Gaussians fitted to two sets of features (Dowson & Landau 1982; Heusel et al. 2017).

It is called `fd`, never FID, unless the features are Inception's. It sees nothing beyond mean and covariance,
and it is biased upwards when samples are few: compare only figures of equal sample counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gencore.metrics.validation import finite_features


@dataclass(frozen=True)
class Moments:
    """Mean (D,) and unbiased covariance (D, D) of `count` feature vectors, both float64."""

    mean: Tensor
    covariance: Tensor
    count: int


def moments(features: Tensor) -> Moments:
    """Mean and covariance of features (N, D). Raises ValueError on N < 2, a wrong shape, NaN or infinity."""
    x = finite_features(features, at_least=2)
    mean = x.mean(dim=0)
    x = x - mean
    return Moments(mean, x.T @ x / (len(x) - 1), len(x))


def frechet_distance(a: Moments, b: Moments) -> float:
    """‖μ₁ - μ₂‖² + tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½), at least 0, in squared units of the features.

    Heusel et al. 2017, eq. 6; a squared distance, in spite of its name. Raises ValueError if the
    feature dimensions differ.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"moments of {len(a.mean)} and of {len(b.mean)} features; expected equal dimensions, "
            "so take both from the same extractor"
        )
    shift = (a.mean - b.mean).square().sum()
    spread = a.covariance.trace() + b.covariance.trace()
    distance = (shift + spread - 2 * _trace_of_root(a.covariance, b.covariance)).item()
    assert distance >= -1e-6 * (shift + spread).item(), f"distance {distance} is negative beyond rounding"
    return max(0.0, distance)


def _trace_of_root(s1: Tensor, s2: Tensor) -> Tensor:
    """The trace of (Σ₁Σ₂)^½ from the eigenvalues of the symmetric √Σ₁ Σ₂ √Σ₁, which are those of Σ₁Σ₂.

    Directions in which Σ₁ has no variance beyond rounding are left out first. They add nothing, but the root
    would blow up their rounding error from ε to √ε: 1e-8 of the largest variance, for each of them.
    """
    variances, directions = torch.linalg.eigh(s1)
    kept = variances > (variances[-1] * len(variances) * torch.finfo(variances.dtype).eps).clamp(min=0)
    root = directions[:, kept] * variances[kept].sqrt()  # (D, rank), root rootᵀ = Σ₁
    return torch.linalg.eigvalsh(root.T @ s2 @ root).clamp(min=0).sqrt().sum()


def sample_size_warning(count: int, dimensions: int) -> str | None:
    """What to doubt about a covariance of `count` samples in so many dimensions; None where it is sound."""
    if count < 10 * dimensions:
        return (
            f"{count:,} samples for {dimensions:,} features; with fewer than 10 a feature fd is poorly known"
        )
    if count < 2000:
        return f"{count:,} samples; below 2,000 the figure is biased and uncertain"
    return None
