"""The tables of the Studies page: all studies, and all trials of one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.data.study_catalog import StudyEntry
from dashboard.views.studies_words import objective_title, winner_line
from gencore.studies.points import shown
from gencore.studies.records import TrialState
from gencore.studies.study import Study

TRIAL_COLUMNS = {
    "run": st.column_config.LinkColumn(
        display_text=r"run=(.*)$", help="Opens the trial on Live; it is an ordinary run."
    ),
    "epochs": st.column_config.NumberColumn(format="%.3g", help="Trained so far"),
    "minutes": st.column_config.NumberColumn(format="%.1f", help="Training time so far"),
    "starts": st.column_config.NumberColumn(help="How often its training was begun or gone on with"),
    "curve": st.column_config.LineChartColumn(width=105, help="log10 of its quick distances"),
}


def studies(entries: Sequence[StudyEntry]) -> pd.DataFrame:
    """A row a study: state, trials by what became of them, the best point or the leader."""
    return pd.DataFrame([_study(one) for one in entries])


def _study(one: StudyEntry) -> dict[str, object]:
    row: dict[str, object] = {"study": one.name, "state": one.status}
    if one.content is None:
        return row | {"result": one.fault}
    states = one.content.states
    return row | {
        "model": one.content.study.base.preset,
        "data": one.content.study.base.dataset,
        "trials": len(states),
        "finished": sum(state.status == "finished" for state in states),
        "cut": sum(state.status == "cut" for state in states),
        "no model": sum(state.is_lost for state in states),
        "result": winner_line(one.content),
    }


def trials(study: Study, states: Sequence[TrialState]) -> pd.DataFrame:
    """A row a trial, the best first, then those without a value."""
    ordered = sorted(states, key=lambda one: _place(study, one))
    return pd.DataFrame([_trial(study, one) for one in ordered])


def _place(study: Study, one: TrialState) -> tuple[bool, float]:
    value = math.inf if one.value is None else one.value if study.is_smaller_better else -one.value
    return one.status != "finished", value


def _trial(study: Study, one: TrialState) -> dict[str, object]:
    return {
        "run": f"live?run={one.trial.name}",
        "state": one.status,
        **{axis: shown(level) for axis, level in one.trial.point.items()},
        "seed": one.trial.seed,
        "phase": one.trial.phase,
        objective_title(study): one.value,
        "curve": [math.log10(fd) for _, fd in one.distances if fd is not None and fd > 0],
        "epochs": one.epoch,
        "minutes": None if one.seconds is None else one.seconds / 60,
        "starts": one.starts,
        "reason": one.reason,
    }
