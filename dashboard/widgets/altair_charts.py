"""Charts that only pages show, in Altair; charts of the report too are in `gencore.reports`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from dashboard.widgets.model_choice import RankedModel, Values
from dashboard.widgets.text import plain
from gencore.analysis.colours import OTHER
from gencore.analysis.measured_models import Model
from gencore.analysis.scores import SCORES
from gencore.reports import charts

_NO_BREAK = "\u00a0"
_SHAPES = {
    "": '<rect width="12" height="12" rx="3"/>',
    "circle": '<circle cx="6" cy="6" r="5"/>',
    "diamond": '<path d="M6 0 12 6 6 12 0 6Z"/>',
    "square": '<rect x="1" y="1" width="10" height="10"/>',
    "cross": '<path d="M4 0h4v4h4v4h-4v4h-4v-4h-4v-4h4Z"/>',
    "x": '<path d="M2 0 6 4 10 0 12 2 8 6 12 10 10 12 6 8 2 12 0 10 4 6 0 2Z"/>',
}
"""The markers of Plotly's charts in 12 × 12 pixels; without a name, a swatch."""


def mark(shade: str, shape: str = "") -> str:
    """A small square of `shade`, or another of the shapes in `charts.MARKERS`, as Markdown."""
    drawn = f'<g fill="{shade}">{_SHAPES[shape]}</g>'
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" width="12" height="12">{drawn}</svg>'
    return f"![](data:image/svg+xml;base64,{b64encode(picture.encode()).decode()})"


def score_bars(models: Sequence[Model], values: Values, bar: int = 13) -> alt.Chart | alt.LayerChart:
    """Scores by model: a group for each of `values`, in it a bar a model, `bar` pixels high.

    Where a variant has several models, whose colours are alike, each bar has its model's name at its end.
    """
    names = [model.name for model in models]
    rows = [
        (name, part, of_model[name])
        for part, of_model in values.items()
        for name in names
        if name in of_model
    ]
    is_named = any(model.place for model in models)
    end, bar = (1.5, max(bar, 13)) if is_named else (1.0, bar)
    base = alt.Chart(pd.DataFrame(rows, columns=["model", "part", "score"])).encode(
        x=alt.X(
            "score:Q",
            title=None,
            scale=alt.Scale(domain=[0, end]),
            axis=alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1]),
        ),
        y=alt.Y(
            "part:N",
            title=None,
            sort=list(values),
            scale=alt.Scale(domain=list(values), paddingInner=0.3),
            axis=alt.Axis(ticks=False, domain=False, labelFontSize=13, labelLimit=150, minExtent=96),
        ),
        yOffset=alt.YOffset("model:N", sort=names, scale=alt.Scale(domain=names)),
    )
    bars = base.mark_bar(cornerRadiusEnd=2).encode(
        color=alt.Color("model:N", scale=_scale(models), legend=None),
        tooltip=["model:N", "part:N", alt.Tooltip("score:Q", format=".2f")],
    )
    height = len(values) * (bar * len(models) + 16) + 30
    if not is_named:
        return bars.properties(height=height)
    middle = 0.4 * bar  # Vega-Lite places text at the upper edge of its bar, which is about 0.8 bar high
    labels = base.mark_text(
        align="left", baseline="middle", dx=4, dy=middle, fontSize=10, color=OTHER
    ).encode(text="model:N")
    return (bars + labels).properties(height=height)


def legend(models: Sequence[Model]) -> str:
    """The models, their colours and, where a variant has several, their markers, as Markdown."""
    has_shapes = any(model.place for model in models)
    return " &emsp; ".join(
        f"{mark(model.colour, charts.marker(model) if has_shapes else '')}{_NO_BREAK}"
        + plain(model.name).replace(" ", _NO_BREAK)
        for model in models
    )


def _scale(models: Sequence[Model]) -> alt.Scale:
    return alt.Scale(domain=[model.name for model in models], range=[model.colour for model in models])


def ranking_bars(standings: Sequence[RankedModel], first: Mapping[str, float]) -> alt.LayerChart:
    """The weighted scores, best first: what each score adds, the sum, and the share of weightings won."""
    names = [one.model.name for one in standings]
    shares = [
        (one.model.name, score, share, SCORES.index(score))
        for one in standings
        for score, share in one.shares.items()
    ]
    sums = [
        (
            one.model.name,
            one.overall,
            f"{one.overall:.2f}" + (f" · {first[one.model.name]:.0%}" if one.model.name in first else ""),
        )
        for one in standings
    ]
    x = alt.X(
        "share:Q",
        title=None,
        scale=alt.Scale(domain=[0, 1.35]),
        axis=alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1]),
    )
    y = alt.Y(
        "model:N",
        title=None,
        sort=names,
        axis=alt.Axis(
            ticks=False,
            domain=False,
            labelFontSize=14 if len(names) <= charts.FEW else 12,
            labelFontWeight=600,
            labelLimit=150,
        ),
    )
    bars = (
        alt.Chart(pd.DataFrame(shares, columns=["model", "score", "share", "order"]))
        .mark_bar(stroke=OTHER, strokeWidth=0.5)
        .encode(
            x=x,
            y=y,
            order="order:Q",
            color=alt.Color("model:N", scale=_scale([one.model for one in standings]), legend=None),
            opacity=alt.Opacity(
                "score:N", scale=alt.Scale(domain=list(SCORES), range=[1, 0.75, 0.5, 0.25]), legend=None
            ),
            tooltip=["model:N", "score:N", alt.Tooltip("share:Q", format=".2f", title="adds")],
        )
    )
    labels = (
        alt.Chart(pd.DataFrame(sums, columns=["model", "share", "text"]))
        .mark_text(align="left", dx=6, fontSize=13, color=OTHER)
        .encode(x=x, y=y, text="text:N")
    )
    return (bars + labels).properties(
        height=(44 if len(standings) <= charts.FEW else 30) * len(standings) + 30
    )


def curve(
    points: pd.DataFrame, title: str, colours: Mapping[str, str], along: str = "epoch", log: bool = False
) -> alt.Chart:
    """`value` by the column `along`, one line per `run`; the wheel zooms, dragging moves, a double click
    resets.

    In Altair, because new points leave the specification as it is: a page that draws the chart again keeps
    its zoom. On a log scale, values of 0 and below are left out.
    """
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    points = points[points["value"] > 0] if log else points
    few = len(points) < 40 * max(1, points["run"].nunique())
    return (
        alt.Chart(points, title=alt.Title(title, anchor="start", fontSize=12, fontWeight=600))
        .mark_line(strokeWidth=1.6, point={"size": 22} if few else False)
        .encode(
            x=alt.X(f"{along}:Q", title=None, axis=alt.Axis(grid=False, tickCount=5)),
            y=alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(tickCount=4, grid=not log)),
            color=alt.Color(
                "run:N", legend=None, scale=alt.Scale(domain=list(colours), range=list(colours.values()))
            ),
            tooltip=[
                "run:N",
                "step:Q",
                alt.Tooltip("epoch:Q", format=".2f"),
                alt.Tooltip("minutes:Q", format=".1f"),
                alt.Tooltip("value:Q", format=".4g"),
            ],
        )
        .properties(height=150)
        .interactive(bind_y=False)
    )
