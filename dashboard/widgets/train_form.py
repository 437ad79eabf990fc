"""The Train form, made from the config models: bounds, help, defaults and choices are theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from dashboard.widgets.text import plain
from gencore.config import commands
from gencore.config.commands import Option
from gencore.config.families import preset_family, variants
from gencore.config.options import PRESETS, RunConfig, preset_title
from gencore.data.registry import known, pairs, with_data
from gencore.store.results import explain

PARTS = {"model": "Model", "training": "Training", "data": "Data"}


class TrainingRequest(NamedTuple):
    """What the form asks for."""

    preset: str
    config: RunConfig


def train_form(availability: Mapping[str, str]) -> TrainingRequest | None:
    """What the form asks for now; None while its fields contradict each other, which it shows as an error.

    `availability` is the state of each data set, such as `bundled` or `would be downloaded`.
    """
    preset = st.selectbox(
        "Model",
        list(PRESETS),
        format_func=preset_title,
        key="train.preset",
        help=_about_presets(),
        persist_state="session",
    )
    options, first = commands.options(PRESETS[preset]), commands.always_shown(PRESETS[preset])
    answers: dict[tuple[str, str], object] = {}
    for option in options:
        if option.name in first:
            answers[option.part, option.name] = _ask(option, preset, availability)
    with st.expander("All options", icon=":material/tune:"):
        for part, title in PARTS.items():
            st.caption(f"**{title}**")
            for option in options:
                if option.part == part and option.name not in first:
                    answers[option.part, option.name] = _ask(option, preset, availability)
    try:
        return TrainingRequest(preset, configured(preset, answers))
    except ValidationError as error:
        st.error(plain(explain(error)), icon=":material/edit:")
    except ValueError as error:  # its data set is gone, or cannot be read
        st.error(plain(str(error)), icon=":material/database:")
    return None


def configured(preset: str, answers: Mapping[tuple[str, str], object]) -> RunConfig:
    """The preset with `answers` by (part, field) in place of its values. Raises ValueError."""
    whole = PRESETS[preset].model_dump()
    for (part, name), answer in answers.items():
        whole[part][name] = answer
    return with_data(RunConfig.model_validate(whole))


def _about_presets() -> str:
    about = variants("generation", "translation")
    return "\n".join(f"- **{variant.label}**: {variant.explanation}" for variant in about)


class Bounds(NamedTuple):
    """What a number may be, inclusive; exclusive bounds are left to the config's own validation."""

    low: float | None
    high: float | None
    multiple_of: float | None


def bounds(field: FieldInfo) -> Bounds:
    """What the number in `field` may be, from its constraints."""
    found: dict[str, Any] = {}  # annotated_types allows any comparable type; our fields have numbers
    for rule in field.metadata:
        match rule:
            case annotated_types.Ge(ge=limit) | annotated_types.Gt(gt=limit):
                found["low"] = limit
            case annotated_types.Le(le=limit) | annotated_types.Lt(lt=limit):
                found["high"] = limit
            case annotated_types.MultipleOf(multiple_of=step):
                found["multiple_of"] = step
    return Bounds(found.get("low"), found.get("high"), found.get("multiple_of"))


def kind(field: FieldInfo) -> Any:
    """bool, int, float or str, or Literal for a choice; of an optional field the kind of its value."""
    for part in (field.annotation, *get_args(field.annotation)):
        if get_origin(part) is Literal:
            return Literal
        if part in (bool, int, float, str):
            return part
    raise TypeError(f"no input for a field of type {field.annotation}; add one here")


def fill(config: RunConfig) -> None:
    """Set the form's inputs to `config`; for a button's callback, which runs before the form is made."""
    preset = commands.nearest_preset(config)
    st.session_state["train.preset"] = preset
    st.session_state["train.name"] = ""
    for option in commands.options(config):
        st.session_state[_key(option.name, preset)] = option.value
    st.toast(f"The form on the left now asks for this {plain(config.label)}.", icon=":material/content_copy:")


def _key(name: str, preset: str) -> str:
    """Each preset keeps its defaults and its user's changes; what is always asked is asked once for all, the
    data set once for all that take pairs and once for all others.
    """
    if name == "dataset" and _takes_pairs(preset):
        return "train.pairs"
    is_shared = name != "steps" and name in commands.always_shown(PRESETS[preset])
    return f"train.{name}" if is_shared else f"train.{preset}.{name}"


def _takes_pairs(preset: str) -> bool:
    return preset_family(preset).task == "translation"


def _datasets(preset: str) -> list[str]:
    """The data sets that suit the preset: those of pairs, or those of images that come alone."""
    if _takes_pairs(preset):
        return list(pairs())
    return [name for name, spec in known().items() if not spec.is_paired]


def _ask(option: Option, preset: str, availability: Mapping[str, str]) -> object:
    """The input for one option, of the kind that its field has; returns the visitor's value."""
    name, field = option.name, option.field
    value: Any = option.value
    label, key = name.replace("_", " ").capitalize(), _key(name, preset)
    number = kind(field)
    if name == "dataset" or number is Literal:
        choices = _datasets(preset) if name == "dataset" else list(get_args(field.annotation))
        states = availability if name == "dataset" else {}
        return st.selectbox(
            label,
            choices,
            index=choices.index(value),
            key=key,
            help=field.description,
            persist_state="session",
            format_func=lambda choice: f"{choice} · {states[choice]}" if choice in states else choice,
        )
    if number is bool:
        return st.toggle(label, value, key=key, help=field.description, persist_state="session")
    if number is str:
        return st.text_input(label, value, key=key, help=field.description, persist_state="session")
    low, high, multiple_of = bounds(field)
    return st.number_input(
        label,
        key=key,
        help=field.description,
        persist_state="session",
        min_value=None if low is None else number(low),
        max_value=None if high is None else number(high),
        value=value,
        step=number(multiple_of or _step(number, value)),
        placeholder="none",
        format=None if number is int else "%g",
    )


def _step(number: type, value: object) -> float:
    """1 for whole numbers, else a tenth of the value's own power of ten."""
    if number is int or not isinstance(value, float) or value <= 0:
        return 1
    return float(10 ** (math.floor(math.log10(value)) - 1)) if value < 1 else 0.1
