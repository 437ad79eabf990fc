"""Live: progress, samples and training curves, read from the event logs every second while a run trains."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

import pandas as pd
import psutil
import streamlit as st

from dashboard.data import frames, run_catalog
from dashboard.views import live_samples
from dashboard.views.live_run import FollowedRun, follow
from dashboard.widgets import address, altair_charts, run_controls
from dashboard.widgets.run_controls import MOVING, STATES
from dashboard.widgets.text import duration, figure, plain
from gencore.analysis.colours import run_colours
from gencore.metrics import catalog
from gencore.metrics.diagnostics import DIAGNOSTICS
from gencore.store import runs
from gencore.store.events import Collapse, Notice

MAX_SHOWN = 6
FD_TITLE = catalog.title("fd")
CURVE_TITLES = {
    "loss": "Loss",
    "gradient norm": "Gradient norm",
    "quick fd": f"Quick {FD_TITLE}",
    "images/s": "Images per second",
    "diagnostic": "Generator and discriminator",
}
"""Title of each kind of training curve, in the order of the charts."""

ALONG = {"epochs": "epoch", "training minutes": "minutes"}
"""What curves are drawn against, and the column that holds it."""


def main() -> None:
    """Show the page."""
    st.title("Live", anchor=False)
    known = [entry.run.name for entry in run_catalog.trainings()]
    names = list(dict.fromkeys([*(job.run.name for job in run_controls.jobs().alive()), *known]))
    if not names:
        st.info(
            "No training yet. Choose a model on the left and press **Start**; its training curves and "
            "samples appear here.",
            icon=":material/rocket_launch:",
        )
        return
    running = next((name for name in names if runs.run(name).process()), names[0])
    chosen = address.runs("live", names, [running], MAX_SHOWN)
    moving = any(follow(name).state in MOVING for name in chosen)
    st.fragment(_show_runs, run_every=1.0 if moving else None)(chosen, moving)


def _show_runs(names: list[str], moving: bool) -> None:
    """Everything below the choice of runs: one fragment, whose timer stops when no run is active."""
    followed_runs = [follow(name) for name in names]
    if moving != any(followed.state in MOVING for followed in followed_runs):
        st.rerun()
    colours = run_colours({followed.name: followed.entry.label for followed in followed_runs})
    for followed in followed_runs:
        _header(followed, colours[followed.name])
    readable = [followed for followed in followed_runs if followed.entry.config]
    if any(followed.training_progress for followed in readable):
        with st.container(key="pair.live"):
            left, right = st.columns([4, 5], gap="large")
        with left:
            live_samples.show(readable)
        with right:
            _training_curves(readable, colours)
    for followed in readable:
        _log(followed)


def _header(followed: FollowedRun, colour: str) -> None:
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{altair_charts.mark(colour)} **{plain(followed.entry.label)}** {plain(followed.name)}",
                width="content",
            )
            run_controls.badge(followed.state)
            st.markdown(f":gray[{plain(_summary(followed))}]", width="stretch")
            run_controls.buttons(followed.entry, followed.state, "live")
        if followed.state in MOVING:
            st.progress(followed.training_progress.share if followed.training_progress else 0.0)
        _problems(followed)


def _summary(followed: FollowedRun) -> str:
    """Epoch, time, speed, device and best quick distance in one line."""
    progress = followed.training_progress
    if progress is None or followed.entry.config is None:
        return ""
    training = followed.entry.config.training
    parts = [
        f"step {progress.step:,} of {progress.total_steps:,}"
        if training.steps
        else f"epoch {progress.epoch:.1f} of {training.epochs}"
    ]
    if followed.state in {"running", "evaluating"}:
        parts.append(run_controls.time_left(followed.entry, progress))
        if followed.state == "running":
            parts.append(f"{figure(progress.images_per_second)} images/s")
        parts += [f"on {progress.device}", *_resource_use(followed.entry.run)]
    else:
        parts += [f"trained for {duration(progress.seconds)}", f"on {progress.device}"]
    if progress.best_fd is not None:
        parts.append(f"best quick {FD_TITLE} {figure(progress.best_fd)}")
    return " · ".join(parts)


def _resource_use(run: runs.Run) -> list[str]:
    """CPU cores that the run's process uses on average since its start, and its memory now."""
    with contextlib.suppress(psutil.Error):  # the process may end meanwhile
        if process := run.process():
            cores = sum(process.cpu_times()[:2]) / max(time.time() - process.create_time(), 1.0)
            return [f"{cores:.1f} cores", f"{process.memory_info().rss / 2**30:.1f} GiB"]
    return []


def _problems(followed: FollowedRun) -> None:
    """Unreadable files, and why the run ended if it did not finish."""
    for fault in followed.entry.faults:
        st.error(plain(fault), icon=":material/broken_image:")
    progress = followed.training_progress
    if followed.state == "died":
        st.error(
            "The process ended without a final event. The last lines of its log:",
            icon=":material/heart_broken:",
        )
        st.code(run_controls.log_tail(followed.entry.run, lines=8), language=None, wrap_lines=True)
    elif followed.state in {"diverged", "failed"} and progress and progress.ended:
        st.error(plain(progress.ended.reason), icon=STATES[followed.state][0])
    if progress and progress.collapse:
        st.warning(plain(progress.collapse.text), icon=":material/compress:")
    if followed.history.unreadable:
        st.warning(
            f"{followed.history.unreadable} lines of the event log are unreadable and were skipped.",
            icon=":material/rule:",
        )


def _training_curves(followed_runs: Sequence[FollowedRun], colours: dict[str, str]) -> None:
    points = pd.concat(
        [frames.curves(followed.history.events).assign(run=followed.name) for followed in followed_runs]
    )
    charts = [(kind, series) for kind in CURVE_TITLES for series in _series(points, kind)]
    along = ALONG[
        st.segmented_control(
            "Horizontal axis",
            [*ALONG],
            default=next(iter(ALONG)),
            required=True,
            key="along",
            bind="query-params",
            label_visibility="collapsed",
            width="content",
        )
    ]
    columns = st.columns(2)
    for index, (kind, series) in enumerate(charts):
        curve = points[(points["kind"] == kind) & (points["series"] == series)]
        diagnostic = DIAGNOSTICS[series] if kind == "diagnostic" else None
        title = f"{CURVE_TITLES[kind]} · {series}" if series else CURVE_TITLES[kind]
        title = diagnostic.title if diagnostic else title
        with columns[index % 2]:
            st.altair_chart(
                altair_charts.curve(
                    curve.drop(columns=["kind", "series"]), title, colours, along, log=kind == "quick fd"
                ),
                key=f"curve.{kind}.{series}",
                alt=f"{title} by {along}",
            )
            if diagnostic:
                st.caption(diagnostic.look_for)


def _series(points: pd.DataFrame, kind: str) -> list[str]:
    """The curves of a kind: diagnostics in the order of their table, others as they come in the log."""
    found = [*points.loc[points["kind"] == kind, "series"].unique()]
    return [name for name in DIAGNOSTICS if name in found] if kind == "diagnostic" else found


def _log(followed: FollowedRun) -> None:
    notices = [event.text for event in followed.history.events if isinstance(event, Notice | Collapse)]
    with st.expander(f"Log of {plain(followed.name)}", icon=":material/notes:"):
        for text in notices[-5:]:
            st.caption(f":material/info: {plain(text)}")
        st.code(run_controls.log_tail(followed.entry.run, lines=40), language=None, wrap_lines=True)


main()
