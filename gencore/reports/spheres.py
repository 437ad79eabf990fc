"""The performance space: models as spheres around the ideal, or as balls at their scores.

Axes are quality, stability and controllability where all of them are measured for every model shown; without
stability, which takes several seeds, efficiency in its place; else the parts of image quality. A model's
distance to the ideal at (1, 1, 1) is the radius of its sphere: smaller is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
import plotly.graph_objects as go

from gencore.analysis.comparison import MeanInterval
from gencore.analysis.measured_models import Model
from gencore.analysis.reported import Source
from gencore.analysis.scores import (
    SEEDS_FOR_STABILITY,
    ZONES,
    distance_to_ideal,
    quality_parts,
    score_of_seed,
    zone,
)
from gencore.reports.charts import FEW, GREY, MARKERS, marker

GOLD = "#E8B923"
Point = tuple[float, float, float]
Axes = tuple[str, str, str]
Interval = tuple[float, float] | None
SCORES: Axes = ("quality", "stability", "controllability")
OF_ONE_SEED: Axes = ("quality", "controllability", "efficiency")
PARTS: Axes = ("realism", "fidelity", "coverage")
View = Literal["distance to ideal", "own place"]
_BALL = 0.035
_RINGS = 20
_OPACITY = 0.16


@dataclass(frozen=True)
class ModelPosition:
    """A model in the performance space."""

    name: str
    runs: tuple[str, ...]
    point: Point
    origin: str
    colour: str
    axes: Axes = PARTS
    intervals: tuple[Interval, Interval, Interval] = (None, None, None)
    """The 95 % interval over seeds along each axis; None for a single seed and for stability."""
    efficiency: float | None = None
    marker: str = MARKERS[0]

    @property
    def radius(self) -> float:
        """Distance to the ideal."""
        return distance_to_ideal(self.point)

    @property
    def hover(self) -> str:
        """The model with its scores, intervals, zone and origin, as escaped HTML."""
        lines = [f"<b>{escape(self.name)}</b> · {escape(', '.join(self.runs))}"]
        for axis, score, ends in zip(self.axes, self.point, self.intervals, strict=True):
            between = f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else ""
            lines.append(f"{axis} {score:.2f}{between}")
        lines.append(f"distance to ideal {self.radius:.2f} · {zone(self.point)}")
        lines.append(
            "efficiency not measured" if self.efficiency is None else f"efficiency {self.efficiency:.2f}"
        )
        lines.append(f"{len(self.runs)} seed{'s'[: len(self.runs) > 1]} · {escape(self.origin)}")
        return "<br>".join(lines)


@dataclass(frozen=True)
class ReportedModel:
    """The place of a model by another project's own scores: reported, not measured here."""

    name: str
    point: Point
    title: str
    caveat: str

    @property
    def hover(self) -> str:
        """The model with its reported scores and their caveat, as escaped HTML."""
        scores = "<br>".join(f"{axis} {score:.2f}" for axis, score in zip(SCORES, self.point, strict=True))
        head = f"<b>{escape(self.name)}</b> · reported by {escape(self.title)}"
        return f"{head}<br>{scores}<br>{_folded(self.caveat)}"


def _folded(text: str, width: int = 60) -> str:
    """Escaped, in lines of at most `width` letters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "<br>".join(map(escape, lines))


def reported_models(sources: Sequence[Source]) -> list[ReportedModel]:
    """The reported models that have a place on the axes SCORES."""
    return [
        ReportedModel(name, point, source.title, source.caveat)
        for source in sources
        for name in source.models
        if (point := source.point(name)) is not None
    ]


def shared_axes(models: Sequence[Model]) -> Axes:
    """The first of SCORES and OF_ONE_SEED that every model has all of, else PARTS."""
    for axes in (SCORES, OF_ONE_SEED):
        if models and all(model.scores[axis].value is not None for model in models for axis in axes):
            return axes
    return PARTS


def caption(axes: Axes) -> str:
    """What the axes are, and why not others."""
    text = f"Axes: {', '.join(axes)}, each from 0 to 1."
    text += " The star is the ideal; a smaller sphere is a better model."
    if axes == OF_ONE_SEED:
        text += f" Efficiency stands for stability, which needs {SEEDS_FOR_STABILITY} seeds of every model."
    if axes == PARTS:
        text += " This is image quality alone: not every model shown has stability and controllability."
    return text


def place(model: Model, axes: Axes) -> ModelPosition | None:
    """Where its results put `model` on `axes`; None where a coordinate was not measured."""
    parts = model.scores["quality"].parts
    x, y, z = (parts.get(axis) if axes == PARTS else model.scores[axis].value for axis in axes)
    if x is None or y is None or z is None:
        return None
    kinds = {
        one.origins["evaluation"].kind if "evaluation" in one.origins else "unknown" for one in model.results
    }
    return ModelPosition(
        name=model.name,
        runs=tuple(one.run for one in model.results),
        point=(x, y, z),
        origin=" and ".join(sorted(kinds)),
        colour=model.colour,
        axes=axes,
        intervals=(_interval(model, axes[0]), _interval(model, axes[1]), _interval(model, axes[2])),
        efficiency=model.scores["efficiency"].value,
        marker=marker(model),
    )


def _interval(model: Model, axis: str) -> Interval:
    """The 95 % interval of the model along `axis`; None without a value of each of two or more seeds."""
    each = [
        quality_parts(one).get(axis) if axis in PARTS else score_of_seed(axis, one) for one in model.results
    ]
    estimate = (
        MeanInterval.of(known) if len(known := [v for v in each if v is not None]) == len(each) else None
    )
    if estimate is None or estimate.low is None or estimate.high is None:
        return None
    return estimate.low, estimate.high


def performance_space(
    places: Sequence[ModelPosition], view: View, reported_models: Sequence[ReportedModel] = ()
) -> go.Figure:
    """The ideal as a gold star at (1, 1, 1), the zones as corners around it, and the models.

    "distance to ideal": each model is a sphere around the ideal that passes through the model's own place.
    "own place": each model is a ball at its scores, larger where it is more efficient, in an ellipsoid of its
    intervals that is flat along an axis without one. Reported models are added if the axes are SCORES. Raises
    ValueError where the places differ in their axes.
    """
    found = {place.axes for place in places} or {PARTS}
    if len(found) > 1:
        different = " / ".join(map(", ".join, sorted(found)))
        raise ValueError(f"the models have different axes ({different}); place them all on the same")
    [axes] = found
    figure = go.Figure([_corner(f"{name} ≥ {bound:.1f}", bound) for name, bound in ZONES.items()])
    opacity = _OPACITY * min(1, FEW / max(1, len(places)))  # so that many shells leave the star visible
    for model in sorted(places, key=lambda model: model.radius):
        figure.add_traces(_shell(model, opacity) if view == "distance to ideal" else _ball(model))
    seen = reported_models if axes == SCORES else ()
    if seen:
        figure.add_trace(_reported_markers(seen))
    if view == "distance to ideal":
        reach = max([model.radius for model in places], default=1.0)
        lowest = min((axis for reported_model in seen for axis in reported_model.point), default=1.0)
        _dress(figure, axes, low=min(1 - max(reach, 0.62), lowest), high=1 + reach)
    else:
        figure.add_trace(_corner("", 0.0))
        _dress(figure, axes, low=0.0, high=1.05)
    star = dict(x=1, y=1, z=1, text="★", font=dict(color=GOLD, size=28), showarrow=False)
    return figure.update_layout(scene_annotations=[*_labels(places), star])


def _labels(places: Sequence[ModelPosition]) -> list[dict]:
    """A name at each model's own place, on a leader line, fanned out so that close models stay readable."""
    ranked = sorted(places, key=lambda model: model.radius)
    angles = np.linspace(-0.15 * np.pi, 1.15 * np.pi, len(ranked)) if len(ranked) > 1 else [0.5 * np.pi]
    size, longest = (14, 1.0) if len(ranked) <= FEW else (11, 1.2)
    return [
        dict(
            x=model.point[0],
            y=model.point[1],
            z=model.point[2],
            text=escape(model.name),
            ax=90 * longest * np.cos(angle),
            ay=70 * longest * np.sin(angle) * (1 if place % 2 == 0 or len(ranked) <= FEW else 0.6),
            arrowhead=0,
            arrowwidth=1.2,
            arrowcolor=model.colour,
            font=dict(color=model.colour, size=size),
            bgcolor="rgba(0,0,0,0)",
        )
        for place, (model, angle) in enumerate(zip(ranked, angles, strict=True))
    ]


def _corner(name: str, bound: float) -> go.Scatter3d:
    """The edges of the cube [bound, 1]³, in which every score reaches `bound`."""
    low, high = bound, 1.0
    path = [
        (low, low, low),
        (high, low, low),
        (high, high, low),
        (low, high, low),
        (low, low, low),
        (low, low, high),
        (high, low, high),
        (high, high, high),
        (low, high, high),
        (low, low, high),
        None,
        (high, low, low),
        (high, low, high),
        None,
        (high, high, low),
        (high, high, high),
        None,
        (low, high, low),
        (low, high, high),
    ]
    x, y, z = zip(*[corner or (None, None, None) for corner in path], strict=True)
    return go.Scatter3d(
        x=x,
        y=y,
        z=z,
        mode="lines+text",
        text=[name],
        textposition="bottom center",
        name=name,
        textfont=dict(color=GREY, size=11),
        line=dict(color=GREY, width=2),
        opacity=0.7,
        hoverinfo="skip",
    )


def _unit_sphere() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and z of its points, each (2 _RINGS _RINGS,): circle by circle through the poles."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, _RINGS), np.linspace(0, 2 * np.pi, 2 * _RINGS))
    x, y, z = np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)
    return x.ravel(), y.ravel(), z.ravel()


def _triangles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The corners i, j, k of the triangles between `_unit_sphere`'s points."""
    at = np.arange(2 * _RINGS * _RINGS).reshape(2 * _RINGS, _RINGS)
    here, along, across, beyond = (
        part.ravel() for part in (at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:])
    )
    return np.concatenate([here, across]), np.concatenate([along, along]), np.concatenate([across, beyond])


def _ellipsoid(
    model: ModelPosition, centre: Sequence[float], radii: Sequence[float], opacity: float
) -> go.Mesh3d:
    """A mesh, not a `go.Surface`: Plotly refines a surface, which takes seconds without a graphics card."""
    x, y, z = (
        middle + radius * part for middle, radius, part in zip(centre, radii, _unit_sphere(), strict=True)
    )
    i, j, k = _triangles()
    return go.Mesh3d(
        x=x,
        y=y,
        z=z,
        i=i,
        j=j,
        k=k,
        opacity=opacity,
        color=model.colour,
        name=escape(model.name),
        hoverinfo="text",
        hovertext=model.hover,
        lighting=dict(ambient=0.75, diffuse=0.5, specular=0.15, roughness=0.6),
    )


def _shell(model: ModelPosition, opacity: float) -> list[go.Mesh3d | go.Scatter3d]:
    spoke = go.Scatter3d(
        x=[1, model.point[0]],
        y=[1, model.point[1]],
        z=[1, model.point[2]],
        mode="lines+markers",
        line=dict(color=model.colour, width=5),
        marker=dict(size=[0, 6], color=model.colour, symbol=model.marker),
        name=escape(model.name),
        hoverinfo="text",
        hovertext=model.hover,
    )
    return [_ellipsoid(model, (1, 1, 1), (model.radius,) * 3, opacity), spoke]


def _ball(model: ModelPosition) -> list[go.Mesh3d | go.Scatter3d]:
    x, y, z = model.point
    stem = go.Scatter3d(
        x=[x, x],
        y=[y, y],
        z=[0, z],
        mode="lines",
        name=escape(model.name),
        line=dict(color=model.colour, width=3),
        hoverinfo="text",
        hovertext=model.hover,
    )
    radius = _BALL if model.efficiency is None else _BALL * (0.5 + model.efficiency)
    drawn = [_ellipsoid(model, model.point, (radius,) * 3, opacity=0.95), stem]
    if any(model.intervals):
        ends = [ends or (at, at) for ends, at in zip(model.intervals, model.point, strict=True)]
        low, high = np.clip(ends, 0, 1).T  # a score cannot leave the cube
        drawn.append(_ellipsoid(model, (low + high) / 2, (high - low) / 2, opacity=0.2))
    return drawn


def _reported_markers(reported_models: Sequence[ReportedModel]) -> go.Scatter3d:
    x, y, z = zip(*[reported_model.point for reported_model in reported_models], strict=True)
    return go.Scatter3d(
        x=x,
        y=y,
        z=z,
        mode="markers+text",
        name="reported",
        text=[escape(reported_model.name) for reported_model in reported_models],
        textfont=dict(color=GREY, size=10),
        marker=dict(symbol="circle-open", size=6, color=GREY),
        opacity=0.8,
        hoverinfo="text",
        hovertext=[reported_model.hover for reported_model in reported_models],
    )


def _dress(figure: go.Figure, axes: Axes, low: float, high: float) -> None:
    x, y, z = 2.3 * np.array([-0.6, -0.7, 0.38])
    axis = dict(
        range=[low, high],
        tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1.0],
        color=GREY,
        showgrid=False,
        zeroline=False,
        showline=True,
        linecolor=GREY,
        showbackground=False,
        showspikes=False,
    )
    titles = {f"{key}axis": dict(axis, title=dict(text=name)) for key, name in zip("xyz", axes, strict=True)}
    camera = dict(eye=dict(x=x, y=y, z=z), center=dict(x=0, y=0, z=-0.13))
    figure.update_layout(
        scene=dict(**titles, aspectmode="cube", camera=camera),
        showlegend=False,
        hoverlabel=dict(align="left"),
        paper_bgcolor="rgba(0,0,0,0)",
        height=500,
        margin=dict(l=0, r=0, t=0, b=0),
    )


def describe(places: Sequence[ModelPosition]) -> str:
    """The performance space in words, for those who cannot see it."""
    ranked = sorted(places, key=lambda model: model.radius)
    return (
        "Distance to the ideal, smallest first: "
        + ", ".join(f"{m.name} {m.radius:.2f}" for m in ranked)
        + "."
    )
