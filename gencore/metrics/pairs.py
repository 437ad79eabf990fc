"""Two sets of features that may be compared: the one check that figures of pairs begin with."""

from __future__ import annotations

from torch import Tensor

from gencore.metrics import finite_features


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
