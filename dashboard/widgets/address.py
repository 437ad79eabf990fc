"""Choices that several pages share, in the address: the runs, and the seed.

Runs stand there as on every page, `?run=a&run=b`, and not by Streamlit's own binding, which lets no link set
what is bound."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.data.run_catalog import Entry
from dashboard.widgets.text import plain

MAX_SEED = 2**31 - 1


def models(entries: Sequence[Entry]) -> list[Entry]:
    """`entries` without the trials of studies, apart from those that the address names."""
    asked = st.query_params.get_all("run")
    return [one for one in entries if not one.is_trial or one.run.name in asked]


def runs(page: str, names: Sequence[str], default: Sequence[str], limit: int) -> list[str]:
    """Those the visitor chose among `names`, at most `limit`; `default` where the address names none."""
    key = f"{page}.runs"
    st.session_state[key] = _asked(names, default)[:limit]
    return st.multiselect(
        "Runs",
        names,
        key=key,
        on_change=_remember,
        args=(key,),
        max_selections=limit,
        placeholder=f"Choose up to {limit} runs",
        label_visibility="collapsed",
    )


def run(page: str, names: Sequence[str], default: str) -> str:
    """The one the visitor chose among `names`."""
    key = f"{page}.run"
    st.session_state[key] = _asked(names, [default])[0]
    return st.selectbox("Run", names, key=key, on_change=_remember, args=(key,))


def seed() -> int:
    """The seed, with a button for the next one."""
    value = st.number_input("Seed", 0, MAX_SEED, 0, key="seed", bind="query-params", width=130)
    st.button("Another", icon=":material/casino:", on_click=_next_seed, help="The next seed.")
    return value


def _next_seed() -> None:
    st.session_state["seed"] = (st.session_state["seed"] + 1) % (MAX_SEED + 1)


def _asked(names: Sequence[str], default: Sequence[str]) -> list[str]:
    given = dict.fromkeys(st.query_params.get_all("run"))  # in order, each once
    for name in given.keys() - set(names):
        st.warning(f"No run named **{plain(name)}** can be shown here.", icon=":material/search_off:")
    asked = [name for name in given if name in names]
    if not asked:
        asked = st.query_params["run"] = list(default)
    return asked


def _remember(key: str) -> None:
    st.query_params["run"] = st.session_state[key]
