"""Flat figures of models in Plotly: radar, heat map, bars with intervals, quality against cost.

Pure functions of results. Each model has one colour of Okabe and Ito's palette. Backgrounds are transparent
and greys are of medium lightness, so that a figure is readable on a light and on a dark page. Text from a
run's files is escaped, because Plotly renders some HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gencore.analysis.comparison import MeanInterval
from gencore.analysis.measured_models import Model
from gencore.metrics import catalog
from gencore.metrics.catalog import number

GREY = "#8A8F98"
INK = "#14171C"
SCALE = [[0, "#F2B48C"], [0.5, "#F5EFDF"], [1, "#86CDBB"]]
"""Light colours from score 0 to 1, so that dark text stays readable on all of them."""
UNSCORED = "#DCE0E6"
SPOKES = ("stability", "controllability", "efficiency")
LEGEND = 76
"""Pixels below a figure whose axis has a title and a legend."""
_LINE, _LETTERS = 19, 48
FEW = 6
"""Up to this many names stand side by side in a legend, or next to their dots; more stand in a column."""
DASHES = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")
MARKERS = ("circle", "diamond", "square", "cross", "x")
"""Of the models of one variant, in turn; Plotly has them in two and in three dimensions."""


def dash(model: Model) -> str:
    """How the lines of `model` are dashed, which tells it from other models of its variant."""
    return DASHES[model.place % len(DASHES)]


def marker(model: Model) -> str:
    """The shape of the markers of `model`, which tells it from other models of its variant."""
    return MARKERS[model.place % len(MARKERS)]


def radar(models: Sequence[Model]) -> go.Figure | None:
    """A spoke for each part of quality and each score that every model has; None below three spokes."""
    every = [model.scores["quality"].parts | _values(model) for model in models]
    spokes = [name for name in every[0] if all(name in known for known in every)] if every else []
    if len(spokes) < 3:
        return None
    figure = go.Figure()
    for model, known in zip(models, every, strict=True):
        values = [known[name] for name in spokes]
        figure.add_trace(
            go.Scatterpolar(
                r=[*values, values[0]],
                theta=[*spokes, spokes[0]],
                name=escape(model.name),
                mode="lines+markers",
                line=dict(color=model.colour, width=2.5, dash=dash(model)),
                marker=dict(size=7, symbol=marker(model)),
                hoverinfo="text",
                hovertext=[
                    f"<b>{escape(model.name)}</b><br>{name} {known[name]:.2f}"
                    for name in [*spokes, spokes[0]]
                ],
            )
        )
    radial = dict(
        range=[0, 1],
        tickvals=[0.2, 0.4, 0.6, 0.8, 1],
        gridcolor=see_through(GREY, 0.35),
        tickfont=dict(size=10),
        angle=45,
        tickangle=45,
    )
    around = dict(gridcolor=see_through(GREY, 0.35), linecolor=GREY, rotation=90, direction="clockwise")
    figure.update_layout(polar=dict(bgcolor="rgba(0,0,0,0)", radialaxis=radial, angularaxis=around))
    return dressed(figure, 460).update_layout(margin_l=84, margin_r=84)  # the names of the spokes


def _values(model: Model) -> dict[str, float]:
    return {name: value for name in SPOKES if (value := model.scores[name].value) is not None}


def heatmap(models: Sequence[Model]) -> go.Figure:
    """A row a metric, a column a model: the value as text, its score as colour; grey without a score."""
    metrics = [info.id for info in catalog.compared() if any(model.estimate(info.id) for model in models)]
    rows = [titled(name) for name in metrics]
    names = [escape(model.name) for model in models]
    grid = [[model.metric_score(name) for model in models] for name in metrics]
    estimates = [[model.estimate(name) for model in models] for name in metrics]
    text = [
        catalog.text(name, one.mean if one else None)
        for name, row in zip(metrics, estimates, strict=True)
        for one in row
    ]
    heat = go.Heatmap(
        x=names,
        y=rows,
        z=grid,
        zmin=0,
        zmax=1,
        colorscale=SCALE,
        xgap=3,
        ygap=3,
        hoverinfo="skip",
        colorbar=dict(
            title=dict(text="score", side="right"), thickness=12, outlinewidth=0, tickvals=[0, 0.5, 1]
        ),
    )
    hover = [
        _hover_text(model, name, estimate, score)
        for name, of_name, scored in zip(metrics, estimates, grid, strict=True)
        for model, estimate, score in zip(models, of_name, scored, strict=True)
    ]
    values = go.Scatter(
        x=names * len(rows),
        y=[row for row in rows for _ in names],
        text=text,
        mode="text",
        hoverinfo="text",
        hovertext=hover,
        textfont=dict(color=INK, size=13),
    )
    figure = go.Figure([heat, values])
    figure.update_xaxes(
        side="top", showgrid=False, type="category", range=[-0.5, len(names) - 0.5], automargin=True
    )
    figure.update_yaxes(showgrid=False, type="category", range=[len(rows) - 0.5, -0.5], automargin=True)
    figure = dressed(figure, 80 + 32 * len(rows), bottom=20)
    return figure.update_layout(plot_bgcolor=UNSCORED, showlegend=False)


def titled(metric: str) -> str:
    """The metric's title and which values are better: `Recall · larger`."""
    better = catalog.better(metric)
    return f"{catalog.title(metric)} · {better}" if better else catalog.title(metric)


def _hover_text(model: Model, metric: str, estimate: MeanInterval | None, score: float | None) -> str:
    """The model, the metric's title and id, and the value with interval, floor and score."""
    head = f"<b>{escape(model.name)}</b> · {escape(catalog.title(metric))} ({escape(metric)})<br>"
    if estimate is None:
        lacking = [
            one.metrics[metric].reason if metric in one.metrics else "not in the results"
            for one in model.results
        ]
        return head + escape(next(reason for reason in lacking if reason))
    floor = model.floor(metric)
    against = "" if floor is None else f"<br>real images {number(floor)}"
    scored = "no score: it has no scale from 0 to 1" if score is None else f"score {score:.2f}"
    return f"{head}{shown(estimate, metric)}{against}<br>{scored}"


def shown(estimate: MeanInterval | None, metric: str) -> str:
    """The mean in the metric's format and, over several seeds, half its 95 % interval; a dash if absent."""
    if estimate is None or estimate.high is None:
        return catalog.text(metric, estimate.mean if estimate else None)
    return f"{number(estimate.mean)} ± {number(estimate.high - estimate.mean, digits=2)}"


def bars(models: Sequence[Model], columns: int = 3) -> go.Figure | None:
    """A panel a headline metric of the images: a bar a model with its 95 % interval, a line at the floor.

    Metrics that no model has are left out; None where none is left.
    """
    metrics = [
        info.id
        for info in catalog.headline()
        if not info.cost and any(model.estimate(info.id) for model in models)
    ]
    if not metrics:
        return None
    rows = -(-len(metrics) // columns)
    titles = [titled(name) for name in metrics]
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=titles,
        horizontal_spacing=0.07,
        vertical_spacing=0.42 / rows,
        shared_yaxes=True,
    )
    names = [escape(model.name) for model in models]
    for place, metric in enumerate(metrics):
        at = dict(row=place // columns + 1, col=place % columns + 1)
        estimates = [model.estimate(metric) for model in models]
        above = [one.high - one.mean if one and one.high is not None else None for one in estimates]
        figure.add_trace(
            go.Bar(
                y=names,
                x=[one.mean if one else None for one in estimates],
                orientation="h",
                showlegend=False,
                marker=dict(color=[model.colour for model in models], cornerradius=3),
                hoverinfo="text",
                hovertext=[
                    _hover_text(model, metric, one, model.metric_score(metric))
                    for model, one in zip(models, estimates, strict=True)
                ],
                error_x=dict(
                    type="data", array=above, color=GREY, thickness=1.5, width=4, visible=any(above)
                ),
                name=metric,
            ),
            **at,
        )
        floor = next((floor for model in models if (floor := model.floor(metric)) is not None), None)
        if floor is not None:
            figure.add_vline(x=floor, line=dict(color=GREY, width=2, dash="dot"), **at)
    figure.update_annotations(font_size=13)
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category", automargin=True)
    figure.update_xaxes(gridcolor=see_through(GREY, 0.25), zerolinecolor=GREY, nticks=5)
    return dressed(figure, 30 + rows * (84 + 26 * len(models)), bottom=36)


def pareto(models: Sequence[Model], cost: str = "seconds a sample") -> go.Figure | None:
    """Quality against `cost`, an axis of `catalog.costs()`, and a line of the models that none beats in both.

    None without a model that has both.
    """
    known = [
        (spent, quality, model)
        for model in models
        if (spent := _spent(model, cost)) and (quality := model.scores["quality"].value) is not None
    ]
    if not known:
        return None
    best = frontier([(spent, quality) for spent, quality, _ in known])
    edge = go.Scatter(
        x=[x for x, _ in best],
        y=[y for _, y in best],
        mode="lines",
        line=dict(color=GREY, dash="dot", shape="hv"),
        name="not beaten in both",
        hoverinfo="skip",
    )
    dots = [
        go.Scatter(
            x=[spent],
            y=[quality],
            mode="markers+text" if len(known) <= FEW else "markers",
            name=escape(model.name),
            marker=dict(color=model.colour, size=15, opacity=0.85, symbol=marker(model)),
            text=escape(model.name),
            textposition="bottom center",
            textfont=dict(color=model.colour),
            hoverinfo="text",
            cliponaxis=False,
            hovertext=f"<b>{escape(model.name)}</b><br>quality {quality:.2f}<br>{number(spent)} {cost}",
        )
        for spent, quality, model in known
    ]
    figure = go.Figure([edge, *dots])
    grid = dict(gridcolor=see_through(GREY, 0.25), zeroline=False)
    figure.update_xaxes(
        type="log",
        title=f"{cost}{', in batches of 100' if cost == 'seconds a sample' else ''}",
        exponentformat="e",
        **grid,
    )
    figure.update_yaxes(range=[0, 1.08], title="quality", **grid)
    return dressed(figure.update_layout(showlegend=len(known) > FEW), 460)


def _spent(model: Model, cost: str) -> float | None:
    """Mean over the seeds; None where not measured. A rate, of which more is better, costs its inverse."""
    info = catalog.costs()[cost]
    estimate = model.estimate(info.id)
    if estimate is None:
        return None
    return 1 / estimate.mean if info.better == "larger" else estimate.mean


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, quality) that no other beats in both, by ascending cost."""
    kept: list[tuple[float, float]] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or quality > kept[-1][1]:
            kept.append((cost, quality))
    return kept


def see_through(hexadecimal: str, share: float) -> str:
    """The colour `#rrggbb` with opacity `share`, from 0 to 1."""
    red, green, blue = (int(hexadecimal[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def _names_in_legend(figure: go.Figure) -> set[str]:
    if figure.layout.showlegend is False:
        return set()
    return {trace.name for trace in figure.data if trace.name and trace.showlegend is not False}


def dressed(figure: go.Figure, height: int, bottom: int = LEGEND) -> go.Figure:
    """`figure` in the style that all figures share, `height` pixels high, `bottom` of them below the axis.

    A legend of more than FEW names, or of long ones, is a column below the figure, which becomes higher by
    as much.
    """
    clear = "rgba(0,0,0,0)"
    legend = dict(orientation="h", yref="container", y=0, yanchor="bottom", x=0.5, xanchor="center")
    names = _names_in_legend(figure)
    if len(names) > FEW or sum(map(len, names)) > _LETTERS:
        legend |= dict(orientation="v", tracegroupgap=0)
        height, bottom = height + _LINE * len(names), bottom + _LINE * len(names)
    figure.update_xaxes(title_font_size=13)
    figure.update_yaxes(title_font_size=13)
    return figure.update_layout(
        template="none",
        paper_bgcolor=clear,
        plot_bgcolor=clear,
        height=height,
        margin=dict(l=70, r=30, t=56, b=bottom),
        legend=legend,
        font=dict(color=GREY, size=13),
        hoverlabel=dict(align="left"),
    )
