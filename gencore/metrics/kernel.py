"""Kernel distance: unbiased MMD² with a cubic kernel, which sees mean, covariance and skewness (Bińkowski et
al. 2018).

Unlike `fd` it is unbiased at every sample count. It is called `kd`, never KID, unless the features are
Inception's; and KID's are not standardised.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gencore.metrics.validation import comparable_features


@dataclass(frozen=True)
class KernelDistance:
    """Mean and standard deviation of MMD² over random subsets of each side; no unit.

    The value may be negative: it scatters about 0 where the distributions agree. The spread is not an
    interval: it says how far single subsets scatter and does not shrink with more images. It is None where
    one subset was all there is.
    """

    value: float
    spread: float | None
    subsets: int
    subset_size: int


def kernel_distance(
    generated: Tensor, real: Tensor, rng: Generator, subsets: int = 50, subset_size: int = 1000
) -> KernelDistance:
    """MMD² of features (N, D) to (M, D), both standardised by the mean and deviation of `real`.

    Bińkowski et al. 2018, section 4, with k(x, y) = (xᵀy/d + 1)³. Each subset is drawn without replacement;
    `subset_size` is lowered to the number of images, and if it takes all of both sides there is one subset. A
    feature that is constant in `real` is centred but not scaled. Raises ValueError on N or M < 2,
    `subset_size` < 2, `subsets` < 1, unequal dimensions, a wrong shape, NaN or infinity.
    """
    x, y = comparable_features(generated, real, at_least=2)
    if subsets < 1 or subset_size < 2:
        raise ValueError(
            f"{subsets} subsets of {subset_size} images; expected at least 1 subset of at least 2 images"
        )
    size = min(subset_size, len(x), len(y))
    if size == len(x) == len(y):
        subsets = 1
    mean, deviation = y.mean(dim=0), y.std(dim=0, correction=0)
    # float32 features resolve 1e-7 of their size: a deviation below that is rounding, not variance.
    constant = deviation <= 1e-7 * y.abs().amax(dim=0)
    scale = deviation.masked_fill(constant, 1)
    x, y = (x - mean) / scale, (y - mean) / scale
    draws = torch.stack([squared_mmd(_drawn(x, size, rng), _drawn(y, size, rng)) for _ in range(subsets)])
    spread = draws.std(correction=0).item() if subsets > 1 else None
    return KernelDistance(draws.mean().item(), spread, subsets, size)


def squared_mmd(x: Tensor, y: Tensor, chunk: int = 512) -> Tensor:
    """Unbiased MMD² of float64 features (N, D) and (M, D) as they are, a scalar; N and M at least 2.

    Gretton et al. 2012, eq. 3: pairs of an image with itself are left out.
    """
    n, m = len(x), len(y)
    within_x = (_kernel_sum(x, x, chunk) - _cubed(x.square().sum(dim=1), x).sum()) / (n * (n - 1))
    within_y = (_kernel_sum(y, y, chunk) - _cubed(y.square().sum(dim=1), y).sum()) / (m * (m - 1))
    return within_x + within_y - 2 * _kernel_sum(x, y, chunk) / (n * m)


def _kernel_sum(x: Tensor, y: Tensor, chunk: int) -> Tensor:
    return torch.stack([_cubed(rows @ y.T, x).sum() for rows in x.split(chunk)]).sum()


def _cubed(products: Tensor, features: Tensor) -> Tensor:
    return (products / features.shape[1] + 1) ** 3


def _drawn(features: Tensor, size: int, rng: Generator) -> Tensor:
    order = torch.randperm(len(features), generator=rng, device=rng.device)
    return features[order[:size].to(features.device)]
