"""Studies: searches and ablations over seeds; what they found, live while one runs. Start, stop, resume."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import streamlit as st

from dashboard.data import study_catalog
from dashboard.data.study_catalog import StudyContent, StudyEntry
from dashboard.views import studies_findings, studies_start, studies_table, studies_words
from dashboard.views.studies_start import jobs
from dashboard.widgets import run_controls
from dashboard.widgets.text import plain
from gencore.studies import records

SECONDS = 4.0
"""Between two looks at a study that runs."""


def main() -> None:
    """Show the page."""
    st.title("Studies", anchor=False)
    st.caption(
        "Many trainings that answer one question: which options are best, what each of them does, how much "
        "is chance. Every trial is an ordinary run."
    )
    entries = study_catalog.entries()
    chosen = _chosen(entries)
    if entries:
        _list(entries, chosen)
    else:
        st.info(
            "No studies yet. Choose a file below and see what it would take, or run "
            "`gencore study run studies/dcgan-lr-beta1.yaml`.",
            icon=":material/science:",
        )
    with st.expander("New study", icon=":material/add:", expanded=not entries):
        studies_start.form()
    now = _state(entries)
    st.fragment(_follow, run_every=1.0 if now.starting else None)(now)
    if chosen is not None:
        moving = chosen.is_moving
        st.fragment(_show, run_every=SECONDS if moving else None)(chosen.name, moving)


def _chosen(entries: Sequence[StudyEntry]) -> StudyEntry | None:
    """The study that the address names, else one that runs, else the newest."""
    asked = st.query_params.get("study")
    if found := next((one for one in entries if one.name == asked), None):
        return found
    if asked is not None:
        if any(job.record.name == asked for job in (*jobs().starting(), *jobs().failed())):
            return None
        st.warning(f"There is no study named **{plain(asked)}**.", icon=":material/search_off:")
    return next((one for one in entries if one.is_moving), entries[0] if entries else None)


def _list(entries: Sequence[StudyEntry], chosen: StudyEntry | None) -> None:
    """All studies; a click on a row chooses it, which the address keeps."""
    names = [one.name for one in entries]
    rows = [names.index(chosen.name)] if chosen else []
    key = f"studies.{hash(tuple(names))}.{rows}"  # a selection is kept by row number: other rows, other table
    st.dataframe(
        studies_table.studies(entries),
        key=key,
        hide_index=True,
        height="content" if len(entries) < 8 else 320,
        placeholder="",
        on_select=partial(_choose, key, names),
        selection_mode="single-row",
        selection_default={"selection": {"rows": rows}},
        alt=f"Table of {len(entries)} studies: state, trials by what became of them, result",
    )


def _choose(key: str, names: Sequence[str]) -> None:
    if rows := st.session_state[key].selection.rows:
        st.query_params["study"] = names[rows[0]]


class _PageState(NamedTuple):
    """What changes without the visitor beside the chosen study."""

    names: list[str]
    starting: list[str]
    failed: list[str]


def _state(entries: Sequence[StudyEntry]) -> _PageState:
    starting, failed = ([job.record.name for job in found] for found in (jobs().starting(), jobs().failed()))
    return _PageState([one.name for one in entries], starting, failed)


def _follow(drawn: _PageState) -> None:
    """Studies that are starting, and those that could not start; the page runs again when that changes."""
    now = _PageState([one.name for one in records.all_records()], *_state([])[1:])
    if now != drawn:
        st.rerun()
    for name in drawn.starting:
        st.caption(f":material/hourglass_top: **{plain(name)}** is starting …")
    for job in jobs().failed():
        st.error(f"**{plain(job.record.name)}** could not start.", icon=":material/error:")
        st.code(job.printed, language=None, wrap_lines=True)
        name = job.record.name
        if st.button("Dismiss", key=f"studies.forget.{name}"):
            jobs().forget(job)
            st.rerun()


def _show(name: str, moving: bool) -> None:
    """The chosen study: one fragment, whose timer stops when nothing works on it."""
    one = study_catalog.entry(records.record(name))
    if one.is_moving != moving:
        st.rerun()
    _header(one)
    if one.content is None:
        st.error(plain(one.fault), icon=":material/broken_image:")
        return
    studies_findings.show(one.content)


def _header(one: StudyEntry) -> None:
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(plain(one.name), anchor=False, width="content")
            run_controls.badge(one.status)
            if one.content is not None:
                st.markdown(f":gray[{plain(studies_words.counts(one.content))}]", width="stretch")
            _buttons(one)
        if one.content is not None:
            _plan(one.content, one.is_moving)


def _plan(content: StudyContent, is_moving: bool) -> None:
    if content.study.about:
        st.markdown(f"**{plain(content.study.about)}**")
    st.markdown(studies_words.plan(content.study))
    if is_moving and content.states:
        settled = sum(one.is_settled for one in content.states)
        st.progress(settled / studies_words.planned(content))
    if content.winner:
        st.markdown(studies_words.winner_text(content.winner, content.study))


def _buttons(one: StudyEntry) -> None:
    if one.is_moving:
        is_stopping = one.status == "stopping"
        if st.button(
            "Stopping …" if is_stopping else "Stop",
            key=f"studies.stop.{one.name}",
            icon=":material/stop:",
            disabled=is_stopping,
            help="Every trial saves a checkpoint first; Resume goes on from there.",
        ):
            one.record.request_stop()
            st.rerun()
    elif one.status == "stopped" or _has_unsettled(one):
        is_starting = any(job.record == one.record for job in jobs().starting())
        if st.button(
            "Starting …" if is_starting else "Resume",
            key=f"studies.resume.{one.name}",
            icon=":material/play_arrow:",
            type="primary",
            disabled=is_starting,
            help="Trials that have finished, were cut or diverged stay as they are.",
        ):
            _resume(one)


def _has_unsettled(one: StudyEntry) -> bool:
    """Whether trials failed that another attempt may finish."""
    return one.content is not None and any(not state.is_settled for state in one.content.states)


def _resume(one: StudyEntry) -> None:
    try:
        jobs().resume(one.record)
    except (ValueError, OSError) as error:
        st.error(plain(str(error)), icon=":material/block:")
    else:
        st.rerun()


main()
