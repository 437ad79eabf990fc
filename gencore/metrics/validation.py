"""From features of images to numbers: pure functions of tensors, one file a metric family.

Nothing here knows a model or a file. Features are (N, D), a row an image; all arithmetic is float64 on
the features' own device (CPU or CUDA), because these figures are small differences of large ones.
"""

from __future__ import annotations

import torch
from torch import Tensor


def finite_features(features: Tensor, at_least: int) -> Tensor:
    """The features (N, D) as float64. Raises ValueError on another shape, N < `at_least`, NaN or infinity."""
    if features.ndim != 2 or features.shape[1] == 0:
        raise ValueError(f"features have shape {tuple(features.shape)}; expected (N, D), a row an image")
    if len(features) < at_least:
        raise ValueError(f"features of {len(features)} images; needs at least {at_least}, so draw more")
    broken = int((~features.isfinite()).any(dim=1).sum())
    if broken:
        raise ValueError(
            f"features of {broken} of {len(features)} images hold NaN or infinity; expected finite numbers, "
            "so look for non-finite images or a diverged model"
        )
    return features.to(torch.float64)


def comparable_features(a: Tensor, b: Tensor, at_least: int) -> tuple[Tensor, Tensor]:
    """Both features, (N, D) and (M, D), as float64.

    Raises ValueError as `finite_features` does for each, or if the dimensions differ.
    """
    a, b = finite_features(a, at_least), finite_features(b, at_least)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"sets of {a.shape[1]} and of {b.shape[1]} features; expected equal dimensions, "
            "so take both from the same extractor"
        )
    return a, b
