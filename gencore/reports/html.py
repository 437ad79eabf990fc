"""A report as one HTML file that needs no network: Plotly's script is inline, images are data URIs.

Text and style are in `report.html.jinja`, which escapes everything; this module computes what it shows.
"""

from __future__ import annotations

import statistics
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources

import plotly.graph_objects as go
from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs

from gencore.analysis import reported
from gencore.analysis.comparison import Ranking, compare
from gencore.analysis.measured_models import MeasuredModels, MeasuredRun, Model, origin
from gencore.analysis.scores import SCORES, first_places, overall
from gencore.analysis.warnings import ResultWarning, find_warnings
from gencore.metrics import catalog
from gencore.metrics.catalog import number
from gencore.reports import charts, spheres, training_curves
from gencore.reports.charts import shown
from gencore.store.events import QuickDistance


@dataclass(frozen=True)
class Plot:
    """A figure with its title, text alternative and caption."""

    title: str
    figure: go.Figure | None
    alt: str
    caption: str = ""
    wide: bool = True

    @property
    def json(self) -> str:
        """The figure as JSON for a script element, which nothing in it can end."""
        assert self.figure is not None, "a report has no empty plots"
        return self.figure.to_json().replace("<", "\\u003c")


@dataclass(frozen=True)
class Row:
    """A model in the table of the headline metrics."""

    model: Model
    origin: str
    runs: str
    cells: dict[str, str]


def html_report(loaded: MeasuredModels) -> str:
    """The report of `loaded` as one HTML page."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": number,
        "title": catalog.title,
        "png": _data_uri,
        "day": day,
    }
    template = environment.from_string(
        resources.files("gencore.reports").joinpath("report.html.jinja").read_text("utf-8")
    )
    metrics = list(dict.fromkeys(name for member in loaded.every for name in member.results.metrics))
    headline = [
        info.id for info in catalog.headline() if any(model.estimate(info.id) for model in loaded.models)
    ]
    return template.render(
        loaded=loaded,
        reference=loaded.every[0].results.reference,
        extractor=loaded.every[0].results.extractor,
        seeds=sorted({member.results.seed for member in loaded.every}),
        plots=_plots(loaded),
        headline=headline,
        rows=[_row(model, headline) for model in loaded.models],
        floors={
            name: next((f for model in loaded.models if (f := model.floor(name)) is not None), None)
            for name in metrics
        },
        metrics=metrics,
        score_names=SCORES,
        weights=dict.fromkeys(SCORES, 1.0),
        overall=overall,
        first=first_places({model.name: model.scores for model in loaded.models}),
        metric=catalog.METRICS,
        text=catalog.text,
        shown=shown,
        origin=origin,
        rankings=_rankings(loaded),
        warnings=_warnings(loaded.every),
        mean=statistics.fmean,
        note=reported.note(),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
        newest=max(
            (o.unix_time for member in loaded.every for o in member.results.origins.values()), default=None
        ),
    )


def _data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{b64encode(content).decode()}"


def day(unix_time: float) -> str:
    """A Unix time as date and minute in UTC."""
    return f"{datetime.fromtimestamp(unix_time, UTC):%Y-%m-%d %H:%M} UTC"


def _row(model: Model, headline: Sequence[str]) -> Row:
    origins = " and ".join(sorted({origin(one) for one in model.results}))
    return Row(
        model,
        origins,
        ", ".join(one.run for one in model.results),
        {name: shown(model.estimate(name), name) for name in headline},
    )


def _plots(loaded: MeasuredModels) -> list[Plot]:
    return _plots_of_the_space(loaded) + [
        plot for plot in _plots_of_metrics(loaded) if plot.figure is not None
    ]


def _plots_of_the_space(loaded: MeasuredModels) -> list[Plot]:
    """The performance space in both views; none where no model has a place in it."""
    axes = spheres.shared_axes(loaded.models)
    places = [place for model in loaded.models if (place := spheres.place(model, axes))]
    if not places:
        return []
    reported_points = spheres.reported_models(loaded.reported) if axes == spheres.SCORES else []
    caption, alt = spheres.caption(axes), spheres.describe(places)
    lost = [model.name for model in loaded.models if model.name not in {place.name for place in places}]
    caption += f" Not shown: {', '.join(lost)}, for which an axis was not measured." if lost else ""
    own = "Each ball is at the model's scores; a pale ellipsoid is the 95 % interval over seeds."
    if reported_points:
        own += " Grey rings are scores that other projects report, by their own metrics."
    to_ideal = spheres.performance_space(places, "distance to ideal")
    at_own_place = spheres.performance_space(places, "own place", reported_points)
    return [
        Plot("Distance to the ideal", to_ideal, alt, caption, wide=False),
        Plot("Scores in space", at_own_place, alt, own, wide=False),
    ]


def _plots_of_metrics(loaded: MeasuredModels) -> tuple[Plot, ...]:
    """All other plots; the figure of one is None where too little was measured for it."""
    return (
        Plot(
            "Strengths",
            charts.radar(loaded.models),
            "Radar of the parts of quality and the scores that every model has",
            "Axes: what was measured for every model; 1 is the value of real images.",
            wide=False,
        ),
        Plot(
            "Quality and sampling time",
            charts.pareto(loaded.models),
            "Quality of each model by its seconds a sample",
            "Up and to the left is better; no other model beats those on the dotted line in both.",
            wide=False,
        ),
        Plot(
            "Main metrics",
            charts.bars(loaded.models),
            "Bars of the main metrics by model",
            "Dotted line: the same metric between real images. Whiskers: 95 % interval over several seeds."
            " Each title says which values are better.",
        ),
        Plot(
            "All compared metrics",
            charts.heatmap(loaded.models),
            "Heat map of all compared metrics by model",
            "Text is the value, colour its score; a grey cell has no scale from 0 to 1.",
        ),
        Plot(
            "Training curves",
            training_curves.distances(loaded.logs),
            "Quick Fréchet distance by epoch",
            _curve_caption(loaded),
        ),
        Plot(
            "Losses",
            training_curves.losses(loaded.logs),
            "Losses by epoch, a panel a model",
            "Losses of different families do not compare; long logs are shown as means of sections.",
        ),
        Plot(
            "Quality at equal budgets",
            training_curves.quality_by_budget(loaded.models, loaded.members),
            "Fréchet distance divided by its floor after growing parts of each training",
            "Lower is better: 1 is the value of real images. Each line ends where its training did.",
        ),
    )


def _curve_caption(loaded: MeasuredModels) -> str:
    caption = "Measured during training on a small sample of fixed noise, so it is larger than in the tables."
    without = [
        log.run for log in loaded.logs if not any(isinstance(event, QuickDistance) for event in log.events)
    ]
    return caption + (f" Not logged in {', '.join(without)}." if without else "")


def _rankings(loaded: MeasuredModels) -> dict[str, Ranking] | str:
    """The rankings by score and metric, or why there are none."""
    if len(loaded.models) < 2:
        return "there is only one model"
    if min(len(model.results) for model in loaded.models) < 2:
        return "a model with one training seed has no interval, so no two models are ranked here"
    try:
        return compare({model.name: model.results for model in loaded.models}).rankings
    except ValueError as unlike:
        return str(unlike)


def _warnings(members: Sequence[MeasuredRun]) -> list[ResultWarning]:
    """The warnings of the results, and runs without a readable sample sheet."""
    found = find_warnings([member.results for member in members], kinds=("warning", "note", "unlike"))
    without_sheet: dict[str, tuple[str, ...]] = {
        member.run.name: () for member in members if member.sheet is None
    }
    if without_sheet:
        found.append(ResultWarning("note", "no sample sheet that can be read", without_sheet))
    return found
