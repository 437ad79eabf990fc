"""Performance: which model is better at what, by four scores, and what the visitor's weights make of it."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import actions, ahead, catalog, charts, sheets, standing
from dashboard.catalog import Entry
from dashboard.standing import Standing
from dashboard.words import ABSENT, duration, plain
from gencore import curves, evidence, figures, report, reported, space
from gencore.evidence import Evidence, Member
from gencore.figures import Model
from gencore.scores import SCORES, first_places
from gencore.space import View

MAX_WEIGHT, WEIGHT = 10, 5
DOWNLOADS = {".csv": ("Table", "text/csv"), ".json": ("Data", "application/json"), ".html": ("Report", "text/html")}
VIEWS = {"distance to ideal": "A sphere passes through its model's place: the smaller, the better.",
         "own place": "A ball stands where its scores put it, larger where it is more efficient; pale is its interval over seeds."}  # fmt: skip
MEANING = {
    "quality": "Geometric mean of realism (fd between pure noise and real images), fidelity (precision), coverage and "
    "balance (of the classes), each against what real images reach.",
    "stability": "Share of sound seeds × geometric mean of closeness of the seeds, last against best fd, and calm gradients.",
    "controllability": "Asked for a 7, do we get a 7, and many different ones? Steered by the best means a model has.",
    "efficiency": "Geometric mean of training time, sampling time and memory, between anchors that are the same for all.",
}


class Seen(NamedTuple):
    """What the page is made from; read once a version of the files."""

    evidence: Evidence
    first: dict[str, float]
    """Share of random weightings under which each model comes first."""


def main() -> None:
    entries = catalog.generative_runs()
    measured = catalog.datasets(entries)
    if not measured:
        _nothing_measured(entries)
    else:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.title("Which is better at what", anchor=False)
            dataset, newest = standing.choose(entries, measured)
        shown = catalog.one_a_label(entries, dataset, newest)
        _compare([run for one in shown for run in standing.seeds(one, entries)])
    for one in entries:
        actions.faults(one)


def _nothing_measured(entries: list[Entry]) -> None:
    st.title("Which is better at what", anchor=False)
    st.info("Nothing is measured yet, so there is nothing to compare.", icon=":material/straighten:")
    trained = [one.run.name for one in entries if one.config]
    commands = [f"gencore evaluate {name}" for name in trained] or ["gencore compare --dataset digits --epochs 3"]
    st.code("\n".join(commands), language="bash")


def _compare(shown: list[Entry]) -> None:
    try:
        found = _see(tuple(one.run.name for one in shown), _states(shown))
    except ValueError as fault:
        st.error(plain(str(fault)), icon=":material/error:")
        return
    _header(found.evidence)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _space(found.evidence)
    with right:
        st.fragment(_ranking)(found)
    st.divider()
    _made_of(found.evidence.models)
    st.divider()
    _profiles(found.evidence)
    st.divider()
    _table(found.evidence)
    ahead.show(found.evidence)
    _reported(found.evidence)


def _states(shown: Sequence[Entry]) -> tuple[tuple[int, int] | None, ...]:
    """What tells whether the files behind the page are still those it was made from."""
    paths = [one.run.results_path for one in shown] + [one.run.events_path for one in shown if one.results]
    return tuple((path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else None for path in paths)


@st.cache_resource(max_entries=8, show_spinner="Reading what was measured …")
def _see(names: tuple[str, ...], states: tuple[tuple[int, int] | None, ...]) -> Seen:
    found = evidence.gather(names)
    return Seen(found, first_places({model.name: model.scores for model in found.models}))


def _header(found: Evidence) -> None:
    counts = sorted({len(model.results) for model in found.models})
    seeds = " to ".join(map(str, counts[:: max(1, len(counts) - 1)]))
    origins = " and ".join(sorted({evidence.origin(member.results) for member in found.every}))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{plain(found.dataset)} · {seeds} seed{'s' if counts[-1] > 1 else ''} a model · {origins}", width="stretch")
        for ending, (label, mime) in DOWNLOADS.items():
            st.download_button(
                label, partial(report.render, found, ending), f"{found.dataset}{ending}", mime,
                key=f"download{ending}", icon=":material/download:", type="tertiary", on_click="ignore",
            )  # fmt: skip
    for name, reason in found.left_out.items():
        st.caption(f":material/visibility_off: **{plain(name)}** is not shown: {plain(reason)}")


def _space(found: Evidence) -> None:
    axes = space.shared_axes(found.models)
    places = [place for model in found.models if (place := space.place(model, axes))]
    ghosts = space.ghosts(found.reported)
    with st.container(horizontal=True, vertical_alignment="center"):
        view: View = st.segmented_control(
            "View", VIEWS, default=next(iter(VIEWS)), required=True, key="view", bind="query-params", label_visibility="collapsed"
        )
        haunted = ghosts and st.toggle(
            "Reported by others", key="ghosts", bind="query-params", disabled=axes != space.SCORES,
            help="Hollow grey rings where other projects' own scores would put their models: not measured here."
            if axes == space.SCORES
            else "Others' scores have a place only beside all of ours: stability or controllability is not measured yet.",
        )  # fmt: skip
    haunted = haunted and axes == space.SCORES
    if places:
        figure = space.performance_space(places, view, ghosts if haunted else ())
        st.plotly_chart(figure, key=f"space.{view}", alt=space.describe(places), config={"displaylogo": False})
    st.caption(f"{space.caption(axes)} {VIEWS[view]}")
    lost = [model.name for model in found.models if model.name not in {place.name for place in places}]
    if lost:
        st.caption(f"Without a place here: {plain(', '.join(lost))}, for which an axis was not measured.")
    if haunted:
        st.caption(f":material/info: {plain(reported.note())}")
        for title, caveat in dict.fromkeys((ghost.title, ghost.caveat) for ghost in ghosts):
            st.caption(f"*reported* · **{plain(title)}**: {plain(caveat)}")


def _ranking(found: Seen) -> None:
    """The visitor's weights and what they make of the models; drawn anew by itself, so the space keeps its camera."""
    st.subheader("What matters to you", anchor=False)
    models = found.evidence.models
    weights: dict[str, float] = {}
    for row in (SCORES[:2], SCORES[2:]):
        for column, name in zip(st.columns(2), row, strict=True):
            with column:
                weights[name] = _weight(name, any(model.scores[name].value is not None for model in models))
    if not any(weights.values()):
        st.info("Give at least one score a weight.", icon=":material/balance:")
        return
    ranked = standing.standings(models, weights)
    if ranked:
        told = " · ".join(f"{one.model.name} {one.overall:.2f}{' (tie)' if one.ties else ''}" for one in ranked)
        st.altair_chart(charts.ranking_bars(ranked, found.first), alt=f"Weighted score, best first: {told}")
        st.caption(f"**Overall**, best first: {plain(told)}")
    for model in models:
        lacking = [name for name, weight in weights.items() if weight and model.scores[name].value is None]
        if lacking:
            st.caption(f"{plain(model.name)} has no overall: {', '.join(lacking)} was not measured. Weight 0 leaves it out.")
    st.caption(_how_sure(ranked, found.first))


def _weight(name: str, known: bool) -> int:
    if not known:
        st.slider(
            name.capitalize(), 0, MAX_WEIGHT, 0, key=f"absent.{name}", disabled=True, help="Measured for no model shown; see below."
        )
        return 0
    return st.slider(name.capitalize(), 0, MAX_WEIGHT, WEIGHT, key=name, bind="query-params")


def _how_sure(ranked: Sequence[Standing], first: Mapping[str, float]) -> str:
    told = "Shades: what each score adds."
    if first:
        told += " Percent: of all weightings drawn at random, those under which the model comes first."
    else:
        told += " No share of random weightings: that needs all four scores of a model."
    if any(one.ties is not None for one in ranked):
        return f"{told} *Tie*: the lead over the next one may be chance (95 %, seed by seed; stability taken as exact)."
    return f"{told} A lead may be chance: that takes two or more seeds to tell (`gencore compare --seeds 5`)."


def _made_of(models: Sequence[Model]) -> None:
    st.subheader("What the scores are made of", anchor=False)
    st.markdown(charts.legend(models))
    values = {name: standing.made_of(models, name) for name in SCORES}
    drawn = [name for name in SCORES if any(values[name].values())]
    for start in range(0, len(drawn), 2):
        for column, name in zip(st.columns(2, gap="large"), drawn[start : start + 2], strict=False):
            with column:
                st.markdown(f"##### {name.capitalize()}", help=MEANING[name])
                st.altair_chart(charts.score_bars(models, values[name], bar=10), alt=f"Bars of {name} and its parts by model")
                _missing(models, name)
    for name in SCORES:
        if name not in drawn:
            st.markdown(f"##### {name.capitalize()} :gray[is not measured yet]", help=MEANING[name])
            _missing(models, name)


def _missing(models: Sequence[Model], score: str) -> None:
    lines = [
        f":material/do_not_disturb_on: **{'all' if len(names) == len(models) else plain(', '.join(names))}** without {plain(reason)}"
        for reason, names in standing.missing(models, score).items()
    ]
    if lines:
        st.caption("  \n".join(lines))


def _profiles(found: Evidence) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Profile", anchor=False)
        _plot(figures.radar(found.models), "radar", "Radar of the parts of quality and the scores that every model has",
              "Spokes: what was measured for every model; 1 is where real images stand.")  # fmt: skip
    with right:
        st.fragment(_pareto)(found.models)
    st.subheader("How fast they learned", anchor=False)
    _plot(
        curves.quality_by_seconds(found.models, found.logs), "learning", "Log score of the quick distance by seconds of training",
        "1 is where real images stand, 0 pure noise. A quick fd is of few images, which makes it larger, so finished models "
        "reach more than their line. Without measuring in between; not logged by every run.",
    )  # fmt: skip
    st.subheader("The figures", anchor=False)
    _plot(figures.bars(found.models), "bars", "Bars of the main metrics by model",
          "Dotted: real images against real images, the floor. Whiskers: 95 % interval over seeds, where there are several.")  # fmt: skip
    with st.expander("Everything at a glance", icon=":material/grid_on:"):
        _plot(figures.heatmap(found.models), "heatmap", "Heat map of all compared metrics by model",
              "Text is the value, colour its score; grey has no anchor to be scored by.")  # fmt: skip


def _plot(figure: go.Figure | None, key: str, alt: str, caption: str) -> None:
    if figure is None:
        st.caption("Too little was measured for this picture.")
        return
    st.plotly_chart(figure, key=key, alt=alt, theme=None, config={"displayModeBar": False})
    st.caption(caption)


def _pareto(models: Sequence[Model]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Quality against", anchor=False)
        costs = list(figures.COSTS)
        cost = st.selectbox("Cost", costs, key="cost", bind="query-params", label_visibility="collapsed")
    _plot(figures.pareto(models, cost), f"pareto.{cost}", f"Quality of each model against {cost}",
          "Up and to the left is better; the dotted line joins the models that none beats in both.")  # fmt: skip


def _table(found: Evidence) -> None:
    st.subheader("Scores", anchor=False)
    rows = [_row(model, found.members[model.name]) for model in found.models]
    score = {name: st.column_config.ProgressColumn(name, min_value=0, max_value=1, format="%.2f", width=90) for name in SCORES}
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, row_height=64, placeholder=ABSENT, alt="Scores by model",
        column_config=score | {
            "drawn": st.column_config.ImageColumn("", width=150),
            "fd by epoch": st.column_config.LineChartColumn("fd by epoch", width=110, help="Quick fd, on a log scale, of the first seed."),
        },
    )  # fmt: skip


def _row(model: Model, members: Sequence[Member]) -> dict[str, object]:
    first = catalog.entry(members[0].run)
    seconds = model.estimate("training_seconds")
    return {
        "drawn": _thumbnail(first),
        "model": model.name,
        "origin": " and ".join(sorted({evidence.origin(one) for one in model.results})),
        **{name: model.scores[name].value for name in SCORES},
        "fd": figures.shown(model.estimate("fd")),
        "fd by epoch": [math.log10(fd) for fd in catalog.trace(first.run).distances if fd > 0],
        "training": duration(seconds.mean if seconds else None),
        "seeds": len(members),
        "runs": ", ".join(member.run.name for member in members),
    }


def _thumbnail(one: Entry) -> str | None:
    """Ten pictures, not chosen, as a data URI; None where there is no sheet that can be read."""
    path = catalog.newest_sheet(one.run)
    try:
        picture = path and sheets.draw_ten(path, one.is_conditional, scale=1)
    except (sheets.SheetError, OSError):
        return None
    return f"data:image/png;base64,{b64encode(picture).decode()}" if picture else None


def _reported(found: Evidence) -> None:
    if not found.reported:
        return
    with st.expander("What others report about theirs: not measured here", icon=":material/format_quote:"):
        st.caption(plain(reported.note()))
        for source in found.reported:
            st.markdown(f":gray-badge[reported] **{plain(source.title)}** · {plain(source.caveat)}")
            st.dataframe(pd.DataFrame(source.models).T, placeholder=ABSENT, alt=f"Reported by {source.title}")


main()
