"""Training curves in Plotly, a line a run: losses, quick Fréchet distances, quality by seconds.

Pure functions of event logs, in the style of `gencore.reports.charts`. The Live page has its own in Altair:
Streamlit creates a Plotly chart anew when its data change, so during a training it would lose the visitor's
zoom every second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gencore.analysis.measured_models import MeasuredRun, Model, RunLog
from gencore.metrics.scale import log_score
from gencore.reports.charts import DASHES, GREY, LEGEND, dash, dressed, marker, see_through
from gencore.store.events import Progress, QuickDistance, without_void
from gencore.training.summary import seconds_at

_POINTS = 400
_FEW_POINTS = 40
_DASHES = dict(zip(DASHES, ("──", "····", "‒ ‒", "‒·‒", "— —", "—·—"), strict=True))


@dataclass(frozen=True)
class Line:
    """One line of a chart: `y` of a run by `x`, an epoch unless `along` says otherwise."""

    run: str
    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    along: str = "epoch"
    dash: str = "solid"

    def trace(self, showlegend: bool = False) -> go.Scatter:
        """The line in Plotly, with a marker a point while the points are few."""
        hover = [
            f"<b>{escape(self.run)}</b> · {escape(self.name)}<br>{self.along} {at:.4g}: {value:.4g}"
            for at, value in zip(self.x, self.y, strict=True)
        ]
        return go.Scatter(
            x=self.x,
            y=self.y,
            mode="lines+markers" if len(self.x) < _FEW_POINTS else "lines",
            name=escape(self.name),
            showlegend=showlegend,
            line=dict(color=self.colour, width=1.8, dash=self.dash),
            marker=dict(size=5),
            hoverinfo="text",
            hovertext=hover,
        )


def distances(logs: Sequence[RunLog]) -> go.Figure | None:
    """The quick Fréchet distance by epoch on a log scale, a line a run; None where no log has one."""
    figure = go.Figure()
    for log in logs:
        known = [
            (event.epoch, event.fd)
            for event in without_void(list(log.events))
            if isinstance(event, QuickDistance) and event.fd is not None and event.fd > 0
        ]
        if known:
            line = Line(log.run, log.run, log.colour, [at for at, _ in known], [fd for _, fd in known])
            figure.add_trace(line.trace(showlegend=True))
    figure.update_yaxes(type="log", title="quick Fréchet distance", dtick=1)
    figure.update_xaxes(title="epoch")
    return _styled(figure, 380) if figure.data else None


def losses(logs: Sequence[RunLog], columns: int = 2) -> go.Figure | None:
    """A panel a model, a line a loss of each run: losses of different families do not compare.

    A long log is drawn as means of equally long sections. None where no log has a loss.
    """
    names = list(dict.fromkeys(log.model for log in logs if any(isinstance(e, Progress) for e in log.events)))
    if not names:
        return None
    rows, columns = -(-len(names) // columns), min(columns, len(names))
    keys = {
        name: "  ".join(f"{mark} {escape(loss)}" for loss, (_, mark) in _dashes(logs, name).items())
        for name in names
    }
    titles = [f"<b>{escape(name)}</b><br>{key}" for name, key in keys.items()]
    figure = make_subplots(
        rows, columns, subplot_titles=titles, horizontal_spacing=0.08, vertical_spacing=0.36 / rows
    )
    for log in logs:
        steps = [e for e in without_void(list(log.events)) if isinstance(e, Progress)]
        for loss, (dashed, _) in _dashes(logs, log.model).items():
            epochs, values = _thinned([e.epoch for e in steps], [e.losses.get(loss) for e in steps])
            place = names.index(log.model)
            line = Line(log.run, loss, log.colour, epochs, values, dash=dashed)
            figure.add_trace(line.trace(), row=place // columns + 1, col=place % columns + 1)
    figure.update_traces(mode="lines")
    figure.update_annotations(font_size=12)
    figure.update_xaxes(title="epoch", row=rows)
    return _styled(figure, 60 + 240 * rows, bottom=48)


def _dashes(logs: Sequence[RunLog], model: str) -> dict[str, tuple[str, str]]:
    """For each loss of a model, how its line is dashed: Plotly's name, and as text."""
    losses = dict.fromkeys(
        loss
        for log in logs
        if log.model == model
        for e in log.events
        if isinstance(e, Progress)
        for loss in e.losses
    )
    return dict(zip(losses, cycle(_DASHES.items()), strict=False))


def _thinned(epochs: Sequence[float], values: Sequence[float | None]) -> tuple[list[float], list[float]]:
    """At most _POINTS points, each the mean of a section; values that were not finite are left out."""
    known = np.array(
        [(epoch, value) for epoch, value in zip(epochs, values, strict=True) if value is not None]
    )
    sections = np.array_split(known, min(_POINTS, max(1, len(known))))
    means = [section.mean(axis=0).tolist() for section in sections if len(section)]
    return [epoch for epoch, _ in means], [value for _, value in means]


def quality_by_seconds(models: Sequence[Model], logs: Sequence[RunLog]) -> go.Figure | None:
    """Log score of the quick Fréchet distances by seconds of training, a line a run.

    1 is the floor, 0 a blur of 3 × 3 pixels. A small sample biases a quick distance upwards, so the lines lie
    below what the finished models reach. None where no log has a quick distance of a model with both ends of
    the scale.
    """
    ends = {model.name: (model.floor("fd"), model.results[0].value("fd_of_blur")) for model in models}
    dashes = {model.name: dash(model) for model in models}
    figure = go.Figure()
    for log in logs:
        good, bad = ends[log.model]
        history = without_void(list(log.events))
        quick = [(e.step, e.fd) for e in history if isinstance(e, QuickDistance) and e.fd is not None]
        timed = [(seconds, fd) for step, fd in quick if (seconds := seconds_at(step, history)) is not None]
        if timed and good and bad:
            scores = [log_score(fd, good, bad) for _, fd in timed]
            seconds_spent = [at for at, _ in timed]
            line = Line(log.run, log.model, log.colour, seconds_spent, scores, "second", dashes[log.model])
            is_first = escape(log.model) not in {trace.name for trace in figure.data}
            figure.add_trace(line.trace(showlegend=is_first).update(legendgroup=log.model))
    figure.update_yaxes(range=[0, 1.02], title="score of the quick distance")
    figure.update_xaxes(title="seconds of training", rangemode="tozero")
    return _styled(figure, 380) if figure.data else None


def quality_by_budget(
    models: Sequence[Model], members: Mapping[str, Sequence[MeasuredRun]]
) -> go.Figure | None:
    """fd ÷ floor of each model after growing parts of its training, a line a run, on logarithmic axes.

    None where no run was measured at its budgets."""
    figure = go.Figure()
    for model in models:
        for place, member in enumerate(one for one in members[model.name] if one.budgets):
            points = member.budgets.points if member.budgets else []
            figure.add_trace(
                go.Scatter(
                    x=[point.device_seconds / 60 for point in points],
                    y=[point.fd_over_floor for point in points],
                    mode="lines+markers",
                    name=escape(model.name),
                    legendgroup=model.name,
                    showlegend=not place,
                    line=dict(color=model.colour, dash=dash(model)),
                    marker=dict(symbol=marker(model), size=8),
                    hovertemplate=f"{escape(member.run.name)}<br>%{{x:.1f}} minutes: %{{y:.3g}} × floor"
                    "<extra></extra>",
                )
            )
    figure.update_yaxes(type="log", title="Fréchet distance ÷ floor")
    figure.update_xaxes(type="log", title="minutes in which the device trained it")
    return _styled(figure, 380) if figure.data else None


def _styled(figure: go.Figure, height: int, bottom: int = LEGEND) -> go.Figure:
    figure.update_xaxes(showgrid=False, zeroline=False, showline=True, linecolor=GREY)
    figure.update_yaxes(gridcolor=see_through(GREY, 0.25), zeroline=False)
    return dressed(figure, height, bottom)
