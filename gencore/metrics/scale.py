"""Quantities on a logarithmic scale: between two anchors, and their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence


def log_score(x: float, good: float, bad: float) -> float:
    """1 where x is at most `good`, 0 where it is at least `bad`, linear in ln x between."""
    if not 0 < good < bad:
        raise ValueError(f"anchors must satisfy 0 < good < bad; got good {good}, bad {bad}")
    if x <= good:
        return 1.0
    return max(0.0, (math.log(bad) - math.log(x)) / (math.log(bad) - math.log(good)))


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean of `values`: 0 as soon as one of them is 0. Raises ValueError if there are none."""
    if not values:
        raise ValueError("no values to average")
    return math.prod(values) ** (1 / len(values))
