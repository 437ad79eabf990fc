"""Paired permutation tests of few seeds, with Holm's correction, and how many seeds they need."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gencore.analysis.comparison import CONFIDENCE, holm

ALPHA = 1 - CONFIDENCE
_MOST_EXACT = 16
"""Pairs up to which all sign changes are looked at; of more, 2**16 at random."""


def paired_p(differences: Sequence[float]) -> float:
    """p of the two-sided paired permutation test that `differences` have mean 0 (Fisher 1935).

    Exact up to 16 pairs; the smallest p that n pairs can have is 2 / 2**n. Raises ValueError for none."""
    if not differences:
        raise ValueError("a paired test needs at least one pair")
    from scipy.stats import permutation_test  # slow to import

    found = permutation_test(
        (np.asarray(differences, dtype=float),),
        np.mean,
        permutation_type="samples",
        n_resamples=2 ** min(len(differences), _MOST_EXACT),
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(min(1.0, found.pvalue))


def smallest_p(seeds: int, tests: int = 1) -> float:
    """The smallest p after Holm's correction for `tests` that the first of them can have on `seeds` pairs."""
    return min(1.0, tests * 2.0 ** (1 - seeds))


def seeds_needed(tests: int = 1) -> int:
    """The fewest seeds on which one of `tests` can reach p < .05: six for a single one."""
    return math.floor(math.log2(2 * tests / ALPHA)) + 1


def corrected(every: Sequence[Sequence[float]]) -> list[float]:
    """p of each of several paired tests, with Holm's correction for all of them."""
    return holm([paired_p(differences) for differences in every])
