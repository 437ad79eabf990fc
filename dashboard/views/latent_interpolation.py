"""Views of the latent page that go from one place to another: interpolation, and the morph of a label."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import address, canvas, drawing, film, sheets
from dashboard.drawing import Recipe
from dashboard.subject import LARGE, SIDE, SLIDER, SMALL, Subject, digit, drawn_by, picture
from dashboard.words import plain
from gencore import walks
from gencore.config import DatasetName
from gencore.data.registry import DATASETS
from gencore.walks import Places, Walker

MAX_ENDS = 4
FRAMES = 12
"""Pictures from one end to the next."""
RANDOM, TEST, DRAWN = "random", "test picture", "drawn"


class End(NamedTuple):
    """One end of a walk: a seed, a test picture's number or a drawing; asked for `digit` where the model takes labels."""

    kind: str
    number: int
    digit: int | None
    pixels: bytes = b""
    """Of a drawing: grey, row by row."""


def interpolation(of: Subject) -> None:
    """From one picture to the next, of two to four."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.segmented_control(
            "Ends", range(2, MAX_ENDS + 1), default=2, required=True, key="ends", bind="query-params", width="content"
        )
        how = st.segmented_control(
            "Between them", [*walks.BETWEEN], default="slerp", required=True, key="between", bind="query-params",
            help="slerp follows the great circle and keeps the latent's length; lerp is the straight line.",
            width="content",
        )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        asked = [_end(of, i) for i in range(1, count + 1)]
    if not of.walker.inverts:
        st.caption(f"A {plain(of.one.label)} cannot find the latent of a picture, so none can be an end.")
    ends = tuple(end for end, _ in asked)
    with st.spinner("Drawing …", show_time=True):
        frames = _film(of.recipe, of.version, of.one.dataset, ends, how, of.walker)
    for i, (end, place) in enumerate(asked):
        pair = [frames[i * FRAMES]]
        words = f"End {i + 1}"
        if end.kind != RANDOM:
            pair.insert(0, drawing.pictures(_image(of.one.dataset, end))[0])
            words += f": the {'drawing' if end.kind == DRAWN else end.kind} and what the model gives back of it"
        with place:
            picture(of, np.stack(pair), words, len(pair), SMALL)
    _along(of, frames, "end 1", f"end {count}", "along")
    if count == MAX_ENDS:
        with st.spinner("Drawing …", show_time=True):
            square = _square(of.recipe, of.version, of.one.dataset, ends, how, of.walker)
        st.caption("The same four ends as corners of a square.")
        picture(of, square, f"Square of {SIDE} by {SIDE} pictures between the four ends", SIDE, SMALL)


def _end(of: Subject, i: int) -> tuple[End, DeltaGenerator]:
    """What the visitor asks of end `i`, and the place above for its picture."""
    with st.container(width=SLIDER - 24, gap="xsmall"):
        place = st.container(height=of.scale(SMALL) * of.size + 8, border=False)
        kinds = [RANDOM, TEST] if of.walker.inverts else [RANDOM]
        if of.walker.inverts and DATASETS[of.one.dataset].channels == 1:
            kinds.append(DRAWN)
        kind = st.selectbox(f"End {i}", kinds, key=f"end{i}", bind="query-params") if len(kinds) > 1 else RANDOM
        if kind == DRAWN:
            return _drawn(of, i), place
        with st.container(horizontal=True):
            if kind == TEST:
                labels = drawing.real_labels(of.one.dataset, "test")
                number = st.number_input(
                    "Number", 0, len(labels) - 1, i - 1, key=f"test{i}", bind="query-params", width=SLIDER // 2
                )
                return End(TEST, number, int(labels[number])), place
            asked = digit(of, "Digit", f"digit{i}", 2 * i + 1)
            number = st.number_input(
                "Seed", 0, address.MAX_SEED, i - 1, key=f"seed{i}", bind="query-params", width=SLIDER // 2
            )
            return End(RANDOM, number, asked), place


def _drawn(of: Subject, i: int) -> End:
    """What the visitor draws of end `i`; before that, the random one it would be."""
    pixels, box = canvas.drawn(f"canvas{i}", of.size), canvas.BOXES.get(of.one.dataset)
    asked = digit(of, "Digit", f"digit{i}", 2 * i + 1)
    if pixels is None:
        st.caption(f"Draw a {'digit' if box else 'picture'}; until then this end is random.")
        return End(RANDOM, i - 1, asked)
    return End(DRAWN, 0, asked, (canvas.fitted(pixels, box) if box else pixels).tobytes())


def _image(dataset: DatasetName, end: End) -> drawing.Tensor:
    """The picture (1, C, H, W) uint8 whose latent is looked for: a test picture, or the drawing."""
    if end.kind == TEST:
        return drawing.real(dataset, "test")[end.number][None]
    return drawing.grey(end.pixels, DATASETS[dataset].size)


def _places(walker: Walker, dataset: DatasetName, ends: tuple[End, ...]) -> Places:
    found = [
        walker.random(end.number, end.digit)
        if end.kind == RANDOM
        else walker.found(_image(dataset, end), end.digit)
        for end in ends
    ]
    return Places.of(found)


@st.cache_data(max_entries=32, show_spinner=False)
def _film(
    recipe: Recipe, version: int, dataset: DatasetName, ends: tuple[End, ...], how: str, _walker: Walker
) -> np.ndarray:
    return drawing.pictures(_walker.draw(walks.path(_places(_walker, dataset, ends), FRAMES, how)))


@st.cache_data(max_entries=32, show_spinner=False)
def _square(
    recipe: Recipe, version: int, dataset: DatasetName, ends: tuple[End, ...], how: str, _walker: Walker
) -> np.ndarray:
    return drawing.pictures(_walker.draw(walks.square(_places(_walker, dataset, ends), SIDE, how)))


def _along(of: Subject, pictures: np.ndarray, first: str, last: str, address: str) -> None:
    """The film under a slider; its pictures side by side and as a GIF."""
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=of.scale(LARGE) * of.size):
            name = f"Picture {drawn_by(of)}"
            film.show([film.Tile(name, None, sheets.strip(pictures))], first, last, of.scale(LARGE) * of.size, address)
        with st.container(width=2 * SLIDER + 32):
            some = pictures[:: max(1, (len(pictures) - 1) // FRAMES)]
            picture(of, some, f"{len(some)} pictures along the walk", -(-len(some) // 2), 2 * LARGE // FRAMES)
            st.download_button(
                "GIF", partial(walks.gif, pictures, of.scale(LARGE // 2)), f"{of.one.run.name}.gif", "image/gif",
                icon=":material/gif_box:", on_click="ignore", help="There and back.",
            )  # fmt: skip


def morph(of: Subject) -> None:
    """From one class to another, the latent kept."""
    if not of.walker.morphs:
        st.info(
            f"A {plain(of.one.label)} takes no labels, so nothing lies between two digits for it. Choose a run of a cGAN, "
            "whose label is a vector; or walk from one picture to another under **interpolation**.",
            icon=":material/tag:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first, last = digit(of, "From", "from", 3), digit(of, "To", "to", 8)
        seed = address.seed()
    pictures = _film(of.recipe, of.version, of.one.dataset, (End(RANDOM, seed, first), End(RANDOM, seed, last)), "lerp", of.walker)
    names = DATASETS[of.one.dataset].class_names
    _along(of, pictures, names[first], names[last], "morph")
    st.caption("The latent stays where it is; only the label's vector moves, from one class to the other.")
