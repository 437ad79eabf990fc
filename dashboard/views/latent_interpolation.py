"""Views of the latent page that go from one place to another: interpolation, and the morph of a label."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.components import canvas, frame_slider
from dashboard.data import generation, sheets
from dashboard.data.generation import SamplingOptions
from dashboard.views.latent_model import LARGE, SIDE, SLIDER, SMALL, SelectedModel, digit, drawn_by, picture
from dashboard.widgets import address
from dashboard.widgets.text import plain
from gencore.config.options import DatasetName
from gencore.data.registry import DATASETS
from gencore.latent import traversal
from gencore.latent.traversal import LatentPoints, LatentSpace

MAX_ENDS = 4
FRAMES = 12
"""Pictures from one end to the next."""
RANDOM, TEST, DRAWN = "random", "test picture", "drawn"


class Endpoint(NamedTuple):
    """One end of a walk: a seed, a test picture's number or a drawing; asked for `digit` where the model
    takes labels.
    """

    kind: str
    number: int
    digit: int | None
    pixels: bytes = b""
    """Of a drawing: grey, row by row."""


def interpolation(of: SelectedModel) -> None:
    """From one picture to the next, of two to four."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.segmented_control(
            "Ends",
            range(2, MAX_ENDS + 1),
            default=2,
            required=True,
            key="ends",
            bind="query-params",
            width="content",
        )
        how = st.segmented_control(
            "Between them",
            [*traversal.BETWEEN],
            default="slerp",
            required=True,
            key="between",
            bind="query-params",
            help="slerp follows the great circle and keeps the latent's length; lerp is the straight line.",
            width="content",
        )
    with st.container(horizontal=True, gap="medium"):
        asked = [_end(of, i) for i in range(1, count + 1)]
    if not of.latent_space.inverts:
        st.caption(f"A {plain(of.one.label)} cannot find the latent of a picture, so none can be an end.")
    ends = tuple(end for end, _ in asked)
    with st.spinner("Drawing …", show_time=True):
        frames = _path_images(of.sampling_options, of.version, of.dataset, ends, how, of.latent_space)
    for i, (end, place) in enumerate(asked):
        pair = [frames[i * FRAMES]]
        words = f"End {i + 1}"
        if end.kind != RANDOM:
            pair.insert(0, generation.pictures(_image(of.dataset, end))[0])
            words += (
                f": the {'drawing' if end.kind == DRAWN else end.kind} and what the model gives back of it"
            )
        with place:
            picture(of, np.stack(pair), words, len(pair), SMALL)
    _along(of, frames, "end 1", f"end {count}", "along")
    if count == MAX_ENDS:
        with st.spinner("Drawing …", show_time=True):
            square = _square(of.sampling_options, of.version, of.dataset, ends, how, of.latent_space)
        st.caption("The same four ends as corners of a square.")
        picture(of, square, f"Square of {SIDE} by {SIDE} pictures between the four ends", SIDE, SMALL)


def _end(of: SelectedModel, i: int) -> tuple[Endpoint, DeltaGenerator]:
    """What the visitor asks of end `i`, and the place above for its picture."""
    with st.container(width=SLIDER - 24, gap="xsmall"):
        place = st.container(height=of.scale(SMALL) * of.size + 8, border=False)
        kinds = [RANDOM, TEST] if of.latent_space.inverts else [RANDOM]
        if of.latent_space.inverts and DATASETS[of.dataset].channels == 1:
            kinds.append(DRAWN)
        kind = (
            st.selectbox(f"End {i}", kinds, key=f"end{i}", bind="query-params") if len(kinds) > 1 else RANDOM
        )
        if kind == DRAWN:
            return _drawn(of, i), place
        with st.container(horizontal=True):
            if kind == TEST:
                labels = generation.real_labels(of.dataset, "test")
                number = st.number_input(
                    "Number",
                    0,
                    len(labels) - 1,
                    i - 1,
                    key=f"test{i}",
                    bind="query-params",
                    width=SLIDER // 2,
                )
                return Endpoint(TEST, number, int(labels[number])), place
            asked = digit(of, "Digit", f"digit{i}", 2 * i + 1)
            number = st.number_input(
                "Seed", 0, address.MAX_SEED, i - 1, key=f"seed{i}", bind="query-params", width=SLIDER // 2
            )
            return Endpoint(RANDOM, number, asked), place


def _drawn(of: SelectedModel, i: int) -> Endpoint:
    """What the visitor draws of end `i`; before that, the random one it would be."""
    pixels, box = canvas.drawn(f"canvas{i}", of.size), canvas.BOXES.get(of.dataset)
    asked = digit(of, "Digit", f"digit{i}", 2 * i + 1)
    if pixels is None:
        st.caption(f"Draw a {'digit' if box else 'picture'}; until then this end is random.")
        return Endpoint(RANDOM, i - 1, asked)
    return Endpoint(DRAWN, 0, asked, (canvas.fitted(pixels, box) if box else pixels).tobytes())


def _image(dataset: DatasetName, end: Endpoint) -> generation.Tensor:
    """The picture (1, C, H, W) uint8 whose latent is looked for: a test picture, or the drawing."""
    if end.kind == TEST:
        return generation.real(dataset, "test")[end.number][None]
    return generation.grey(end.pixels, DATASETS[dataset].size)


def _places(latent_space: LatentSpace, dataset: DatasetName, ends: tuple[Endpoint, ...]) -> LatentPoints:
    found = [
        latent_space.random(end.number, end.digit)
        if end.kind == RANDOM
        else latent_space.invert(_image(dataset, end), end.digit)
        for end in ends
    ]
    return LatentPoints.of(found)


@st.cache_data(max_entries=32, show_spinner=False)
def _path_images(
    sampling_options: SamplingOptions,
    version: int,
    dataset: DatasetName,
    ends: tuple[Endpoint, ...],
    how: str,
    _latent_space: LatentSpace,
) -> np.ndarray:
    return generation.pictures(
        _latent_space.draw(traversal.path(_places(_latent_space, dataset, ends), FRAMES, how))
    )


@st.cache_data(max_entries=32, show_spinner=False)
def _square(
    sampling_options: SamplingOptions,
    version: int,
    dataset: DatasetName,
    ends: tuple[Endpoint, ...],
    how: str,
    _latent_space: LatentSpace,
) -> np.ndarray:
    return generation.pictures(
        _latent_space.draw(traversal.square(_places(_latent_space, dataset, ends), SIDE, how))
    )


def _along(of: SelectedModel, pictures: np.ndarray, first: str, last: str, address: str) -> None:
    """The film under a slider; its pictures side by side and as a GIF."""
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=of.scale(LARGE) * of.size):
            name = f"Picture {drawn_by(of)}"
            frame_slider.show(
                [frame_slider.Tile(name, None, sheets.strip(pictures))],
                first,
                last,
                of.scale(LARGE) * of.size,
                address,
            )
        with st.container(width=2 * SLIDER + 32):
            some = pictures[:: max(1, (len(pictures) - 1) // FRAMES)]
            picture(of, some, f"{len(some)} pictures along the walk", -(-len(some) // 2), 2 * LARGE // FRAMES)
            st.download_button(
                "GIF",
                partial(traversal.gif, pictures, of.scale(LARGE // 2)),
                f"{of.one.run.name}.gif",
                "image/gif",
                icon=":material/gif_box:",
                on_click="ignore",
                help="There and back.",
            )


def morph(of: SelectedModel) -> None:
    """From one class to another, the latent kept."""
    if not of.latent_space.morphs:
        st.info(
            f"A {plain(of.one.label)} takes no labels, so nothing lies between two digits for it. "
            f"Choose a run of a cGAN, "
            "whose label is a vector; or walk from one picture to another under **interpolation**.",
            icon=":material/tag:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first, last = digit(of, "From", "from", 3), digit(of, "To", "to", 8)
        seed = address.seed()
    pictures = _path_images(
        of.sampling_options,
        of.version,
        of.dataset,
        (Endpoint(RANDOM, seed, first), Endpoint(RANDOM, seed, last)),
        "lerp",
        of.latent_space,
    )
    assert first is not None and last is not None, "a model that morphs takes labels"
    names = DATASETS[of.dataset].class_names
    _along(of, pictures, names[first], names[last], "morph")
    st.caption("The latent stays where it is; only the label's vector moves, from one class to the other.")
