"""The table of all runs, and the comparison of their configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd

from dashboard.data import run_catalog
from dashboard.data.run_catalog import Entry
from gencore.config import commands
from gencore.store.events import Ended
from gencore.store.runs import Status

MIB = 2**20
_COLUMNS = {
    "run": "string",
    "model": "string",
    "data": "string",
    "state": "string",
    "epochs": "Int64",
    "seed": "Int64",
    "fd": "float64",
    "÷ floor": "float64",
    "training curve": "object",
    "minutes": "float64",
    "MiB": "float64",
    "last event": "datetime64[s, UTC]",
}


def listing(entries: Sequence[Entry], states: Mapping[str, Status]) -> pd.DataFrame:
    """One row per run, in the given order; values that are not known are missing."""
    rows = [_row(entry, states[entry.run.name]) for entry in entries]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def _row(entry: Entry, state: Status) -> tuple[object, ...]:
    trace, config = run_catalog.trace(entry.run), entry.config
    fd = entry.results.metrics.get("fd") if entry.results else None
    seconds = trace.newest.seconds if isinstance(trace.newest, Ended) else None
    last_event = trace.newest.time if trace.newest else entry.run.config_path.stat().st_mtime
    return (
        entry.run.name,
        entry.label,
        entry.dataset,
        state,
        config.training.epochs if config and not config.training.steps else None,
        config.training.seed if config else None,
        fd.value if fd else None,
        entry.results.value("fd_over_floor") if entry.results else None,
        list(trace.distances),
        None if seconds is None else seconds / 60,
        run_catalog.bytes_on_disk(entry.run) / MIB,
        datetime.fromtimestamp(last_event, UTC),
    )


def configs(entries: Sequence[Entry]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The options that differ between the runs and those that are the same: one row each, one column per run.

    An option that the family of a run does not have is empty.
    """
    by_run = {entry.run.name: _options(entry) for entry in entries if entry.config}
    frame = pd.DataFrame(by_run, dtype="string").fillna("")
    differs = frame.nunique(axis="columns") > 1
    return frame[differs], frame[~differs]


def _options(entry: Entry) -> dict[str, str]:
    config = entry.readable_config
    values = {f"{option.part}.{option.name}": option.value for option in commands.options(config)}
    shown = {name: "none" if value is None else str(value) for name, value in values.items()}
    return {"model.family": config.model.family} | shown
