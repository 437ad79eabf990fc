"""Figures as pure functions: the performance space in Plotly, everything flat in Altair.

One colour a model, Okabe and Ito's palette, which holds on light and on dark ground; the grounds are left
transparent and the greys are middle ones, so that a figure need not know which it stands on.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import altair as alt
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gencore.results import Results
from gencore.scores import ZONES, distance_to_ideal, quality_parts, zone

COLOURS = {"VAE": "#E69F00", "GAN": "#CC79A7", "cGAN": "#0072B2", "DDPM": "#009E73", "cDDPM": "#D55E00"}
OTHER = "#8A8F98"
GOLD = "#E8B923"
GREY = "#8A8F98"
AXES = ("realism", "fidelity", "coverage")
View = Literal["distance to ideal", "own place"]


def colour(label: str) -> str:
    return COLOURS.get(label, OTHER)


def mark(shade: str) -> str:
    """A small square of `shade`, as Markdown."""
    square = f'<rect width="12" height="12" rx="3" fill="{shade}"/>'
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" width="12" height="12">{square}</svg>'
    return f"![](data:image/svg+xml;base64,{b64encode(picture.encode()).decode()})"


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
class Place:
    """A model in the performance space."""

    label: str
    run: str
    point: tuple[float, float, float]
    origin: str

    @property
    def radius(self) -> float:
        return distance_to_ideal(self.point)

    @property
    def hover(self) -> str:
        scores = "<br>".join(f"{axis} {score:.2f}" for axis, score in zip(AXES, self.point, strict=True))
        return (
            f"<b>{escape(self.label)}</b> · {escape(self.run)}<br>{scores}<br>"
            f"distance to ideal {self.radius:.2f} · {zone(self.point)}<br>"
            f"1 seed · {escape(self.origin)}<extra></extra>"
        )


def place(results: Results) -> Place | None:
    """Where `results` put their model; None where a coordinate was not measured."""
    parts = quality_parts(results)
    if not all(axis in parts for axis in AXES):
        return None
    realism, fidelity, coverage = (parts[axis] for axis in AXES)
    origin = results.origins.get("evaluation")
    return Place(
        results.label, results.run, (realism, fidelity, coverage), origin.kind if origin else "unknown"
    )


def performance_space(places: Sequence[Place], view: View) -> go.Figure:
    """The ideal as a gold star at (1, 1, 1), the zones as corners around it, and the models.

    "distance to ideal": each model is a sphere around the ideal that passes through the model's own place, so
    a smaller sphere is a better model. "own place": each model is a ball where its scores put it.
    """
    figure = go.Figure()
    figure.add_traces([_corner(f"{name} ≥ {bound:.1f}", bound) for name, bound in ZONES.items()])
    for model in sorted(places, key=lambda model: model.radius):
        if view == "distance to ideal":
            figure.add_traces(_shell(model))
        else:
            figure.add_traces(_ball(model))
    if view == "distance to ideal":
        reach = max([model.radius for model in places], default=1.0)
        _dress(figure, low=1 - max(reach, 0.62), high=1 + reach, distance=2.15)
    else:
        figure.add_trace(_corner("", 0.0))
        _dress(figure, low=0.0, high=1.05, distance=2.15)
    star = dict(x=1, y=1, z=1, text="★", font=dict(color=GOLD, size=28), showarrow=False)
    figure.update_layout(scene_annotations=[*_labels(places), star])
    return figure


def _labels(places: Sequence[Place]) -> list[dict]:
    """A name at each model's own place, on a leader line, fanned out so that close models stay readable."""
    ranked = sorted(places, key=lambda model: model.radius)
    angles = np.linspace(-0.15 * np.pi, 1.15 * np.pi, len(ranked)) if len(ranked) > 1 else [0.5 * np.pi]
    return [
        dict(
            x=model.point[0], y=model.point[1], z=model.point[2], text=escape(model.label),
            ax=90 * np.cos(angle), ay=70 * np.sin(angle), arrowhead=0, arrowwidth=1.2,
            arrowcolor=colour(model.label),
            font=dict(color=colour(model.label), size=14), bgcolor="rgba(0,0,0,0)",
        )
        for model, angle in zip(ranked, angles, strict=True)
    ]  # fmt: skip


def _corner(name: str, bound: float) -> go.Scatter3d:
    """The edges of the cube [bound, 1]³, in which every score reaches `bound`."""
    low, high = bound, 1.0
    path = [
        (low, low, low), (high, low, low), (high, high, low), (low, high, low), (low, low, low),
        (low, low, high), (high, low, high), (high, high, high), (low, high, high), (low, low, high), None,
        (high, low, low), (high, low, high), None, (high, high, low), (high, high, high), None,
        (low, high, low), (low, high, high),
    ]  # fmt: skip
    x, y, z = zip(*[corner or (None, None, None) for corner in path], strict=True)
    return go.Scatter3d(
        x=x, y=y, z=z, mode="lines+text", text=[name], textposition="bottom center", name=name,
        textfont=dict(color=GREY, size=11), line=dict(color=GREY, width=2), opacity=0.7, hoverinfo="skip",
    )  # fmt: skip


def _unit_sphere(rings: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    polar, around = np.meshgrid(np.linspace(0, np.pi, rings), np.linspace(0, 2 * np.pi, 2 * rings))
    return np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)


def _sphere(model: Place, centre: Sequence[float], radius: float, opacity: float) -> go.Surface:
    x, y, z = (middle + radius * part for middle, part in zip(centre, _unit_sphere(), strict=True))
    shade = colour(model.label)
    return go.Surface(
        x=x, y=y, z=z, opacity=opacity, colorscale=[[0, shade], [1, shade]], showscale=False,
        name=model.label, hovertemplate=model.hover,
        lighting=dict(ambient=0.75, diffuse=0.5, specular=0.15, roughness=0.6),
        contours=dict(x=dict(highlight=False), y=dict(highlight=False), z=dict(highlight=False)),
    )  # fmt: skip


def _shell(model: Place) -> list[go.Surface | go.Scatter3d]:
    spoke = go.Scatter3d(
        x=[1, model.point[0]], y=[1, model.point[1]], z=[1, model.point[2]], mode="lines+markers",
        line=dict(color=colour(model.label), width=5), marker=dict(size=[0, 6], color=colour(model.label)),
        name=model.label, hovertemplate=model.hover,
    )  # fmt: skip
    return [_sphere(model, (1, 1, 1), model.radius, opacity=0.16), spoke]


def _ball(model: Place) -> list[go.Surface | go.Scatter3d]:
    realism, fidelity, coverage = model.point
    stem = go.Scatter3d(
        x=[realism, realism], y=[fidelity, fidelity], z=[0, coverage], mode="lines", name=model.label,
        line=dict(color=colour(model.label), width=3), hovertemplate=model.hover,
    )  # fmt: skip
    return [_sphere(model, model.point, 0.035, opacity=0.95), stem]


def _dress(figure: go.Figure, low: float, high: float, distance: float) -> None:
    eye = distance * np.array([-0.6, -0.7, 0.38])
    axis = dict(
        range=[low, high], tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1.0], color=GREY, showgrid=False, zeroline=False,
        showline=True, linecolor=GREY, showbackground=False, showspikes=False,
    )  # fmt: skip
    titles = {f"{key}axis": dict(axis, title=dict(text=name)) for key, name in zip("xyz", AXES, strict=True)}
    camera = dict(eye=dict(x=eye[0], y=eye[1], z=eye[2]), center=dict(x=0, y=0, z=-0.13))
    figure.update_layout(
        scene=dict(**titles, aspectmode="cube", camera=camera), showlegend=False,
        hoverlabel=dict(align="left"), paper_bgcolor="rgba(0,0,0,0)", height=500,
        margin=dict(l=0, r=0, t=0, b=0),
    )  # fmt: skip


def describe(places: Sequence[Place]) -> str:
    """The performance space in words, for those who cannot see it."""
    ranked = sorted(places, key=lambda model: model.radius)
    return (
        "Distance to the ideal, smallest first: "
        + ", ".join(f"{m.label} {m.radius:.2f}" for m in ranked)
        + "."
    )


def quality_bars(quality: pd.DataFrame) -> alt.Chart:
    """The parts of image quality side by side, from `frames.quality`."""
    labels, parts = (list(dict.fromkeys(quality[column])) for column in ("label", "part"))
    return (
        alt.Chart(quality)
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            x=alt.X("score:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5)),
            y=alt.Y(
                "part:N", title=None, sort=parts, axis=alt.Axis(ticks=False, domain=False, labelFontSize=13)
            ),
            yOffset=alt.YOffset("label:N", sort=labels),
            color=alt.Color(
                "label:N", title=None, sort=labels, scale=_scale(labels), legend=alt.Legend(orient="bottom")
            ),
            tooltip=["label:N", "run:N", "part:N", alt.Tooltip("score:Q", format=".2f")],
        )
        .properties(height=420)
    )


def _scale(labels: Iterable[str]) -> alt.Scale:
    labels = list(labels)
    return alt.Scale(domain=labels, range=[colour(label) for label in labels])


def curve(points: pd.DataFrame, title: str, colours: Mapping[str, str], log: bool = False) -> alt.Chart:
    """`value` by `epoch`, a line a `run`; the wheel zooms, dragging moves, a double click goes back.

    New points leave the specification as it is, so a page that is refreshed keeps its zoom. On a log scale
    (fd), values of 0 and below are left out.
    """
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    points = points[points["value"] > 0] if log else points
    few = len(points) < 40 * max(1, points["run"].nunique())
    return (
        alt.Chart(points, title=alt.Title(title, anchor="start", fontSize=12, fontWeight=600))
        .mark_line(strokeWidth=1.6, point={"size": 22} if few else False)
        .encode(
            x=alt.X("epoch:Q", title=None, axis=alt.Axis(grid=False, tickCount=5)),
            y=alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(tickCount=4, grid=not log)),
            color=alt.Color(
                "run:N", legend=None, scale=alt.Scale(domain=list(colours), range=list(colours.values()))
            ),
            tooltip=[
                "run:N",
                "step:Q",
                alt.Tooltip("epoch:Q", format=".2f"),
                alt.Tooltip("value:Q", format=".4g"),
            ],
        )
        .properties(height=150)
        .interactive(bind_y=False)
    )
