"""The sidebar of every page: train, what is running, the machine."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from dashboard import actions, catalog, estimate, forms, frames
from dashboard.charts import colour, mark
from dashboard.device import Doctor, Report
from dashboard.estimate import Estimate
from dashboard.words import duration, figure, plain
from gencore import commands, runs
from gencore.config import RunConfig
from gencore.runs import Run

LIVE = "views/live.py"
GALLERY = "views/gallery.py"
REFUSED = "train.refused"
"""What could not be started and why: shown until the form asks for something else, however often the page is drawn."""


@st.cache_resource
def doctor() -> Doctor:
    return Doctor()


def show() -> None:
    with st.sidebar:
        st.subheader("Train", anchor=False)
        _train(doctor().answer)
        now = _changing()
        st.fragment(_follow, run_every=2.0 if now.is_moving else None)(now)


def _train(machine: Report | str | None) -> None:
    order = forms.train_form(machine.datasets if isinstance(machine, Report) else {})
    if order is None:
        st.button("Start", type="primary", width="stretch", disabled=True)
        return
    free = _free_name(f"{order.config.data.dataset}-{order.preset}")
    name = st.text_input("Name", placeholder=free, key="train.name", max_chars=64).strip() or free
    words = commands.train(order.preset, name, order.config)
    if has_judge := _has_judge(order.config.data.dataset):
        words.append("--evaluate")
    starting = bool(actions.jobs().starting())
    if st.button(
        "Starting …" if starting else "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=starting,
    ):
        _start(name, words)
    match st.session_state.get(REFUSED):
        case (refused, reason) if refused == words:
            st.error(plain(reason), icon=":material/block:")
    _time_it_takes(order.config, machine)
    if not has_judge:
        judge = plain(f"gencore features {order.config.data.dataset}")
        st.caption(f"This data set has no feature classifier yet, so the run will not be measured: {judge}")
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(commands.shown(words), language="bash", wrap_lines=True)


def _time_it_takes(config: RunConfig, machine: Report | str | None) -> None:
    match estimate.training_time(config, catalog.generative_runs(), machine):
        case Estimate(seconds, run, differs):
            other = f", which has other {', '.join(differs)}" if differs else ""
            st.caption(f":material/timer: about {duration(seconds)} at the pace of {plain(run + other)}")
        case reason:
            st.caption(f":material/timer: no estimate: {plain(reason)}")


def _has_judge(dataset: str) -> bool:
    """Whether the classifier that models are measured through is ready, real images measured by it."""
    return (runs.run(f"{catalog.JUDGE}{dataset}").results / "reference.json").exists()


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
        actions.jobs().start(run, words)
    except (ValueError, OSError) as error:
        st.session_state[REFUSED] = words, str(error)
    else:
        st.switch_page(LIVE, query_params={"run": name})


class Changing(NamedTuple):
    """What the sidebar draws by itself: it is drawn anew as a whole when one of these is another."""

    running: list[str]
    starting: list[str]
    stillborn: list[str]
    machine: Report | str | None

    @property
    def is_moving(self) -> bool:
        return bool(self.running or self.starting or self.machine is None)


def _changing() -> Changing:
    running = [one.name for one in runs.all_runs() if one.process() and not catalog.is_judge(one.name)]
    starting, stillborn = (
        [job.run.name for job in jobs_] for jobs_ in (actions.jobs().starting(), actions.jobs().stillborn())
    )
    return Changing(running, starting, stillborn, doctor().answer)


def _follow(drawn: Changing) -> None:
    if _changing() != drawn:
        st.rerun()
    for name in drawn.starting:
        st.caption(f":material/hourglass_top: **{plain(name)}** is starting …")
    for name in drawn.running:
        _running_line(catalog.entry(runs.run(name)))
    for job in actions.jobs().stillborn():
        _stillborn(job.run)
        st.button("Dismiss", key=f"forget.{job.run.name}", on_click=actions.jobs().forget, args=(job,))
    _machine(drawn.machine)


def _running_line(one: catalog.Entry) -> None:
    key = f"sidebar.history.{one.run.name}"
    history = st.session_state[key] = frames.follow(
        one.run.events_path, st.session_state.get(key, frames.History())
    )
    course = frames.course(history.events)
    with st.container(gap="xsmall"):
        st.markdown(f"{mark(colour(one.label))} **{plain(one.run.name)}**")
        st.progress(*_progress(one, course))
        with st.container(horizontal=True, gap="small"):
            st.page_link(LIVE, label="Open", icon=":material/show_chart:", query_params={"run": one.run.name})
            actions.stop_button(one.run, "sidebar")


def _progress(one: catalog.Entry, course: frames.Course | None) -> tuple[float, str]:
    """The bar's length and its words."""
    if course is None:
        return 0.0, "preparing"
    if one.run.status() == "evaluating":
        return 1.0, "measuring"
    left = f"{duration(course.seconds_left)} left" if course.seconds_left is not None else "estimating"
    return course.share, f"{left} · {figure(course.images_per_second)} images/s"


def _stillborn(run: Run) -> None:
    st.error(f"**{plain(run.name)}** could not start.", icon=":material/error:")
    st.code(actions.log_tail(run, lines=6), language=None, wrap_lines=True)


def _machine(report: Report | str | None) -> None:
    match report:
        case None:
            st.caption(":material/memory: looking at the device …")
        case str(reason):
            st.caption(":material/memory: device unknown", help=plain(reason))
        case Report():
            states = "\n".join(f"- {plain(name)}: {plain(state)}" for name, state in report.datasets.items())
            here = sum(state != "would be downloaded" for state in report.datasets.values())
            threads = f"{report.threads} thread{'s' if report.threads != 1 else ''}"
            st.caption(
                f":material/memory: {plain(report.device)} · {threads} · {report.memory_gib:.0f} GiB · "
                f"{here} of {len(report.datasets)} data sets at hand",
                help=f"Data sets\n{states}",
            )
