"""A report as one HTML file that asks no network for anything: Plotly's script inline, pictures as data URIs.

The words and the look are in `page.html.jinja`, where everything is escaped; here is what it shows.
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

from gencore import curves, figures, reported, space
from gencore.comparison import Ranking, compare
from gencore.events import QuickDistance
from gencore.evidence import Evidence, Member, origin
from gencore.figures import Model, number, shown
from gencore.results import BETTER
from gencore.scores import SCORES, first_places, overall

HEADLINE = ("fd", "precision", "recall", "coverage", "conditional_accuracy", "training_seconds", "samples_per_second_100")


@dataclass(frozen=True)
class Plot:
    """A figure with the words that stand for it."""

    title: str
    figure: go.Figure
    alt: str
    caption: str = ""
    wide: bool = True

    @property
    def json(self) -> str:
        """For a script element: nothing in it can end the element."""
        return self.figure.to_json().replace("<", "\\u003c")


@dataclass(frozen=True)
class Row:
    """One line of the table of figures."""

    model: Model
    origin: str
    runs: str
    cells: dict[str, str]


def page(evidence: Evidence) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "png": _data_uri, "day": day}
    template = environment.from_string(resources.files("gencore").joinpath("page.html.jinja").read_text("utf-8"))
    metrics = list(dict.fromkeys(name for member in evidence.every for name in member.results.metrics))
    headline = [name for name in HEADLINE if any(model.estimate(name) for model in evidence.models)]
    return template.render(
        evidence=evidence,
        reference=evidence.every[0].results.reference,
        extractor=evidence.every[0].results.extractor,
        seeds=sorted({member.results.seed for member in evidence.every}),
        plots=_plots(evidence),
        headline=headline,
        rows=[_row(model, headline) for model in evidence.models],
        floors={name: next((f for model in evidence.models if (f := model.floor(name)) is not None), None) for name in metrics},
        metrics=metrics,
        score_names=SCORES,
        weights=dict.fromkeys(SCORES, 1.0),
        overall=overall,
        first=first_places({model.name: model.scores for model in evidence.models}),
        better=BETTER,
        shown=shown,
        origin=origin,
        rankings=_rankings(evidence),
        warnings=_warnings(evidence.every),
        mean=statistics.fmean,
        note=reported.note(),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
        newest=max((o.unix_time for member in evidence.every for o in member.results.origins.values()), default=None),
    )


def _data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{b64encode(content).decode()}"


def day(unix_time: float) -> str:
    return f"{datetime.fromtimestamp(unix_time, UTC):%Y-%m-%d %H:%M} UTC"


def _row(model: Model, headline: Sequence[str]) -> Row:
    origins = " and ".join(sorted({origin(one) for one in model.results}))
    return Row(model, origins, ", ".join(one.run for one in model.results), {name: shown(model.estimate(name)) for name in headline})


def _plots(evidence: Evidence) -> list[Plot]:
    axes = space.shared_axes(evidence.models)
    places = [place for model in evidence.models if (place := space.place(model, axes))]
    found: list[Plot] = []
    if places:
        spirits = space.ghosts(evidence.reported) if axes == space.SCORES else []
        told = space.caption(axes)
        lost = [model.name for model in evidence.models if model.name not in {place.name for place in places}]
        told += f" Without a place: {', '.join(lost)}, for which an axis was not measured." if lost else ""
        alt = space.describe(places)
        found.append(Plot("Distance to the ideal", space.performance_space(places, "distance to ideal"), alt, told, wide=False))
        own = "Each ball stands where its scores put it; a pale ellipsoid is the 95 % interval over seeds."
        own += " Hollow grey rings are reported by others, by measures of their own." if spirits else ""
        found.append(Plot("Where each model stands", space.performance_space(places, "own place", spirits), alt, own, wide=False))
    made = (
        ("Strengths", figures.radar(evidence.models), "Radar of the parts of quality and the scores that every model has", "Spokes: what was measured for every model; 1 is where real images stand.", False),
        ("Quality against speed", figures.pareto(evidence.models), "Quality of each model against its seconds a sample", "Up and to the left is better; the dotted line joins the models that none beats in both.", False),
        ("The figures", figures.bars(evidence.models), "Bars of the main metrics by model", "Dotted: the same metric between real images. Whiskers: 95 % interval over seeds, where there are several.", True),
        ("Everything at a glance", figures.heatmap(evidence.models), "Heat map of all compared metrics by model", "Text is the value, colour its score; a cell without a colour of its own has no anchor to be scored by.", True),
        ("How they learned", curves.distances(evidence.logs), "Quick Fréchet distance by epoch", _course_caption(evidence), True),
        ("Losses", curves.losses(evidence.logs), "Losses by epoch, a panel a model", "Losses of different families do not compare; long logs are drawn as means of equal stretches.", True),
    )  # fmt: skip
    return found + [Plot(title, figure, alt, caption, wide) for title, figure, alt, caption, wide in made if figure is not None]


def _course_caption(evidence: Evidence) -> str:
    told = "Quick fd: of a small sample of fixed noise during training, for the course and not for the table."
    without = [log.run for log in evidence.logs if not any(isinstance(event, QuickDistance) for event in log.events)]
    return told + (f" Not logged in {', '.join(without)}." if without else "")


def _rankings(evidence: Evidence) -> dict[str, Ranking] | str:
    """Who is ahead by what, or why that cannot be said."""
    if len(evidence.models) < 2:
        return "one model alone"
    if min(len(model.results) for model in evidence.models) < 2:
        return "a model with one training seed has no interval, so no two models are ranked here"
    try:
        return compare({model.name: model.results for model in evidence.models}).rankings
    except ValueError as unlike:
        return str(unlike)


def _warnings(members: Sequence[Member]) -> dict[str, list[str]]:
    """Each warning with the runs and metrics that carry it."""
    found: dict[str, list[str]] = {}
    for member in members:
        one = member.results
        for name, metric in one.metrics.items():
            if metric.warning:
                found.setdefault(metric.warning, []).append(f"{one.run}: {name}")
        for made in one.origins.values():
            for note in made.notes:
                found.setdefault(note, []).append(one.run)
        if member.sheet is None:
            found.setdefault("no sample sheet that can be read", []).append(one.run)
    for told, values in {
        "The feature classifiers differ, so these figures do not compare": {one.results.extractor_digest for one in members},
        "The numbers of measured images differ, which moves fd": {m.samples for one in members if (m := one.results.metrics.get("fd"))},
    }.items():
        if len(values) > 1:
            found[told] = [member.run.name for member in members]
    return found
