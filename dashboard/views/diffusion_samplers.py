"""Samplers of a diffusion model: samples by number of steps, and Fréchet distance by sampling cost."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.data import generation, sheets
from dashboard.data.generation import SamplingOptions
from dashboard.data.run_catalog import Entry
from dashboard.views import diffusion_frames
from dashboard.widgets.text import figure, plain
from gencore.analysis.colours import colour
from gencore.config.options import HasSamplers, Sampler
from gencore.evaluation import sampler_sweep
from gencore.evaluation.sampler_sweep import SamplerSweep
from gencore.metrics import catalog
from gencore.reports.charts import GREY
from gencore.store.results import UnreadableError

SCALE = 3
"""Screen pixels per image pixel."""
COMPARED = 5
"""Images per sampler and number of steps."""
ANCESTRAL: Sampler = "ddpm"
"""The sampler that adds noise at each step and takes all steps; the others are deterministic."""
FD_TITLE = catalog.title("fd")
COSTS = ("network evaluations", "seconds per image")


def model_config(entry: Entry) -> HasSamplers:
    """The model's config; the page lists only runs of models with samplers."""
    assert entry.config and isinstance(entry.config.model, HasSamplers)
    return entry.config.model


def deterministic(model: HasSamplers) -> list[Sampler]:
    """The model's samplers that add no noise during sampling."""
    return [sampler for sampler in model.samplers if sampler != ANCESTRAL]


def compare(entry: Entry, label: int | None, seed: int) -> None:
    """Samples from the same noise by each sampler and number of steps, with their cost."""
    model = model_config(entry)
    st.subheader("Samplers and numbers of steps", anchor=False)
    st.caption(
        f"All samples start from the same noise. Seconds are for one batch of {COMPARED} images, measured "
        "on this machine when the images were first generated; other work on the machine adds to them."
    )
    for column, sampler in zip(st.columns(2, gap="small"), deterministic(model), strict=False):
        with column:
            st.markdown(f"**{model.samplers[sampler]}**")
            for steps in sampler_sweep.usual_counts(model.step_counts):
                _samples(entry, sampler, steps, label, seed)
    if ANCESTRAL in model.samplers and st.toggle(
        f"Also the ancestral sampler, {model.timesteps:,} steps", key="all", bind="query-params"
    ):
        st.markdown(f"**{model.samplers[ANCESTRAL]}**")
        _samples(entry, ANCESTRAL, model.timesteps, label, seed)


def _samples(entry: Entry, sampler: Sampler, steps: int, label: int | None, seed: int) -> None:
    options = SamplingOptions(entry.run, changes=(("sampler", sampler), ("sampling_steps", steps)))
    with st.spinner(f"Generating in {steps} steps …", show_time=True):
        samples = diffusion_frames.timed(options, COMPARED, label, seed)
    st.image(
        sheets.draw(generation.pictures(samples.images), COMPARED, SCALE),
        alt=f"{COMPARED} images by {sampler} in {steps} steps",
    )
    st.caption(f"{samples.network_evaluations:,} network evaluations per image · {figure(samples.seconds)} s")


def distance_by_cost(entry: Entry) -> None:
    """Charts of the Fréchet distance by network evaluations and by seconds, where it is measured."""
    st.subheader(f"{FD_TITLE} by sampling cost", anchor=False)
    try:
        sweep = sampler_sweep.load(entry.run)
    except (UnreadableError, OSError) as fault:
        st.warning(plain(str(fault)), icon=":material/broken_image:")
        return
    if sweep is None or not sweep.points:
        st.info("Not measured yet. This command measures it and takes minutes:", icon=":material/straighten:")
        st.code(f"gencore steps {entry.run.name}", language="bash")
        return
    _warn_of_other_weights(entry, sweep)
    points = _points(sweep, model_config(entry))
    for column, cost in zip(st.columns(2, gap="large"), COSTS, strict=True):
        column.altair_chart(
            _chart(points, cost, sweep.floor, colour(entry.label)),
            key=f"steps.{cost}",
            alt=f"{FD_TITLE} by {cost}, one line per sampler",
        )
    devices = ", ".join(sorted({point.origin.device for point in sweep.points}))
    st.caption(
        f"{FD_TITLE} of {sweep.samples:,} images with seed {sweep.seed}. The grey line is the floor: "
        f"{figure(sweep.floor)} for as many training images. Seconds are measured on {plain(devices)}."
        + (f" {plain(sweep.warning)}" if sweep.warning else "")
    )
    with st.expander("Table", icon=":material/table:"):
        columns = {"fd": st.column_config.NumberColumn(FD_TITLE, help="fd")}
        st.dataframe(points, hide_index=True, column_config=columns)


def _warn_of_other_weights(entry: Entry, sweep: SamplerSweep) -> None:
    with generation.explained_errors(entry):
        if generation.load(SamplingOptions(entry.run)).digest != sweep.checkpoint_digest:
            st.warning(
                "Measured with other weights than the run has now. Measure again with: gencore steps "
                f"{plain(entry.run.name)}",
                icon=":material/history:",
            )


def _points(sweep: SamplerSweep, model: HasSamplers) -> pd.DataFrame:
    """One row per sampler and number of steps."""
    return pd.DataFrame(
        [
            {
                "sampler": model.samplers.get(point.sampler, point.sampler),
                "steps": point.steps,
                "fd": point.fd,
                "network evaluations": point.network_evaluations,
                "seconds per image": point.seconds_per_image,
            }
            for point in sweep.points
        ]
    )


def _chart(points: pd.DataFrame, cost: str, floor: float, model_colour: str) -> alt.LayerChart:
    """Fréchet distance by `cost`, both on log scales. Samplers differ by dash and point shape, because the
    colour stands for the model.
    """
    legend = alt.Legend(orient="bottom", title=None, symbolStrokeColor=model_colour)
    scale = alt.Scale(type="log", nice=False, padding=16)
    axis = alt.Axis(grid=False, tickCount=5)
    lines = (
        alt.Chart(points)
        .mark_line(strokeWidth=1.8, color=model_colour)
        .encode(
            x=alt.X(f"{cost}:Q", scale=scale, axis=axis),
            y=alt.Y("fd:Q", title=FD_TITLE, scale=scale, axis=axis),
            strokeDash=alt.StrokeDash("sampler:N", legend=legend),
            tooltip=[
                "sampler:N",
                "steps:Q",
                alt.Tooltip("fd:Q", title=f"{FD_TITLE} (fd)", format=".3g"),
                alt.Tooltip(f"{cost}:Q", format=".3g"),
            ],
        )
    )
    dots = lines.mark_point(size=45, filled=True, opacity=1, color=model_colour).encode(
        shape=alt.Shape("sampler:N", legend=legend), strokeDash=alt.value([1, 0])
    )
    rule = alt.Chart(pd.DataFrame({"fd": [floor]})).mark_rule(strokeDash=[2, 4], color=GREY).encode(y="fd:Q")
    return (rule + lines + dots).properties(height=280)
