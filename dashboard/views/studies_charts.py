"""Charts of a study in Altair: learning curves, two options against each other, effects of the options."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, geometric_mean

import altair as alt
import numpy as np
import pandas as pd

from dashboard.data.frames import downsample
from dashboard.views.studies_parallel import BEST, OTHERS, best_trials
from dashboard.views.studies_words import objective_title
from dashboard.widgets.text import figure
from gencore.reports.charts import GREY, INK, SCALE, UNSCORED
from gencore.studies import statistics
from gencore.studies.findings import AxisEffect, StudyAnalysis
from gencore.studies.points import shown, title_of
from gencore.studies.records import TrialState
from gencore.studies.study import Level, Study

MAX_POINTS = 60
"""Of a learning curve; with 200 trials, more would be slow to draw and no better to see."""
KINDS = {"best": BEST, "other": OTHERS, "cut": "#0072B2", "no model": "#CC79A7"}
"""Trials by how they went, in colours of Okabe & Ito's palette; the last two have marks at their ends."""
_DASHES = {"best": [1, 0], "other": [1, 0], "cut": [4, 2], "no model": [1, 2]}
_ENDS = {"cut": "cross", "no model": "triangle-up"}
MOST_LEVELS = 8
"""Of an option in the heat map; the levels of a range are put into classes."""
_CELL = 34


def curve_points(study: Study, states: Sequence[TrialState]) -> pd.DataFrame:
    """A row a quick distance: `run`, `point`, `seed`, `kind` (of KINDS), `epoch`, `value`, `is_last`."""
    best = {one.trial.name for one in best_trials(study, states)}
    rows: list[tuple[object, ...]] = []
    for one in states:
        known = [(epoch, fd) for epoch, fd in one.distances if fd is not None and fd > 0]
        if len(known) > MAX_POINTS:
            thinned = downsample(pd.DataFrame(known, columns=["epoch", "value"]), MAX_POINTS)
            known = [*zip(thinned["epoch"], thinned["value"], strict=True)]
        kind = "best" if one.trial.name in best else "cut" if one.status == "cut" else "other"
        kind = "no model" if one.is_lost else kind
        about = one.trial.name, title_of(one.trial.point), one.trial.seed, kind
        rows += [(*about, *each, place == len(known)) for place, each in enumerate(known, start=1)]
    return pd.DataFrame(rows, columns=["run", "point", "seed", "kind", "epoch", "value", "is_last"])


def curves_chart(points: pd.DataFrame) -> alt.LayerChart:
    """Learning curves of all trials, the best above the others; a mark where a trial was cut or was lost."""
    is_best = points["kind"] == "best"
    ends = points[points["is_last"] & points["kind"].isin([*_ENDS])]
    dashes = alt.Scale(domain=[*_DASHES], range=[*_DASHES.values()])
    lines = [
        _curve(part)
        .mark_line(strokeWidth=width, opacity=opacity)
        .encode(detail="run:N", strokeDash=alt.StrokeDash("kind:N", scale=dashes, legend=None))
        for part, width, opacity in ((points[~is_best], 1.0, 0.45), (points[is_best], 2.0, 1.0))
    ]
    shapes = alt.Scale(domain=[*_ENDS], range=[*_ENDS.values()])
    marks = (
        _curve(ends)
        .mark_point(filled=True, size=55, opacity=1)
        .encode(shape=alt.Shape("kind:N", scale=shapes, legend=None))
    )
    return alt.LayerChart(layer=[*lines, marks], height=340)


def _curve(points: pd.DataFrame) -> alt.Chart:
    """What lines and marks share: axes, colours, tooltip."""
    kinds = alt.Scale(domain=[*KINDS], range=[*KINDS.values()])
    return alt.Chart(points).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(grid=False)),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(type="log"), axis=alt.Axis(tickCount=5)),
        color=alt.Color("kind:N", scale=kinds, legend=alt.Legend(orient="top", title=None)),
        tooltip=["run:N", "point:N", "seed:Q", "kind:N", "epoch:Q", alt.Tooltip("value:Q", format=".4g")],
    )


def cells(
    study: Study, states: Sequence[TrialState], across: str, down: str, at_epoch: float | None
) -> pd.DataFrame:
    """A row a pair of levels: `across`, `down`, mean `value`, `trials` in it, `lost` ones, `text`, and
    `score`, 0 to 1, which is 1 for the best mean. Values are those at `at_epoch`; at the end where that is
    None."""
    searched = [one for one in states if one.trial.phase == "search"]
    classes = {axis: _classes([one.trial.point[axis] for one in searched]) for axis in (across, down)}
    groups: dict[tuple[str, str], list[TrialState]] = {}
    for one in searched:
        key = classes[across][one.trial.point[across]], classes[down][one.trial.point[down]]
        groups.setdefault(key, []).append(one)
    rows = []
    for (first, second), group in groups.items():
        values = [value for one in group if (value := statistics.value_at(one, at_epoch)) is not None]
        lost = sum(one.is_lost for one in group)
        mean = _mean(values, study.is_on_log_scale) if values else None
        text = (figure(mean) if values else "") + " ▲" * bool(lost)
        rows.append((first, second, mean, len(values), lost, text))
    found = pd.DataFrame(rows, columns=["across", "down", "value", "trials", "lost", "text"])
    found = found.astype({"value": float})
    return found.assign(score=_scores(study, found["value"]))


def levels_in_order(states: Sequence[TrialState], axis: str) -> list[str]:
    """The levels, or classes of levels, of an option as the heat map has them."""
    given = _classes([one.trial.point[axis] for one in states if one.trial.phase == "search"])
    return list(dict.fromkeys(given[level] for level in _sorted([*given])))


def _sorted(levels: Sequence[Level]) -> list[Level]:
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in levels):
        return sorted(levels, key=lambda one: float(str(one)))
    return [*levels]


def _classes(levels: Sequence[Level]) -> dict[Level, str]:
    """By level its name, or that of its class where numbers are many: classes hold as many levels each."""
    distinct = _sorted(list(dict.fromkeys(levels)))
    is_number = all(isinstance(one, int | float) and not isinstance(one, bool) for one in distinct)
    if len(distinct) <= MOST_LEVELS or not is_number:
        return {level: shown(level) for level in distinct}
    found: dict[Level, str] = {}
    for part in np.array_split(np.arange(len(distinct)), MOST_LEVELS):
        ends = [figure(float(str(distinct[place])), 2) for place in (part[0], part[-1])]
        found |= {distinct[place]: " to ".join(dict.fromkeys(ends)) for place in part}
    return found


def _mean(values: Sequence[float], is_log: bool) -> float:
    return geometric_mean(values) if is_log and min(values) > 0 else fmean(values)


def _scores(study: Study, values: pd.Series) -> pd.Series:
    """1 for the best of `values`, 0 for the worst, on a log scale for distances."""
    on_scale = np.log10(values) if study.is_on_log_scale and (values.dropna() > 0).all() else values
    spread = on_scale.max() - on_scale.min()
    share = (on_scale - on_scale.min()) / spread if spread else on_scale * 0 + 0.5
    return 1 - share if study.is_smaller_better else share


def heat_map(
    found: pd.DataFrame, titles: tuple[str, str], orders: Sequence[list[str]], objective: str
) -> alt.LayerChart:
    """The mean by the levels of two options; pale teal is best, pale orange worst, grey has no value."""
    gaps = alt.Scale(type="band", paddingInner=0.05)
    base = alt.Chart(found).encode(
        x=alt.X("across:N", sort=orders[0], title=titles[0], scale=gaps, axis=alt.Axis(labelAngle=0)),
        y=alt.Y("down:N", sort=orders[1], title=titles[1], scale=gaps),
    )
    shades = alt.Scale(domain=[0, 0.5, 1], range=[str(shade) for _, shade in SCALE])
    squares = base.mark_rect().encode(
        color=alt.Color("score:Q", scale=shades, legend=None),
        tooltip=[
            alt.Tooltip("across:N", title=titles[0]),
            alt.Tooltip("down:N", title=titles[1]),
            alt.Tooltip("value:Q", title=objective, format=".4g"),
            "trials:Q",
            "lost:Q",
        ],
    )
    text = base.mark_text(color=INK, fontSize=12).encode(text="text:N")
    background = base.mark_rect(color=UNSCORED)
    return (background + squares + text).properties(height=_CELL * len(orders[1]) + 60)


def effect_rows(effect: AxisEffect, is_log: bool) -> pd.DataFrame:
    """A row a level: `level`, `mean`, `low`, `high` of the 95 % interval (missing for one seed)."""
    rows = [(level, one.mean, one.low, one.high) for level, one in effect.levels.items()]
    found = pd.DataFrame(rows, columns=["level", "mean", "low", "high"])
    numbers = found[["mean", "low", "high"]].astype(float)
    return found.assign(**(10**numbers if is_log else numbers))


def effect_chart(rows: pd.DataFrame, ends: tuple[float, float], is_log: bool) -> alt.LayerChart:
    """The mean of each level with its interval, from `ends` to `ends`, which charts of a study share."""
    scale = alt.Scale(type="log" if is_log else "linear", domain=ends, nice=False)
    base = alt.Chart(rows).encode(
        y=alt.Y("level:N", sort=list(rows["level"]), title=None, axis=alt.Axis(labelLimit=160)),
        tooltip=[
            "level:N",
            alt.Tooltip("mean:Q", format=".4g"),
            alt.Tooltip("low:Q", format=".4g"),
            alt.Tooltip("high:Q", format=".4g"),
        ],
    )
    line = base.mark_rule(color=GREY, strokeWidth=3).encode(
        x=alt.X("low:Q", title=None, scale=scale), x2="high:Q"
    )
    dot = base.mark_point(filled=True, color=BEST, size=70, opacity=1).encode(
        x=alt.X("mean:Q", title=None, scale=scale, axis=alt.Axis(tickCount=4))
    )
    return (line + dot).properties(height=26 * len(rows) + 36)


def effect_ends(frames: Sequence[pd.DataFrame], is_log: bool) -> tuple[float, float]:
    """Where axes of effects begin and end: all intervals that are finite are inside."""
    values = np.concatenate([frame[["mean", "low", "high"]].to_numpy().ravel() for frame in frames])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if is_log:
        low, high = max(low, 1e-12), max(high, 1e-12)
        margin = (high / low) ** 0.05 if high > low else 1.1
        return low / margin, high * margin
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def share_rows(found: StudyAnalysis) -> pd.DataFrame:
    """A row an option or pair of options: `cause`, `share` of the variance; the largest first."""
    rows = [(one.axis, one.share) for one in found.effects if one.share is not None]
    rows += [(f"{one.first} × {one.second}", one.share) for one in found.interactions]
    return pd.DataFrame(rows, columns=["cause", "share"]).sort_values("share", ascending=False)


def share_chart(rows: pd.DataFrame) -> alt.LayerChart:
    """Shares of the variance as bars with their figures."""
    base = alt.Chart(rows).encode(
        x=alt.X("share:Q", title=None, scale=alt.Scale(domain=[0, 1.12]), axis=None),
        y=alt.Y("cause:N", sort=list(rows["cause"]), title=None, axis=alt.Axis(labelLimit=220, ticks=False)),
        tooltip=["cause:N", alt.Tooltip("share:Q", format=".1%")],
    )
    text = base.mark_text(align="left", dx=5, color=GREY).encode(text=alt.Text("share:Q", format=".0%"))
    return (base.mark_bar(color=OTHERS) + text).properties(height=26 * len(rows) + 20)


def curves_alt(study: Study, points: pd.DataFrame) -> str:
    """The learning curves in words."""
    runs = points.drop_duplicates("run")["kind"].value_counts()
    parts = [f"{runs[kind]} {kind}" for kind in KINDS if kind in runs]
    last = points[points["is_last"] & (points["kind"] == "best")]["value"]
    end = f"; the best end at {figure(float(last.min()))}" if len(last) and math.isfinite(last.min()) else ""
    return f"{objective_title(study)} by epoch, a line a trial: {', '.join(parts)}{end}"
