"""The sidebar of every page: train, what is running, the machine."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from dashboard import catalog, forms, frames
from dashboard.charts import colour, mark
from dashboard.device import Doctor, Report
from dashboard.jobs import Jobs, TooManyRunsError
from dashboard.words import duration, figure, plain
from gencore import commands, runs
from gencore.runs import Run, RunBusyError

LIVE = "views/live.py"


@st.cache_resource
def jobs() -> Jobs:
    """The one keeper of this server's children."""
    return Jobs()


@st.cache_resource
def doctor() -> Doctor:
    return Doctor()


def show() -> None:
    with st.sidebar:
        st.subheader("Train", anchor=False)
        report = doctor().answer
        _train(report.datasets if isinstance(report, Report) else {})
        now = _changing()
        st.fragment(_follow, run_every=2.0 if now.is_moving else None)(now)


def _train(availability: dict[str, str]) -> None:
    order = forms.train_form(availability)
    if order is None:
        st.button("Start", type="primary", width="stretch", disabled=True)
        return
    free = _free_name(f"{order.config.data.dataset}-{order.preset}")
    name = st.text_input("Name", placeholder=free, key="train.name", max_chars=64).strip() or free
    words = commands.train(order.preset, name, order.config)
    if has_judge := _has_judge(order.config.data.dataset):
        words.append("--evaluate")
    starting = bool(jobs().starting())
    if st.button(
        "Starting …" if starting else "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=starting,
    ):
        _start(name, words)
    if not has_judge:
        judge = plain(f"gencore features {order.config.data.dataset}")
        st.caption(f"This data set has no feature classifier yet, so the run will not be measured: {judge}")
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(commands.shown(words), language="bash", wrap_lines=True)


def _has_judge(dataset: str) -> bool:
    """Whether the classifier that models are measured through is ready, real images measured by it."""
    return (runs.run(f"{catalog.JUDGE}{dataset}").results / "reference.json").exists()


def _free_name(stem: str) -> str:
    """`stem`, or `stem-2`, `stem-3`, … where that is taken."""
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
    return next(name for name in names if not runs.run(name).results.exists())


def _start(name: str, words: list[str]) -> None:
    try:
        run = runs.run(name)
        if run.exists:
            raise runs.RunExistsError(f"a run named {name} exists; choose another name")
        jobs().start(run, words)
    except (ValueError, OSError) as error:
        st.error(plain(str(error)), icon=":material/block:")
    else:
        st.switch_page(LIVE, query_params={"run": name})


def start_again(run: Run, words: list[str]) -> None:
    """Resume, from a page's own button."""
    try:
        jobs().start(run, words)
    except (RunBusyError, TooManyRunsError, OSError) as error:
        st.error(plain(str(error)), icon=":material/block:")
    else:
        st.rerun()


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
        [job.run.name for job in jobs_] for jobs_ in (jobs().starting(), jobs().stillborn())
    )
    return Changing(running, starting, stillborn, doctor().answer)


def _follow(drawn: Changing) -> None:
    if _changing() != drawn:
        st.rerun()
    for name in drawn.starting:
        st.caption(f":material/hourglass_top: **{plain(name)}** is starting …")
    for name in drawn.running:
        _running_line(catalog.entry(runs.run(name)))
    for job in jobs().stillborn():
        _stillborn(job.run)
        st.button("Dismiss", key=f"forget.{job.run.name}", on_click=jobs().forget, args=(job,))
    _machine(drawn.machine)


def _running_line(one: catalog.Entry) -> None:
    key = f"sidebar.history.{one.run.name}"
    history = st.session_state[key] = frames.follow(
        one.run.events_path, st.session_state.get(key, frames.History())
    )
    course = frames.course(history.events)
    with st.container(gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{mark(colour(one.label))} **{plain(one.run.name)}**", width="stretch")
            st.page_link(LIVE, label="Open", query_params={"run": one.run.name})
        if course is None:
            st.progress(0.0, text="preparing")
            return
        if one.run.status() == "evaluating":
            st.progress(1.0, text="measuring")
            return
        left = f"{duration(course.seconds_left)} left" if course.seconds_left is not None else "estimating"
        st.progress(course.share, text=f"{left} · {figure(course.images_per_second)} images/s")


def _stillborn(run: Run) -> None:
    st.error(f"**{plain(run.name)}** could not start.", icon=":material/error:")
    st.code(log_tail(run, lines=6), language=None, wrap_lines=True)


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


def _machine(report: Report | str | None) -> None:
    match report:
        case None:
            st.caption(":material/memory: looking at the device …")
        case str(reason):
            st.caption(":material/memory: device unknown", help=plain(reason))
        case Report():
            at_hand = "\n".join(f"- {plain(name)}: {plain(state)}" for name, state in report.datasets.items())
            threads = f"{report.threads} threads · {report.memory_gib:.0f} GiB"
            st.caption(
                f":material/memory: {plain(report.device)} · {threads}", help=f"Data sets at hand\n{at_hand}"
            )
