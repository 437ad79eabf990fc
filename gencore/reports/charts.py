"""Flat figures of models in Plotly: radar, heat map, bars with intervals, quality against cost.

Pure functions of results. One colour a model, Okabe and Ito's palette, which holds on light and on dark
ground; the grounds are left transparent and the greys are middle ones, so that a figure need not know which it
stands on. Text from a run's files is escaped, for Plotly reads some HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gencore.comparison import Estimate
from gencore.results import BETTER, Results
from gencore.scores import Score, scores

COLOURS = {"VAE": "#E69F00", "GAN": "#CC79A7", "cGAN": "#0072B2", "DDPM": "#009E73", "cDDPM": "#D55E00"}
OTHER = "#8A8F98"
GREY = "#8A8F98"
INK = "#14171C"
SCALE = [[0, "#F2B48C"], [0.5, "#F5EFDF"], [1, "#86CDBB"]]
"""Light throughout, so that dark text stays readable on every score."""
UNSCORED = "#DCE0E6"
SPOKES = ("stability", "controllability", "efficiency")
BARS = ("fd", "precision", "recall", "density", "coverage", "conditional_accuracy")
COSTS = {
    "seconds a sample": "samples_per_second_100",
    "seconds of training": "training_seconds",
    "peak memory, MiB": "peak_memory_mib",
}
"""What a model costs, and the metric that says so."""
_PART_OF = {"fd": "realism", "precision": "fidelity", "coverage": "coverage", "class_total_variation": "balance"}
LEGEND = 76
"""Pixels under a figure whose axis has a title and a legend."""


def colour(label: str) -> str:
    return COLOURS.get(label, OTHER)


def run_colours(labels: Mapping[str, str]) -> dict[str, str]:
    """A colour for each run of {run: label}: its model's, paler for each further run of the same model."""
    seen: dict[str, int] = {}
    colours = {}
    for run, label in labels.items():
        colours[run] = _paler(colour(label), 0.4 * seen.get(label, 0))
        seen[label] = seen.get(label, 0) + 1
    return colours


def _paler(hexadecimal: str, share: float) -> str:
    grey = np.array([176, 180, 188])
    rgb = np.array([int(hexadecimal[place : place + 2], 16) for place in (1, 3, 5)])
    mixed = rgb + min(share, 0.8) * (grey - rgb)
    return "#" + "".join(f"{round(part):02X}" for part in mixed)


@dataclass(frozen=True)
class Model:
    """What a figure shows under one name: results of one configuration, one a training seed."""

    name: str
    colour: str
    results: tuple[Results, ...]

    @cached_property
    def scores(self) -> dict[str, Score]:
        return scores(self.results)

    def estimate(self, metric: str) -> Estimate | None:
        """The metric over the seeds; None where a seed has no value."""
        values = [one.value(metric) for one in self.results]
        return None if None in values else Estimate.of(values)

    def floor(self, metric: str) -> float | None:
        return next((one.metrics[metric].floor for one in self.results if metric in one.metrics), None)

    def metric_score(self, metric: str) -> float | None:
        """The metric between 0 and 1, where there is an anchor for it: a part of quality, or a share of the floor."""
        estimate, floor = self.estimate(metric), self.floor(metric)
        if estimate is None:
            return None
        if metric in _PART_OF:
            return self.scores["quality"].parts.get(_PART_OF[metric])
        match BETTER.get(metric):
            case "nearer 1" if estimate.mean > 0:
                return min(estimate.mean, 1 / estimate.mean)
            case "larger" if floor:
                return max(0.0, min(1.0, estimate.mean / floor))
        return None


def radar(models: Sequence[Model]) -> go.Figure | None:
    """A spoke for each part of quality and each further score that every model has; None below three spokes."""
    every = [model.scores["quality"].parts | _values(model) for model in models]
    spokes = [name for name in every[0] if all(name in known for known in every)] if every else []
    if len(spokes) < 3:
        return None
    figure = go.Figure()
    for model, known in zip(models, every, strict=True):
        values = [known[name] for name in spokes]
        figure.add_trace(
            go.Scatterpolar(
                r=[*values, values[0]], theta=[*spokes, spokes[0]], name=escape(model.name), mode="lines+markers",
                line=dict(color=model.colour, width=2.5), marker=dict(size=6), hoverinfo="text",
                hovertext=[f"<b>{escape(model.name)}</b><br>{name} {known[name]:.2f}" for name in [*spokes, spokes[0]]],
            )
        )  # fmt: skip
    radial = dict(range=[0, 1], tickvals=[0.2, 0.4, 0.6, 0.8, 1], gridcolor=see_through(GREY, 0.35), tickfont=dict(size=10), angle=45, tickangle=45)
    around = dict(gridcolor=see_through(GREY, 0.35), linecolor=GREY, rotation=90, direction="clockwise")
    figure.update_layout(polar=dict(bgcolor="rgba(0,0,0,0)", radialaxis=radial, angularaxis=around))
    return dressed(figure, 460).update_layout(margin_l=84, margin_r=84)  # the names of the spokes


def _values(model: Model) -> dict[str, float]:
    return {name: model.scores[name].value for name in SPOKES if model.scores[name].value is not None}


def heatmap(models: Sequence[Model]) -> go.Figure:
    """A row a metric, a column a model: the value as text on its score as colour; grey where it has no anchor."""
    metrics = [name for name in BETTER if any(model.estimate(name) for model in models)]
    rows = [f"{name} · {BETTER[name]}" for name in metrics]
    names = [escape(model.name) for model in models]
    grid = [[model.metric_score(name) for model in models] for name in metrics]
    estimates = [[model.estimate(name) for model in models] for name in metrics]
    text = [number(one and one.mean) for row in estimates for one in row]
    heat = go.Heatmap(
        x=names, y=rows, z=grid, zmin=0, zmax=1, colorscale=SCALE, xgap=3, ygap=3, hoverinfo="skip",
        colorbar=dict(title=dict(text="score", side="right"), thickness=12, outlinewidth=0, tickvals=[0, 0.5, 1]),
    )  # fmt: skip
    told = [
        _told(model, name, estimate, score)
        for name, of_name, scored in zip(metrics, estimates, grid, strict=True)
        for model, estimate, score in zip(models, of_name, scored, strict=True)
    ]
    values = go.Scatter(
        x=names * len(rows), y=[row for row in rows for _ in names], text=text, mode="text", hoverinfo="text", hovertext=told,
        textfont=dict(color=INK, size=13),
    )  # fmt: skip
    figure = go.Figure([heat, values])
    figure.update_xaxes(side="top", showgrid=False, type="category", range=[-0.5, len(names) - 0.5])
    figure.update_yaxes(showgrid=False, type="category", range=[len(rows) - 0.5, -0.5], automargin=True)
    figure = dressed(figure, 80 + 32 * len(rows), bottom=20)
    return figure.update_layout(plot_bgcolor=UNSCORED, showlegend=False)


def _told(model: Model, metric: str, estimate: Estimate | None, score: float | None) -> str:
    head = f"<b>{escape(model.name)}</b> · {metric}<br>"
    if estimate is None:
        lacking = [one.metrics[metric].reason if metric in one.metrics else "not in the results" for one in model.results]
        return head + escape(next(reason for reason in lacking if reason))
    floor = model.floor(metric)
    against = "" if floor is None else f"<br>real images {number(floor)}"
    scored = "no score: no anchor" if score is None else f"score {score:.2f}"
    return f"{head}{shown(estimate)}{against}<br>{scored}"


def number(value: float | None, digits: int = 3) -> str:
    """To `digits` digits, thousands set apart; a dash where there is none."""
    if value is None:
        return "–"
    rounded = f"{value:.{digits}g}"
    return f"{float(rounded):,.0f}" if abs(value) >= 10**digits else rounded


def shown(estimate: Estimate | None) -> str:
    """The mean and, over several seeds, half its 95 % interval; a dash where there is none."""
    if estimate is None or estimate.high is None:
        return number(estimate and estimate.mean)
    return f"{number(estimate.mean)} ± {number(estimate.high - estimate.mean, digits=2)}"


def bars(models: Sequence[Model], metrics: Sequence[str] = BARS, columns: int = 3) -> go.Figure | None:
    """A panel a metric: a bar a model with its 95 % interval over seeds, and a line where real images stand.

    Metrics that no model has are left out; None where none is left.
    """
    metrics = [name for name in metrics if any(model.estimate(name) for model in models)]
    if not metrics:
        return None
    rows = -(-len(metrics) // columns)
    titles = [f"{name} · {BETTER[name]}" for name in metrics]
    figure = make_subplots(rows, columns, subplot_titles=titles, horizontal_spacing=0.07, vertical_spacing=0.42 / rows, shared_yaxes=True)
    names = [escape(model.name) for model in models]
    for place, metric in enumerate(metrics):
        at = dict(row=place // columns + 1, col=place % columns + 1)
        estimates = [model.estimate(metric) for model in models]
        above = [one.high - one.mean if one and one.high is not None else None for one in estimates]
        figure.add_trace(
            go.Bar(
                y=names, x=[one.mean if one else None for one in estimates], orientation="h", showlegend=False,
                marker=dict(color=[model.colour for model in models], cornerradius=3), hoverinfo="text",
                hovertext=[_told(model, metric, one, model.metric_score(metric)) for model, one in zip(models, estimates, strict=True)],
                error_x=dict(type="data", array=above, color=GREY, thickness=1.5, width=4, visible=any(above)), name=metric,
            ),
            **at,
        )  # fmt: skip
        floor = next((floor for model in models if (floor := model.floor(metric)) is not None), None)
        if floor is not None:
            figure.add_vline(x=floor, line=dict(color=GREY, width=2, dash="dot"), **at)
    figure.update_annotations(font_size=13)
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    figure.update_xaxes(gridcolor=see_through(GREY, 0.25), zerolinecolor=GREY, nticks=5)
    return dressed(figure, 30 + rows * (84 + 26 * len(models)), bottom=36)


def pareto(models: Sequence[Model], cost: str = "seconds a sample") -> go.Figure | None:
    """Quality against a cost of COSTS, and the line of those that no other beats in both; None without a model that has both."""
    known = [
        (spent, quality, model)
        for model in models
        if (spent := _spent(model, cost)) and (quality := model.scores["quality"].value) is not None
    ]
    if not known:
        return None
    best = frontier([(spent, quality) for spent, quality, _ in known])
    edge = go.Scatter(x=[x for x, _ in best], y=[y for _, y in best], mode="lines", line=dict(color=GREY, dash="dot", shape="hv"), name="beaten by none", hoverinfo="skip")
    dots = [
        go.Scatter(
            x=[spent], y=[quality], mode="markers+text", name=escape(model.name), marker=dict(color=model.colour, size=15, opacity=0.85),
            text=escape(model.name), textposition="bottom center", textfont=dict(color=model.colour), hoverinfo="text", cliponaxis=False,
            hovertext=f"<b>{escape(model.name)}</b><br>quality {quality:.2f}<br>{number(spent)} {cost}",
        )
        for spent, quality, model in known
    ]  # fmt: skip
    figure = go.Figure([edge, *dots])
    grid = dict(gridcolor=see_through(GREY, 0.25), zeroline=False)
    figure.update_xaxes(type="log", title=f"{cost}{', in batches of 100' if cost == 'seconds a sample' else ''}", exponentformat="e", **grid)
    figure.update_yaxes(range=[0, 1.08], title="quality", **grid)
    return dressed(figure, 460).update_layout(showlegend=False)


def _spent(model: Model, cost: str) -> float | None:
    """Mean over the seeds; None where not measured."""
    estimate = model.estimate(COSTS[cost])
    if estimate is None or cost != "seconds a sample":
        return estimate and estimate.mean
    return 1 / estimate.mean  # measured as samples a second


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those (cost, worth) that no other point beats: costlier ones are kept only where they are worth more."""
    kept: list[tuple[float, float]] = []
    for cost, worth in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or worth > kept[-1][1]:
            kept.append((cost, worth))
    return kept


def see_through(hexadecimal: str, share: float) -> str:
    """A colour of which so much shows."""
    red, green, blue = (int(hexadecimal[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def dressed(figure: go.Figure, height: int, bottom: int = LEGEND) -> go.Figure:
    """In the look that all figures share, `height` pixels high, `bottom` of them under the axis."""
    clear = "rgba(0,0,0,0)"
    legend = dict(orientation="h", yref="container", y=0, yanchor="bottom", x=0.5, xanchor="center")
    figure.update_xaxes(title_font_size=13)
    figure.update_yaxes(title_font_size=13)
    return figure.update_layout(
        template="none", paper_bgcolor=clear, plot_bgcolor=clear, height=height, margin=dict(l=70, r=30, t=56, b=bottom),
        legend=legend, font=dict(color=GREY, size=13), hoverlabel=dict(align="left"),
    )  # fmt: skip
