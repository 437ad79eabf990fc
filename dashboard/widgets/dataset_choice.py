"""The data set that a page shows: one at a time, in the address, the same from page to page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from dashboard.data.run_catalog import Entry
from dashboard.widgets.text import plain
from gencore.config.datasets import DATASETS, DatasetName

_WIDGET, _CHOSEN = "dataset.widget", "dataset.chosen"


def choose(entries: Sequence[Entry], names: Sequence[DatasetName]) -> DatasetName:
    """The data set that the visitor chose among `names`; draws a choice where there are several.

    From the address, else that of the runs in the address, else the one chosen on another page, else the
    first of `names`, which the address does not name. A choice removes the runs from the address.
    """
    asked = st.query_params.get("dataset")
    if asked is not None and asked not in names:
        st.warning(f"No data set **{plain(asked)}** can be shown here.", icon=":material/search_off:")
    wanted = (asked, _of_asked_runs(entries), st.session_state.get(_CHOSEN), names[0])
    chosen = next(name for name in wanted if name is not None and name in names)
    st.session_state[_WIDGET] = chosen
    _keep(chosen, names[0])
    if len(names) > 1:
        titles = _titles(entries)
        st.selectbox(
            "Data set",
            names,
            key=_WIDGET,
            format_func=lambda name: titles.get(name, name),
            on_change=_remember,
            args=(names[0],),
            label_visibility="collapsed",
            width=190,
        )
    return chosen


def _of_asked_runs(entries: Iterable[Entry]) -> DatasetName | None:
    """The data set of the first run in the address that is there; None without one."""
    of_run = {one.run.name: one.dataset for one in entries if one.dataset}
    return next((of_run[name] for name in st.query_params.get_all("run") if name in of_run), None)


def _titles(entries: Iterable[Entry]) -> dict[DatasetName, str]:
    """Data sets by name as people write them: the published ones, and those that runs describe."""
    described = {one.spec.name: one.spec.title for one in entries if one.config}
    return {name: spec.title for name, spec in DATASETS.items()} | described


def _remember(default: DatasetName) -> None:
    st.query_params.pop("run", None)  # of the former data set
    _keep(st.session_state[_WIDGET], default)


def _keep(chosen: DatasetName, default: DatasetName) -> None:
    """In the session, for other pages, and in the address unless it is the default."""
    st.session_state[_CHOSEN] = chosen
    if chosen != default:
        st.query_params["dataset"] = chosen
    else:
        st.query_params.pop("dataset", None)
