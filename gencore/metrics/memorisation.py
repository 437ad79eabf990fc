"""Whether samples are copies of training images: nearest neighbours and authenticity (Alaa et al. 2022).

Real images that were never trained on lie near training images too, so every figure stands beside that of a
held-out set. This is a flag, not a score: in feature space a copy that was shifted or recoloured may hide.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gencore.metrics.validation import comparable_features


@dataclass(frozen=True)
class Nearest:
    """Euclidean distance (N,) float64 to the nearest training item of each item, and its index (N,) int64."""

    distances: Tensor
    indices: Tensor


@dataclass(frozen=True)
class Memorisation:
    """authentic: share of authentic samples. held_out_authentic: the same of held-out real images, the floor.
    distance_ratio: median distance to the nearest training item of samples over that of held-out images.

    Copying pulls `authentic` below its floor and the ratio below 1; unrealistic samples push both above.
    """

    authentic: float
    held_out_authentic: float
    distance_ratio: float


def nearest(generated: Tensor, train: Tensor, chunk: int = 512) -> Nearest:
    """The training item (of M, D) nearest to each generated one (N, D); `chunk` rows of distances are held.

    Exact copies have distance 0. Of training items equally near, any one may be named. Raises ValueError on
    an empty side, unequal dimensions, a wrong shape, NaN or infinity.
    """
    return _nearest(*comparable_features(generated, train, at_least=1), chunk=chunk)


def authentic_share(generated: Tensor, train: Tensor) -> float:
    """Share of generated features (N, D) that are authentic with respect to `train` (M, D).

    Alaa et al. 2022: a sample is authentic if it lies farther from its nearest training item
    than that item lies from its own nearest other training item; so an exact copy never is. Raises ValueError
    on N or M < 2, unequal dimensions, a wrong shape, NaN or infinity.
    """
    generated, train = comparable_features(generated, train, at_least=2)
    return _authentic_share(_nearest(generated, train), train)


def memorisation(generated: Tensor, train: Tensor, held_out: Tensor) -> Memorisation:
    """How near samples (N, D) lie to the training items (M, D), beside held-out real items (K, D).

    Raises ValueError on fewer than 2 items in a set, unequal dimensions, a wrong shape, NaN or infinity, or
    if most held-out items are copies of training items.
    """
    generated, train = comparable_features(generated, train, at_least=2)
    held_out, _ = comparable_features(held_out, train, at_least=2)
    of_generated, of_held_out = _nearest(generated, train), _nearest(held_out, train)
    floor = of_held_out.distances.quantile(0.5).item()
    if floor == 0:
        raise ValueError(
            f"most of the {len(held_out)} held-out items are exact copies of training items; expected items "
            "that were never trained on, such as the test split"
        )
    return Memorisation(
        authentic=_authentic_share(of_generated, train),
        held_out_authentic=_authentic_share(of_held_out, train),
        distance_ratio=of_generated.distances.quantile(0.5).item() / floor,
    )


def _authentic_share(found: Nearest, train: Tensor) -> float:
    hit, back = found.indices.unique(return_inverse=True)  # only the training items that were nearest to some
    reach = _nearest(train[hit], train, itself=hit).distances[back]
    return (found.distances > reach).to(torch.float64).mean().item()


def _nearest(x: Tensor, train: Tensor, itself: Tensor | None = None, chunk: int = 512) -> Nearest:
    """`nearest` for checked features; x_i is no neighbour of training item `itself`_i (N,), where given."""
    centre = train.mean(dim=0)
    centred = train - centre
    indices = []
    for start in range(0, len(x), chunk):
        distances = torch.cdist(x[start : start + chunk] - centre, centred)  # (chunk, M)
        if itself is not None:
            distances.scatter_(1, itself[start : start + chunk, None], torch.inf)
        indices.append(distances.argmin(dim=1))
    found = torch.cat(indices)
    # cdist takes ‖x‖² - 2xy + ‖y‖², whose rounding hides copies; the one distance that counts is taken anew.
    distances = torch.cat(
        [(rows - train[at]).norm(dim=1) for rows, at in zip(x.split(chunk), found.split(chunk), strict=True)]
    )
    return Nearest(distances, found)
