"""Diffusion: one picture on its way out of the noise, what is decided when, and what fewer steps cost."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from dashboard.data import generation, run_catalog, sheets
from dashboard.data.generation import SamplingOptions
from dashboard.data.run_catalog import Entry
from dashboard.views import diffusion_frames
from dashboard.views.diffusion_frames import DenoisingFrames
from dashboard.widgets import address
from dashboard.widgets.text import figure, plain
from gencore.analysis.colours import colour
from gencore.config.options import HasSamplers, Sampler
from gencore.data.registry import DATASETS
from gencore.evaluation import sampler_sweep
from gencore.evaluation.sampler_sweep import SamplerSweep
from gencore.reports.charts import GREY
from gencore.store.results import UnreadableError

SCALE, LARGE = 3, 7
STRIP = 10
"""Steps side by side; more go on below."""
BRANCHES, COMPARED = 10, 5
ANCESTRAL: Sampler = "ddpm"
"""The sampler that adds noise at each step and takes all of them; the others are deterministic."""


def main() -> None:
    """Draw the page."""
    st.title("Diffusion", anchor=False)
    known = {one.run.name: one for one in run_catalog.generative_runs()}
    denoisers = {
        name: one for name, one in known.items() if one.config and isinstance(one.config.model, HasSamplers)
    }
    if not denoisers:
        st.info(
            "No diffusion model here yet. Choose **DDPM** on the left and press **Start**.",
            icon=":material/rocket_launch:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        one = denoisers[address.run("diffusion", [*denoisers], _default([*denoisers.values()]))]
        seed = address.seed()
        digit = _digit(one)
        sampling_options = SamplingOptions(one.run, changes=_manner(_samplers_of(one)))
    with generation.explained_errors(one):
        with st.spinner("Drawing step by step …", show_time=True):
            diffusion_frames.denoising_frames(sampling_options, digit, seed)
        _way(one, sampling_options, digit, seed)
        _compare(one, digit, seed)
    _curve(one)


def _default(denoisers: list[Entry]) -> str:
    """The headline run where there is one, else the newest with results, else the newest."""
    return max(denoisers, key=lambda one: (one.is_headline, one.results is not None)).run.name


def _digit(one: Entry) -> int | None:
    if not one.is_conditional:
        return None
    names = DATASETS[one.readable_config.data.dataset].class_names
    return names.index(st.selectbox("Digit", names, key="class", bind="query-params", width=110))


def _manner(model: HasSamplers) -> tuple[tuple[str, object], ...]:
    longest = min(20, model.timesteps)
    count = st.slider(
        "Steps",
        min(STRIP, longest - 1),
        longest,
        min(STRIP, longest),
        key="film",
        bind="query-params",
        width=150,
    )
    samplers = _deterministic(model)
    if len(samplers) == 1:
        return (("sampling_steps", count),)
    sampler = st.segmented_control(
        "Sampler",
        samplers,
        default=samplers[0],
        required=True,
        key="by",
        bind="query-params",
        width="content",
    )
    return (("sampler", sampler), ("sampling_steps", count))


def _samplers_of(one: Entry) -> HasSamplers:
    """The model's config; `main` shows runs that have samplers only."""
    assert one.config and isinstance(one.config.model, HasSamplers)
    return one.config.model


def _deterministic(model: HasSamplers) -> list[Sampler]:
    return [sampler for sampler in model.samplers if sampler != ANCESTRAL]


# ---------------------------------------------------------------- the film


@st.fragment
def _way(one: Entry, sampling_options: SamplingOptions, digit: int | None, seed: int) -> None:
    """The film, and what may still come of the step that the visitor looks at; all that a move along it
    runs.
    """
    with generation.explained_errors(one):
        denoising_frames = diffusion_frames.denoising_frames(sampling_options, digit, seed)
        place = _denoising_frames(one, denoising_frames)
        _branches(sampling_options, denoising_frames, place, digit, seed)


def _denoising_frames(one: Entry, denoising_frames: DenoisingFrames) -> int:
    """The way of one picture; gives the step that the visitor looks at."""
    times = [f"{t:g}" for t in denoising_frames.times]
    middle = times[len(times) // 2]
    now = st.select_slider(
        "Timestep t, from noise to picture",
        times,
        middle,
        key="t",
        bind="query-params",
        help="The largest t is pure noise, 0 the picture.",
    )
    place = times.index(now)
    rows = [denoising_frames.x_t[:-1], denoising_frames.x_0, denoising_frames.noise / 3]
    for start in range(0, len(times), STRIP):
        end = min(start + STRIP, len(times))
        strip = np.concatenate([generation.pictures(row[start:end]) for row in rows])
        st.image(
            sheets.draw(strip, end - start, SCALE, lit=place - start),
            alt=f"Steps {start + 1} to {end} of a picture by {one.run.name}: the noisy picture, the "
            f"picture that the "
            "network expects, and the noise it sees, one above the other",
        )
    st.caption(
        f"A step a column, by {plain(denoising_frames.sampling)}. Above x_t; in the middle x̂₀, the "
        f"picture that the network expects; "
        "below the noise it sees, at a third of its contrast, grey where there is none."
    )
    titles = ("x_t, the picture so far", "x̂₀, what it will be", "σ ε, the noise in it")
    signs = ("", f"= {denoising_frames.alpha[place]:.2f} ×", "+")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for row, sign, title in zip(rows, signs, titles, strict=True):
            if sign:
                st.markdown(f"**{sign}**", width="content")
            with st.container(width=LARGE * row.shape[-1], gap="xxsmall"):
                st.image(
                    sheets.draw(generation.pictures(row[place : place + 1]), 1, LARGE),
                    alt=f"{title}, at t = {now}",
                )
                st.caption(title)
        with st.container(width=SCALE * denoising_frames.x_t.shape[-1], gap="xxsmall"):
            st.image(
                sheets.draw(generation.pictures(denoising_frames.x_t[-1:]), 1, SCALE),
                alt=f"The finished picture of {one.run.name}",
            )
            st.caption("in the end")
    return place


def _branches(
    sampling_options: SamplingOptions,
    denoising_frames: DenoisingFrames,
    place: int,
    digit: int | None,
    seed: int,
) -> None:
    st.subheader("What is decided by now?", anchor=False)
    if not denoising_frames.branches:
        st.caption(
            "This model follows a flow, which adds no noise on the way: from any x_t there is one way on."
        )
        return
    with st.spinner("Drawing …"):
        images = diffusion_frames.branch(sampling_options, digit, seed, place, BRANCHES)
    now = f"{denoising_frames.times[place]:g}"
    st.image(
        sheets.draw(generation.pictures(images), BRANCHES, SCALE),
        alt=f"{BRANCHES} pictures that share x_t at t = {now}, each with noise of its own from there",
    )
    st.caption(
        f"{BRANCHES} pictures that share x_t at t = {now}, each with fresh noise from there on (DDIM "
        f"with η = 1). Early "
        "ones part ways, late ones differ in details only."
    )


# ---------------------------------------------------------------- samplers and their cost


def _compare(one: Entry, digit: int | None, seed: int) -> None:
    model = _samplers_of(one)
    st.subheader("Fewer steps, other samplers", anchor=False)
    st.caption(
        f"The same noise each time. Seconds are of {COMPARED} pictures drawn together, measured on "
        f"this machine when this "
        "was first drawn; other work on it slows them."
    )
    for column, sampler in zip(st.columns(2, gap="small"), _deterministic(model), strict=False):
        with column:
            st.markdown(f"**{model.samplers[sampler]}**")
            for count in sampler_sweep.COUNTS:
                if count <= model.timesteps:
                    _row(one, sampler, count, digit, seed)
    if ANCESTRAL in model.samplers and st.toggle(
        f"The ancestral sampler too, all {model.timesteps:,} steps", key="all", bind="query-params"
    ):
        st.markdown(f"**{model.samplers[ANCESTRAL]}**")
        _row(one, ANCESTRAL, model.timesteps, digit, seed)


def _row(one: Entry, sampler: Sampler, count: int, digit: int | None, seed: int) -> None:
    sampling_options = SamplingOptions(one.run, changes=(("sampler", sampler), ("sampling_steps", count)))
    with st.spinner(f"Drawing in {count} steps …", show_time=True):
        drawn = diffusion_frames.timed(sampling_options, COMPARED, digit, seed)
    st.image(
        sheets.draw(generation.pictures(drawn.images), COMPARED, SCALE),
        alt=f"{COMPARED} pictures by {sampler} in {count} steps",
    )
    st.caption(f"{drawn.evaluations:,} network evaluations a picture · {figure(drawn.seconds)} s")


# ---------------------------------------------------------------- fd against steps


def _curve(one: Entry) -> None:
    st.subheader("What fewer steps cost", anchor=False)
    try:
        curve = sampler_sweep.load(one.run)
    except (UnreadableError, OSError) as fault:
        st.warning(plain(str(fault)), icon=":material/broken_image:")
        return
    if curve is None or not curve.points:
        st.info(
            "fd by the number of steps is not measured yet. It takes minutes:", icon=":material/straighten:"
        )
        st.code(f"gencore steps {one.run.name}", language="bash")
        return
    _warn_of_other_weights(one, curve)
    names = _samplers_of(one).samplers
    points = pd.DataFrame(
        [
            {
                "sampler": names.get(point.sampler, point.sampler),
                "steps": point.steps,
                "fd": point.fd,
                "network evaluations": point.network_evaluations,
                "seconds a picture": point.seconds_per_image,
            }
            for point in curve.points
        ]
    )
    columns = st.columns(2, gap="large")
    for column, across in zip(columns, ("network evaluations", "seconds a picture"), strict=True):
        column.altair_chart(
            _chart(points, across, curve.floor, colour(one.label)),
            key=f"steps.{across}",
            alt=f"fd by {across}, a line a sampler",
        )
    device = ", ".join(sorted({point.origin.device for point in curve.points}))
    st.caption(
        f"fd of {curve.samples:,} pictures of seed {curve.seed}; the grey line is that of as many "
        f"training pictures, "
        f"{figure(curve.floor)}. Seconds on {plain(device)}."
        + (f" {plain(curve.warning)}" if curve.warning else "")
    )
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(points, hide_index=True)


def _warn_of_other_weights(one: Entry, curve: SamplerSweep) -> None:
    with generation.explained_errors(one):
        if generation.load(SamplingOptions(one.run)).digest != curve.checkpoint_digest:
            st.warning(
                f"Measured on other weights than the run has now; measure again: gencore steps "
                f"{plain(one.run.name)}",
                icon=":material/history:",
            )


def _chart(points: pd.DataFrame, across: str, floor: float, of_model: str) -> alt.LayerChart:
    """Fd by cost, both on log scales; samplers differ in line and point, for a model has one colour."""
    legend = alt.Legend(orient="bottom", title=None, symbolStrokeColor=of_model)
    lines = (
        alt.Chart(points)
        .mark_line(strokeWidth=1.8, color=of_model)
        .encode(
            x=alt.X(
                f"{across}:Q",
                scale=alt.Scale(type="log", nice=False, padding=16),
                axis=alt.Axis(grid=False, tickCount=5),
            ),
            y=alt.Y(
                "fd:Q",
                scale=alt.Scale(type="log", nice=False, padding=16),
                axis=alt.Axis(grid=False, tickCount=5),
            ),
            strokeDash=alt.StrokeDash("sampler:N", legend=legend),
            tooltip=[
                "sampler:N",
                "steps:Q",
                alt.Tooltip("fd:Q", format=".3g"),
                alt.Tooltip(f"{across}:Q", format=".3g"),
            ],
        )
    )
    dots = lines.mark_point(size=45, filled=True, opacity=1, color=of_model).encode(
        shape=alt.Shape("sampler:N", legend=legend), strokeDash=alt.value([1, 0])
    )
    rule = alt.Chart(pd.DataFrame({"fd": [floor]})).mark_rule(strokeDash=[2, 4], color=GREY).encode(y="fd:Q")
    return (rule + lines + dots).properties(height=280)


main()
