"""Exports of the selected runs: report, report with data, model card, ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import streamlit as st

from dashboard.data.run_catalog import Entry
from dashboard.views.runs_table import MIB
from dashboard.widgets.text import figure, plain
from gencore.analysis import measured_models
from gencore.reports import bundle, model_card, page_decoders
from gencore.store.runs import Run, run


class Export(NamedTuple):
    """A kind of file and its button."""

    label: str
    icon: str
    ending: str
    help: str
    single_run: bool = False
    """Whether it is made from one run only; else from all selected runs that are evaluated."""


EXPORTS = (
    Export(
        "Report",
        ":material/description:",
        ".html",
        "Results of the selected runs that are evaluated, in one .html file",
    ),
    Export("Report and data", ":material/folder_zip:", ".zip", "The report and its data in one .zip file"),
    Export(
        "Model card",
        ":material/badge:",
        ".md",
        "The model, its training, its results and their limits, in Markdown",
        single_run=True,
    ),
    Export(
        "ONNX",
        ":material/deployed_code:",
        ".onnx",
        "The network that generates images, with averaged weights, for other programs",
        single_run=True,
    ),
)


def buttons(entries: Sequence[Entry]) -> None:
    """One button per export; a click makes `download` offer the file."""
    for export in EXPORTS:
        obstacle = _obstacle(entries, export)
        if st.button(
            export.label,
            icon=export.icon,
            key=f"runs.export{export.ending}",
            disabled=obstacle is not None,
            help=plain(obstacle or export.help),
        ):
            st.session_state["runs.export"] = (_names(entries), export)


def download(entries: Sequence[Entry]) -> None:
    """The download button of the export that was chosen for these runs, if one was."""
    names, export = st.session_state.get("runs.export", ((), None))
    if export and names == _names(entries) and _obstacle(entries, export) is None:
        _download(entries, export)


def _names(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(entry.run.name for entry in entries)


def _obstacle(entries: Sequence[Entry], export: Export) -> str | None:
    """Why the export cannot be made from these runs; None where it can."""
    if export.single_run:
        if len(entries) > 1:
            return "This file describes one run; select a single run."
        if entries[0].config is None:
            return "The config of this run cannot be read."
        no_weights = export.ending == ".onnx" and entries[0].run.weights_path is None
        return "The run has no weights yet." if no_weights else None
    datasets = {entry.results.dataset for entry in entries if entry.results}
    if not datasets:
        return "None of the selected runs is evaluated."
    if len(datasets) > 1:
        return f"A report covers one data set; the selected runs use {', '.join(sorted(datasets))}."
    return None


def _download(entries: Sequence[Entry], export: Export) -> None:
    """The file is made before the button is shown: Streamlit loses a file that is made on the click if the
    page reruns meanwhile.
    """
    used = [entry.run for entry in entries if entry.results or export.single_run]
    names = tuple(source.name for source in used)
    files = [
        path
        for source in used
        for path in (source.config_path, source.events_path, source.results_path, source.weights_path)
        if path and path.exists()
    ]
    try:
        content = _content(names, export.ending, tuple(path.stat().st_mtime_ns for path in files))
    except (ValueError, OSError) as error:
        st.error(plain(str(error)), icon=":material/block:")
        return
    file_name = f"{names[0] if len(names) == 1 else f'{len(names)}-runs'}{export.ending}"
    st.download_button(
        f"Download {file_name} · {figure(len(content) / MIB)} MiB",
        content,
        file_name=file_name,
        icon=":material/download:",
        key="runs.download",
        type="primary",
        on_click="ignore",
    )


@st.cache_data(max_entries=4, show_spinner="Creating the file …")
def _content(names: tuple[str, ...], ending: str, versions: tuple[int, ...]) -> bytes:
    match ending:
        case ".md":
            return model_card.card(run(names[0])).encode()
        case ".onnx":
            return _onnx(run(names[0]))
        case _:
            return bundle.render(measured_models.load_measured_models(names), ending)


def _onnx(source: Run) -> bytes:
    """Exported by another process, because that loads torch. Raises ValueError with its error message."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / f"{source.name}.onnx"
        page_decoders.export_apart(source, out)
        return out.read_bytes()
