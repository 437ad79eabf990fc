"""Fidelity and variety by nearest neighbours: precision, recall (Kynkäänniemi et al. 2019), density, coverage
(Naeem et al. 2020).

A set of images is taken for the union of balls around its points, each reaching to the point's k-th nearest
neighbour. Two sets of one distribution do not reach 1: judge these figures against their floor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gencore.metrics.validation import finite_features

K_PRECISION = 3
"""Neighbours of precision and recall (Kynkäänniemi et al. 2019)."""
K_DENSITY = 5
"""Neighbours of density and coverage (Naeem et al. 2020)."""


@dataclass(frozen=True)
class Manifold:
    """Features (N, D) float64, by k the squared radius (N,) of each point's ball; a reusable reference."""

    features: Tensor
    squared_radii: dict[int, Tensor]

    @classmethod
    def of(cls, features: Tensor, chunk: int = 512) -> Manifold:
        """The manifold that features (N, D) span; `chunk` rows of distances are held at once.

        Balls are open (`<`, as in Naeem's code), and narrower than the k-th distance by more than rounding
        moves. So a neighbour on the rim is outside whatever the chunk size, and the ball of a point with k
        exact copies is empty. Raises ValueError on N <= 5, a wrong shape, NaN or infinity.
        """
        x = finite_features(features, at_least=K_DENSITY + 1)
        # The point itself is the first of the k + 1 nearest.
        blocks = _squared_distances(x, x, chunk)
        nearest = torch.cat([d.topk(K_DENSITY + 1, largest=False).values for d in blocks])  # (N, k + 1)
        from_mean = (x - x.mean(dim=0)).square().sum(dim=1)
        radii = {k: nearest[:, k] - 1e-10 * (nearest[:, k] + from_mean) for k in (K_PRECISION, K_DENSITY)}
        return cls(x, radii)


@dataclass(frozen=True)
class ManifoldFigures:
    """All without unit; density may exceed 1, the others lie in [0, 1].

    precision: share of generated points within the real manifold. recall: share of real points within the
    generated one. density: real balls that hold a generated point, as a multiple of k, on average. coverage:
    share of real balls that hold a generated point. f1: harmonic mean of precision and recall.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    f1: float


def manifold_figures(real: Manifold, generated: Manifold, chunk: int = 512) -> ManifoldFigures:
    """How far two manifolds of N and M points share their ground, in one pass over the N × M distances.

    A generator that repeats each of its images more than k times spans no volume: its recall is 0 even where
    it repeats real images. Raises ValueError if the feature dimensions differ.
    """
    if real.features.shape[1] != generated.features.shape[1]:
        raise ValueError(
            f"real has {real.features.shape[1]} features, generated {generated.features.shape[1]}; expected "
            "equal dimensions, so take both from the same extractor"
        )
    n, m = len(real.features), len(generated.features)
    realistic = real.features.new_zeros(m, dtype=torch.bool)
    recalled, held, covered = real.features.new_zeros(3, dtype=torch.int64).unbind()
    narrow, wide = (real.squared_radii[k].split(chunk) for k in (K_PRECISION, K_DENSITY))
    r_generated = generated.squared_radii[K_PRECISION]
    distances = _squared_distances(real.features, generated.features, chunk)
    for d, r_narrow, r_wide in zip(distances, narrow, wide, strict=True):  # d: (chunk, M)
        realistic |= (d < r_narrow[:, None]).any(dim=0)  # Kynkäänniemi, eq. 2
        recalled += (d < r_generated).any(dim=1).count_nonzero()  # the same with sides exchanged
        held_by = (d < r_wide[:, None]).count_nonzero(dim=1)
        held += held_by.sum()
        covered += held_by.count_nonzero()
    precision, recall = realistic.count_nonzero().item() / m, recalled.item() / n
    return ManifoldFigures(
        precision=precision,
        recall=recall,
        density=held.item() / (K_DENSITY * m),
        coverage=covered.item() / n,
        f1=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
    )


def _squared_distances(a: Tensor, b: Tensor, chunk: int) -> Iterator[Tensor]:
    """‖a_i - b_j‖² as blocks (up to `chunk`, M) of the rows of a, by ‖a‖² - 2ab + ‖b‖² about the mean of b.

    float64, because with features of float32 precision what cancels then stays below 1e-13 of the norms.
    """
    centre = b.mean(dim=0)
    b = b - centre
    squared_norms = b.square().sum(dim=1)
    for rows in (a - centre).split(chunk):
        products = torch.addmm(squared_norms, rows, b.T, alpha=-2)
        yield products.add_(rows.square().sum(dim=1, keepdim=True)).clamp_(min=0)
