"""The table of all runs, and configs line by line."""

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


def listing(entries: Sequence[Entry], states: Mapping[str, Status]) -> pd.DataFrame:
    """A row a run, in the order given; what is not known of a run is missing in its row."""
    frame = pd.DataFrame([_row(one, states[one.run.name]) for one in entries], columns=list(_COLUMNS))
    return frame.astype(_COLUMNS)


_COLUMNS = {
    "run": "string",
    "model": "string",
    "data": "string",
    "state": "string",
    "epochs": "Int64",
    "seed": "Int64",
    "fd": "float64",
    "÷ floor": "float64",
    "course": "object",
    "minutes": "float64",
    "MiB": "float64",
    "heard of": "datetime64[s, UTC]",
}


def _row(one: Entry, state: Status) -> tuple[object, ...]:
    trace, config = run_catalog.trace(one.run), one.config
    fd = one.results.metrics.get("fd") if one.results else None
    seconds = trace.newest.seconds if isinstance(trace.newest, Ended) else None
    return (
        one.run.name,
        one.label,
        one.dataset,
        state,
        config.training.epochs if config else None,
        config.training.seed if config else None,
        fd.value if fd else None,
        fd.over_floor if fd else None,
        list(trace.distances),
        None if seconds is None else seconds / 60,
        run_catalog.bytes_on_disk(one.run) / MIB,
        datetime.fromtimestamp(
            trace.newest.time if trace.newest else one.run.config_path.stat().st_mtime, UTC
        ),
    )


def configs(entries: Sequence[Entry]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Options by run, a line an option: those in which the runs differ, and those in which they agree.

    An option that a run's family does not have is left empty.
    """
    by_run = {one.run.name: _options(one) for one in entries if one.config}
    frame = pd.DataFrame(by_run, dtype="string").fillna("")
    differ = frame.nunique(axis="columns") > 1
    return frame[differ], frame[~differ]


def _options(one: Entry) -> dict[str, str]:
    every = {f"{option.part}.{option.name}": option.value for option in commands.options(one.readable_config)}
    shown = {name: "none" if value is None else str(value) for name, value in every.items()}
    return {"model.family": one.readable_config.model.family} | shown
