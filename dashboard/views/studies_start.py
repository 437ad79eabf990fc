"""Begin a study from the page: choose, paste or upload its file, see what it would take, start it."""

from __future__ import annotations

import streamlit as st

from dashboard.data import study_catalog
from dashboard.data.study_processes import BudgetProbe, StudyBudget, StudyJobs
from dashboard.views import studies_words
from dashboard.widgets.text import plain
from gencore.store import runs
from gencore.store.files import read_file
from gencore.studies import plan, records
from gencore.studies import study as studies
from gencore.studies.study import Study

OWN = "my own"
_SOURCE, _TEXT, _UPLOAD, _PROBE = "studies.source", "studies.text", "studies.upload", "studies.probe"
_EXAMPLE = """\
name: my-study
base: {preset: dcgan, dataset: digits, options: {epochs: 3}}
axes:
  beta1: [0.3, 0.5, 0.7]
seeds: 3
"""


@st.cache_resource
def jobs() -> StudyJobs:
    """The one keeper of this server's studies."""
    return StudyJobs()


def form() -> None:
    """Choose a file, see its faults or what it would take, and start it."""
    files = study_catalog.committed()
    if _TEXT not in st.session_state:
        st.session_state[_TEXT] = read_file(next(iter(files.values()))).decode() if files else _EXAMPLE
    left, right = st.columns(2)
    left.selectbox("Study file", [*files, OWN], key=_SOURCE, on_change=_take_file)
    right.file_uploader("or a file of your own", type=["yaml", "yml"], key=_UPLOAD, on_change=_take_upload)
    text = st.text_area(
        "The file", key=_TEXT, height=280, help="Its keys are in docs/studies.md. Edit it as you like."
    )
    try:
        asked, number = _checked(text)
    except (ValueError, OSError) as fault:
        st.error(plain(str(fault)), icon=":material/rule:")
        return
    st.markdown(studies_words.plan(asked))
    st.caption(f"{number} trials" if number else "Its trials are chosen while it runs.")
    _begin(asked, text)


def _take_file() -> None:
    path = study_catalog.committed().get(st.session_state[_SOURCE])
    st.session_state[_TEXT] = read_file(path).decode() if path else _EXAMPLE


def _take_upload() -> None:
    if (given := st.session_state[_UPLOAD]) is not None:
        st.session_state[_TEXT] = given.getvalue().decode(errors="replace")


def _checked(text: str) -> tuple[Study, int]:
    """The study in `text` and the number of its known trials. Raises ValueError for what cannot be run."""
    asked = studies.parse(text, "the file")
    if records.record(asked.name).exists:
        raise ValueError(f"a study named {asked.name} exists; resume it below, or change the name")
    return asked, len(plan.expand(asked))


def _begin(asked: Study, text: str) -> None:
    """What the study would take, asked for by a button, then the button that starts it."""
    of_text, probe = st.session_state.get(_PROBE, (None, None))
    if of_text != text:
        if st.button("What would it take?", icon=":material/timer:", key="studies.estimate"):
            st.session_state[_PROBE] = text, BudgetProbe(text, runs.home())
            st.rerun()
        return
    match probe.answer:
        case None:
            st.fragment(_wait, run_every=1.0)(probe)
        case str(reason):
            st.error(plain(reason), icon=":material/block:")
        case StudyBudget(lines=lines):
            st.info("  \n".join(map(plain, lines)), icon=":material/timer:")
            if st.button("Start", type="primary", icon=":material/play_arrow:", key="studies.start"):
                _start(asked, text)


def _wait(probe: BudgetProbe) -> None:
    if probe.answer is not None:
        st.rerun()
    st.caption(":material/hourglass_top: measuring how fast this machine trains its configs …")


def _start(asked: Study, text: str) -> None:
    try:
        jobs().start(records.record(asked.name), text)
    except (ValueError, OSError) as error:
        st.error(plain(str(error)), icon=":material/block:")
    else:
        del st.session_state[_PROBE]
        st.query_params["study"] = asked.name
        st.rerun()
