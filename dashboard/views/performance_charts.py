"""The Performance page's charts and tables: parts of the scores, metrics, costs, reported values."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard.data import run_catalog, sheets
from dashboard.data.run_catalog import Entry
from dashboard.widgets import altair_charts, model_choice
from dashboard.widgets.text import ABSENT, duration, plain
from gencore.analysis import measured_models, reported
from gencore.analysis.measured_models import MeasuredModels, MeasuredRun, Model
from gencore.analysis.scores import SCORES
from gencore.metrics import catalog
from gencore.reports import charts, reported_figures, training_curves

MEANING = {
    "quality": "Geometric mean of realism (Fréchet distance between a blur and real images), fidelity "
    "(precision), variety (recall), coverage and balance (of the classes), each relative to real images; "
    "times novelty, which is 0 for copies of training images.",
    "stability": "How far the seeds ended from collapse × geometric mean of: similarity of the seeds, last "
    "against best Fréchet distance, absence of gradient spikes. Needs 3 seeds.",
    "controllability": "Whether a model generates the requested class, and varied images of it, by the best "
    "control that it offers.",
    "efficiency": "Geometric mean of training time until images are better than a blur, sampling time and "
    "memory, on fixed scales; only of models that were trained and timed on one kind of machine.",
}


def score_parts(models: Sequence[Model]) -> None:
    """Each score with its parts, and the reasons for what is not known."""
    st.subheader("Parts of the scores", anchor=False)
    st.markdown(altair_charts.legend(models))
    values = {name: model_choice.made_of(models, name) for name in SCORES}
    drawn = [name for name in SCORES if any(values[name].values())]
    for start in range(0, len(drawn), 2):
        for column, name in zip(st.columns(2, gap="large"), drawn[start : start + 2], strict=False):
            with column:
                st.markdown(f"##### {name.capitalize()}", help=MEANING[name])
                st.altair_chart(
                    altair_charts.score_bars(models, values[name], bar=10),
                    alt=f"Bars of {name} and its parts by model",
                )
                _missing(models, name)
    for name in SCORES:
        if name not in drawn:
            st.markdown(f"##### {name.capitalize()} :gray[is not measured yet]", help=MEANING[name])
            _missing(models, name)


def _missing(models: Sequence[Model], score: str) -> None:
    """Why parts of `score` are absent, and what is to be known of it, each with the models concerned."""
    notes: dict[str, list[str]] = {}
    for model in models:
        if note := model.scores[score].note:
            notes.setdefault(note, []).append(model.name)
    lines = [
        f":material/do_not_disturb_on: **{_which(names, models)}** without {plain(reason)}"
        for reason, names in model_choice.missing(models, score).items()
    ]
    lines += [f":material/info: **{_which(names, models)}** {plain(note)}" for note, names in notes.items()]
    if lines:
        st.caption("  \n".join(lines))


def _which(names: Sequence[str], models: Sequence[Model]) -> str:
    return "all" if len(names) == len(models) else plain(", ".join(names))


def metrics(found: MeasuredModels) -> None:
    """Radar, quality by cost, training curves, bars and heat map."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Profile", anchor=False)
        _plot(
            charts.radar(found.models),
            "radar",
            "Radar of the parts of quality and the scores that every model has",
            "Axes: what was measured for every model; 1 is the value of real images.",
        )
    with right:
        st.fragment(_quality_by_cost)(found.models)
    st.subheader("Quality during training", anchor=False)
    _plot(
        training_curves.quality_by_seconds(found.models, found.logs),
        "learning",
        "Log score of the quick Fréchet distance by seconds of training",
        "1 is the value of real images, 0 of a blur. A quick distance is measured on few images, which "
        "makes it larger, so finished models score higher than their line. Not every run has logged it.",
    )
    st.subheader("Quality at equal budgets", anchor=False)
    _plot(
        training_curves.quality_by_budget(found.models, found.members),
        "budgets",
        "Fréchet distance divided by its floor after 1, 3, 10 and 30 minutes of training, a line a run",
        "Lower is better: 1 is the value of real images. Each line ends where its training did. "
        "`gencore budgets RUN` measures it.",
    )
    st.subheader("Main metrics", anchor=False)
    _plot(
        charts.bars(found.models),
        "bars",
        "Bars of the main metrics by model",
        "Each title says which values are better. Dotted line: the floor, real images against real images. "
        "Whiskers: 95 % interval over several seeds.",
    )
    with st.expander("All compared metrics", icon=":material/grid_on:"):
        _plot(
            charts.heatmap(found.models),
            "heatmap",
            "Heat map of all compared metrics by model",
            "Text is the value, colour its score; a grey cell has no scale from 0 to 1.",
        )


def _plot(figure: go.Figure | None, key: str, alt: str, caption: str) -> None:
    if figure is None:
        st.caption("Too little was measured for this chart.")
        return
    st.plotly_chart(figure, key=key, alt=alt, theme=None, config={"displayModeBar": False})
    st.caption(caption)


def _quality_by_cost(models: Sequence[Model]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Quality by", anchor=False)
        costs = list(catalog.costs())
        cost = st.selectbox("Cost", costs, key="cost", bind="query-params", label_visibility="collapsed")
    _plot(
        charts.pareto(models, cost),
        f"pareto.{cost}",
        f"Quality of each model by {cost}",
        "Up and to the left is better; no other model beats those on the dotted line in both.",
    )


def table(found: MeasuredModels) -> None:
    """Scores, Fréchet distance and origin, a row a model."""
    st.subheader("Scores", anchor=False)
    fd = catalog.title("fd_over_floor")
    curve = f"{catalog.title('fd')} by epoch"
    progress = {
        name: st.column_config.ProgressColumn(name, min_value=0, max_value=1, format="%.2f", width=90)
        for name in SCORES
    }
    columns = progress | {
        "images": st.column_config.ImageColumn("", width=150),
        fd: st.column_config.TextColumn(fd, help="`fd_over_floor`"),
        curve: st.column_config.LineChartColumn(
            curve, width=110, help="The quick distance of the first seed, on a log scale."
        ),
    }
    st.dataframe(
        pd.DataFrame([_row(model, found.members[model.name], fd, curve) for model in found.models]),
        hide_index=True,
        row_height=64,
        placeholder=ABSENT,
        alt="Scores by model",
        column_config=columns,
    )


def _row(model: Model, members: Sequence[MeasuredRun], fd: str, curve: str) -> dict[str, object]:
    first = run_catalog.entry(members[0].run)
    seconds = model.estimate("training_seconds")
    return {
        "images": _thumbnail(first),
        "model": model.name,
        "origin": " and ".join(sorted({measured_models.origin(one) for one in model.results})),
        **{name: model.scores[name].value for name in SCORES},
        fd: charts.shown(model.estimate("fd_over_floor"), "fd_over_floor"),
        curve: [math.log10(value) for value in run_catalog.trace(first.run).distances if value > 0],
        "training": duration(seconds.mean if seconds else None),
        "seeds": len(members),
        "runs": ", ".join(member.run.name for member in members),
    }


def _thumbnail(one: Entry) -> str | None:
    """Ten images, not selected, as a data URI; None where there is no readable sheet."""
    path = run_catalog.newest_sheet(one.run)
    try:
        picture = sheets.draw_ten(path, one.is_conditional, scale=1) if path else None
    except (sheets.SheetError, OSError):
        return None
    return f"data:image/png;base64,{b64encode(picture).decode()}" if picture else None


def reported_rings(found: MeasuredModels) -> None:
    """Figures that other projects report, drawn next to the same metrics of the models shown."""
    st.subheader("Reported by other projects", anchor=False)
    st.caption(plain(reported.note()))
    for source in found.reported:
        if rings := reported_figures.rings(source, found.models):
            st.markdown(f":gray-badge[reported] **{plain(source.title)}** · {plain(source.caveat)}")
            _plot(
                rings,
                f"reported.{source.id}",
                f"Figures reported by {source.title}, next to the same metrics measured here",
                "Grey rings: reported there. Filled: measured here, with other features, sample counts and "
                "hardware, so a ring and a filled mark do not compare.",
            )


def reported_table(found: MeasuredModels) -> None:
    """Values that other projects report, with their caveats; nothing where there are none."""
    if not found.reported:
        return
    with st.expander("Values that other projects report: not measured here", icon=":material/format_quote:"):
        st.caption(plain(reported.note()))
        for source in found.reported:
            st.markdown(f":gray-badge[reported] **{plain(source.title)}** · {plain(source.caveat)}")
            st.dataframe(pd.DataFrame(source.models).T, placeholder=ABSENT, alt=f"Reported by {source.title}")
