"""What a study has found: parallel coordinates, curves, two options, effects, tests, samples, trials."""

from __future__ import annotations

import streamlit as st

from dashboard.components import parallel_coordinates
from dashboard.data import run_catalog, sheets
from dashboard.data.study_catalog import StudyContent
from dashboard.views import studies_charts, studies_parallel, studies_table
from dashboard.views.studies_words import contrast, objective_title, sentence
from dashboard.widgets.sidebar import LIVE
from dashboard.widgets.text import figure, plain
from gencore.store import runs
from gencore.studies.findings import StudyAnalysis
from gencore.studies.points import title_of
from gencore.studies.records import TrialState

_SHEET_SCALE = 3
_MOST_CONTRASTS = 12
"""Of the tested ones, shown at once; all others are in a fold-out."""


def show(content: StudyContent) -> None:
    """All charts and tables of a study, as far as its trials have come."""
    if not any(one.distances or one.value is not None or one.is_lost for one in content.states):
        st.info("Charts appear here with the first quick distances.", icon=":material/hourglass_top:")
    else:
        _parallel(content)
        _curves(content)
        _samples(content)
        _heat_map(content)
    _trials(content)
    if any(one.value is not None for one in content.states):
        with st.spinner("Comparing the trials …"):
            found = content.analysis
        _effects(found, content)
        _contrasts(found)


def _parallel(content: StudyContent) -> None:
    st.subheader("Which options lead where", anchor=False)
    found = studies_parallel.coordinates(content.study, content.states)
    if found is None:
        st.caption("Appears when two trials have ended.")
        return
    best = studies_parallel.best_trials(content.study, content.states)
    points = "; ".join(dict.fromkeys(title_of(one.trial.point) for one in best[:3]))
    parallel_coordinates.show(
        found.axes,
        found.lines,
        studies_parallel.BEST,
        about="Parallel coordinates: an axis an option, a line a trial, up to its "
        f"{objective_title(content.study)}. The best trials have {points or 'no value yet'}. The table of "
        "trials below has the same figures.",
        key="studies.parallel",
    )
    st.caption(
        "Drag along an axis to keep only the trials that pass there; click it to take that back. A click on "
        "a line opens its run. Orange: the best tenth of the finished trials. The better end of the last "
        "axis is on top."
    )


def _curves(content: StudyContent) -> None:
    st.subheader("Learning curves", anchor=False)
    points = studies_charts.curve_points(content.study, content.states)
    if points.empty:
        st.caption("No trial has logged a quick distance yet.")
        return
    st.altair_chart(
        studies_charts.curves_chart(points),
        key="studies.curves",
        alt=studies_charts.curves_alt(content.study, points),
    )
    st.caption(
        "Quick Fréchet distance by epoch, on a log scale. ✚ where ASHA cut a trial, ▲ where one diverged or "
        "failed."
    )


def _samples(content: StudyContent) -> None:
    done = [one for one in content.states if one.status == "finished" and one.value is not None]
    if len(done) < 2:
        return
    ordered = sorted(done, key=lambda one: one.value or 0.0, reverse=not content.study.is_smaller_better)
    st.subheader("Samples of the best and of the worst finished trial", anchor=False)
    with st.container(key="pair.samples"):
        for column, name, one in zip(
            st.columns(2, gap="large"), ("Best", "Worst"), (ordered[0], ordered[-1]), strict=True
        ):
            with column:
                _sheet(content, name, one)


def _sheet(content: StudyContent, name: str, one: TrialState) -> None:
    entry = run_catalog.entry(runs.run(one.trial.name))
    st.markdown(
        f"**{name}: {plain(title_of(one.trial.point))}** · seed {one.trial.seed} · "
        f"{plain(objective_title(content.study))} {figure(one.value)}"
    )
    path = run_catalog.newest_sheet(entry.run)
    if path is None:
        st.caption("No samples were drawn.")
    else:
        try:
            side = entry.spec.size if entry.translates else None
            picture = (
                sheets.draw_triptychs(path, side) if side else sheets.draw_sheet(path, scale=_SHEET_SCALE)
            )
            st.image(picture, width="stretch", alt=f"Samples of the {name.lower()} trial, {one.trial.name}")
        except (sheets.SheetError, ValueError, OSError) as fault:
            st.warning(plain(str(fault)), icon=":material/broken_image:")
    st.page_link(
        LIVE,
        label=f"Open {plain(one.trial.name)}",
        icon=":material/show_chart:",
        query_params={"run": one.trial.name},
    )


def _heat_map(content: StudyContent) -> None:
    axes = list(content.study.axes)
    if len(axes) < 2:
        return
    st.subheader("Two options against each other", anchor=False)
    with st.container(horizontal=True):
        across = st.selectbox("Across", axes, key="across", bind="query-params", width=240)
        others = [axis for axis in axes if axis != across]
        down = st.selectbox("Down", others, key="down", bind="query-params", width=240)
    cells = studies_charts.cells(content.study, content.states, across, down, content.at_epoch)
    if cells["value"].isna().all():
        st.caption("No trial has a value yet.")
        return
    orders = [studies_charts.levels_in_order(content.states, axis) for axis in (across, down)]
    objective = objective_title(content.study)
    best = cells.sort_values("score", ascending=False).iloc[0]
    st.altair_chart(
        studies_charts.heat_map(cells, (across, down), orders, objective),
        key=f"studies.heat.{across}.{down}",
        alt=f"Heat map of {objective} by {across} and {down}; best, {figure(best['value'])}, at {across} "
        f"{best['across']} and {down} {best['down']}",
    )
    mean = "Geometric means" if content.study.is_on_log_scale else "Means"
    st.caption(
        f"{mean} over seeds and all other options{_when(content.at_epoch)}. ▲ some trials diverged or failed."
    )


def _when(at_epoch: float | None) -> str:
    """Where trials are compared, if that is not their end."""
    if at_epoch is None:
        return ""
    return f", all at epoch {at_epoch:g}, because later epochs were cut for some"


def _effects(found: StudyAnalysis, content: StudyContent) -> None:
    st.subheader("What each option does", anchor=False)
    shares = studies_charts.share_rows(found)
    if not shares.empty:
        spoken = ", ".join(f"{one.cause} {one.share:.0%}" for one in shares.itertuples())
        st.altair_chart(
            studies_charts.share_chart(shares),
            key="studies.shares",
            alt=f"Share of the variance by option: {spoken}",
        )
    st.caption(sentence(f"{found.effects_note}{_when(found.at_epoch)}"))
    rows = [studies_charts.effect_rows(one, found.is_on_log_scale) for one in found.effects if one.levels]
    if not rows:
        return
    ends = studies_charts.effect_ends(rows, found.is_on_log_scale)
    columns = st.columns(2, gap="large")
    shown = [one for one in found.effects if one.levels]
    for place, (one, of_axis) in enumerate(zip(shown, rows, strict=True)):
        between = "worst ÷ best level" if found.is_on_log_scale else "worst − best level"
        with columns[place % 2]:
            st.markdown(f"**{plain(one.axis)}** :gray[{between} {figure(one.sensitivity)}]")
            st.altair_chart(
                studies_charts.effect_chart(of_axis, ends, found.is_on_log_scale),
                key=f"studies.effect.{one.axis}",
                alt=f"Effect of {one.axis}: "
                + ", ".join(
                    f"{level} {figure(mean)}"
                    for level, mean in zip(of_axis["level"], of_axis["mean"], strict=True)
                ),
            )
    seeds = len(content.study.seeds)
    st.caption(
        f"{plain(objective_title(content.study))} by level, the mean over all else"
        + (f"; the lines are 95 % intervals over {seeds} seeds." if seeds > 1 else "; one seed, no interval.")
        + " Trials without a model count as the worst of the study."
    )


def _contrasts(found: StudyAnalysis) -> None:
    st.subheader("Which differences are more than chance", anchor=False)
    st.caption(sentence(found.contrasts_note))
    tested = sorted((one for one in found.contrasts if one.p is not None), key=lambda one: one.p or 0.0)
    st.markdown("\n".join(f"- {contrast(one, found)}" for one in tested[:_MOST_CONTRASTS]))
    others = [*tested[_MOST_CONTRASTS:], *(one for one in found.contrasts if one.p is None)]
    if others:
        name = "More" if tested else "Differences that were not tested"
        with st.expander(f"{name} ({len(others)})", icon=":material/table_rows:"):
            st.markdown("\n".join(f"- {contrast(one, found)}" for one in others))


def _trials(content: StudyContent) -> None:
    st.subheader("Trials", anchor=False)
    if not content.states:
        st.caption("None yet.")
        return
    table = studies_table.trials(content.study, content.states)
    st.dataframe(
        table,
        key="studies.trials",
        hide_index=True,
        height=420 if len(table) > 10 else "content",
        placeholder="",
        column_config=studies_table.TRIAL_COLUMNS,
        alt=f"Table of {len(table)} trials, the best first: run, state, options, seed, value, reason",
    )
