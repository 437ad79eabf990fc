"""Views of the latent page from above: test pictures by their codes, and pictures over a plane of latent space."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from dashboard import address, drawing
from dashboard.drawing import Recipe
from dashboard.subject import LARGE, REACH, SIDE, SLIDER, SMALL, Subject, digit, directions, named, picture
from gencore import walks
from gencore.config import DatasetName
from gencore.data.registry import DATASETS
from gencore.walks import Plane, Walker

MAPPED = 1000
PLANES = ("test pictures", "principal directions")


def show(of: Subject) -> None:
    plane = PLANES[-1]
    if of.walker.encodes:
        plane = st.segmented_control(
            "Plane", PLANES, default=PLANES[0], required=True, key="plane", bind="query-params",
            label_visibility="collapsed", width="content",
        )  # fmt: skip
    if plane == PLANES[0]:
        _codes_map(of)
    else:
        _directions_map(of)


def _directions_map(of: Subject) -> None:
    found = directions(of)
    names = [f"direction {k} · {named(share)}" for k, share in enumerate(found.shares, start=1)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        across = names.index(st.selectbox("Across", names, 0, key="across", bind="query-params", width=SLIDER))
        down = names.index(st.selectbox("Down", names, 1, key="down", bind="query-params", width=SLIDER))
        asked = digit(of, "Digit", "ask")
        base = of.walker.random(address.seed(), asked)
    with st.spinner("Drawing …", show_time=True):
        places = walks.turns(base, found.vectors[[across, down]], SIDE, REACH)
        pictures = drawing.pictures(of.walker.draw(places))
    words = f"{SIDE} by {SIDE} pictures over directions {across + 1} and {down + 1}"
    picture(of, pictures, words, SIDE, SMALL)
    st.caption("In the middle the seed's own picture; towards each edge its latent turns by 45°.")


@st.cache_resource(max_entries=8, show_spinner=False)
def _plane(recipe: Recipe, version: int, dataset: DatasetName, _walker: Walker) -> Plane:
    return Plane.of(_walker.found(drawing.real(dataset, "test")[:MAPPED], None).z)


def _codes_map(of: Subject) -> None:
    dataset = of.one.dataset
    test = drawing.real(dataset, "test")[:MAPPED]
    plane = _plane(of.recipe, of.version, dataset, of.walker)
    labels = drawing.real_labels(dataset, "test")[:MAPPED]
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=500):
            st.altair_chart(
                _scatter(plane, [DATASETS[dataset].class_names[label] for label in labels]),
                key="codes", on_select=_choose, selection_mode="chosen",
            )  # fmt: skip
        with st.container(width=SLIDER):
            number = st.number_input("Test picture", 0, len(test) - 1, 0, key="point", bind="query-params")
            real = test[number][None]
            given_back = of.walker.draw(of.walker.found(real, None))
            both = np.concatenate([drawing.pictures(real), drawing.pictures(given_back)])
            picture(of, both, f"Test picture {number} and what the model gives back of it", 2, LARGE // 3)
            st.caption("Click a digit on the map: the test picture, and what the model gives back of it.")
    st.caption(
        f"The codes of {len(test):,} test pictures on the two axes along which they vary most, {plane.share:.0%} of their "
        "variance. Below, what the model draws on that plane."
    )
    picture(
        of, drawing.pictures(of.walker.draw(plane.grid(SIDE))), f"{SIDE} by {SIDE} pictures over the plane", SIDE, SMALL
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
