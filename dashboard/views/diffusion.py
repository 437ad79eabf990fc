"""Diffusion: the denoising steps of one image, branches from any step, and a comparison of samplers."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard.data import generation, run_catalog, sheets
from dashboard.data.generation import SamplingOptions
from dashboard.data.run_catalog import Entry
from dashboard.views import condition, diffusion_frames, diffusion_samplers
from dashboard.views.diffusion_frames import DenoisingFrames
from dashboard.views.diffusion_samplers import SCALE
from dashboard.widgets import address
from dashboard.widgets.text import plain
from gencore.config.options import HasSamplers

LARGE_SCALE = 7
FRAMES_PER_ROW = 10
BRANCHES = 10


def main() -> None:
    """Show the page."""
    st.title("Diffusion", anchor=False)
    diffusion_runs = {
        entry.run.name: entry
        for entry in address.models(run_catalog.generative_runs())
        if entry.config and isinstance(entry.config.model, HasSamplers)
    }
    if not diffusion_runs:
        st.info(
            "No diffusion model yet. Choose **DDPM** on the left and press **Start**.",
            icon=":material/rocket_launch:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        default = _default([*diffusion_runs.values()])
        entry = diffusion_runs[address.run("diffusion", [*diffusion_runs], default)]
        seed = address.seed()
        label = condition.choose(entry, "class")
        changes = _choose_sampling(diffusion_samplers.model_config(entry))
        sampling_options = SamplingOptions(entry.run, changes=changes)
        condition.show_clusters(entry, sampling_options)
    with generation.explained_errors(entry):
        with st.spinner("Generating step by step …", show_time=True):
            diffusion_frames.denoising_frames(sampling_options, label, seed)
        _denoising_steps(entry, sampling_options, label, seed)
        diffusion_samplers.compare(entry, label, seed)
    diffusion_samplers.distance_by_cost(entry)


def _default(entries: list[Entry]) -> str:
    """The headline run where there is one, else the newest with results, else the newest."""
    return max(entries, key=lambda entry: (entry.is_headline, entry.results is not None)).run.name


def _choose_sampling(model: HasSamplers) -> tuple[tuple[str, object], ...]:
    """The chosen number of steps and sampler, where there are several, as changes of the config."""
    if len(model.step_counts) == 1:
        return ()
    longest = min(20, model.step_counts[-1])
    steps = st.slider(
        "Steps",
        min(FRAMES_PER_ROW, longest - 1),
        longest,
        min(FRAMES_PER_ROW, longest),
        key="film",
        bind="query-params",
        width=150,
    )
    samplers = diffusion_samplers.deterministic(model)
    if len(samplers) == 1:
        return (("sampling_steps", steps),)
    sampler = st.segmented_control(
        "Sampler",
        samplers,
        default=samplers[0],
        required=True,
        key="by",
        bind="query-params",
        width="content",
    )
    return (("sampler", sampler), ("sampling_steps", steps))


@st.fragment
def _denoising_steps(entry: Entry, sampling_options: SamplingOptions, label: int | None, seed: int) -> None:
    """The steps and the branches: the only part of the page that a move of the timestep slider reruns."""
    with generation.explained_errors(entry):
        frames = diffusion_frames.denoising_frames(sampling_options, label, seed)
        step = _choose_step(frames)
        _all_steps(entry, frames, step)
        _one_step(entry, frames, step)
        _branches(sampling_options, frames, step, label, seed)


def _choose_step(frames: DenoisingFrames) -> int:
    times = [f"{t:g}" for t in frames.times]
    return times.index(
        st.select_slider(
            "Timestep t, from noise to image",
            times,
            times[len(times) // 2],
            key="t",
            bind="query-params",
            help="The largest t is pure noise; t = 0 is the image.",
        )
    )


def _all_steps(entry: Entry, frames: DenoisingFrames, step: int) -> None:
    """x_t, predicted x_0 and noise of all steps in rows; the other steps than `step` are pale."""
    rows = [frames.x_t[:-1], frames.x_0, frames.noise / 3]
    count = len(frames.times)
    for start in range(0, count, FRAMES_PER_ROW):
        end = min(start + FRAMES_PER_ROW, count)
        pixels = np.concatenate([generation.pictures(row[start:end]) for row in rows])
        st.image(
            sheets.draw(pixels, end - start, SCALE, lit=step - start),
            alt=f"Steps {start + 1} to {end} of an image by {entry.run.name}: the noisy image, the predicted "
            "image and the predicted noise, one below the other",
        )
    st.caption(
        f"One column per step; {plain(frames.sampling)}. Top: x_t, the noisy image. Middle: x̂₀, the image "
        "that the network predicts. Bottom: the predicted noise at a third of its contrast, grey where it "
        "is zero."
    )


def _one_step(entry: Entry, frames: DenoisingFrames, step: int) -> None:
    """x_t = alpha x_0 + noise at `step`, large, beside the final image."""
    parts = (
        ("", frames.x_t[step : step + 1], "x_t, the noisy image"),
        (f"= {frames.alpha[step]:.2f} ×", frames.x_0[step : step + 1], "x̂₀, the predicted image"),
        ("+", frames.noise[step : step + 1] / 3, "σ ε, the predicted noise"),
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for sign, image, title in parts:
            if sign:
                st.markdown(f"**{sign}**", width="content")
            with st.container(width=LARGE_SCALE * image.shape[-1], gap="xxsmall"):
                st.image(
                    sheets.draw(generation.pictures(image), 1, LARGE_SCALE),
                    alt=f"{title}, at t = {frames.times[step]:g}",
                )
                st.caption(title)
        with st.container(width=SCALE * frames.x_t.shape[-1], gap="xxsmall"):
            st.image(
                sheets.draw(generation.pictures(frames.x_t[-1:]), 1, SCALE),
                alt=f"The final image of {entry.run.name}",
            )
            st.caption("final image")


def _branches(
    sampling_options: SamplingOptions, frames: DenoisingFrames, step: int, label: int | None, seed: int
) -> None:
    st.subheader("Samples from the same x_t", anchor=False)
    if not frames.branches:
        st.caption("This model's sampling adds no noise, so each x_t leads to exactly one image.")
        return
    with st.spinner("Generating …"):
        images = diffusion_frames.branch(sampling_options, label, seed, step, BRANCHES)
    t = f"{frames.times[step]:g}"
    st.image(
        sheets.draw(generation.pictures(images), BRANCHES, SCALE),
        alt=f"{BRANCHES} images from the same x_t at t = {t}, each with fresh noise after it",
    )
    st.caption(
        f"{BRANCHES} images from the same x_t at t = {t}, each with fresh noise after it (DDIM with η = 1). "
        "From a large t they differ in shape, from a small t only in details."
    )


main()
