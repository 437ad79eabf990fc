"""The sidebar of every page: train, what is running, the machine."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import streamlit as st

from dashboard.data import frames, run_catalog, time_estimate
from dashboard.data.machine import Doctor, Machine, PaceProbe
from dashboard.widgets import add_pictures, run_controls, train_form
from dashboard.widgets.altair_charts import mark
from dashboard.widgets.text import duration, figure, plain
from gencore.analysis.colours import colour
from gencore.analysis.time_estimate import TimeEstimate, probed_time, run_to_probe
from gencore.config import commands
from gencore.config.datasets import in_file_names
from gencore.config.families import family_of
from gencore.config.options import EXTRACTORS, PRESETS, QUICK, RunConfig
from gencore.store import runs
from gencore.store.extractor_runs import features_run, is_extractor
from gencore.store.runs import Run

LIVE = "views/live.py"
GALLERY = "views/gallery.py"
REFUSED = "train.refused"
"""Key of the session state: what could not be started and why. Shown until the form asks for something
else.
"""
PROBE = "train.probe"
"""Key of the session state: the probe that the form's time estimate waits for or uses."""


@st.cache_resource
def doctor() -> Doctor:
    """The report on this machine, asked for once a server."""
    return Doctor()


@st.cache_resource(max_entries=16, show_spinner=False)
def pace_probe(config: RunConfig) -> PaceProbe:
    """How fast this machine trains `config`, measured once a server."""
    return PaceProbe(config)


def show() -> None:
    """Draw the sidebar. Call it before the page, in every run of the script."""
    run_controls.apply_duplicate()
    with st.sidebar:
        st.subheader("Train", anchor=False)
        _train(doctor().answer)
        now = _state()
        st.fragment(_follow, run_every=2.0 if now.is_moving else None)(now)


def _train(machine: Machine | str | None) -> None:
    add_pictures.choose_added()
    order = train_form.train_form(machine.datasets if isinstance(machine, Machine) else {})
    add_pictures.button()
    if order is None:
        st.button("Start", type="primary", width="stretch", disabled=True)
        return
    free = _free_name(f"{in_file_names(order.config.data.dataset)}-{order.preset}")
    name = st.text_input("Name", placeholder=free, key="train.name", max_chars=64).strip() or free
    words = commands.train(order.preset, name, order.config)
    is_generative = family_of(order.config.model).task == "generation"
    has_extractor = is_generative and _has_extractor(order.config.data.dataset)
    if has_extractor:
        words.append("--evaluate")
    starting = bool(run_controls.jobs().starting())
    if st.button(
        "Starting …" if starting else "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=starting,
    ):
        _start(name, words)
    quick_words = _quick_training(order.config, has_extractor, starting)
    match st.session_state.get(REFUSED):
        case (refused, reason) if refused in (words, quick_words):
            st.error(plain(reason), icon=":material/block:")
    _time_it_takes(order.config, machine, has_extractor)
    if is_generative and not has_extractor:
        _prepare(order.config.data.dataset)
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(commands.shown(words), language="bash", wrap_lines=True)


def _quick_training(config: RunConfig, evaluates: bool, starting: bool) -> list[str]:
    """A button that trains the quick preset of the chosen model on the chosen data set; gives its command."""
    preset = next((name for name in QUICK.values() if PRESETS[name].label == config.label), None)
    if preset is None:
        return []
    quick = PRESETS[preset].on(config.dataset_spec)
    name = _free_name(f"{in_file_names(config.data.dataset)}-{preset}")
    words = [*commands.train(preset, name, quick), *(["--evaluate"] if evaluates else [])]
    if st.button(
        "Quick training",
        icon=":material/bolt:",
        width="stretch",
        disabled=starting,
        help=f"A smaller {plain(config.label)} trained for {quick.training.steps} steps, for a first look. "
        "Of the options above it takes the data set alone.",
    ):
        _start(name, words)
    return words


def _time_it_takes(config: RunConfig, machine: Machine | str | None, evaluates: bool) -> None:
    entries = run_catalog.trainings()
    estimate = time_estimate.time_to_finish(config, entries, machine)
    st.session_state[PROBE] = None
    if isinstance(estimate, str) and isinstance(machine, Machine):
        shipped = run_to_probe(config, entries)
        if shipped is not None and shipped.config is not None:
            probe = st.session_state[PROBE] = pace_probe(shipped.config)
            match probe.answer:
                case None:
                    estimate = "measuring how fast this machine trains …"
                case float(images_per_second) if images_per_second > 0:
                    estimate = probed_time(config, entries, shipped, images_per_second)
    if isinstance(estimate, TimeEstimate):
        st.caption(
            f":material/timer: {_in_words(estimate if evaluates else replace(estimate, evaluation=0.0))}"
        )
    else:
        st.caption(f":material/timer: no estimate yet: {plain(estimate)}")


def _in_words(estimate: TimeEstimate) -> str:
    """Total, phases and source of an estimate, as Markdown."""
    phases = {
        "training": estimate.training,
        "measuring": estimate.measuring,
        "evaluation": estimate.evaluation,
    }
    shown = [f"{name} {duration(seconds)}" for name, seconds in phases.items() if seconds]
    if estimate.evaluation is None:
        shown.append("evaluation not known yet")
    source = "a probe of this machine with" if estimate.is_probed else "the times of"
    other = f", which has other {', '.join(estimate.differs)}" if estimate.differs else ""
    return (
        f"about {duration(estimate.seconds)} until finished ({' · '.join(shown)}), "
        f"estimated by {source} {plain(estimate.run + other)}"
    )


def _has_extractor(dataset: str) -> bool:
    """Whether the classifier that models are measured through is ready, real images measured by it."""
    return (features_run(dataset).results / "reference.json").exists()


def _prepare(dataset: str) -> None:
    """A button that trains the feature extractors of a data set that has none."""
    run = features_run(dataset)
    if run.process() or any(job.run.name == run.name for job in run_controls.jobs().alive()):
        ready = sum(
            (features_run(dataset, extractor=name).results / "reference.json").exists() for name in EXTRACTORS
        )
        st.caption(
            f":material/hourglass_top: {plain(dataset)} is being prepared: {ready} of {len(EXTRACTORS)} "
            "feature classifiers are ready."
        )
        return
    st.caption("This data set has no feature classifiers yet, so a run on it will not be measured.")
    if st.button("Prepare this data set", icon=":material/model_training:", width="stretch"):
        words = ["features", dataset, "--resume"]
        try:
            run_controls.jobs().start(run, words)
        except (ValueError, OSError) as error:
            st.session_state[REFUSED] = words, str(error)
        st.rerun()
    match st.session_state.get(REFUSED):
        case (["features", *_], reason):
            st.error(plain(reason), icon=":material/block:")


def _free_name(stem: str) -> str:
    """`stem`, or `stem-2`, `stem-3`, … where that is taken."""
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
    return next(name for name in names if not runs.run(name).results.exists())


def _start(name: str, words: list[str]) -> None:
    st.session_state.pop(REFUSED, None)
    try:
        run = runs.run(name)
        if run.exists:
            raise runs.RunExistsError(f"a run named {name} exists; choose another name")
        run_controls.jobs().start(run, words)
    except (ValueError, OSError) as error:
        st.session_state[REFUSED] = words, str(error)
    else:
        st.switch_page(LIVE, query_params={"run": name})


class SidebarState(NamedTuple):
    """What the sidebar follows in the background: when one of these changes, the whole page runs again."""

    running: list[str]
    starting: list[str]
    failed_to_start: list[str]
    machine: Machine | str | None
    is_probing: bool

    @property
    def is_moving(self) -> bool:
        """Whether anything can change without the visitor, so that the sidebar needs its timer."""
        return bool(self.running or self.starting or self.machine is None or self.is_probing)


def _state() -> SidebarState:
    running = [one.name for one in runs.all_runs() if one.process() and not is_extractor(one.name)]
    starting, failed_to_start = (
        [job.run.name for job in jobs_]
        for jobs_ in (run_controls.jobs().starting(), run_controls.jobs().failed_to_start())
    )
    probe = st.session_state.get(PROBE)
    is_probing = probe is not None and probe.answer is None
    return SidebarState(running, starting, failed_to_start, doctor().answer, is_probing)


def _follow(drawn: SidebarState) -> None:
    if _state() != drawn:
        st.rerun()
    for name in drawn.starting:
        st.caption(f":material/hourglass_top: **{plain(name)}** is starting …")
    for name in drawn.running:
        _running_line(run_catalog.entry(runs.run(name)))
    for job in run_controls.jobs().failed_to_start():
        _failed_to_start(job.run)
        st.button("Dismiss", key=f"forget.{job.run.name}", on_click=run_controls.jobs().forget, args=(job,))
    _machine(drawn.machine)


def _running_line(one: run_catalog.Entry) -> None:
    key = f"sidebar.history.{one.run.name}"
    history = st.session_state[key] = frames.follow(
        one.run.events_path, st.session_state.get(key, frames.History())
    )
    training_progress = frames.training_progress(history.events)
    with st.container(gap="xsmall"):
        st.markdown(f"{mark(colour(one.label))} **{plain(one.run.name)}**")
        st.progress(*_progress(one, training_progress))
        with st.container(horizontal=True, gap="small"):
            st.page_link(LIVE, label="Open", icon=":material/show_chart:", query_params={"run": one.run.name})
            run_controls.stop_button(one.run, "sidebar", is_stopping=one.run.status() == "stopping")


def _progress(entry: run_catalog.Entry, progress: frames.TrainingProgress | None) -> tuple[float, str]:
    """The bar's length and its text."""
    if entry.run.status() == "stopping":
        return progress.share if progress else 0.0, "stopping"
    if progress is None:
        return 0.0, "preparing"
    left = run_controls.time_left(entry, progress)
    if progress.ended is not None:
        return 1.0, left
    return progress.share, f"{left} · {figure(progress.images_per_second)} images/s"


def _failed_to_start(run: Run) -> None:
    st.error(f"**{plain(run.name)}** could not start.", icon=":material/error:")
    st.code(run_controls.log_tail(run, lines=6), language=None, wrap_lines=True)


def _machine(report: Machine | str | None) -> None:
    match report:
        case None:
            st.caption(":material/memory: looking at the device …")
        case str(reason):
            st.caption(":material/memory: device unknown", help=plain(reason))
        case Machine():
            states = "\n".join(f"- {plain(name)}: {plain(state)}" for name, state in report.datasets.items())
            here = sum(state != "would be downloaded" for state in report.datasets.values())
            threads = f"{report.threads} thread{'s' if report.threads != 1 else ''}"
            st.caption(
                f":material/memory: {plain(report.device)} · {threads} · {report.memory_gib:.0f} GiB · "
                f"{here} of {len(report.datasets)} data sets at hand",
                help=f"Data sets\n{states}",
            )
