"""From metrics to scores between 0 and 1, by absolute anchors: never relative to who else is compared.

Plain arithmetic. The anchors are the metric's floor (real against real) as good and pure noise as bad.
"""

from __future__ import annotations

import math

from gencore.results import Results

ZONES = {"elite": 0.8, "excellent": 0.6, "good": 0.4}
"""A model is in a zone when every one of its scores reaches the bound."""


def log_score(x: float, good: float, bad: float) -> float:
    """1 where x is `good` or better, 0 where it is `bad` or worse, linear in ln x between (smaller is better)."""
    if not 0 < good < bad:
        raise ValueError(f"anchors must satisfy 0 < good < bad; got good {good}, bad {bad}")
    if x <= good:
        return 1.0
    return max(0.0, (math.log(bad) - math.log(x)) / (math.log(bad) - math.log(good)))


def quality_parts(results: Results) -> dict[str, float]:
    """The parts of image quality that `results` allows, each in [0, 1]; what was not measured is absent.

    realism: fd on a log scale from pure noise to the floor; fidelity: precision over its floor;
    coverage: coverage over its floor; balance: 1 - total variation to the real class shares.
    """
    parts: dict[str, float] = {}
    fd, noise = results.metrics.get("fd"), results.value("fd_of_noise")
    if fd and fd.value is not None and fd.floor and noise:
        parts["realism"] = log_score(fd.value, good=fd.floor, bad=noise)
    for part, name in (("fidelity", "precision"), ("coverage", "coverage")):
        metric = results.metrics.get(name)
        if metric and metric.value is not None and metric.floor:
            parts[part] = min(1.0, metric.value / metric.floor)
    variation = results.value("class_total_variation")
    if variation is not None:
        parts["balance"] = 1.0 - min(1.0, variation)
    return parts


def geometric_mean(values: list[float]) -> float:
    """0 as soon as one value is 0: a model that fails in one respect cannot buy itself out."""
    if not values:
        raise ValueError("no values to average")
    return math.prod(values) ** (1 / len(values))


def distance_to_ideal(point: tuple[float, ...]) -> float:
    """Euclidean distance to (1, …, 1); smaller is better."""
    return math.dist(point, (1.0,) * len(point))


def zone(point: tuple[float, ...]) -> str:
    """The best zone whose bound every coordinate reaches, or `developing`."""
    return next((name for name, bound in ZONES.items() if min(point) >= bound), "developing")
