"""What each option of a study does: shares of the variance, of options and of pairs of them."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SEED = "seed"
"""The name of the seeds among the causes of variance."""
Cause = tuple[str, ...]
"""An axis, a pair of axes that interact, or the seeds."""
_Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Observation:
    """The value of one trial, and where it stands."""

    levels: Mapping[str, Hashable]
    seed: int
    value: float


def shares_of_variance(observations: Sequence[Observation]) -> dict[Cause, float] | str:
    """By cause, the share of the variance of the values that it explains, by least squares; else why not.

    Levels are categories. A main effect is what an axis adds to all other axes and the seeds, an interaction
    what a pair adds to all that (sums of squares of type II). What is left over is chance, and interactions
    of three and more."""
    values = np.array([one.value for one in observations])
    total = float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0
    if total == 0:
        return "all values are alike, or there are none"
    axes = [axis for axis in observations[0].levels if len({one.levels[axis] for one in observations}) > 1]
    if not axes:
        return "no option has been trained at two levels yet"
    mains: dict[Cause, _Matrix] = {
        (axis,): _columns([one.levels[axis] for one in observations]) for axis in axes
    }
    if len({one.seed for one in observations}) > 1:
        mains[(SEED,)] = _columns([one.seed for one in observations])
    pairs: dict[Cause, _Matrix] = {
        (first, second): _products(mains[(first,)], mains[(second,)])
        for first, second in itertools.combinations(axes, 2)
    }
    freedom = len(values) - np.linalg.matrix_rank(_design([*mains.values()], len(values)))
    if freedom < 1:
        return f"{len(values)} trials are too few for the effects of {len(axes)} options"
    shares: dict[Cause, float] = {}
    for cause in mains:
        others = [columns for other, columns in mains.items() if other != cause]
        explained = _unexplained(others, values) - _unexplained([*mains.values()], values)
        shares[cause] = max(0.0, explained / total)
    every = [*mains.values(), *pairs.values()]
    if len(values) > np.linalg.matrix_rank(
        _design(every, len(values))
    ):  # else nothing tells them from chance
        for cause in pairs:
            others = [columns for other, columns in (mains | pairs).items() if other != cause]
            explained = _unexplained(others, values) - _unexplained(every, values)
            shares[cause] = max(0.0, explained / total)
    return shares


def _columns(levels: Sequence[Hashable]) -> _Matrix:
    """An indicator for each level but the first, centred."""
    kinds = list(dict.fromkeys(levels))
    columns = np.array([[float(level == kind) for kind in kinds[1:]] for level in levels])
    centred: _Matrix = columns - columns.mean(axis=0)
    return centred


def _products(first: _Matrix, second: _Matrix) -> _Matrix:
    """Each column of the one by each of the other."""
    products: _Matrix = (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)
    return products


def _design(parts: Sequence[_Matrix], rows: int) -> _Matrix:
    return np.column_stack([np.ones(rows), *parts])


def _unexplained(parts: Sequence[_Matrix], values: _Matrix) -> float:
    """Sum of squares that a least-squares fit of `parts` leaves over."""
    design = _design(parts, len(values))
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return float(((values - fitted) ** 2).sum())
