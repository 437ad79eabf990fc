"""What can be done with a run from any page, and how its state is shown."""

from __future__ import annotations

import streamlit as st

from dashboard import forms
from dashboard.catalog import Entry
from dashboard.jobs import Jobs, TooManyRunsError
from dashboard.words import plain
from gencore import commands
from gencore.runs import Run, RunBusyError

STATES = {
    "starting": (":material/hourglass_top:", "gray"),
    "preparing": (":material/hourglass_top:", "gray"),
    "running": (":material/play_circle:", "primary"),
    "evaluating": (":material/straighten:", "primary"),
    "finished": (":material/check_circle:", "gray"),
    "stopped": (":material/stop_circle:", "gray"),
    "diverged": (":material/trending_up:", "red"),
    "failed": (":material/error:", "red"),
    "died": (":material/heart_broken:", "red"),
    "unreadable": (":material/broken_image:", "red"),
    "new": (":material/fiber_new:", "gray"),
}
MOVING = {"starting", "preparing", "running", "evaluating"}
RESUMABLE = {"stopped", "died", "failed"}


@st.cache_resource
def jobs() -> Jobs:
    """The one keeper of this server's children."""
    return Jobs()


def faults(one: Entry) -> None:
    """What of a run's files is unreadable, and why."""
    for fault in one.faults:
        st.warning(f"**{plain(one.run.name)}** is unreadable: {plain(fault)}", icon=":material/broken_image:")


def badge(state: str) -> None:
    icon, tone = STATES[state]
    st.badge(state, icon=icon, color=tone)


def buttons(one: Entry, state: str, place: str) -> None:
    """Stop or Resume, as `state` allows, and Duplicate; `place` tells them from the same buttons elsewhere."""
    if state in MOVING - {"starting"}:
        stop_button(one.run, place)
    if one.config is None:
        return
    if state in RESUMABLE and st.button(
        "Resume", key=f"{place}.resume.{one.run.name}", icon=":material/play_arrow:", type="primary"
    ):
        _resume(one)
    st.button(
        "Duplicate",
        key=f"{place}.duplicate.{one.run.name}",
        icon=":material/content_copy:",
        help="Puts this run's options into the form on the left.",
        on_click=forms.fill,
        args=(one.config,),
    )


def stop_button(run: Run, place: str) -> None:
    help = "A training saves a checkpoint first; Resume goes on from there."
    if st.button("Stop", key=f"{place}.stop.{run.name}", icon=":material/stop:", help=help):
        with st.spinner("Stopping …", show_time=True):
            run.stop()
        st.rerun()


def _resume(one: Entry) -> None:
    try:
        jobs().start(one.run, commands.resume(one.run.name, one.config))
    except (RunBusyError, TooManyRunsError, OSError) as error:
        st.error(plain(str(error)), icon=":material/block:")
    else:
        st.rerun()


def log_tail(run: Run, lines: int) -> str:
    """The end of what the training printed, at most 16 KiB of it."""
    try:
        with run.log_path.open("rb") as file:
            file.seek(max(0, run.log_path.stat().st_size - 16384))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return "(nothing was printed)"
    printed = [line.rsplit("\r", 1)[-1] for line in text.splitlines() if line.strip()]
    return "\n".join(printed[-lines:]) or "(nothing was printed)"
