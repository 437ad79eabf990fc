"""Views of the latent page from above: test pictures by their codes, and pictures over a plane of latent
space.
"""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from dashboard.data import generation
from dashboard.data.generation import SamplingOptions
from dashboard.views.latent_model import (
    LARGE,
    REACH,
    SIDE,
    SLIDER,
    SMALL,
    SelectedModel,
    digit,
    directions,
    named,
    picture,
)
from dashboard.widgets import address
from gencore.config.options import DatasetName
from gencore.data.registry import DATASETS
from gencore.latent import traversal
from gencore.latent.traversal import LatentSpace, Plane

MAPPED = 1000
PLANES = ("test pictures", "principal directions")


def show(of: SelectedModel) -> None:
    """The map of the latent space, with its controls."""
    plane = PLANES[-1]
    if of.latent_space.encodes:
        plane = st.segmented_control(
            "Plane", PLANES, default=PLANES[0], required=True, key="plane", bind="query-params",
            label_visibility="collapsed", width="content",
        )  # fmt: skip
    if plane == PLANES[0]:
        _codes_map(of)
    else:
        _directions_map(of)


def _directions_map(of: SelectedModel) -> None:
    found = directions(of)
    names = [f"direction {k} · {named(share)}" for k, share in enumerate(found.shares, start=1)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        across = names.index(
            st.selectbox("Across", names, 0, key="across", bind="query-params", width=SLIDER)
        )
        down = names.index(st.selectbox("Down", names, 1, key="down", bind="query-params", width=SLIDER))
        asked = digit(of, "Digit", "ask")
        base = of.latent_space.random(address.seed(), asked)
    with st.spinner("Drawing …", show_time=True):
        places = traversal.rotation_grid(base, found.vectors[[across, down]], SIDE, REACH)
        pictures = generation.pictures(of.latent_space.draw(places))
    words = f"{SIDE} by {SIDE} pictures over directions {across + 1} and {down + 1}"
    picture(of, pictures, words, SIDE, SMALL)
    st.caption("In the middle the seed's own picture; towards each edge its latent turns by 45°.")


@st.cache_resource(max_entries=8, show_spinner=False)
def _plane(
    sampling_options: SamplingOptions, version: int, dataset: DatasetName, _latent_space: LatentSpace
) -> Plane:
    return Plane.of(_latent_space.invert(generation.real(dataset, "test")[:MAPPED], None).z)


def _codes_map(of: SelectedModel) -> None:
    dataset = of.dataset
    test = generation.real(dataset, "test")[:MAPPED]
    plane = _plane(of.sampling_options, of.version, dataset, of.latent_space)
    labels = generation.real_labels(dataset, "test")[:MAPPED]
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=500):
            st.altair_chart(
                _scatter(plane, [DATASETS[dataset].class_names[label] for label in labels]),
                key="codes", on_select=_choose, selection_mode="chosen",
            )  # fmt: skip
        with st.container(width=SLIDER):
            number = st.number_input("Test picture", 0, len(test) - 1, 0, key="point", bind="query-params")
            real = test[number][None]
            given_back = of.latent_space.draw(of.latent_space.invert(real, None))
            both = np.concatenate([generation.pictures(real), generation.pictures(given_back)])
            picture(of, both, f"Test picture {number} and what the model gives back of it", 2, LARGE // 3)
            st.caption("Click a digit on the map: the test picture, and what the model gives back of it.")
    st.caption(
        f"The codes of {len(test):,} test pictures on the two axes along which they vary most, "
        f"{plane.share:.0%} of their "
        "variance. Below, what the model draws on that plane."
    )
    picture(
        of,
        generation.pictures(of.latent_space.draw(plane.grid(SIDE))),
        f"{SIDE} by {SIDE} pictures over the plane",
        SIDE,
        SMALL,
    )


def _scatter(plane: Plane, names: list[str]) -> alt.Chart:
    points = pd.DataFrame(plane.coordinates, columns=["x", "y"])
    points["digit"], points["picture"] = names, range(len(points))
    chosen = alt.selection_point(name="chosen", fields=["picture"])
    axis = alt.Axis(title=None, labels=False, ticks=False, domain=False, grid=False)
    return (
        alt.Chart(points)
        .mark_text(fontWeight=700, cursor="pointer")
        .encode(
            x=alt.X("x:Q", axis=axis),
            y=alt.Y("y:Q", axis=axis),
            text="digit:N",
            size=alt.condition(chosen, alt.value(22), alt.value(11), empty=False),
            color=alt.Color("digit:N", legend=None, scale=alt.Scale(scheme="tableau10")),
            tooltip=["digit:N", "picture:Q"],
        )
        .add_params(chosen)
        .properties(height=480)
    )


def _choose() -> None:
    for point in st.session_state["codes"]["selection"]["chosen"][:1]:
        st.session_state["point"] = point["picture"]
