"""Models as pages compare them: a run with its further seeds, its scores, and where the visitor's weights put it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import catalog
from dashboard.catalog import Entry
from gencore.comparison import Estimate
from gencore.figures import Model, colour
from gencore.scores import SCORES, overall, score_of_seed

Values = dict[str, dict[str, float]]
"""Scores in [0, 1] by what they are of, then by model; what was not measured is absent."""


def choose(entries: list[Entry], measured: list[str]) -> tuple[str, bool]:
    """The data set that the visitor looks at, and whether at its newest runs instead of the headline ones."""
    dataset = measured[0]
    if len(measured) > 1:
        dataset = st.segmented_control(
            "Data set", measured, default=measured[0], required=True, key="dataset", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
    if catalog.one_a_label(entries, dataset) == catalog.one_a_label(entries, dataset, newest=True):
        return dataset, False
    return dataset, st.toggle(
        "Newest runs", key="newest", bind="query-params", help="Instead of the headline runs."
    )


def seeds(one: Entry, entries: Iterable[Entry]) -> list[Entry]:
    """`one`, and a measured run for each other seed of the same recipe, drawn and measured alike."""
    found = {one.config.training.seed: one} if one.config else {}
    for other in entries if one.results else ():
        if other.results and _recipe(other) == _recipe(one):
            found.setdefault(other.config.training.seed, other)
    return [found[seed] for seed in sorted(found)]


def _recipe(one: Entry) -> tuple[object, ...]:
    asked = one.config and one.config.model_copy(update={"training": one.config.training.model_copy(update={"seed": 0})})
    return asked, one.results.label, one.results.sampler, one.results.extractor_digest


def model(one: Entry, entries: Iterable[Entry]) -> Model | None:
    """The model that `one` stands for, over all its seeds; None where nothing was measured."""
    if one.results is None:
        return None
    return Model(one.label, colour(one.label), tuple(seed.results for seed in seeds(one, entries)))


def four(models: Sequence[Model]) -> Values:
    """The four scores."""
    return {name: _known({model.name: model.scores[name].value for model in models}) for name in SCORES}


def made_of(models: Sequence[Model], score: str) -> Values:
    """A score, then its parts."""
    parts = dict.fromkeys(part for model in models for part in model.scores[score].parts)
    return {score: four(models)[score]} | {
        part: _known({model.name: model.scores[score].parts.get(part) for model in models}) for part in parts
    }


def _known(of_model: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in of_model.items() if value is not None}


def missing(models: Sequence[Model], score: str) -> dict[str, list[str]]:
    """Why parts of a score are not known, with the models of which that holds."""
    found: dict[str, list[str]] = {}
    for model in models:
        for part, reason in model.scores[score].missing.items():
            found.setdefault(f"{part}: {reason}", []).append(model.name)
    return found


@dataclass(frozen=True)
class Standing:
    """A model's place under some weights."""

    model: Model
    overall: float
    shares: dict[str, float]
    """What each score adds to `overall`."""
    ties: bool | None
    """Whether its lead over the next one may be chance; None where that is not known."""


def standings(models: Sequence[Model], weights: Mapping[str, float]) -> list[Standing]:
    """Best first; a model that lacks a score with a weight has no place. Raises ValueError on weights that are all 0."""
    reached = {model.name: overall(model.scores, weights) for model in models}
    ranked = sorted((model for model in models if reached[model.name] is not None), key=lambda model: -reached[model.name])
    total = sum(weights.values())
    return [
        Standing(
            model, reached[model.name],
            {name: weight / total * model.scores[name].value for name, weight in weights.items() if weight},
            _ties(model, below, weights) if below else None,
        )
        for model, below in zip(ranked, [*ranked[1:], None], strict=True)
    ]  # fmt: skip


def _ties(first: Model, second: Model, weights: Mapping[str, float]) -> bool | None:
    """Whether the interval of the difference holds 0, seed by seed; stability, which all seeds have together, counts as exact."""
    if [one.seed for one in first.results] != [one.seed for one in second.results] or len(first.results) < 2:
        return None
    differences = []
    for one, other in zip(first.results, second.results, strict=True):
        parts = [
            weight * (_of_seed(name, first, one) - _of_seed(name, second, other)) for name, weight in weights.items() if weight
        ]
        differences.append(sum(parts))
    return not Estimate.of(differences).leaves_out_zero


def _of_seed(name: str, model: Model, one: object) -> float:
    return model.scores[name].value if name == "stability" else score_of_seed(name, one)
