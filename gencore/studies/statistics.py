"""What a study found: means over seeds, tests, effects of the options, and the best point, measured again.

A trial that diverged or failed counts as the worst value of the study in orders, tests and effects; means are
of those that finished, and name how many did not. Loads no torch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from gencore.analysis.comparison import MeanInterval
from gencore.studies.contrasts import contrasts
from gencore.studies.effects import Observation, shares_of_variance
from gencore.studies.findings import AxisEffect, Interaction, PointSummary, StudyAnalysis, Winner
from gencore.studies.points import shown, title_of
from gencore.studies.records import TrialState
from gencore.studies.study import QUICK_FD, Study

_FEWEST_FOR_A_FOREST = 10


def analyse(study: Study, states: Sequence[TrialState]) -> StudyAnalysis:
    """What `states`, all trials of `study`, say so far."""
    searched = [state for state in states if state.trial.phase == "search"]
    at_epoch = common_epoch(study, searched)
    values = _comparable(study, searched, at_epoch)
    observations = [
        Observation(
            {axis: shown(level) for axis, level in one.trial.point.items()},
            one.trial.seed,
            values[one.trial.name],
        )
        for one in searched
        if one.trial.name in values
    ]
    is_factorial = bool(study.ablation) or study.search.method == "grid"
    effects, interactions, effects_note = _effects(study, observations, is_factorial)
    tested, contrasts_note = contrasts(study, observations) if is_factorial else ([], _NOT_FACTORIAL)
    return StudyAnalysis(
        objective=study.objective,
        is_smaller_better=study.is_smaller_better,
        is_on_log_scale=study.is_on_log_scale,
        at_epoch=at_epoch,
        counts=_counts(states),
        points=_ordered(study, searched, values),
        effects=effects,
        interactions=interactions,
        effects_note=effects_note,
        contrasts=tested,
        contrasts_note=contrasts_note,
        winner=find_winner(study, states),
    )


_NOT_FACTORIAL = (
    "not tested: a search has no two trainings that differ in one option alone; make a grid of what is in "
    "doubt"
)


def find_winner(study: Study, states: Sequence[TrialState]) -> Winner | None:
    """The best point of a search of several; None before one has finished, and for an ablation."""
    searched = [state for state in states if state.trial.phase == "search"]
    points = _ordered(study, searched, _comparable(study, searched, common_epoch(study, searched)))
    selected = points[0].interval if points else None
    if not study.is_search or len(points) < 2 or selected is None:
        return None
    first = points[0]
    again = [one for one in states if one.trial.phase == "confirmation" and one.trial.point == first.point]
    fresh = [one.value for one in again if one.status == "finished" and one.value is not None]
    confirmed = MeanInterval.of(fresh) if fresh and all(_is_over(one) for one in again) else None
    best = min(
        (one for one in searched if one.trial.point == first.point and one.value is not None),
        key=lambda one: _signed(study, one.value or 0.0),
    )
    return Winner(
        point=first.point,
        title=first.title,
        run=best.trial.name,
        selected=selected,
        among=len(points),
        confirmed=confirmed,
        lost=sum(one.is_lost for one in again),
        note=_curse(selected, confirmed, len(points)),
    )


def _curse(selected: MeanInterval, confirmed: MeanInterval | None, among: int) -> str:
    """What the choice among many does to the value of the chosen (winner's curse)."""
    reason = f"the first of {among} points on the seeds that chose it, so partly by luck (winner's curse)"
    if confirmed is None:
        return f"not called best: {selected.mean:.4g} is {reason}; only fresh seeds can tell"
    return (
        f"{confirmed.mean:.4g} on fresh seeds ({len(confirmed.values)}) is what counts; {selected.mean:.4g} "
        f"was {reason}"
    )


def _is_over(state: TrialState) -> bool:
    return state.is_settled or state.is_lost


def _counts(states: Sequence[TrialState]) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in states:
        found[state.status] = found.get(state.status, 0) + 1
    return found


def common_epoch(study: Study, searched: Sequence[TrialState]) -> float | None:
    """Where trials were cut: the last epoch at which all that were not lost have a distance, so that they can
    be compared there; else None. `searched` are the trials of the search, without confirmations."""
    reached = [
        one.distances[-1].epoch for one in searched if one.status in ("finished", "cut") and one.distances
    ]
    if study.objective != QUICK_FD or not reached or all(one.status != "cut" for one in searched):
        return None
    return min(reached)


def _comparable(study: Study, searched: Sequence[TrialState], at_epoch: float | None) -> dict[str, float]:
    """By trial, a value that can be compared: at the common epoch, on the scale of the analysis; lost trials
    have the worst."""
    found: dict[str, float] = {}
    for one in searched:
        if (value := value_at(one, at_epoch)) is not None:
            found[one.trial.name] = math.log10(max(value, 1e-12)) if study.is_on_log_scale else value
    if found:
        worst = max(found.values(), key=lambda value: _signed(study, value))
        found |= {one.trial.name: worst for one in searched if one.is_lost}
    return found


def value_at(one: TrialState, at_epoch: float | None) -> float | None:
    """The value by which a trial is compared, None where it has none: that at `at_epoch` where trials were
    cut (`StudyAnalysis.at_epoch`), else that at its end."""
    if at_epoch is not None and one.status in ("finished", "cut"):
        return next((fd for epoch, fd in reversed(one.distances) if epoch <= at_epoch), None)
    return one.value if one.status == "finished" else None


def _signed(study: Study, value: float) -> float:
    """Smaller is better."""
    return value if study.is_smaller_better else -value


def _ordered(study: Study, searched: Sequence[TrialState], values: Mapping[str, float]) -> list[PointSummary]:
    """The points, first those of which every seed finished, then by their mean."""
    groups: dict[str, list[TrialState]] = {}
    for one in searched:
        groups.setdefault(title_of(one.trial.point), []).append(one)

    def place(group: list[TrialState]) -> tuple[float, float]:
        known = [values[one.trial.name] for one in group if one.trial.name in values]
        unfinished = sum(one.status != "finished" for one in group) / len(group)
        return unfinished, _signed(study, statistics.fmean(known)) if known else math.inf

    return [
        _summary(title, groups[title]) for title in sorted(groups, key=lambda title: place(groups[title]))
    ]


def _summary(title: str, group: Sequence[TrialState]) -> PointSummary:
    done = [one.value for one in group if one.status == "finished" and one.value is not None]
    finished = sum(one.status == "finished" for one in group)
    cut, lost = sum(one.status == "cut" for one in group), sum(one.is_lost for one in group)
    return PointSummary(
        point=group[0].trial.point,
        title=title,
        seeds=[one.trial.seed for one in group],
        values=[one.value for one in group],
        interval=MeanInterval.of(done) if done else None,
        finished=finished,
        cut=cut,
        lost=lost,
        open=len(group) - finished - cut - lost,
    )


def _effects(
    study: Study, observations: Sequence[Observation], is_factorial: bool
) -> tuple[list[AxisEffect], list[Interaction], str]:
    """Effects of the axes and of pairs of them, and how they were computed or why not."""
    axes = list(observations[0].levels) if observations else []
    interactions = []
    if is_factorial:
        found = shares_of_variance(observations)
        note = (
            f"not known: {found}"
            if isinstance(found, str)
            else "shares of the variance by least squares, with the seeds as blocks"
        )
        shares = {} if isinstance(found, str) else found
        interactions = [
            Interaction(first=cause[0], second=cause[1], share=share)
            for cause, share in shares.items()
            if len(cause) == 2
        ]
        of_axis = {axis: shares.get((axis,)) for axis in axes}
    else:
        of_axis, note = _forest_shares(study, observations)
    effects = [
        AxisEffect(
            axis=axis,
            share=of_axis.get(axis),
            levels=levels if is_factorial else {},
            sensitivity=_sensitivity(study, levels) if is_factorial else None,
        )
        for axis in axes
        if (levels := _level_means(observations, axis))
    ]
    return (
        sorted(effects, key=lambda effect: -(effect.share or 0.0)),
        sorted(interactions, key=lambda one: -one.share),
        note,
    )


def _forest_shares(study: Study, observations: Sequence[Observation]) -> tuple[dict[str, float | None], str]:
    """By axis, the share of variance that a random forest fitted to the trials explains by it (fANOVA, Hutter
    et al. 2014), by Optuna."""
    if len(observations) < _FEWEST_FOR_A_FOREST:
        return {}, f"not known: {len(observations)} trials; a random forest needs {_FEWEST_FOR_A_FOREST}"
    try:
        from gencore.studies.importance import importances
    except ImportError:
        return {}, "not known: fANOVA needs Optuna; pip install -r requirements-study.txt"
    found = importances(study, observations)
    return found, "shares of the variance by fANOVA over a random forest; interactions are not separated"


def _level_means(observations: Sequence[Observation], axis: str) -> dict[str, MeanInterval]:
    """By level, the mean over all else for each seed, and its interval over the seeds."""
    found: dict[str, dict[int, list[float]]] = {}
    for one in observations:
        found.setdefault(str(one.levels[axis]), {}).setdefault(one.seed, []).append(one.value)
    return {
        level: MeanInterval.of([statistics.fmean(values) for _, values in sorted(by_seed.items())])
        for level, by_seed in found.items()
    }


def _sensitivity(study: Study, levels: Mapping[str, MeanInterval]) -> float | None:
    means = [level.mean for level in levels.values()]
    spread = max(means) - min(means)
    return 10**spread if study.is_on_log_scale else spread
