"""A run on the Live page: its files, its event log so far and its state."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from dashboard.data import frames, run_catalog
from dashboard.data.frames import History, TrainingProgress
from dashboard.data.run_catalog import Entry
from dashboard.widgets import run_controls
from gencore.store import runs


class FollowedRun(NamedTuple):
    """A run and what its files say now."""

    entry: Entry
    history: History
    training_progress: TrainingProgress | None
    state: str

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.entry.run.name


def follow(name: str) -> FollowedRun:
    """The run as its files are now. The session keeps the events read so far, so only new lines are read."""
    entry = run_catalog.entry(runs.run(name))
    version = entry.run.config_path.stat().st_mtime_ns if entry.run.exists else 0
    key = f"history.{name}.{version}"
    history = st.session_state[key] = frames.follow(
        entry.run.events_path, st.session_state.get(key, History())
    )
    training_progress = frames.training_progress(history.events)
    return FollowedRun(entry, history, training_progress, _state(entry, training_progress))


def _state(entry: Entry, training_progress: TrainingProgress | None) -> str:
    if entry.run.name in {job.run.name for job in run_controls.jobs().starting()}:
        return "starting"
    status = entry.run.status()
    if status == "running" and training_progress is None:
        return "preparing"
    return status
