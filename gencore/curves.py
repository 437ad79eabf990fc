"""Courses of training in Plotly, a line a run: losses, quick distances, quality by seconds.

Pure functions of event logs, in the look of `figures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gencore.course import seconds_at
from gencore.events import Event, Progress, QuickDistance, without_void
from gencore.figures import GREY, LEGEND, Model, dressed, see_through
from gencore.scores import log_score

_POINTS = 400
_DASHES = {"solid": "──", "dot": "····", "dash": "‒ ‒", "dashdot": "‒·‒", "longdash": "— —", "longdashdot": "—·—"}


@dataclass(frozen=True)
class Log:
    """The event log of one run, drawn under its model's name and colour."""

    model: str
    run: str
    colour: str
    events: tuple[Event, ...]


def distances(logs: Sequence[Log]) -> go.Figure | None:
    """The quick Fréchet distance by epoch on a log scale, a line a run; None where no log has one."""
    figure = go.Figure()
    for log in logs:
        known = [e for e in without_void(list(log.events)) if isinstance(e, QuickDistance) and e.fd is not None and e.fd > 0]
        if known:
            figure.add_trace(_line(log, log.run, [e.epoch for e in known], [e.fd for e in known], "lines+markers", showlegend=True))
    figure.update_yaxes(type="log", title="quick fd", dtick=1)
    figure.update_xaxes(title="epoch")
    return _course(figure, 380) if figure.data else None


def losses(logs: Sequence[Log], columns: int = 2) -> go.Figure | None:
    """A panel a model, a line a loss of each run: losses of different families do not compare.

    A long log is drawn as the means of equal stretches. None where no log has a loss.
    """
    names = list(dict.fromkeys(log.model for log in logs if any(isinstance(e, Progress) for e in log.events)))
    if not names:
        return None
    rows, columns = -(-len(names) // columns), min(columns, len(names))
    told = {name: "  ".join(f"{mark} {escape(loss)}" for loss, (_, mark) in _dashes(logs, name).items()) for name in names}
    titles = [f"<b>{escape(name)}</b><br>{marks}" for name, marks in told.items()]
    figure = make_subplots(rows, columns, subplot_titles=titles, horizontal_spacing=0.08, vertical_spacing=0.36 / rows)
    for log in logs:
        steps = [e for e in without_void(list(log.events)) if isinstance(e, Progress)]
        for loss, (dash, _) in _dashes(logs, log.model).items():
            epochs, values = _thinned([e.epoch for e in steps], [e.losses.get(loss) for e in steps])
            place = names.index(log.model)
            line = _line(log, loss, epochs, values, "lines", showlegend=False).update(line_dash=dash)
            figure.add_trace(line, row=place // columns + 1, col=place % columns + 1)
    figure.update_annotations(font_size=12)
    figure.update_xaxes(title="epoch", row=rows)
    return _course(figure, 60 + 240 * rows, bottom=48)


def _dashes(logs: Sequence[Log], model: str) -> dict[str, tuple[str, str]]:
    """For each loss of a model, how its line is dashed: in Plotly's word, and as letters."""
    losses = dict.fromkeys(loss for log in logs if log.model == model for e in log.events if isinstance(e, Progress) for loss in e.losses)
    return dict(zip(losses, cycle(_DASHES.items()), strict=False))


def _line(log: Log, name: str, x: Sequence[float], y: Sequence[float], mode: str, showlegend: bool, along: str = "epoch") -> go.Scatter:
    told = [f"<b>{escape(log.run)}</b> · {escape(name)}<br>{along} {at:.4g}: {value:.4g}" for at, value in zip(x, y, strict=True)]
    return go.Scatter(x=x, y=y, mode=mode, name=escape(name), showlegend=showlegend, line=dict(color=log.colour, width=1.8), marker=dict(size=5), hoverinfo="text", hovertext=told)


def _thinned(epochs: Sequence[float], values: Sequence[float | None]) -> tuple[list[float], list[float]]:
    """At most _POINTS points, each the mean of a stretch; what was not finite is left out."""
    known = np.array([(epoch, value) for epoch, value in zip(epochs, values, strict=True) if value is not None])
    stretches = np.array_split(known, min(_POINTS, max(1, len(known))))
    means = [stretch.mean(axis=0).tolist() for stretch in stretches if len(stretch)]
    return [epoch for epoch, _ in means], [value for _, value in means]


def quality_by_seconds(models: Sequence[Model], logs: Sequence[Log]) -> go.Figure | None:
    """s(fd) of the quick distances by seconds of training, a line a run; None where no log has one of a model with anchors.

    1 is the floor, 0 pure noise. Few images bias a quick distance upwards, so the lines lie below what the finished models reach.
    """
    anchors = {model.name: (model.floor("fd"), model.results[0].value("fd_of_noise")) for model in models}
    figure = go.Figure()
    for log in logs:
        good, bad = anchors[log.model]
        history = without_void(list(log.events))
        distances = [e for e in history if isinstance(e, QuickDistance) and e.fd is not None]
        timed = [(seconds, e.fd) for e in distances if (seconds := seconds_at(e.step, history)) is not None]
        if timed and good and bad:
            seconds, values = [at for at, _ in timed], [log_score(fd, good, bad) for _, fd in timed]
            line = _line(log, log.model, seconds, values, "lines+markers", showlegend=log.model not in {told.name for told in figure.data}, along="second")
            figure.add_trace(line.update(legendgroup=log.model))
    figure.update_yaxes(range=[0, 1.02], title="s(quick fd)")
    figure.update_xaxes(title="seconds of training", rangemode="tozero")
    return _course(figure, 380) if figure.data else None


def _course(figure: go.Figure, height: int, bottom: int = LEGEND) -> go.Figure:
    figure.update_xaxes(showgrid=False, zeroline=False, showline=True, linecolor=GREY)
    figure.update_yaxes(gridcolor=see_through(GREY, 0.25), zeroline=False)
    return dressed(figure, height, bottom)
