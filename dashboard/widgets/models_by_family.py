"""The models that a page shows: a choice grouped by family, in the address as `?run=a&run=b`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data import run_catalog
from dashboard.data.run_catalog import Entry
from dashboard.widgets import model_choice
from dashboard.widgets.model_choice import Runs
from dashboard.widgets.text import plain
from gencore.config.families import family_of
from gencore.config.options import HEADLINE

MAX_BY_DEFAULT, MAX_SHOWN = 6, 10
_NEWEST = "newest.widget"
_UNREADABLE = "Unreadable"


def compared(entries: Sequence[Entry], dataset: str) -> list[Runs]:
    """The models on `dataset` that a page compares; seeds of one model are one.

    By default those of `run_catalog.one_a_label`, or, where the visitor asks for it, the newest of each
    variant. No choice is drawn while these are all there are, and not more than the headline models.
    """
    newest = _is_newest(entries, dataset)
    options = model_choice.models_on(entries, dataset, newest)
    default = _default(options, run_catalog.one_a_label(entries, dataset, newest))
    is_all = len(default) == len(options) <= len(HEADLINE)
    if is_all and not st.query_params.get_all("run"):
        return default
    chosen = _asked(entries, options, default, MAX_SHOWN)
    with _popover(chosen, options):
        newest_runs(entries, dataset)
        _families(options, chosen, MAX_SHOWN)
    return chosen


def single_runs(entries: Sequence[Entry], dataset: str, limit: int) -> list[Entry]:
    """At most `limit` runs on `dataset`, each seed by itself, and those that cannot be read if asked for.

    The address names them by default too, so that a link to pictures shows the same ones later.
    """
    newest = _is_newest(entries, dataset)
    options = [
        (one,) for runs in model_choice.models_on(entries, dataset, newest) for one in runs
    ]  # in the order of models, so that seeds are neighbours
    unreadable = [(one,) for one in entries if one.dataset is None]
    default = _default(options, run_catalog.one_a_label(entries, dataset, newest))
    chosen = _asked(entries, [*options, *unreadable], default[:limit], limit)
    with _popover(chosen, [*options, *unreadable]):
        newest_runs(entries, dataset)
        _families([*options, *unreadable], chosen, limit)
    if not {one.run.name for (one,) in chosen} & set(st.query_params.get_all("run")):
        st.query_params["run"] = [one.run.name for (one,) in chosen]
    return [one for (one,) in chosen]


def newest_runs(entries: Sequence[Entry], dataset: str) -> bool:
    """Whether the visitor asks for the newest runs; draws the switch where they are others."""
    newest = _is_newest(entries, dataset)
    if _has_newer(entries, dataset):
        st.session_state[_NEWEST] = newest
        st.toggle(
            "Newest runs",
            key=_NEWEST,
            on_change=_remember_newest,
            help="Instead of the headline runs, or of those with the best quality.",
        )
    return newest


def _is_newest(entries: Sequence[Entry], dataset: str) -> bool:
    return st.query_params.get("newest") == "true" and _has_newer(entries, dataset)


def _has_newer(entries: Sequence[Entry], dataset: str) -> bool:
    usual = run_catalog.one_a_label(entries, dataset)
    return usual != run_catalog.one_a_label(entries, dataset, newest=True)


def _remember_newest() -> None:
    st.query_params.pop("run", None)  # they would take precedence
    if st.session_state[_NEWEST]:
        st.query_params["newest"] = "true"
    else:
        st.query_params.pop("newest", None)


def _default(options: Sequence[Runs], wanted: Sequence[Entry]) -> list[Runs]:
    by_run = {one.run.name: runs for runs in options for one in runs}
    return [by_run[one.run.name] for one in wanted][:MAX_BY_DEFAULT]


def _asked(
    entries: Sequence[Entry], options: Sequence[Runs], default: Sequence[Runs], limit: int
) -> list[Runs]:
    """The models of the runs in the address, in its order; `default` where it names none of `options`."""
    by_run = {one.run.name: runs for runs in options for one in runs}
    elsewhere = {one.run.name: one.dataset for one in entries if one.run.name not in by_run}
    chosen: dict[str, Runs] = {}
    for name in dict.fromkeys(st.query_params.get_all("run")):
        if runs := by_run.get(name):
            chosen[runs[0].run.name] = runs
        elif name in elsewhere:
            st.warning(
                f"Run **{plain(name)}** is on {elsewhere[name]}; one data set is shown at a time.",
                icon=":material/database:",
            )
        else:
            st.warning(f"No run named **{plain(name)}** can be shown here.", icon=":material/search_off:")
    if len(chosen) > limit:
        st.warning(
            f"The address names {len(chosen)} models; the first {limit} are shown.",
            icon=":material/filter_list:",
        )
    return list(chosen.values())[:limit] or list(default)


def _popover(chosen: Sequence[Runs], options: Sequence[Runs]) -> DeltaGenerator:
    return st.popover(f"{len(chosen)} of {len(options)} models", icon=":material/filter_list:", key="models")


def _families(options: Sequence[Runs], chosen: Sequence[Runs], limit: int) -> None:
    """A choice for each family of `options`; together they change the runs in the address."""
    families: dict[str, dict[str, str]] = {}
    for runs in options:
        families.setdefault(_family(runs[0]), {})[runs[0].run.name] = _title(runs)
    names = [runs[0].run.name for runs in chosen]
    for family, titles in families.items():
        key = f"models.{family}"
        st.session_state[key] = [name for name in names if name in titles]
        room = limit - len(names) + len(st.session_state[key])
        st.multiselect(
            family,
            list(titles),
            key=key,
            format_func=titles.__getitem__,
            on_change=_remember,
            args=(names, families),
            max_selections=room or None,
            disabled=not room,
            placeholder="Choose models",
        )
    st.caption(f"At most {limit} at a time. None: those that are shown at first.")


def _family(one: Entry) -> str:
    """The family that `one` is listed under, by the names of its variants."""
    if one.config is None:
        return _UNREADABLE
    return " · ".join(dict.fromkeys(variant.label for variant in family_of(one.config.model).variants))


def _title(runs: Runs) -> str:
    seeds = f" ({len(runs)} seeds)" if len(runs) > 1 else ""
    measured = "" if runs[0].results else ", not evaluated"
    return f"{runs[0].label} · {runs[0].run.name}{seeds}{measured}"


def _remember(shown: Sequence[str], families: Mapping[str, Mapping[str, str]]) -> None:
    """Keep what is still chosen in its order, then what is new."""
    chosen = [name for family in families for name in st.session_state[f"models.{family}"]]
    st.query_params["run"] = [*(name for name in shown if name in chosen),
                              *(name for name in chosen if name not in shown)]  # fmt: skip
