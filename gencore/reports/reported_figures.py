"""Figures that other projects report, as grey rings, in Plotly; next to what was measured here.

A pure function, in the style of `gencore.reports.charts`. The rings are labelled as reported: nothing says
that they were measured as the metrics here are.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gencore.analysis.measured_models import Model
from gencore.analysis.reported import Source
from gencore.metrics import catalog
from gencore.metrics.catalog import number
from gencore.reports.charts import GREY, dressed, marker, see_through

TITLES = {
    "lpips": "LPIPS",
    "mode_coverage": "Mode coverage",
    "diversity": "Diversity",
    "train_minutes": "Training, minutes",
    "train_seconds": "Training, seconds",
}
"""Figures that are drawn and are no metric of `gencore.metrics.catalog`, as their sources call them."""
_SPREAD = "_std"


def drawn(source: Source) -> list[str]:
    """The figures of `source` that `rings` draws, in the order of the source."""
    every = dict.fromkeys(name for figures in source.models.values() for name in figures)
    return [name for name in every if name in catalog.METRICS or name in TITLES]


def rings(source: Source, models: Sequence[Model], columns: int = 4) -> go.Figure | None:
    """A panel a figure: a grey ring for each model of `source`, and each of `models` that was measured by it.

    Whiskers are the standard deviation that the source gives. None where the source has no figure to draw.
    """
    figures = drawn(source)
    if not figures:
        return None
    own = [model for model in models if any(model.estimate(name) for name in figures)]
    rows = -(-len(figures) // columns)
    chart = make_subplots(
        rows,
        columns,
        subplot_titles=[_title(name) for name in figures],
        horizontal_spacing=0.04,
        vertical_spacing=0.32 / rows,
        shared_yaxes=True,
    )
    for place, name in enumerate(figures):
        at = dict(row=place // columns + 1, col=place % columns + 1)
        chart.add_trace(_reported_trace(source, name), **at)
        if measured := [model for model in own if model.estimate(name)]:
            chart.add_trace(_measured_trace(measured, name), **at)
    order = [*(_label(name) for name in source.models), *(escape(model.name) for model in own)]
    chart.update_annotations(font_size=12)
    chart.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=order,
        range=[len(order) - 0.5, -0.5],
        automargin=True,
        gridcolor=see_through(GREY, 0.15),
    )
    chart.update_xaxes(gridcolor=see_through(GREY, 0.25), zeroline=False, nticks=4, rangemode="tozero")
    return dressed(chart.update_layout(showlegend=False), 30 + rows * (70 + 20 * len(order)), bottom=36)


def _title(figure: str) -> str:
    return TITLES.get(figure) or catalog.title(figure)


def _label(model: str) -> str:
    return f"{escape(model)} (reported)"


def _reported_trace(source: Source, figure: str) -> go.Scatter:
    """What `source` reports by `figure`; a model without it has no ring."""
    known = [(name, given[figure], given) for name, given in source.models.items() if figure in given]
    spreads = [given.get(figure + _SPREAD, 0.0) for *_, given in known]
    head = f"reported by {escape(source.title)}<br>{escape(_title(figure))}"
    hover = [
        f"<b>{escape(name)}</b> · {head} {number(value)}" + (f" ± {number(spread)}" if spread else "")
        for (name, value, _), spread in zip(known, spreads, strict=True)
    ]
    return go.Scatter(
        x=[value for _, value, _ in known],
        y=[_label(name) for name, *_ in known],
        mode="markers",
        name="reported",
        marker=dict(symbol="circle-open", size=10, color=GREY, line_width=2),
        error_x=dict(type="data", array=spreads, color=GREY, thickness=1.5, width=4, visible=any(spreads)),
        hoverinfo="text",
        hovertext=hover,
    )


def _measured_trace(models: Sequence[Model], metric: str) -> go.Scatter:
    """What was measured here of `models`, each of which has `metric`."""
    values = [estimate.mean for model in models if (estimate := model.estimate(metric))]
    return go.Scatter(
        x=values,
        y=[escape(model.name) for model in models],
        mode="markers",
        name="measured here",
        marker=dict(
            symbol=[marker(model) for model in models], size=10, color=[model.colour for model in models]
        ),
        hoverinfo="text",
        hovertext=[
            f"<b>{escape(model.name)}</b> · measured here<br>{escape(_title(metric))} {number(value)}"
            for model, value in zip(models, values, strict=True)
        ],
    )
