"""Views of the latent page with paths: interpolation between images, and the morph between two classes."""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.components import canvas, frame_slider
from dashboard.data import generation, sheets
from dashboard.data.generation import SamplingOptions
from dashboard.views import condition
from dashboard.views.latent_model import (
    LARGE,
    SIDE,
    SLIDER,
    SMALL,
    SelectedModel,
    generated_by,
    show_images,
)
from dashboard.widgets import address
from dashboard.widgets.text import plain
from gencore.config.datasets import DatasetSpec
from gencore.latent import traversal
from gencore.latent.traversal import LatentPoints, LatentSpace

MAX_ENDS = 4
FRAMES = 12
"""Images from one end to the next."""
RANDOM, TEST, DRAWN = "random", "test picture", "drawn"
"""Kinds of ends; the names are in addresses, so links depend on them."""


class Endpoint(NamedTuple):
    """One end of a path: a seed, the number of a test image, or a drawing."""

    kind: str
    number: int
    label: int | None
    """The class of the image, or its cluster where that is not random."""
    pixels: bytes = b""
    """Of a drawing: grey, row by row."""


def interpolation(selected: SelectedModel) -> None:
    """The path from end to end, for two to four ends; with four also a grid between them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.segmented_control(
            "Number of ends",
            range(2, MAX_ENDS + 1),
            default=2,
            required=True,
            key="ends",
            bind="query-params",
            width="content",
        )
        method = st.segmented_control(
            "Interpolation",
            [*traversal.BETWEEN],
            default="slerp",
            required=True,
            key="between",
            bind="query-params",
            help="slerp follows a great circle and keeps the length of the latent; lerp is a straight line.",
            width="content",
        )
    with st.container(horizontal=True, gap="medium"):
        chosen = [_choose_end(selected, i) for i in range(1, count + 1)]
    if not selected.latent_space.inverts:
        st.caption(
            f"A {plain(selected.entry.label)} cannot find the latent of an image, so test images and "
            "drawings are not available as ends."
        )
    ends = tuple(end for end, _ in chosen)
    cached = selected.sampling_options, selected.version, selected.spec, ends, method
    with st.spinner("Generating …", show_time=True):
        frames = _interpolated_images(*cached, "path", selected.latent_space)
    for i, (end, container) in enumerate(chosen):
        with container:
            _show_end(selected, f"End {i + 1}", end, frames[i * FRAMES])
    _path(selected, frames, "end 1", f"end {count}", "along")
    if count == MAX_ENDS:
        with st.spinner("Generating …", show_time=True):
            grid = _interpolated_images(*cached, "grid", selected.latent_space)
        st.caption("The same four ends as corners of a grid.")
        show_images(selected, grid, f"Grid of {SIDE} by {SIDE} images between the four ends", SIDE, SMALL)


def _choose_end(selected: SelectedModel, i: int) -> tuple[Endpoint, DeltaGenerator]:
    """The inputs of end `i`; gives the end and the container above the inputs for its image."""
    with st.container(width=SLIDER - 24, gap="xsmall"):
        container = st.container(height=selected.scale(SMALL) * selected.size + 8, border=False)
        kinds = [RANDOM, TEST] if selected.latent_space.inverts else [RANDOM]
        if selected.latent_space.inverts and selected.spec.channels == 1:
            kinds.append(DRAWN)
        kind = (
            st.selectbox(f"End {i}", kinds, key=f"end{i}", bind="query-params") if len(kinds) > 1 else RANDOM
        )
        if kind == DRAWN:
            return _drawn_end(selected, i), container
        with st.container(horizontal=True):
            if kind == TEST:
                return _test_end(selected, i), container
            label = condition.choose(selected.entry, f"digit{i}", 2 * i + 1)
            seed = st.number_input(
                "Seed", 0, address.MAX_SEED, i - 1, key=f"seed{i}", bind="query-params", width=SLIDER // 2
            )
            return Endpoint(RANDOM, seed, label), container


def _test_end(selected: SelectedModel, i: int) -> Endpoint:
    labels = generation.real_labels(selected.spec, "test")
    number = st.number_input(
        "Number", 0, len(labels) - 1, i - 1, key=f"test{i}", bind="query-params", width=SLIDER // 2
    )
    return Endpoint(TEST, number, int(labels[number]))


def _drawn_end(selected: SelectedModel, i: int) -> Endpoint:
    """The visitor's drawing; a random end while the canvas is empty."""
    pixels, box = canvas.drawn(f"canvas{i}", selected.size), canvas.BOXES.get(selected.spec.name)
    label = None
    if selected.entry.is_conditional:  # a model with clusters takes the one nearest to the drawing
        label = condition.choose(selected.entry, f"digit{i}", 2 * i + 1)
    if pixels is None:
        st.caption(f"Draw {f'a {selected.spec.noun}' if box else 'an image'}; until then this end is random.")
        return Endpoint(RANDOM, i - 1, label)
    return Endpoint(DRAWN, 0, label, (canvas.fitted(pixels, box) if box else pixels).tobytes())


def _show_end(selected: SelectedModel, title: str, end: Endpoint, generated: np.ndarray) -> None:
    """The image that the model generates at an end, beside the test image or drawing that was given."""
    if end.kind == RANDOM:
        show_images(selected, generated[None], title, 1, SMALL)
        return
    given = generation.pictures(_given_image(selected.spec, end))[0]
    source = "drawing" if end.kind == DRAWN else "test image"
    show_images(
        selected, np.stack([given, generated]), f"{title}: the {source} and its reconstruction", 2, SMALL
    )


def _given_image(spec: DatasetSpec, end: Endpoint) -> generation.Tensor:
    """The test image or drawing of an end that is not random, (1, C, H, W) uint8."""
    if end.kind == TEST:
        return generation.real(spec, "test")[end.number][None]
    return generation.grey(end.pixels, spec.size)


def _latents(latent_space: LatentSpace, spec: DatasetSpec, ends: tuple[Endpoint, ...]) -> LatentPoints:
    return LatentPoints.of(
        [
            latent_space.random(end.number, end.label)
            if end.kind == RANDOM
            else latent_space.invert(_given_image(spec, end), end.label)
            for end in ends
        ]
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _interpolated_images(
    sampling_options: SamplingOptions,
    version: int,
    spec: DatasetSpec,
    ends: tuple[Endpoint, ...],
    method: str,
    layout: Literal["path", "grid"],
    _latent_space: LatentSpace,
) -> np.ndarray:
    latents = _latents(_latent_space, spec, ends)
    points = (
        traversal.path(latents, FRAMES, method)
        if layout == "path"
        else traversal.square(latents, SIDE, method)
    )
    return generation.pictures(_latent_space.draw(points))


def _path(selected: SelectedModel, frames: np.ndarray, first: str, last: str, address_key: str) -> None:
    """The frames of a path under a slider, side by side, and as a GIF."""
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=selected.scale(LARGE) * selected.size):
            name = f"Image {generated_by(selected)}"
            frame_slider.show(
                [frame_slider.Tile(name, None, sheets.strip(frames))],
                first,
                last,
                selected.scale(LARGE) * selected.size,
                address_key,
            )
        with st.container(width=2 * SLIDER + 32):
            some = frames[:: max(1, (len(frames) - 1) // FRAMES)]
            columns = -(-len(some) // 2)
            show_images(selected, some, f"{len(some)} images along the path", columns, 2 * LARGE // FRAMES)
            st.download_button(
                "GIF",
                partial(traversal.gif, frames, selected.scale(LARGE // 2)),
                f"{selected.entry.run.name}.gif",
                "image/gif",
                icon=":material/gif_box:",
                on_click="ignore",
                help="Plays forwards, then backwards.",
            )


def morph(selected: SelectedModel) -> None:
    """The path from one class or cluster to another with a fixed latent."""
    if not selected.latent_space.morphs:
        st.info(
            f"This {plain(selected.entry.label)} takes neither labels nor clusters. Choose a run of a cGAN, "
            "or use **interpolation** between two images.",
            icon=":material/tag:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = condition.choose(selected.entry, "from", 3, may_be_random=False)
        last = condition.choose(selected.entry, "to", 8, may_be_random=False)
        condition.show_clusters(selected.entry, selected.sampling_options)
        seed = address.seed()
    assert first is not None and last is not None, "a model that morphs takes labels"
    frames = _interpolated_images(
        selected.sampling_options,
        selected.version,
        selected.spec,
        (Endpoint(RANDOM, seed, first), Endpoint(RANDOM, seed, last)),
        "lerp",
        "path",
        selected.latent_space,
    )
    names = selected.spec.class_names
    if not selected.entry.is_conditional:
        names = tuple(f"cluster {k}" for k in range(selected.latent_space.model.condition_dim))
    _path(selected, frames, names[first], names[last], "morph")
    st.caption("The latent is fixed; only the condition changes, from one end to the other.")
