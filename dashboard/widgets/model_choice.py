"""Models as pages compare them: a run with its further seeds, its scores, its rank under weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.data import run_catalog
from dashboard.data.run_catalog import Entry
from gencore.analysis.colours import Appearance, appearances
from gencore.analysis.comparison import MeanInterval
from gencore.analysis.measured_models import Model, alongside, group_by_model
from gencore.analysis.scores import SCORES, overall, score_of_seed
from gencore.store.results import Results

Values = dict[str, dict[str, float]]
"""Scores in [0, 1] by what they are of, then by model; what was not measured is absent."""


Runs = tuple[Entry, ...]
"""The runs of one model, one a training seed; the first stands for it."""


@dataclass(frozen=True)
class ShownModel:
    """A model among those that a page shows."""

    runs: Runs
    look: Appearance
    model: Model | None
    """What was measured, over all seeds; None where nothing was."""

    @property
    def first(self) -> Entry:
        """The run that stands for it."""
        return self.runs[0]


def models_on(entries: Sequence[Entry], dataset: str, newest: bool = False) -> list[Runs]:
    """The models on `dataset`; those first, and by those runs, that `run_catalog.one_a_label` chooses.

    A run that was not measured is a model of its own.
    """
    first = run_catalog.one_a_label(entries, dataset, newest)
    names = {one.run.name for one in first}
    here = [*first, *(one for one in entries if one.dataset == dataset and one.run.name not in names)]
    members = [(one.config, one.results, one) for one in here if one.config and one.results]
    found = {
        group[0][2].run.name: tuple(one for _, _, one in group)
        for group in group_by_model(members, lambda member: (member[0], member[1]))
    }
    return [found.get(one.run.name, (one,)) for one in here if one.run.name in found or one.results is None]


def side_by_side(models: Sequence[Runs], dataset: str) -> list[ShownModel]:
    """`models` on `dataset` as a page shows them together: told apart by name and look, costs compared."""
    looks = appearances({runs[0].run.name: runs[0].label for runs in models}, dataset)
    measured = {
        name: Model(look.name, look.colour, found, place=look.place)
        for runs, (name, look) in zip(models, looks.items(), strict=True)
        if (found := _results(runs))
    }
    compared = dict(zip(measured, alongside([*measured.values()]), strict=True))
    return [
        ShownModel(runs, look, compared.get(name))
        for runs, (name, look) in zip(models, looks.items(), strict=True)
    ]


def _results(runs: Runs) -> tuple[Results, ...]:
    """Of `runs`, by seed."""
    return tuple(sorted((one.results for one in runs if one.results), key=lambda found: found.seed))


def four(models: Sequence[Model]) -> Values:
    """The four scores of `models`."""
    return {name: _known({model.name: model.scores[name].value for model in models}) for name in SCORES}


def made_of(models: Sequence[Model], score: str) -> Values:
    """`score` and its parts, of `models`."""
    parts = dict.fromkeys(part for model in models for part in model.scores[score].parts)
    return {score: four(models)[score]} | {
        part: _known({model.name: model.scores[score].parts.get(part) for model in models}) for part in parts
    }


def _known(of_model: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in of_model.items() if value is not None}


def missing(models: Sequence[Model], score: str) -> dict[str, list[str]]:
    """Why parts of `score` are not known, each reason with the names of its models."""
    found: dict[str, list[str]] = {}
    for model in models:
        for part, reason in model.scores[score].missing.items():
            found.setdefault(f"{part}: {reason}", []).append(model.name)
    return found


@dataclass(frozen=True)
class RankedModel:
    """A model's rank under some weights."""

    model: Model
    overall: float
    shares: dict[str, float]
    """What each score adds to `overall`."""
    ties: bool | None
    """Whether its lead over the next model may be chance; None where that is not known."""


def rank_models(models: Sequence[Model], weights: Mapping[str, float]) -> list[RankedModel]:
    """`models` that have all scores with a weight, best first. ValueError on weights that are all 0."""
    reached = {model.name: overall(model.scores, weights) for model in models}
    ranked = sorted(
        ((total, model) for model in models if (total := reached[model.name]) is not None),
        key=lambda pair: -pair[0],
    )
    below = [model for _, model in ranked[1:]]
    return [
        RankedModel(
            model, total, _shares(model, weights), _ties(model, next_one, weights) if next_one else None
        )
        for (total, model), next_one in zip(ranked, [*below, None], strict=True)
    ]


def _shares(model: Model, weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total * _of_model(name, model) for name, weight in weights.items() if weight}


def _of_model(name: str, model: Model) -> float:
    value = model.scores[name].value
    assert value is not None, f"{model.name} is ranked without {name}"
    return value


def _ties(first: Model, second: Model, weights: Mapping[str, float]) -> bool | None:
    """Whether the interval of the difference of the weighted scores, seed by seed, contains 0.

    None where the two models do not have the same two or more seeds. Stability is computed from all seeds, so
    it counts as exact.
    """
    if [one.seed for one in first.results] != [one.seed for one in second.results] or len(first.results) < 2:
        return None
    differences = [
        sum(
            weight * (_of_seed(name, first, one) - _of_seed(name, second, other))
            for name, weight in weights.items()
            if weight
        )
        for one, other in zip(first.results, second.results, strict=True)
    ]
    return not MeanInterval.of(differences).leaves_out_zero


def _of_seed(name: str, model: Model, one: Results) -> float:
    if name == "stability":
        return _of_model(name, model)
    value = score_of_seed(name, one)
    assert value is not None, f"{one.run} has no {name}, though {model.name} has"
    return value
