"""LPIPS (Zhang et al. 2018): the distance of two images in the layers of a network, and its mean over pairs.

The published LPIPS takes a network that was trained on photographs, and weights that were fitted to what
people see (`gencore.evaluation.inception` measures it). In `feature_lpips` any network gives the activations,
and all channels weigh the same: a figure of its own, which compares models on one data set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

PAIRS = 1000
_CHUNK = 100
_EPSILON = 1e-10  # places without any activation stay 0


@dataclass(frozen=True)
class PairDistance:
    """A mean over pairs of images, and its standard error."""

    value: float
    standard_error: float
    pairs: int


def feature_lpips(x: Sequence[Tensor], y: Sequence[Tensor]) -> Tensor:
    """Distances (B,) between images with the activations x and y, each layer (B, channels, h, w) of both.

    Zhang et al. 2018, eq. 1 with all weights 1: activations are scaled to length 1 over the channels of each
    place, squared differences are summed over channels, averaged over places and summed over layers. A layer
    adds 0 to 4, and at most 2 after a ReLU. Raises ValueError where the layers differ in number or shape.
    """
    shapes = [[tuple(layer.shape) for layer in side] for side in (x, y)]
    if shapes[0] != shapes[1] or not x:
        raise ValueError(
            f"layers have the shapes {shapes[0]} and {shapes[1]}; expected at least one, and the same of both"
        )
    unit = [[F.normalize(layer, dim=1, eps=_EPSILON) for layer in side] for side in (x, y)]
    by_layer = [(a - b).square().sum(dim=1).mean(dim=(1, 2)) for a, b in zip(*unit, strict=True)]  # (B,) each
    return torch.stack(by_layer).sum(dim=0)


def mean_pair_distance(
    images: Tensor, distance: Callable[[Tensor, Tensor], Tensor], rng: Generator, pairs: int = PAIRS
) -> PairDistance:
    """Mean `distance` over random pairs of images (N, C, H, W); no image is in two pairs.

    So the pairs are independent, and there are N / 2 at most. `distance` gives (B,) of twice (B, C, H, W).
    Raises ValueError on N < 4.
    """
    if len(images) < 4:
        raise ValueError(f"{len(images)} images; the mean over pairs and its error need at least 4")
    pairs = min(pairs, len(images) // 2)
    order = torch.randperm(len(images), generator=rng, device=rng.device)[: 2 * pairs].to(images.device)
    distances = torch.cat(
        [
            distance(images[first], images[second])
            for first, second in zip(*(half.split(_CHUNK) for half in order.chunk(2)), strict=True)
        ]
    ).double()
    error = distances.std().item() / math.sqrt(pairs)
    return PairDistance(distances.mean().item(), error, pairs)
