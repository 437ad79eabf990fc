"""Runs: all of them in one table; filter, sort, compare, go on with, copy, take away, delete."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from dashboard.data import frames, run_catalog, sheets
from dashboard.data.run_catalog import Entry
from dashboard.views import runs_table
from dashboard.widgets import altair_charts, run_controls
from dashboard.widgets.sidebar import GALLERY, LIVE
from dashboard.widgets.text import duration, figure, plain
from gencore.analysis import measured_models
from gencore.analysis.colours import colour
from gencore.reports import bundle, model_card
from gencore.store.runs import Run, RunBusyError, Status, run

MOST_WITH_PICTURES = 60
"""A longer list comes without thumbnails: to draw and send them would cost more than the rest of the page."""
ROW_HEIGHT, HIGH_ROW = 35, 62
EXPORTS = (
    ("Report", ":material/description:", ".html", "The measured runs that are ticked, as one .html file"),
    (
        "Report and data",
        ":material/folder_zip:",
        ".zip",
        "The measured runs that are ticked, as one .zip file",
    ),
    (
        "Model card",
        ":material/badge:",
        ".md",
        "What the run is, how it was trained, what it is worth and where that ends",
    ),
    (
        "ONNX",
        ":material/deployed_code:",
        ".onnx",
        "The network that draws, with averaged weights, for other programs",
    ),
)
OF_ONE_RUN = {".md", ".onnx"}
ONNX_TIMEOUT_SECONDS = 300
ROWS_SHOWN = 12
COLUMNS = {
    "picture": st.column_config.ImageColumn("", width=150, help="Ten samples, not chosen"),
    "fd": st.column_config.NumberColumn(
        format="%.3g", help="Fréchet distance to the test split: smaller is better"
    ),
    "÷ floor": st.column_config.NumberColumn(
        format="%.3g", help="fd ÷ its floor: 1 is as near as real images are"
    ),
    "course": st.column_config.LineChartColumn(width=80, help="Quick fd along the way"),
    "minutes": st.column_config.NumberColumn(format="%.1f", help="Training time, without evaluation"),
    "MiB": st.column_config.NumberColumn(format="%.1f", help="On disk, checkpoints included"),
    "heard of": st.column_config.DatetimeColumn(format="distance", help="When its newest event was"),
}


def main() -> None:
    """Draw the page."""
    st.title("Runs", anchor=False)
    entries = run_catalog.generative_runs()
    if not entries:
        st.info(
            "No runs yet. Choose a model on the left and press **Start**: each training is kept here.",
            icon=":material/rocket_launch:",
        )
        return
    states = {one.run.name: one.run.status() for one in entries}
    shown = _filtered(entries, states)
    st.caption(
        f"{len(shown)} of {len(entries)} runs. A click on a heading sorts; tick one to open it, "
        f"several to compare."
    )
    if not shown:
        st.info("No run is like that. Take a filter back.", icon=":material/filter_alt_off:")
        return
    chosen = _table(shown, states)
    for one in chosen:
        _card(one, states[one.run.name])
    if chosen:
        _together(chosen, states)
        _configs([one for one in chosen if one.config])


def _filtered(entries: list[Entry], states: dict[str, Status]) -> list[Entry]:
    cells = st.columns([3, 2, 2, 2])
    text = cells[0].text_input("Name contains", key="text", bind="query-params", live=True).strip().lower()
    kept = [one for one in entries if text in one.run.name.lower()]
    filters: tuple[tuple[str, Callable[[Entry], str]], ...] = (
        ("data", lambda one: one.dataset or "unknown"),
        ("model", lambda one: one.label),
        ("state", lambda one: states[one.run.name]),
    )
    for cell, (name, of) in zip(cells[1:], filters, strict=True):
        options = list(dict.fromkeys(of(one) for one in entries))
        wanted = cell.multiselect(
            name.capitalize(), options, key=name, bind="query-params", placeholder="any"
        )
        kept = [one for one in kept if not wanted or of(one) in wanted]
    return kept


def _table(shown: list[Entry], states: dict[str, Status]) -> list[Entry]:
    """The runs ticked; they stand in the address."""
    frame = runs_table.listing(shown, states)
    height = ROW_HEIGHT
    if len(shown) <= MOST_WITH_PICTURES:
        frame.insert(0, "picture", [_thumbnail(one) for one in shown])
        height = HIGH_ROW
    asked = st.query_params.get_all("run")
    names = [one.run.name for one in shown]
    key = f"runs.{hash(tuple(names))}"  # a tick is kept by its row: other rows, another table
    ticked = st.dataframe(
        frame,
        key=key,
        hide_index=True,
        height=height * min(len(shown), ROWS_SHOWN * ROW_HEIGHT // height) + ROW_HEIGHT + 3,
        row_height=height,
        placeholder="",
        column_config=COLUMNS,
        on_select=partial(_remember, key, names),
        selection_mode="multi-row",
        selection_default={
            "selection": {"rows": [place for place, name in enumerate(names) if name in asked]}
        },
        alt=f"Table of {len(shown)} runs with their model, data set, state, options, figures and size",
    )
    return [shown[row] for row in ticked.selection.rows if row < len(shown)]


def _remember(key: str, names: Sequence[str]) -> None:
    st.query_params["run"] = [names[row] for row in st.session_state[key].selection.rows]


def _thumbnail(one: Entry) -> str | None:
    path = run_catalog.newest_sheet(one.run)
    try:
        return _drawn(path, one.is_conditional, path.stat().st_mtime_ns) if path else None
    except (sheets.SheetError, OSError):  # the run's card says what is wrong with it
        return None


@st.cache_data(max_entries=4 * MOST_WITH_PICTURES, show_spinner=False)
def _drawn(path: Path, conditional: bool, mtime_ns: int) -> str:
    picture = sheets.draw_ten(path, conditional, scale=2)
    return f"data:image/png;base64,{b64encode(picture).decode()}"


def _card(one: Entry, state: Status) -> None:
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{altair_charts.mark(colour(one.label))} **{plain(one.label)}** {plain(one.run.name)}",
                width="content",
            )
            run_controls.badge(state)
            st.space("stretch")
            st.page_link(LIVE, label="Live", icon=":material/show_chart:", query_params={"run": one.run.name})
            if one.config:
                st.page_link(
                    GALLERY,
                    label="Gallery",
                    icon=":material/photo_library:",
                    query_params={"run": one.run.name},
                )
            run_controls.buttons(one, state, "runs")
        st.markdown(_in_short(one))
        for fault in one.faults:
            st.error(plain(fault), icon=":material/broken_image:")


def _in_short(one: Entry) -> str:
    if one.results is None:
        return f":gray[not measured: {plain(f'gencore evaluate {one.run.name}')}]" if one.config else ""
    [(_, cells)] = frames.table([one])
    shown = {name: figure(cells[name].value) for name in ("fd", "fd ÷ floor", "coverage")}
    shown["training"] = duration(cells["training"].value)
    return " &nbsp; ".join(f":gray[{name}] **{value}**" for name, value in shown.items())


def _together(chosen: list[Entry], states: dict[str, Status]) -> None:
    """What is done with all that are ticked: take away, delete."""
    names = tuple(one.run.name for one in chosen)
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, icon, ending, about in EXPORTS:
            why_not = _cannot_export(chosen, ending)
            if st.button(
                label,
                icon=icon,
                key=f"runs.export{ending}",
                disabled=why_not is not None,
                help=plain(why_not or about),
            ):
                st.session_state["runs.export"] = (names, ending)
        if st.button("Delete …", icon=":material/delete:", key="runs.delete"):
            _ask_to_delete(chosen, states)
    wanted = st.session_state.get("runs.export")
    if wanted and wanted[0] == names and _cannot_export(chosen, wanted[1]) is None:
        _download(chosen, wanted[1])


def _cannot_export(chosen: Sequence[Entry], ending: str) -> str | None:
    if ending in OF_ONE_RUN:
        [*others, one] = chosen
        if others or one.config is None:
            return "It is of one run; tick one alone." if others else "The run's config cannot be read."
        return "The run has no weights yet." if ending == ".onnx" and one.run.weights_path is None else None
    datasets = {one.results.dataset for one in chosen if one.results}
    if not datasets:
        return "None of the runs that are ticked is measured."
    return (
        None
        if len(datasets) == 1
        else f"A report is of one data set; these are on {', '.join(sorted(datasets))}."
    )


def _download(chosen: Sequence[Entry], ending: str) -> None:
    """Made before it is offered: Streamlit drops a file that is made on the click when the page is drawn
    meanwhile.
    """
    used = [one.run for one in chosen if one.results or ending in OF_ONE_RUN]
    names = tuple(one.name for one in used)
    files = [
        path
        for one in used
        for path in (one.config_path, one.events_path, one.results_path, one.weights_path)
        if path
    ]
    try:
        content = _file(names, ending, tuple(path.stat().st_mtime_ns for path in files if path.exists()))
    except (ValueError, OSError) as error:
        st.error(plain(str(error)), icon=":material/block:")
        return
    stem = names[0] if len(names) == 1 else f"{len(names)}-runs"
    st.download_button(
        f"Download {stem}{ending} · {figure(len(content) / runs_table.MIB)} MiB",
        content,
        file_name=f"{stem}{ending}",
        icon=":material/download:",
        key="runs.download",
        type="primary",
        on_click="ignore",
    )


@st.cache_data(max_entries=4, show_spinner="Writing the file …")
def _file(names: tuple[str, ...], ending: str, versions: tuple[int, ...]) -> bytes:
    if ending == ".md":
        return model_card.card(run(names[0])).encode()
    return (
        _onnx(run(names[0]))
        if ending == ".onnx"
        else bundle.render(measured_models.load_measured_models(names), ending)
    )


def _onnx(one: Run) -> bytes:
    """By a process of its own, for it loads torch. Raises ValueError with its complaint."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / f"{one.name}.onnx"
        words = ["export", one.name, "--out", str(out), "--output-dir", str(one.home)]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "gencore", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=ONNX_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise ValueError(
                f"the export took more than {ONNX_TIMEOUT_SECONDS} s; the machine is busy, try again"
            ) from None
        if done.returncode:
            raise ValueError(
                (done.stderr.strip().splitlines() or [f"the export ended with code {done.returncode}"])[-1]
            )
        return out.read_bytes()


@st.dialog("Delete for good?", icon=":material/delete_forever:")
def _ask_to_delete(chosen: Sequence[Entry], states: dict[str, Status]) -> None:
    free = [one for one in chosen if states[one.run.name] not in run_controls.MOVING]
    for one in chosen:
        if one not in free:
            st.warning(
                f"**{plain(one.run.name)}** is running and stays. Stop it first.",
                icon=":material/play_circle:",
            )
            continue
        size = figure(run_catalog.bytes_on_disk(one.run) / runs_table.MIB)
        st.markdown(
            f"**{plain(one.run.name)}** · {size} MiB: its config, log, checkpoints, samples and results"
        )
        if one.run.is_shipped:
            folders = f"results/{one.run.name} checkpoints/{one.run.name}"
            st.caption(f"It came with the product; git brings it back: {plain(f'git checkout -- {folders}')}")
    with st.container(horizontal=True):
        if st.button(f"Delete {len(free)}", type="primary", disabled=not free, key="runs.delete.yes"):
            _delete(free)
        if st.button("Keep", key="runs.delete.no"):
            st.rerun()


def _delete(free: Sequence[Entry]) -> None:
    try:
        for one in free:
            run_controls.jobs().delete(one.run)
    except (RunBusyError, OSError) as error:
        st.error(plain(str(error)), icon=":material/block:")
        return
    st.query_params.pop("run", None)
    st.rerun()


def _configs(chosen: list[Entry]) -> None:
    if not chosen:
        return
    differ, agree = runs_table.configs(chosen)
    if len(chosen) > 1:
        st.subheader("Where their options differ", anchor=False)
        if len(differ):
            st.table(differ, border="horizontal", alt="Options in which the runs differ, a column a run")
        else:
            st.caption("Nowhere: they were asked for the same.")
    title = "All options" if len(chosen) == 1 else f"The {len(agree)} options that they share"
    with st.expander(title, icon=":material/tune:"):
        st.table(agree.iloc[:, :1], border="horizontal", alt=title)


main()
