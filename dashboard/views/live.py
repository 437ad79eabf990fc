"""Live: trainings as they happen, read from their logs once a second while something runs."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import psutil
import streamlit as st

from dashboard.data import frames, run_catalog, sheets
from dashboard.data.frames import History, TrainingProgress
from dashboard.data.run_catalog import Entry
from dashboard.widgets import address, altair_charts, run_controls
from dashboard.widgets.run_controls import MOVING, STATES
from dashboard.widgets.text import duration, figure, plain
from gencore.analysis.colours import run_colours
from gencore.store import runs
from gencore.store.events import Notice, Sheet

MAX_SHOWN = 6
KINDS = {
    "loss": "loss",
    "gradient norm": "gradient norm",
    "quick fd": "fd along the way",
    "images/s": "images a second",
}


class Followed(NamedTuple):
    """A run on this page with all that is known of it now."""

    entry: Entry
    history: History
    training_progress: TrainingProgress | None
    state: str

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.entry.run.name


def main() -> None:
    """Draw the page."""
    st.title("Live", anchor=False)
    known = [one.run.name for one in run_catalog.generative_runs()]
    names = list(dict.fromkeys([*(job.run.name for job in run_controls.jobs().alive()), *known]))
    if not names:
        st.info(
            "No training yet. Choose a model on the left and press **Start**: curves and samples grow here.",
            icon=":material/rocket_launch:",
        )
        return
    running = next((name for name in names if runs.run(name).process()), names[0])
    chosen = address.runs("live", names, [running], MAX_SHOWN)
    moving = any(_follow(name).state in MOVING for name in chosen)
    st.fragment(_watch, run_every=1.0 if moving else None)(chosen, moving)


def _follow(name: str) -> Followed:
    """The run's files as they are now; its log from where the session last read it."""
    one = run_catalog.entry(runs.run(name))
    version = one.run.config_path.stat().st_mtime_ns if one.run.exists else 0
    key = f"history.{name}.{version}"
    history = st.session_state[key] = frames.follow(one.run.events_path, st.session_state.get(key, History()))
    training_progress = frames.training_progress(history.events)
    return Followed(one, history, training_progress, _state(one, training_progress))


def _state(one: Entry, training_progress: TrainingProgress | None) -> str:
    if one.run.name in {job.run.name for job in run_controls.jobs().starting()}:
        return "starting"
    status = one.run.status()
    if status == "running" and training_progress is None:
        return "preparing"
    return status


def _watch(names: list[str], moving: bool) -> None:
    """The whole page below the choice. Not nested; the timer goes once nothing moves any more."""
    followed = [_follow(name) for name in names]
    if moving != any(one.state in MOVING for one in followed):
        st.rerun()
    colours = run_colours({one.name: one.entry.label for one in followed})
    for one in followed:
        _header(one, colours[one.name])
    readable = [one for one in followed if one.entry.config]
    if any(one.training_progress for one in readable):
        with st.container(key="pair.live"):
            left, right = st.columns([4, 5], gap="large")
        with left:
            _samples(readable)
        with right:
            _curves(readable, colours)
    for one in readable:
        _log(one)


def _header(one: Followed, shade: str) -> None:
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{altair_charts.mark(shade)} **{plain(one.entry.label)}** {plain(one.name)}", width="content"
            )
            run_controls.badge(one.state)
            st.markdown(f":gray[{plain(_summary(one))}]", width="stretch")
            run_controls.buttons(one.entry, one.state, "live")
        if one.state in MOVING:
            st.progress(one.training_progress.share if one.training_progress else 0.0)
        _trouble(one)


def _summary(one: Followed) -> str:
    training_progress = one.training_progress
    if training_progress is None or one.entry.config is None:
        return ""
    parts = [f"epoch {training_progress.epoch:.1f} of {one.entry.config.training.epochs}"]
    if one.state in {"running", "evaluating"}:
        parts.append(run_controls.time_left(one.entry, training_progress))
        if one.state == "running":
            parts.append(f"{figure(training_progress.images_per_second)} images/s")
        parts += [f"on {training_progress.device}", *_use(one.entry.run)]
    else:
        parts += [f"trained for {duration(training_progress.seconds)}", f"on {training_progress.device}"]
    if training_progress.best_fd is not None:
        parts.append(f"best fd {figure(training_progress.best_fd)}")
    return " · ".join(parts)


def _use(run: runs.Run) -> list[str]:
    """What the run's process takes of the machine: cores, in the mean since it started, and memory now."""
    with contextlib.suppress(psutil.Error):  # it may end meanwhile
        if process := run.process():
            cores = sum(process.cpu_times()[:2]) / max(time.time() - process.create_time(), 1.0)
            return [f"{cores:.1f} cores", f"{process.memory_info().rss / 2**30:.1f} GiB"]
    return []


def _trouble(one: Followed) -> None:
    for fault in one.entry.faults:
        st.error(plain(fault), icon=":material/broken_image:")
    if one.state == "died":
        st.error(
            "The process ended without a last word. This is the end of its log:",
            icon=":material/heart_broken:",
        )
        st.code(run_controls.log_tail(one.entry.run, lines=8), language=None, wrap_lines=True)
    elif one.state in {"diverged", "failed"} and one.training_progress and one.training_progress.ended:
        st.error(plain(one.training_progress.ended.reason), icon=STATES[one.state][0])
    if one.history.unreadable:
        st.warning(
            f"{one.history.unreadable} lines of its log are unreadable and left out.", icon=":material/rule:"
        )


def _samples(followed: list[Followed]) -> None:
    drawn = {one.name: frames.sheets(one.history.events) for one in followed}
    steps = sorted({sheet.step for sheets_of_run in drawn.values() for sheet in sheets_of_run})
    if not steps:
        st.info("Samples appear here as soon as the first are drawn.", icon=":material/image:")
        return
    step = _chosen_step(steps) if len(steps) > 1 else steps[0]
    for one in followed:
        reached = [sheet for sheet in drawn[one.name] if sheet.step <= step]
        if reached:
            _sheet(one, reached[-1])


def _chosen_step(steps: list[int]) -> int:
    """The newest until the slider is touched, then what it was set to."""
    asked = st.query_params.get("step", "")
    if asked.isdecimal() and int(asked) in steps:
        st.session_state["sheet.step"] = int(asked)
    else:
        st.session_state["sheet.step"] = steps[-1]
    step = st.select_slider(
        "Samples of the same noise, by step",
        steps,
        key="sheet.step",
        on_change=_pin,
        format_func=lambda s: f"{s:,}",
    )
    if "step" in st.query_params:
        st.button(
            "Follow the newest",
            key="sheet.follow",
            icon=":material/skip_next:",
            on_click=_unpin,
            type="tertiary",
        )
    return step


def _pin() -> None:
    st.query_params["step"] = str(st.session_state["sheet.step"])


def _unpin() -> None:
    del st.query_params["step"]


def _sheet(one: Followed, sheet: Sheet) -> None:
    path = one.entry.run.results / sheet.file
    try:
        if not path.resolve().is_relative_to(one.entry.run.results):
            raise sheets.SheetError(f"{sheet.file} leads out of the run's folder")
        picture = _drawn(path, path.stat().st_mtime_ns)
    except (sheets.SheetError, OSError) as fault:
        st.warning(plain(str(fault)), icon=":material/broken_image:")
        return
    st.image(
        picture, width="stretch", alt=f"A hundred pictures drawn by {one.name} after epoch {sheet.epoch:.1f}"
    )
    rows = " · a row a class" if one.entry.is_conditional else ""
    st.caption(f"{plain(one.name)} after epoch {sheet.epoch:.1f}{rows}")


@st.cache_data(max_entries=64, show_spinner=False)
def _drawn(path: Path, mtime_ns: int) -> bytes:
    return sheets.draw_sheet(path)


def _curves(followed: list[Followed], colours: dict[str, str]) -> None:
    points = pd.concat([frames.curves(one.history.events).assign(run=one.name) for one in followed])
    panels = [
        (kind, series) for kind in KINDS for series in points.loc[points["kind"] == kind, "series"].unique()
    ]
    columns = st.columns(2)
    for place, (kind, series) in enumerate(panels):
        panel = points[(points["kind"] == kind) & (points["series"] == series)]
        title = f"{KINDS[kind]} · {series}" if series else KINDS[kind]
        with columns[place % 2]:
            st.altair_chart(
                altair_charts.curve(
                    panel.drop(columns=["kind", "series"]), title, colours, log=kind == "quick fd"
                ),
                key=f"curve.{kind}.{series}",
                alt=f"{title} by epoch",
            )


def _log(one: Followed) -> None:
    notices = [event.text for event in one.history.events if isinstance(event, Notice)]
    with st.expander(f"Log of {plain(one.name)}", icon=":material/notes:"):
        for text in notices[-5:]:
            st.caption(f":material/info: {plain(text)}")
        st.code(run_controls.log_tail(one.entry.run, lines=40), language=None, wrap_lines=True)


main()
