"""Fréchet distance as if samples were endless: a straight line through 1/n (Chong & Forsyth 2020).

`fd` of n samples exceeds the truth by about c/n, and c depends on the model, so even equal sample counts can
rank two models wrongly. The line's value at 1/n = 0 has no such bias, but more noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gencore.metrics.frechet import frechet_distance, moments, sample_size_warning
from gencore.metrics.validation import comparable_features

_SIZES = 5  # of 10,000 images the smallest pieces are then 2,000, which a covariance still bears


@dataclass(frozen=True)
class Extrapolation:
    """`value` at infinite samples, from `distances` at `sizes` images a side; squared units of the features.

    The value is not clipped: where the truth is 0 it scatters on both sides. `warning` says that the smallest
    size is too small, where the distances bend away from a line; None where it is sound.
    """

    value: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]
    warning: str | None


def fd_infinity(generated: Tensor, real: Tensor, rng: Generator) -> Extrapolation:
    """The Fréchet distance of features (N, D) to (M, D) that a least-squares line in 1/n gives at 1/n = 0.

    As Chong & Forsyth 2020, but with n on both sides, as the bias of both falls with 1/n. With
    n = min(N, M) the sizes are n, n/2, n/3, …, equal steps of 1/n; the distance at n/k is the mean over k
    disjoint pieces, so every image counts once at every size. Raises ValueError on fewer than two images a
    piece (n < 10), unequal dimensions, a wrong shape, NaN or infinity.
    """
    x, y = comparable_features(generated, real, at_least=2 * _SIZES)
    n = min(len(x), len(y))
    orders = (torch.randperm(len(side), generator=rng, device=rng.device) for side in (x, y))
    x, y = (side[order.to(side.device)] for side, order in zip((x, y), orders, strict=True))
    sizes = tuple(n // pieces for pieces in range(1, _SIZES + 1))
    distances = tuple(_mean_distance(x, y, size, pieces) for pieces, size in enumerate(sizes, start=1))
    inverse, distance = (torch.tensor(values, dtype=torch.float64) for values in (sizes, distances))
    line = torch.stack([inverse.reciprocal(), torch.ones_like(inverse)], dim=1)  # (sizes, 2)
    _, at_zero = torch.linalg.lstsq(line, distance).solution.tolist()
    few = sample_size_warning(sizes[-1], x.shape[1])
    return Extrapolation(
        at_zero, sizes, distances, few and f"its line rests on distances of pieces down to {few}"
    )


def _mean_distance(x: Tensor, y: Tensor, size: int, pieces: int) -> float:
    cuts = [slice(start, start + size) for start in range(0, pieces * size, size)]
    return sum(frechet_distance(moments(x[cut]), moments(y[cut])) for cut in cuts) / pieces
