"""Deletion of runs, after a confirmation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.data import run_catalog
from dashboard.data.run_catalog import Entry
from dashboard.views.runs_table import MIB
from dashboard.widgets import run_controls
from dashboard.widgets.text import figure, plain
from gencore.store.runs import NotARunError, RunBusyError, Status


@st.dialog("Delete permanently?", icon=":material/delete_forever:")
def confirm(entries: Sequence[Entry], states: Mapping[str, Status]) -> None:
    """Lists what is deleted, and deletes it when the visitor confirms. Active runs are left out."""
    deletable = [entry for entry in entries if states[entry.run.name] not in run_controls.MOVING]
    for entry in entries:
        name = plain(entry.run.name)
        if entry not in deletable:
            st.warning(
                f"**{name}** is running and will not be deleted. Stop it first.",
                icon=":material/play_circle:",
            )
            continue
        size = figure(run_catalog.bytes_on_disk(entry.run) / MIB)
        st.markdown(f"**{name}** · {size} MiB: config, log, checkpoints, samples and results")
        if entry.run.is_shipped:
            command = f"git checkout -- results/{entry.run.name} checkpoints/{entry.run.name}"
            st.caption(f"This run is part of the repository; git restores it: {plain(command)}")
    with st.container(horizontal=True):
        label = f"Delete {len(deletable)} {'run' if len(deletable) == 1 else 'runs'}"
        if st.button(label, type="primary", disabled=not deletable, key="runs.delete.yes"):
            delete(deletable)
        if st.button("Cancel", key="runs.delete.no"):
            st.rerun()


def delete(entries: Sequence[Entry]) -> None:
    """Delete the runs and show the page without them; at a refusal, show the reason and stop there."""
    try:
        for entry in entries:
            run_controls.jobs().delete(entry.run)
    except (RunBusyError, NotARunError, OSError) as error:
        st.error(plain(str(error)), icon=":material/block:")
        return
    st.query_params.pop("run", None)
    st.rerun()
