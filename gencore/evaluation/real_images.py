"""Random draws of real images as images of a model are measured: as many, and of classes in the same shares.

What a draw gets is the floor of a metric: the best that a model can be expected to reach.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from gencore.evaluation.records import Floor, Shares
from gencore.metrics.frechet import frechet_distance, moments
from gencore.metrics.manifold import Manifold, manifold_figures

FLOOR_DRAWS = 8
MOST_SAMPLES = 10_000
_MANIFOLD_METRICS = ("precision", "recall", "density", "coverage", "f1")


def default_samples(training_images: int) -> int:
    """How many images are measured where nobody says: half of the training split at most, so that as many
    real ones can be drawn anew for each floor.
    """
    return min(MOST_SAMPLES, training_images // 2)


def weights_of_classes(test_shares: Tensor) -> dict[Shares, Tensor]:
    """The weights (K,) by which classes are drawn, from the shares (K,) of the test split."""
    return {"test": test_shares, "uniform": torch.full_like(test_shares, 1 / len(test_shares))}


def draw_classes(weights: Tensor, n: int, rng: Generator) -> Tensor:
    """n classes (n,) int64, each drawn by these weights (K,), on the device of `rng`."""
    return torch.multinomial(weights.to(rng.device), n, replacement=True, generator=rng)


@dataclass(frozen=True)
class RealImages:
    """The features of both splits, from which floors are drawn."""

    test: Tensor  # (N, D)
    train: Tensor  # (M, D)
    train_labels: Tensor  # (M,)

    @cached_property
    def manifold(self) -> Manifold:
        """That of the test split."""
        return Manifold.of(self.test)

    def draw(self, n: int, weights: Tensor | None, rng: Generator) -> Tensor:
        """Features (n, D) of different random training images: any, or of classes drawn by `weights` (K,).

        Where a class has no more images, others take its place. Raises ValueError where there are fewer than
        n images."""
        if n > len(self.train):
            raise ValueError(
                f"{n} images are to be measured, but their floor needs as many different training images; "
                f"there are {len(self.train)}, so take {default_samples(len(self.train))} or fewer"
            )
        if weights is None:
            chosen = torch.randperm(len(self.train), generator=rng, device=self.train.device)[:n]
        else:
            wanted = self._counts(n, weights, rng).tolist()
            members = [(self.train_labels == c).nonzero()[:, 0] for c in range(len(weights))]
            orders = [torch.randperm(len(m), generator=rng, device=m.device) for m in members]
            chosen = torch.cat([m[o[:k]] for m, o, k in zip(members, orders, wanted, strict=True)])
        return self.train[chosen]

    def _counts(self, n: int, weights: Tensor, rng: Generator) -> Tensor:
        """How many of n images are of each class (K,), drawn by `weights` (K,) and no more than there are."""
        there = self.train_labels.bincount(minlength=len(weights))
        counts, weights = torch.zeros_like(there), weights.to(rng.device)
        while missing := n - int(counts.sum()):
            left = there - counts
            open_weights = weights * (left > 0)
            drawn_by = open_weights if open_weights.any() else left.double()
            counts += draw_classes(drawn_by, missing, rng).bincount(minlength=len(weights)).minimum(left)
        return counts

    def floors(
        self, n: int, weights: Tensor | None, manifold: bool, say: Callable[[str], None] = lambda text: None
    ) -> dict[str, Floor]:
        """n random training images against the test split, FLOOR_DRAWS times; with `manifold` figures too."""
        rng, real = Generator(self.train.device).manual_seed(0), moments(self.test)
        draws: list[dict[str, float]] = []
        for draw in range(FLOOR_DRAWS):
            say(f"floors, draw {draw + 1} of {FLOOR_DRAWS}, {n} training images against test")
            sample = self.draw(n, weights, rng)
            figures = {"fd": frechet_distance(moments(sample), real)}
            draws.append(figures | (_manifold_figures(self.manifold, sample) if manifold else {}))
        return _mean_floors(draws, n)


def half_floors(test: Tensor, say: Callable[[str], None]) -> dict[str, Floor]:
    """A random half of the test split's features (N, D) against the other, FLOOR_DRAWS times."""
    rng, half = Generator(test.device).manual_seed(0), len(test) // 2
    draws: list[dict[str, float]] = []
    for draw in range(FLOOR_DRAWS):
        say(f"floors, draw {draw + 1} of {FLOOR_DRAWS}, test halves")
        order = torch.randperm(len(test), generator=rng, device=test.device)
        sample, against = test[order[:half]], test[order[half : 2 * half]]
        figures = {"fd": frechet_distance(moments(sample), moments(against))}
        draws.append(figures | _manifold_figures(Manifold.of(against), sample))
    return _mean_floors(draws, half)


def _manifold_figures(real: Manifold, sample: Tensor) -> dict[str, float]:
    found = manifold_figures(real, Manifold.of(sample))
    return {name: getattr(found, name) for name in _MANIFOLD_METRICS}


def _mean_floors(draws: Sequence[dict[str, float]], samples: int) -> dict[str, Floor]:
    return {
        name: Floor(
            value=statistics.fmean(draw[name] for draw in draws),
            standard_deviation=statistics.stdev(draw[name] for draw in draws),
            samples=samples,
            draws=len(draws),
        )
        for name in draws[0]
    }
