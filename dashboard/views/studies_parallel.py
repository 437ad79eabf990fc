"""Parallel coordinates of a study: an axis an option, a line a trial, brushed in the browser by Plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import plotly.graph_objects as go

from dashboard.views.studies_words import objective_title
from dashboard.widgets.text import figure
from gencore.reports.charts import GREY
from gencore.studies.points import shown
from gencore.studies.records import TrialState
from gencore.studies.study import Level, Study

BEST, OTHERS = "#D55E00", "#9AA5B1"
"""Of lines: vermilion is readable beside grey on light and on dark pages, and for the colour-blind."""
SHARE_OF_BEST = 0.1
"""So many of the trials with a value are drawn in BEST, from one on."""
_HEIGHT = 380
_MOST_TICKS, _TEXTS = 7, 5
LOST = "no model"


def parallel_coordinates(study: Study, states: Sequence[TrialState]) -> go.Figure | None:
    """Options, epochs trained where some were cut, and the objective, of all trials that have ended.

    None where fewer than two have. A trial without a value stands at the tick *no model*."""
    ended = [one for one in states if one.value is not None or one.is_lost]
    if len(ended) < 2:
        return None
    axes = list(dict.fromkeys(axis for one in ended for axis in one.trial.point))
    dimensions = [_axis(axis, [one.trial.point[axis] for one in ended]).dimension() for axis in axes]
    if len({one.trial.seed for one in ended}) > 1:
        dimensions.append(_axis("seed", [one.trial.seed for one in ended]).dimension())
    if any(one.status == "cut" for one in ended):
        dimensions.append(dict(label="epochs", values=[one.epoch for one in ended]))
    dimensions.append(_objective(study, ended))
    best = {one.trial.name for one in best_trials(study, ended)}
    drawn = go.Parcoords(
        line=dict(
            color=[float(one.trial.name in best) for one in ended],
            colorscale=[[0, OTHERS], [1, BEST]],
            cmin=0,
            cmax=1,
            showscale=False,
        ),
        unselected=dict(line=dict(color=GREY, opacity=0.08)),
        dimensions=dimensions,
        labelfont=dict(size=13),
        tickfont=dict(size=12),
        rangefont=dict(size=1, color="rgba(0,0,0,0)"),  # ends of axes, which ticks name already
        uirevision="brushes",  # new trials leave brushes as they are
    )
    return go.Figure(drawn).update_layout(
        height=_HEIGHT,
        margin=dict(l=70, r=90, t=50, b=24),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        uirevision="brushes",
    )


def best_trials(study: Study, states: Sequence[TrialState]) -> list[TrialState]:
    """The best tenth of the finished trials, at least one where there is one; the best first."""
    done = [one for one in states if one.status == "finished" and one.value is not None]
    ordered = sorted(done, key=lambda one: one.value or 0.0, reverse=not study.is_smaller_better)
    return ordered[: max(1, round(SHARE_OF_BEST * len(ordered)))]


class _Axis(NamedTuple):
    """Values of the trials on one axis, with its ticks."""

    label: str
    values: list[float]
    ticks: list[float]
    texts: list[str]

    def dimension(self, ends: tuple[float, float] | None = None) -> dict[str, object]:
        """As Plotly takes it; `ends` are those at the bottom and at the top."""
        found: dict[str, object] = dict(
            label=escape(self.label),
            values=self.values,
            tickvals=self.ticks,
            ticktext=[escape(text) for text in self.texts],
        )
        return found | ({"range": ends} if ends else {})


def _axis(title: str, levels: Sequence[Level]) -> _Axis:
    """Levels as numbers on their own scale where they are many, else evenly spaced with a tick each."""
    distinct = list(dict.fromkeys(levels))
    numbers = [one for one in distinct if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) == len(distinct):
        numbers.sort()
        if len(numbers) > _MOST_TICKS:
            is_log = numbers[0] > 0 and numbers[-1] / numbers[0] > 50
            return _scale(title, [float(str(one)) for one in levels], is_log)
        distinct = [*numbers]
    places = {level: float(place) for place, level in enumerate(distinct)}
    texts = [shown(level) for level in distinct]
    return _Axis(title, [places[level] for level in levels], [*places.values()], texts)


def _scale(title: str, values: Sequence[float], is_log: bool) -> _Axis:
    """Each value has a tick, because brushes snap to the middle between ticks; few ticks have a text."""
    on_scale = math.log10 if is_log else float
    distinct = sorted({*values})
    low, high = on_scale(distinct[0]), on_scale(distinct[-1])
    places = [low + (high - low) * step / (_TEXTS - 1) for step in range(_TEXTS)]
    named = {min(distinct, key=lambda value: abs(on_scale(value) - place)) for place in places}
    return _Axis(
        title,
        [on_scale(value) for value in values],
        [on_scale(value) for value in distinct],
        [figure(value, 2) if value in named else "" for value in distinct],
    )


def _objective(study: Study, ended: Sequence[TrialState]) -> dict[str, object]:
    """The objective, on a log scale for distances, the better end up; what has no value at the worse end."""
    known = [one.value for one in ended if one.value is not None]
    is_log = study.is_on_log_scale and bool(known) and min(known) > 0
    found = _scale(objective_title(study), known or [0.0, 1.0], is_log)
    low, high = found.ticks[0], found.ticks[-1]
    if len(known) < len(ended):
        beyond = (high - low or 1.0) * 0.12
        lost = high + beyond if study.is_smaller_better else low - beyond
        given = iter(found.values)
        values = [lost if one.value is None else next(given) for one in ended]
        found = _Axis(found.label, values, [*found.ticks, lost], [*found.texts, LOST])
        low, high = min(low, lost), max(high, lost)
    return found.dimension((high, low) if study.is_smaller_better else (low, high))
