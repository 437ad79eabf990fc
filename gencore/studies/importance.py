"""Importance of options in a search by a random forest (fANOVA). Needs Optuna."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator

from gencore.studies.effects import Observation
from gencore.studies.study import Study


def importances(study: Study, observations: Sequence[Observation]) -> dict[str, float | None]:
    """By axis, the share of the variance that it explains alone (Hutter et al. 2014); None where the axis has
    one level only."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions: dict[str, BaseDistribution] = {}
    for title, axis in study.axes.items():
        if axis.is_range:
            assert axis.lower is not None and axis.upper is not None
            distributions[title] = FloatDistribution(axis.lower, axis.upper, log=axis.scale == "log")
        else:
            levels = list(dict.fromkeys(str(one.levels[title]) for one in observations))
            distributions[title] = CategoricalDistribution(levels)
    forest = optuna.create_study()
    for one in observations:
        params = {
            title: float(str(one.levels[title])) if study.axes[title].is_range else str(one.levels[title])
            for title in study.axes
        }
        forest.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, value=one.value)
        )
    found = FanovaImportanceEvaluator(seed=0).evaluate(forest)
    return {title: found.get(title) for title in study.axes}
