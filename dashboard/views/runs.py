"""Runs: a table of all runs to filter, sort, compare, resume, duplicate, export and delete."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard.data import frames, run_catalog, sheets
from dashboard.data.run_catalog import Entry
from dashboard.views import runs_delete, runs_export, runs_table
from dashboard.widgets import altair_charts, run_controls
from dashboard.widgets.sidebar import GALLERY, LIVE
from dashboard.widgets.text import duration, figure, plain
from gencore.analysis.colours import colour
from gencore.metrics import catalog
from gencore.store.runs import Status

MAX_WITH_THUMBNAILS = 60
"""A longer table has no thumbnails: making and sending them would take longer than the rest of the page."""
ROW_HEIGHT, THUMBNAIL_ROW_HEIGHT = 35, 62
VISIBLE_ROWS = 12
FD = catalog.METRICS["fd"]
COLUMNS = {
    "samples": st.column_config.ImageColumn("", width=150, help="Ten samples, not selected"),
    "fd": st.column_config.NumberColumn(
        FD.title, format="%.3g", help=f"fd: {FD.definition}. Smaller is better."
    ),
    "÷ floor": st.column_config.NumberColumn(
        format="%.3g", help=f"fd_over_floor: {catalog.METRICS['fd_over_floor'].definition}"
    ),
    "training curve": st.column_config.LineChartColumn(
        width=105, help=f"Quick {FD.title} (fd) during training"
    ),
    "minutes": st.column_config.NumberColumn(format="%.1f", help="Training time without evaluation"),
    "MiB": st.column_config.NumberColumn(format="%.1f", help="Size on disk with checkpoints"),
    "last event": st.column_config.DatetimeColumn(
        format="distance", help="Time of the last event in its log"
    ),
}


def main() -> None:
    """Show the page."""
    st.title("Runs", anchor=False)
    entries = run_catalog.listed_runs()
    if not entries:
        st.info(
            "No runs yet. Choose a model on the left and press **Start**; every training is listed here.",
            icon=":material/rocket_launch:",
        )
        return
    states = {entry.run.name: entry.run.status() for entry in entries}
    shown = _filtered(entries, states)
    st.caption(
        f"{len(shown)} of {len(entries)} runs. Click a heading to sort. Select one run for details, "
        "several to compare them."
    )
    if not shown:
        st.info("No run matches. Remove a filter.", icon=":material/filter_alt_off:")
        return
    selected = _table(shown, states)
    for entry in selected:
        _card(entry, states[entry.run.name])
    if selected:
        _actions(selected, states)
        _configs([entry for entry in selected if entry.config])


def _filtered(entries: list[Entry], states: dict[str, Status]) -> list[Entry]:
    cells = st.columns([3, 2, 2, 2])
    text = cells[0].text_input("Name contains", key="text", bind="query-params", live=True).strip().lower()
    kept = [entry for entry in entries if text in entry.run.name.lower()]
    filters: tuple[tuple[str, Callable[[Entry], str]], ...] = (
        ("data", lambda entry: entry.dataset or "unknown"),
        ("model", lambda entry: entry.label),
        ("state", lambda entry: states[entry.run.name]),
    )
    for cell, (name, value_of) in zip(cells[1:], filters, strict=True):
        options = list(dict.fromkeys(value_of(entry) for entry in entries))
        chosen = cell.multiselect(
            name.capitalize(), options, key=name, bind="query-params", placeholder="any"
        )
        kept = [entry for entry in kept if not chosen or value_of(entry) in chosen]
    return kept


def _table(shown: list[Entry], states: dict[str, Status]) -> list[Entry]:
    """The table; gives the selected runs, which are in the address."""
    frame = runs_table.listing(shown, states)
    height = ROW_HEIGHT
    if len(shown) <= MAX_WITH_THUMBNAILS:
        frame.insert(0, "samples", [_thumbnail(entry) for entry in shown])
        height = THUMBNAIL_ROW_HEIGHT
    in_address = st.query_params.get_all("run")
    names = [entry.run.name for entry in shown]
    key = f"runs.{hash(tuple(names))}"  # a selection is kept by row number: other rows, another table
    selected = st.dataframe(
        frame,
        key=key,
        hide_index=True,
        height=height * min(len(shown), VISIBLE_ROWS * ROW_HEIGHT // height) + ROW_HEIGHT + 3,
        row_height=height,
        placeholder="",
        column_config=COLUMNS,
        on_select=partial(_keep_selection, key, names),
        selection_mode="multi-row",
        selection_default={
            "selection": {"rows": [row for row, name in enumerate(names) if name in in_address]}
        },
        alt=f"Table of {len(shown)} runs: model, data set, state, options, results and size",
    )
    return [shown[row] for row in selected.selection.rows if row < len(shown)]


def _keep_selection(key: str, names: Sequence[str]) -> None:
    st.query_params["run"] = [names[row] for row in st.session_state[key].selection.rows]


def _thumbnail(entry: Entry) -> str | None:
    path = run_catalog.newest_sheet(entry.run)
    try:
        if path is None:
            return None
        side = entry.spec.size if entry.translates else None
        return _thumbnail_url(path, entry.is_conditional, side, path.stat().st_mtime_ns)
    except (sheets.SheetError, OSError):  # the run's card says what is wrong with it
        return None


@st.cache_data(max_entries=4 * MAX_WITH_THUMBNAILS, show_spinner=False)
def _thumbnail_url(path: Path, conditional: bool, triptych_side: int | None, mtime_ns: int) -> str:
    png = (
        sheets.draw_triptychs(path, triptych_side, rows=1)
        if triptych_side
        else sheets.draw_ten(path, conditional, scale=2)
    )
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _card(entry: Entry, state: Status) -> None:
    """A selected run: its state, links, buttons, main results and faults."""
    name = entry.run.name
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{altair_charts.mark(colour(entry.label))} **{plain(entry.label)}** {plain(name)}",
                width="content",
            )
            run_controls.badge(state)
            st.space("stretch")
            st.page_link(LIVE, label="Live", icon=":material/show_chart:", query_params={"run": name})
            if entry.config and not entry.translates:
                st.page_link(
                    GALLERY, label="Gallery", icon=":material/photo_library:", query_params={"run": name}
                )
            run_controls.buttons(entry, state, "runs")
        st.markdown(_main_results(entry))
        for fault in entry.faults:
            st.error(plain(fault), icon=":material/broken_image:")


def _main_results(entry: Entry) -> str:
    if entry.results is None:
        if entry.translates:
            return f":gray[try it: {plain(f'gencore translate {entry.run.name} --test 10')}]"
        command = plain(f"gencore evaluate {entry.run.name}")
        return f":gray[not evaluated: {command}]" if entry.config else ""
    [(_, cells)] = frames.table([entry])
    shown = {
        FD.title: figure(cells["fd"].value),
        "÷ floor": figure(cells["fd ÷ floor"].value),
        catalog.title("coverage"): figure(cells["coverage"].value),
        catalog.title("training_seconds"): duration(cells["training"].value),
    }
    return " &nbsp; ".join(f":gray[{name}] **{value}**" for name, value in shown.items())


def _actions(selected: list[Entry], states: dict[str, Status]) -> None:
    """Buttons that export or delete all selected runs."""
    with st.container(horizontal=True, vertical_alignment="center"):
        runs_export.buttons(selected)
        if st.button("Delete …", icon=":material/delete:", key="runs.delete"):
            runs_delete.confirm(selected, states)
    runs_export.download(selected)


def _configs(entries: list[Entry]) -> None:
    if not entries:
        return
    differ, agree = runs_table.configs(entries)
    if len(entries) > 1:
        st.subheader("Options that differ", anchor=False)
        if len(differ):
            st.table(differ, border="horizontal", alt="Options that differ, one column per run")
        else:
            st.caption("None: all options are the same.")
    title = "All options" if len(entries) == 1 else f"Options that are the same ({len(agree)})"
    with st.expander(title, icon=":material/tune:"):
        st.table(agree.iloc[:, :1], border="horizontal", alt=title)


main()
