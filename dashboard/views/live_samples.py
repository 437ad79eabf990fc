"""Samples of the runs on the Live page, with a slider over training steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from dashboard.data import frames, sheets
from dashboard.views.live_run import FollowedRun
from dashboard.widgets.text import plain
from gencore.store.events import Sheet


def show(followed_runs: Sequence[FollowedRun]) -> None:
    """The sample sheet of each run at the chosen training step, or the last one before it."""
    by_run = {followed.name: frames.sheets(followed.history.events) for followed in followed_runs}
    steps = sorted({sheet.step for of_run in by_run.values() for sheet in of_run})
    if not steps:
        st.info("Samples appear here after the first ones are generated.", icon=":material/image:")
        return
    step = _choose_step(steps) if len(steps) > 1 else steps[0]
    for followed in followed_runs:
        reached = [sheet for sheet in by_run[followed.name] if sheet.step <= step]
        if reached:
            _show_sheet(followed, reached[-1])


def _choose_step(steps: list[int]) -> int:
    """The latest step until the visitor moves the slider, then the chosen one, which is in the address."""
    chosen = st.query_params.get("step", "")
    if chosen.isdecimal() and int(chosen) in steps:
        st.session_state["sheet.step"] = int(chosen)
    else:
        st.session_state["sheet.step"] = steps[-1]
    step = st.select_slider(
        "Training step of the samples",
        steps,
        key="sheet.step",
        on_change=_keep_step,
        format_func=lambda s: f"{s:,}",
        help="All samples of a run are generated from the same noise.",
    )
    if "step" in st.query_params:
        st.button(
            "Follow the latest",
            key="sheet.follow",
            icon=":material/skip_next:",
            on_click=_follow_latest,
            type="tertiary",
        )
    return step


def _keep_step() -> None:
    st.query_params["step"] = str(st.session_state["sheet.step"])


def _follow_latest() -> None:
    del st.query_params["step"]


def _show_sheet(followed: FollowedRun, sheet: Sheet) -> None:
    try:
        path = sheets.of_run(followed.entry.run.results, sheet.file)
        side = followed.entry.spec.size if followed.entry.translates else None
        image = _sheet_png(path, side, path.stat().st_mtime_ns)
    except (sheets.SheetError, OSError) as fault:
        st.warning(plain(str(fault)), icon=":material/broken_image:")
        return
    shown = "Triptychs of test pairs" if followed.entry.translates else "100 images generated"
    st.image(image, width="stretch", alt=f"{shown} by {followed.name} after epoch {sheet.epoch:.1f}")
    rows = " · one row per class" if followed.entry.is_conditional else ""
    rows += " · source, output and real image of test pairs" if followed.entry.translates else ""
    st.caption(f"{plain(followed.name)} after epoch {sheet.epoch:.1f}{rows}")


@st.cache_data(max_entries=64, show_spinner=False)
def _sheet_png(path: Path, triptych_side: int | None, mtime_ns: int) -> bytes:
    return sheets.draw_triptychs(path, triptych_side) if triptych_side else sheets.draw_sheet(path)
