"""Performance: the models compared by four scores, by weights that the visitor sets, and by metric."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from dashboard.data import run_catalog
from dashboard.data.run_catalog import Entry
from dashboard.views import performance_charts, performance_ranking
from dashboard.views.performance_ranking import PageData
from dashboard.widgets import address, dataset_choice, models_by_family, rankings, run_controls
from dashboard.widgets.text import plain
from gencore.analysis import measured_models, reported
from gencore.analysis.measured_models import MeasuredModels
from gencore.analysis.scores import first_places
from gencore.reports import bundle, reported_figures, spheres
from gencore.reports.spheres import View

TITLE = "Which model is better at what"
DOWNLOADS = {
    ".csv": ("Table", "text/csv"),
    ".json": ("Data", "application/json"),
    ".html": ("Report", "text/html"),
}
VIEWS: dict[View, str] = {
    "distance to ideal": "Each sphere passes through its model's scores: the smaller, the better.",
    "own place": "Each ball is at its model's scores, larger for a more efficient model; the pale ellipsoid "
    "is the interval over seeds.",
}


def main() -> None:
    """Draw the page."""
    entries = address.models(run_catalog.generative_runs())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title(TITLE, anchor=False)
        if not run_catalog.datasets(entries):
            shown, here = [], entries
        else:
            dataset = dataset_choice.choose(entries, run_catalog.datasets_with_runs(entries))
            shown = [run for runs in models_by_family.compared(entries, dataset) for run in runs]
            here = [one for one in entries if one.dataset == dataset]
    if any(one.results for one in shown):
        _compare(shown)
    else:
        _nothing_measured(here)
    for one in entries:
        run_controls.faults(one)


def _nothing_measured(entries: list[Entry]) -> None:
    st.info("Nothing is measured yet, so there is nothing to compare.", icon=":material/straighten:")
    trained = [one.run.name for one in entries if one.config]
    commands = [f"gencore evaluate {name}" for name in trained] or [
        "gencore compare --dataset digits --quick"
    ]
    st.code("\n".join(commands), language="bash")


def _compare(shown: list[Entry]) -> None:
    try:
        data = _load(tuple(one.run.name for one in shown), _versions(shown))
    except ValueError as fault:
        st.error(plain(str(fault)), icon=":material/error:")
        return
    with_reported = _header(data.loaded)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _space(data.loaded, with_reported)
    with right:
        st.fragment(performance_ranking.show)(data)
    if with_reported:
        st.divider()
        performance_charts.reported_rings(data.loaded)
    st.divider()
    performance_charts.score_parts(data.loaded.models)
    st.divider()
    performance_charts.metrics(data.loaded)
    st.divider()
    performance_charts.table(data.loaded)
    rankings.show(data.loaded)
    performance_charts.reported_table(data.loaded)


def _versions(shown: Sequence[Entry]) -> tuple[tuple[int, int] | None, ...]:
    """Time and size of the files that the page is made from; they change with the files."""
    paths = [one.run.results_path for one in shown] + [one.run.events_path for one in shown if one.results]
    return tuple((path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else None for path in paths)


@st.cache_resource(max_entries=8, show_spinner="Reading the results …")
def _load(names: tuple[str, ...], versions: tuple[tuple[int, int] | None, ...]) -> PageData:
    loaded = measured_models.load_measured_models(names)
    return PageData(loaded, first_places({model.name: model.scores for model in loaded.models}))


def _header(found: MeasuredModels) -> bool:
    """Where the figures come from, and downloads; returns whether to show what other projects report."""
    counts = sorted({len(model.results) for model in found.models})
    seeds = " to ".join(map(str, counts[:: max(1, len(counts) - 1)]))
    origins = " and ".join(sorted({measured_models.origin(member.results) for member in found.every}))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{plain(found.dataset)} · {seeds} seed{'s' if counts[-1] > 1 else ''} a model · {origins}",
            width="stretch",
        )
        with_reported = _is_reported(found) and st.toggle(
            "Reported by others",
            key="ghosts",
            bind="query-params",
            help="Grey rings at figures that other projects report for their models: not measured here.",
        )
        for ending, (label, mime) in DOWNLOADS.items():
            st.download_button(
                label,
                partial(bundle.render, found, ending),
                f"{found.dataset}{ending}",
                mime,
                key=f"download{ending}",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
            )
    for name, reason in found.left_out.items():
        st.caption(f":material/visibility_off: **{plain(name)}** is not shown: {plain(reason)}")
    return with_reported


def _is_reported(found: MeasuredModels) -> bool:
    """Whether other projects report figures on this data set that the page can draw."""
    has_rings = any(reported_figures.drawn(source) for source in found.reported)
    return has_rings or bool(spheres.reported_models(found.reported))


def _space(found: MeasuredModels, with_reported: bool) -> None:
    """The models in the performance space, and those that others report where it has the axes for them."""
    axes = spheres.shared_axes(found.models)
    places = [place for model in found.models if (place := spheres.place(model, axes))]
    reported_models = spheres.reported_models(found.reported)
    with st.container(horizontal=True, vertical_alignment="center"):
        view: View = st.segmented_control(
            "View",
            list(VIEWS),
            default=next(iter(VIEWS)),
            required=True,
            key="view",
            bind="query-params",
            label_visibility="collapsed",
        )
    has_rings = with_reported and bool(reported_models) and axes == spheres.SCORES
    if places:
        figure = spheres.performance_space(places, view, reported_models if has_rings else ())
        st.plotly_chart(
            figure, key=f"space.{view}", alt=spheres.describe(places), config={"displaylogo": False}
        )
    st.caption(f"{spheres.caption(axes)} {VIEWS[view]}")
    lost = [model.name for model in found.models if model.name not in {place.name for place in places}]
    if lost:
        st.caption(f"Not shown: {plain(', '.join(lost))}, for which an axis was not measured.")
    if with_reported and reported_models and not has_rings:
        st.caption(
            "Reported scores are not in this figure: they need all three axes, and stability or "
            "controllability is not measured yet."
        )
    if has_rings:
        st.caption(f":material/info: {plain(reported.note())}")
        for title, caveat in dict.fromkeys((model.title, model.caveat) for model in reported_models):
            st.caption(f"*reported* · **{plain(title)}**: {plain(caveat)}")


main()
