"""Models compared over training seeds: means with intervals, paired differences, ties.

Every model is trained on the same seeds, so differences are taken seed by seed. Two models are ranked only if
a paired t-test tells them apart after Holm's correction (1979) for all pairs by all metrics; otherwise they
tie.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gencore.analysis.scores import SCORES, Score, score_of_seed, scores, unlike_machines
from gencore.metrics import catalog
from gencore.metrics.catalog import Better
from gencore.store.results import Origin, Results

CONFIDENCE = 0.95


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MeanInterval(_Record):
    """Values over seeds, in the seeds' order, with Student's t-interval for their mean."""

    values: list[float]
    mean: float
    low: float | None = Field(description="Lower end of the 95 % interval; null for a single seed.")
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> MeanInterval:
        """The mean of `values` and its 95 % interval; no interval for a single value."""
        mean = statistics.fmean(values)
        if len(values) < 2:
            return cls(values=list(values), mean=mean, low=None, high=None)
        from scipy.special import stdtrit  # Student's quantile; slow to import

        quantile = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
        half = quantile * statistics.stdev(values) / math.sqrt(len(values))
        return cls(values=list(values), mean=mean, low=mean - half, high=mean + half)

    @property
    def leaves_out_zero(self) -> bool:
        """Whether there is an interval and 0 lies outside it."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def p(self) -> float | None:
        """Of the two-sided t-test against 0; None for a single value."""
        if len(self.values) < 2:
            return None
        from scipy.special import stdtr

        error = statistics.stdev(self.values) / math.sqrt(len(self.values))
        if error == 0:
            return float(self.mean == 0)
        return 2 * float(stdtr(len(self.values) - 1, -abs(self.mean) / error))


class Pair(_Record):
    """Two models by one metric: first - second, seed by seed, and which is better (null: a tie)."""

    first: str
    second: str
    difference: MeanInterval
    better: str | None
    p: float | None = Field(
        None,
        description="Of a two-sided paired t-test, with Holm's correction for all pairs of the comparison; "
        "null for a single seed.",
    )
    extractors_disagree: bool = Field(
        False, description="Whether the feature extractors put the two in different orders; then they tie."
    )


class Ranking(_Record):
    """All models by one metric."""

    better: Better
    models: dict[str, MeanInterval] = Field(description="By label, best mean first.")
    pairs: list[Pair]
    rank_stability: float = Field(description="Share of the seeds that rank the models as their means do.")


class Comparison(_Record):
    """The comparison of several models over several training seeds."""

    schema_version: Literal[1] = 1
    dataset: str
    seeds: list[int]
    runs: dict[str, list[str]] = Field(description="The runs behind each label, in the seeds' order.")
    extractor_digest: str
    samples: int | None
    epochs: int | None = Field(
        None, description="Passes over the training split that each training was asked to make."
    )
    origin: Origin | None = Field(
        None, description="What put the results together; each of them has its own."
    )
    diverged: dict[str, list[int]] = Field(
        default={},
        description="By label, the seeds on which its training diverged; they count in its stability.",
    )
    scores: dict[str, dict[str, Score]] = Field(
        description="The four scores of each label, from all its seeds."
    )
    rankings: dict[str, Ranking] = Field(
        description="By score or metric; those that at least two models have for every seed. Stability is"
        " computed from all seeds together, so it has no ranking."
    )

    @field_validator("rankings")
    @classmethod
    def _correct(cls, rankings: dict[str, Ranking]) -> dict[str, Ranking]:
        """Decide all pairs together, also in a file of before there was a correction."""
        return _corrected(rankings)

    @property
    def lost(self) -> str:
        """Which trainings diverged, in words; empty where none did."""
        diverged = (f"{label} on seed {', '.join(map(str, seeds))}" for label, seeds in self.diverged.items())
        return f"diverged: {'; '.join(diverged)}" if self.diverged else ""


def ranked_by() -> dict[str, Better]:
    """The scores and metrics by which models are ranked, and which values are better."""
    directions: dict[str, Better] = dict.fromkeys(SCORES, "larger")
    for info in catalog.compared():
        if info.better and info.better != "nearer 1":
            directions[info.id] = info.better
    return directions


def _is_of_a_machine(name: str) -> bool:
    """Whether a score or metric cannot rank models of unlike machines."""
    return name == "efficiency" or (name in catalog.METRICS and catalog.METRICS[name].is_of_a_machine)


def compare(
    members: Mapping[str, Sequence[Results]],
    epochs: int | None = None,
    origin: Origin | None = None,
    diverged: Mapping[str, Sequence[int]] | None = None,
) -> Comparison:
    """The comparison of `members`: the results of each label, one a training seed, seeds in one order.

    `diverged` names, by label, the seeds that have no result because their training diverged.

    Raises ValueError if there is nothing to compare, or if data set, extractor, sample count or seeds differ.
    """
    if not members or not all(members.values()):
        raise ValueError("nothing to compare; give every model at least one result")
    every = [one for results in members.values() for one in results]
    _refuse_unlike(every)
    unlike = unlike_machines(every)
    seeds = {tuple(one.seed for one in results) for results in members.values()}
    if len(seeds) > 1:
        different = ", ".join(map(str, sorted(seeds)))
        raise ValueError(f"the models were trained on different seeds ({different}); train the missing ones")
    first = next(iter(members.values()))[0]
    rankings = {
        name: ranking
        for name, better in ranked_by().items()
        if not (unlike and _is_of_a_machine(name))
        and (ranking := _ranking(name, better, members)) is not None
    }
    return Comparison(
        dataset=first.dataset,
        seeds=list(*seeds),
        runs={label: [one.run for one in results] for label, results in members.items()},
        extractor_digest=first.extractor_digest,
        samples=first.metrics["fd"].samples if "fd" in first.metrics else None,
        epochs=epochs,
        origin=origin,
        diverged={label: list(seeds) for label, seeds in (diverged or {}).items()},
        scores={
            label: scores(results, len((diverged or {}).get(label, ())), unlike)
            for label, results in members.items()
        },
        rankings=rankings,
    )


def _refuse_unlike(every: list[Results]) -> None:
    for name, of in {
        "data set": lambda one: one.dataset,
        "feature extractors": lambda one: ", ".join(
            dict.fromkeys(digest[:12] for digest in (one.extractor_digest, *one.extractor_digests.values()))
        ),
        "number of generated images": lambda one: one.metrics["fd"].samples if "fd" in one.metrics else None,
    }.items():
        found = {of(one): one.run for one in every}
        if len(found) > 1:
            values = ", ".join(f"{value} in {run}" for value, run in found.items())
            raise ValueError(f"these results differ in their {name} ({values}); evaluate them alike first")


def _ranking(name: str, better: Better, members: Mapping[str, Sequence[Results]]) -> Ranking | None:
    """None where fewer than two models have the score or metric for every seed."""
    known: dict[str, list[float]] = {}
    for label, results in members.items():
        values = [score_of_seed(name, one) if name in SCORES else one.value(name) for one in results]
        if len(found := [value for value in values if value is not None]) == len(values):
            known[label] = found
    if len(known) < 2:
        return None
    sign = -1 if better == "smaller" else 1
    estimates = {label: MeanInterval.of(found) for label, found in known.items()}
    order = sorted(estimates, key=lambda label: -sign * estimates[label].mean)
    pairs = [
        Pair(
            first=first,
            second=second,
            difference=MeanInterval.of([a - b for a, b in zip(known[first], known[second], strict=True)]),
            better=None,  # the comparison decides, with all pairs in view
            extractors_disagree=extractors_disagree(name, members[first], members[second]),
        )
        for first, second in combinations(order, 2)
    ]
    seeds = range(len(known[order[0]]))
    agreeing = sum(sorted(order, key=lambda label: -sign * known[label][i]) == order for i in seeds)
    return Ranking(
        better=better,
        models={label: estimates[label] for label in order},
        pairs=pairs,
        rank_stability=agreeing / len(seeds),
    )


def extractors_disagree(name: str, first: Sequence[Results], second: Sequence[Results]) -> bool:
    """Whether extractors put two models in different orders by their means of a metric over seeds."""
    ours, theirs = (_by_extractor(name, results) for results in (first, second))
    differences = [ours[extractor] - theirs[extractor] for extractor in ours if extractor in theirs]
    return bool(differences) and min(differences) < 0 < max(differences)


def _by_extractor(name: str, results: Sequence[Results]) -> dict[str, float]:
    """Means over seeds of the metric by extractor; empty for one that is of a single extractor."""
    of_seeds = [one.metrics[name].by_extractor if name in one.metrics else {} for one in results]
    return {
        extractor: statistics.fmean(of_seed[extractor] for of_seed in of_seeds)
        for extractor in of_seeds[0]
        if all(extractor in of_seed for of_seed in of_seeds)
    }


def _corrected(rankings: Mapping[str, Ranking]) -> dict[str, Ranking]:
    """The rankings with p of every pair, and the better one where p is small: the first, by its mean."""
    every = [(name, pair) for name, ranking in rankings.items() for pair in ranking.pairs]
    known = [(name, pair, p) for name, pair in every if (p := pair.difference.p) is not None]
    corrected = {
        (name, pair.first, pair.second): p
        for (name, pair, _), p in zip(known, holm([p for _, _, p in known]), strict=True)
    }

    def decided(name: str, pair: Pair) -> Pair:
        p = corrected.get((name, pair.first, pair.second))
        told_apart = p is not None and p < 1 - CONFIDENCE and not pair.extractors_disagree
        better = pair.first if told_apart else None
        return pair.model_copy(update={"p": p, "better": better})

    return {
        name: ranking.model_copy(update={"pairs": [decided(name, pair) for pair in ranking.pairs]})
        for name, ranking in rankings.items()
    }


def holm(ps: Sequence[float]) -> list[float]:
    """The p values with Holm's step-down correction (1979), in their order; none is above 1."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    corrected, largest = [0.0] * len(ps), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[i]))
        corrected[i] = largest
    return corrected
