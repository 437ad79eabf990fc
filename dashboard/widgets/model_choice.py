"""Models as pages compare them: a run with its further seeds, its scores, its rank under weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard.data import run_catalog
from dashboard.data.run_catalog import Entry
from gencore.analysis.colours import colour
from gencore.analysis.comparison import MeanInterval
from gencore.analysis.measured_models import Model, group_by_model
from gencore.analysis.scores import SCORES, overall, score_of_seed
from gencore.store.results import Results

Values = dict[str, dict[str, float]]
"""Scores in [0, 1] by what they are of, then by model; what was not measured is absent."""


def choose(entries: list[Entry], measured: Sequence[str]) -> tuple[str, bool]:
    """The data set that the visitor chose, and whether to show its newest runs or the headline ones."""
    dataset = measured[0]
    if len(measured) > 1:
        dataset = st.segmented_control(
            "Data set",
            measured,
            default=measured[0],
            required=True,
            key="dataset",
            bind="query-params",
            label_visibility="collapsed",
        )
    if run_catalog.one_a_label(entries, dataset) == run_catalog.one_a_label(entries, dataset, newest=True):
        return dataset, False
    return dataset, st.toggle(
        "Newest runs", key="newest", bind="query-params", help="Instead of the headline runs."
    )


def seeds(one: Entry, entries: Iterable[Entry]) -> list[Entry]:
    """`one` and a run for each other seed of its model, by seed; only `one` if it was not measured."""
    members = [
        (other.config, other.results, other)
        for other in (one, *(other for other in entries if other.run.name != one.run.name))
        if other.config and other.results
    ]
    if one.config is None or one.results is None:
        return [one]
    own, *_ = group_by_model(members, lambda member: (member[0], member[1]))  # `one` is the first member
    return [entry for _, _, entry in sorted(own, key=lambda member: member[1].seed)]


def model(one: Entry, entries: Iterable[Entry]) -> Model | None:
    """The model that `one` is a run of, over all its seeds; None if it was not measured."""
    if one.results is None:
        return None
    of_seeds = tuple(seed.results for seed in seeds(one, entries) if seed.results)
    return Model(one.label, colour(one.label), of_seeds)


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
