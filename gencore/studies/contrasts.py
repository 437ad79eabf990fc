"""Levels of an option compared in pairs, seed by seed with all else alike. Loads no torch."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence

from gencore.analysis.comparison import MeanInterval
from gencore.studies.effects import Observation
from gencore.studies.findings import Contrast
from gencore.studies.permutation import ALPHA, corrected, seeds_needed, smallest_p
from gencore.studies.points import ABLATED, UNCHANGED
from gencore.studies.study import Study

_MOST_LEVELS = 12
"""Of an axis whose levels are compared in pairs: more would leave no test any power."""


def contrasts(study: Study, observations: Sequence[Observation]) -> tuple[list[Contrast], str]:
    """Pairs of levels, tested where there are seeds enough; of an ablation, each change against the base."""
    pairs: dict[tuple[str, str, str], list[float]] = {}
    for axis in observations[0].levels if observations else ():
        levels = list(dict.fromkeys(str(one.levels[axis]) for one in observations))
        compared = [
            pair for pair in itertools.combinations(levels, 2) if axis != ABLATED or UNCHANGED in pair
        ]
        if axis == ABLATED or len(levels) <= _MOST_LEVELS:
            values = _by_rest(observations, axis)
            for first, second in compared:
                pairs[axis, first, second] = _paired(values, first, second)
    pairs = {key: differences for key, differences in pairs.items() if differences}
    if not pairs:
        return [], "not tested: no two levels have trained on the same seed, or there are too many levels"
    seeds = min(len(differences) for differences in pairs.values())
    is_tested = smallest_p(seeds, len(pairs)) < ALPHA
    ps = corrected([*pairs.values()]) if is_tested else [None] * len(pairs)
    note = (
        f"paired permutation tests over {seeds} seeds, with Holm's correction for {len(pairs)}"
        if is_tested
        else f"not tested: on {seeds} seeds, p of {len(pairs)} paired permutation tests cannot fall below "
        f"{smallest_p(seeds, len(pairs)):.2g}; {seeds_needed(len(pairs))} seeds would do"
    )
    return [
        _contrast(study, key, differences, p) for (key, differences), p in zip(pairs.items(), ps, strict=True)
    ], note


def _contrast(
    study: Study, key: tuple[str, str, str], differences: Sequence[float], p: float | None
) -> Contrast:
    axis, first, second = key
    interval = MeanInterval.of(differences)
    better = None
    if p is not None and p < ALPHA:
        better = first if (interval.mean < 0) == study.is_smaller_better else second
    return Contrast(axis=axis, first=first, second=second, difference=interval, p=p, better=better)


_Rest = tuple[int, tuple[object, ...]]
"""A seed, and the levels of all other axes."""


def _by_rest(observations: Sequence[Observation], axis: str) -> dict[str, dict[_Rest, float]]:
    """By level of `axis`, the values by what else the trials have."""
    found: dict[str, dict[_Rest, float]] = {}
    for one in observations:
        rest = tuple(level for name, level in one.levels.items() if name != axis)
        found.setdefault(str(one.levels[axis]), {})[one.seed, rest] = one.value
    return found


def _paired(values: Mapping[str, Mapping[_Rest, float]], first: str, second: str) -> list[float]:
    """By seed on which both levels have trained with all that either has: the mean difference over that."""
    by_seed: dict[int, list[float | None]] = {}
    ours, theirs = values[first], values[second]
    rests = dict.fromkeys(rest for level in (ours, theirs) for _, rest in level)
    for seed in dict.fromkeys(seed for level in (ours, theirs) for seed, _ in level):
        by_seed[seed] = [
            ours[seed, rest] - theirs[seed, rest] if (seed, rest) in ours and (seed, rest) in theirs else None
            for rest in rests
        ]
    whole = {seed: [one for one in found if one is not None] for seed, found in by_seed.items()}
    return [statistics.fmean(whole[seed]) for seed in sorted(whole) if len(whole[seed]) == len(rests)]
