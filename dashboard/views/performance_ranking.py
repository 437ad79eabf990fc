"""The Performance page's ranking: the visitor's weights of the four scores and the order they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import streamlit as st

from dashboard.widgets import altair_charts, model_choice
from dashboard.widgets.model_choice import RankedModel
from dashboard.widgets.text import plain
from gencore.analysis.measured_models import MeasuredModels
from gencore.analysis.scores import SCORES

MAX_WEIGHT, WEIGHT = 10, 5


class PageData(NamedTuple):
    """What the page is made from; read once for each version of the files."""

    loaded: MeasuredModels
    first: dict[str, float]
    """Share of random weightings under which each model comes first."""


def show(data: PageData) -> None:
    """Sliders for the weights and the ranking; a fragment, so that the 3-D view keeps its camera."""
    st.subheader("What matters to you", anchor=False)
    models = data.loaded.models
    weights: dict[str, float] = {}
    for row in (SCORES[:2], SCORES[2:]):
        for column, name in zip(st.columns(2), row, strict=True):
            with column:
                weights[name] = _weight(name, any(model.scores[name].value is not None for model in models))
    if not any(weights.values()):
        st.info("Give at least one score a weight.", icon=":material/balance:")
        return
    ranked = model_choice.rank_models(models, weights)
    if ranked:
        order = " · ".join(
            f"{one.model.name} {one.overall:.2f}{' (tie)' if one.ties else ''}" for one in ranked
        )
        st.altair_chart(
            altair_charts.ranking_bars(ranked, data.first), alt=f"Weighted score, best first: {order}"
        )
        st.caption(f"**Overall**, best first: {plain(order)}")
    for model in models:
        lacking = [name for name, weight in weights.items() if weight and model.scores[name].value is None]
        if lacking:
            st.caption(
                f"{plain(model.name)} has no overall: {', '.join(lacking)} was not measured. "
                "A weight of 0 leaves a score out."
            )
    st.caption(_certainty(ranked, data.first))


def _weight(name: str, known: bool) -> int:
    """The visitor's weight of a score; a disabled slider at 0 for one that no model has."""
    if not known:
        help = "Not measured for any model shown; the reasons are below."
        st.slider(name.capitalize(), 0, MAX_WEIGHT, 0, key=f"absent.{name}", disabled=True, help=help)
        return 0
    return st.slider(name.capitalize(), 0, MAX_WEIGHT, WEIGHT, key=name, bind="query-params")


def _certainty(ranked: Sequence[RankedModel], first: Mapping[str, float]) -> str:
    """How to read the bars, and how far the order can be chance."""
    text = "Shades: the contribution of each score."
    if first:
        text += " Percent: the share of random weightings under which the model comes first."
    else:
        text += " No share of random weightings: it needs a model with all four scores."
    if any(one.ties is not None for one in ranked):
        return (
            f"{text} *Tie*: the lead over the next model may be chance (95 % interval, seed by seed;"
            " stability taken as exact)."
        )
    return f"{text} A lead may be chance; two or more seeds can tell (`gencore compare --seeds 5`)."
