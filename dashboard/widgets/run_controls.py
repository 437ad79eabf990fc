"""What can be done with a run from any page, and how its state is shown."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Literal

import psutil
import streamlit as st

from dashboard.data import run_catalog, time_estimate
from dashboard.data.frames import TrainingProgress
from dashboard.data.processes import Jobs, TooManyRunsError
from dashboard.data.run_catalog import Entry
from dashboard.widgets import train_form
from dashboard.widgets.text import duration, plain
from gencore.config import commands
from gencore.store.runs import Run, RunBusyError

Tone = Literal["gray", "primary", "orange", "red"]
STATES: dict[str, tuple[str, Tone]] = {
    "starting": (":material/hourglass_top:", "gray"),
    "preparing": (":material/hourglass_top:", "gray"),
    "running": (":material/play_circle:", "primary"),
    "evaluating": (":material/straighten:", "primary"),
    "stopping": (":material/stop_circle:", "orange"),
    "finished": (":material/check_circle:", "gray"),
    "stopped": (":material/stop_circle:", "gray"),
    "diverged": (":material/trending_up:", "red"),
    "failed": (":material/error:", "red"),
    "died": (":material/heart_broken:", "red"),
    "unreadable": (":material/broken_image:", "red"),
    "new": (":material/fiber_new:", "gray"),
}
MOVING = {"starting", "preparing", "running", "evaluating", "stopping"}
STOPPABLE = {"preparing", "running", "evaluating"}
RESUMABLE = {"stopped", "died", "failed"}
STOP_SECONDS = 60.0
"""How long a process may take to save a checkpoint and end; after that it is killed."""
_DUPLICATE = "run.duplicate"
"""Key of the session state for the config to copy into the Train form."""


@st.cache_resource
def jobs() -> Jobs:
    """The one keeper of this server's children."""
    return Jobs()


def faults(one: Entry) -> None:
    """What of a run's files is unreadable, and why."""
    for fault in one.faults:
        st.warning(f"**{plain(one.run.name)}** is unreadable: {plain(fault)}", icon=":material/broken_image:")


def badge(state: str) -> None:
    """The state of a run as a coloured badge."""
    icon, tone = STATES[state]
    st.badge(state, icon=icon, color=tone)


def buttons(one: Entry, state: str, place: str) -> None:
    """Stop or Resume, as `state` allows, and Duplicate; `place` tells them from the same buttons
    elsewhere.
    """
    if state in STOPPABLE | {"stopping"}:
        stop_button(one.run, place, is_stopping=state == "stopping")
    if one.config is None:
        return
    if state in RESUMABLE and st.button(
        "Resume", key=f"{place}.resume.{one.run.name}", icon=":material/play_arrow:", type="primary"
    ):
        _resume(one)
    if st.button(
        "Duplicate",
        key=f"{place}.duplicate.{one.run.name}",
        icon=":material/content_copy:",
        help="Copies this run's options into the form on the left.",
    ):
        st.session_state[_DUPLICATE] = one.config
        st.rerun()


def apply_duplicate() -> None:
    """Fill the Train form with the run that a Duplicate button asked for; call it before the form is drawn.

    The button cannot fill the form itself: in a fragment only the fragment runs again, not the sidebar.
    """
    if config := st.session_state.pop(_DUPLICATE, None):
        train_form.fill(config)


def stop_button(run: Run, place: str, is_stopping: bool) -> None:
    """Ask the process of `run` to stop, without waiting for it: the page shows *stopping* until it has
    ended.
    """
    if st.button(
        "Stopping …" if is_stopping else "Stop",
        key=f"{place}.stop.{run.name}",
        icon=":material/stop:",
        disabled=is_stopping,
        help="A training saves a checkpoint first; Resume continues from there.",
    ):
        run.request_stop()
        end_if_it_hangs = threading.Thread(
            target=run.stop, args=(STOP_SECONDS,), name=f"stop {run.name}", daemon=True
        )
        end_if_it_hangs.start()
        st.rerun()


def time_left(entry: Entry, progress: TrainingProgress) -> str:
    """The phase of a running run and the time until it is finished, in words."""
    left = time_estimate.time_left(
        entry, progress, _evaluates(entry.run), run_catalog.listed_runs(), time.time()
    )
    if left.phase == "evaluation":
        return (
            f"evaluation · {'about ' + duration(left.seconds) + ' left' if left.seconds else 'still running'}"
        )
    if left.phase == "measuring":
        return f"measuring · {'about ' + duration(left.seconds) + ' left' if left.seconds else 'nearly done'}"
    if left.seconds is None:
        return "training · estimating the time left"
    words = f"training · {duration(left.seconds)} left"
    if left.evaluation is None:
        return f"{words}, then evaluation"
    return f"{words}, evaluation {duration(left.evaluation)} of it" if left.evaluation else words


def _evaluates(run: Run) -> bool:
    """Whether the run's process evaluates it after the training, by its command line."""
    with contextlib.suppress(psutil.Error):  # it may end meanwhile
        if process := run.process():
            return bool({"--evaluate", "compare", "evaluate"} & set(process.cmdline()))
    return False


def _resume(one: Entry) -> None:
    try:
        jobs().start(one.run, commands.resume(one.run.name, one.readable_config))
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
