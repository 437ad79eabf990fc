"""Maps of a latent space: encoded test images, and images generated on a plane."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from dashboard.data import generation
from dashboard.data.generation import SamplingOptions
from dashboard.views import condition
from dashboard.views.latent_model import (
    LARGE,
    REACH,
    SIDE,
    SLIDER,
    SMALL,
    SelectedModel,
    direction_name,
    principal_directions,
    show_images,
)
from dashboard.widgets import address
from gencore.config.datasets import DatasetSpec
from gencore.latent import traversal
from gencore.latent.traversal import LatentSpace, Plane

MAPPED = 1000
"""Test images on the map."""
TEST_IMAGES, DIRECTIONS = "test images", "principal directions"


def show(selected: SelectedModel) -> None:
    """The map of the latent space, with its inputs."""
    plane = DIRECTIONS
    if selected.latent_space.encodes:
        plane = st.segmented_control(
            "Plane",
            [TEST_IMAGES, DIRECTIONS],
            default=TEST_IMAGES,
            required=True,
            key="plane",
            bind="query-params",
            label_visibility="collapsed",
            width="content",
        )
    if plane == TEST_IMAGES:
        _map_of_test_images(selected)
    else:
        _map_of_directions(selected)


def _map_of_directions(selected: SelectedModel) -> None:
    """Images on the plane of two principal directions."""
    found = principal_directions(selected)
    names = [direction_name(k, share) for k, share in enumerate(found.shares, start=1)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        across, down = (
            names.index(st.selectbox(label, names, i, key=key, bind="query-params", width=SLIDER))
            for i, (label, key) in enumerate([("Horizontal", "across"), ("Vertical", "down")])
        )
        label = condition.choose(selected.entry, "ask")
        base = selected.latent_space.random(address.seed(), label)
    with st.spinner("Generating …", show_time=True):
        points = traversal.rotation_grid(base, found.vectors[[across, down]], SIDE, REACH)
        pixels = generation.pictures(selected.latent_space.draw(points))
    title = f"{SIDE} by {SIDE} images over directions {across + 1} and {down + 1}"
    show_images(selected, pixels, title, SIDE, SMALL)
    st.caption(
        "In the centre is the image of the seed. Towards each edge its latent is rotated by up to 45°."
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def _plane(
    sampling_options: SamplingOptions, version: int, spec: DatasetSpec, _latent_space: LatentSpace
) -> Plane:
    return Plane.of(_latent_space.invert(generation.real(spec, "test")[:MAPPED], None).z)


def _map_of_test_images(selected: SelectedModel) -> None:
    """Encoded test images on their first two principal components, and generated images on that plane."""
    spec, latent_space = selected.spec, selected.latent_space
    test = generation.real(spec, "test")[:MAPPED]
    labels = generation.real_labels(spec, "test")[:MAPPED]
    plane = _plane(selected.sampling_options, selected.version, spec, latent_space)
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=500):
            st.altair_chart(
                _scatter(plane, [spec.class_names[label] for label in labels]),
                key="codes",
                on_select=_keep_chosen_point,
                selection_mode="chosen",
            )
        with st.container(width=SLIDER):
            number = st.number_input("Test image", 0, len(test) - 1, 0, key="point", bind="query-params")
            original = test[number][None]
            reconstruction = latent_space.draw(latent_space.invert(original, None))
            both = np.concatenate([generation.pictures(original), generation.pictures(reconstruction)])
            show_images(selected, both, f"Test image {number} and its reconstruction", 2, LARGE // 3)
            st.caption("Click a label on the map to see the test image and its reconstruction.")
    st.caption(
        f"The codes of {len(test):,} test images on their first two principal components, which hold "
        f"{plane.share:.0%} of the variance. Below: images that the model generates on this plane."
    )
    pixels = generation.pictures(latent_space.draw(plane.grid(SIDE)))
    show_images(selected, pixels, f"{SIDE} by {SIDE} images over the plane", SIDE, SMALL)


def _scatter(plane: Plane, names: list[str]) -> alt.Chart:
    points = pd.DataFrame(plane.coordinates, columns=["x", "y"])
    points["class"], points["image"] = names, range(len(points))
    chosen = alt.selection_point(name="chosen", fields=["image"])
    axis = alt.Axis(title=None, labels=False, ticks=False, domain=False, grid=False)
    return (
        alt.Chart(points)
        .mark_text(fontWeight=700, cursor="pointer")
        .encode(
            x=alt.X("x:Q", axis=axis),
            y=alt.Y("y:Q", axis=axis),
            text="class:N",
            size=alt.condition(chosen, alt.value(22), alt.value(11), empty=False),
            color=alt.Color("class:N", legend=None, scale=alt.Scale(scheme="tableau10")),
            tooltip=["class:N", "image:Q"],
        )
        .add_params(chosen)
        .properties(height=480)
    )


def _keep_chosen_point() -> None:
    for point in st.session_state["codes"]["selection"]["chosen"][:1]:
        st.session_state["point"] = point["image"]
