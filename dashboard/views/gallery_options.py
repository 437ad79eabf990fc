"""The gallery's sampling options: those that at least one of the shown models has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, get_args

import streamlit as st

from dashboard.data.generation import SamplingOptions
from dashboard.data.run_catalog import Entry
from dashboard.widgets import train_form
from gencore.config.families import options_of, sampling_options
from gencore.config.family import SamplingOption
from gencore.config.options import ModelConfig

AS_TRAINED = "as trained"
"""The choice that leaves an option as it is in the run's config."""


class SamplingChoices(NamedTuple):
    """The visitor's choices for all models: averaged weights or not, and changed options by field name."""

    averaged: bool = True
    changes: Mapping[str, object] = MappingProxyType({})

    def sampling_options(self, entry: Entry) -> SamplingOptions:
        """The choices that apply to the model of `entry`."""
        assert entry.config, "only readable runs generate images"
        known = [option.field for option in options_of(entry.config.model)]
        changes = tuple((name, value) for name, value in self.changes.items() if name in known)
        return SamplingOptions(entry.run, self.averaged, changes)


def choose(entries: Sequence[Entry]) -> SamplingChoices:
    """An input for each sampling option that a model of `entries` has."""
    averaged = st.toggle(
        "Averaged weights (EMA)",
        True,
        key="averaged",
        bind="query-params",
        help="Off: the weights of the last training step. Shipped models have averaged weights only.",
    )
    models = [entry.config.model for entry in entries if entry.config]
    changes: dict[str, object] = {}
    for flag, options in sampling_options().items():
        for option, family in options:
            concerned = [model for model in models if option in options_of(model)]
            if concerned:
                title = f"{family.variants[0].label} {flag.replace('_', ' ')}"
                changes[option.field] = _input(title, option, concerned, changes)
    return SamplingChoices(
        averaged, {name: value for name, value in changes.items() if value not in (AS_TRAINED, None)}
    )


def _input(
    title: str, option: SamplingOption, models: Sequence[ModelConfig], changes: Mapping[str, object]
) -> object:
    """The chosen value of a sampling option of `models`; AS_TRAINED or None where it is not changed."""
    field = type(models[0]).model_fields[option.field]
    if (number := train_form.kind(field)) not in (int, float):
        choices = [AS_TRAINED, *get_args(field.annotation)]
        return st.selectbox(title, choices, key=option.flag, bind="query-params", help=field.description)
    low, high, _ = train_form.bounds(field)
    if option.limit:
        high = min(getattr(model, option.limit) for model in models)
    unused = option.ignored_with is not None and changes.get(option.ignored_with[0]) == option.ignored_with[1]
    return st.number_input(
        title,
        None if low is None else number(low),
        None if high is None else number(high),
        None,
        1 if number is int else 0.05 if high == 1 else 0.5,
        key=option.flag,
        bind="query-params",
        placeholder=AS_TRAINED,
        help=field.description,
        disabled=unused,
    )
