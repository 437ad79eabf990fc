"""The input for the condition of a model: its class, or its cluster with images of all clusters."""

from __future__ import annotations

import streamlit as st

from dashboard.data import generation, sheets
from dashboard.data.generation import SamplingOptions
from dashboard.data.run_catalog import Entry

WIDTH = 110
COLUMNS, SCALE = 10, 2
RANDOM = "random"


def choose(entry: Entry, key: str, default: int = 0, *, may_be_random: bool = True) -> int | None:
    """The class chosen, or the cluster, which is None where it is random; None for other models.

    `default` is a class; it is a cluster as well where clusters may not be random."""
    model = entry.readable_config.model
    if model.is_conditional:
        names, title = entry.spec.class_names, entry.spec.noun.capitalize()
        default = default % len(names)
        return names.index(st.selectbox(title, names, default, key=key, bind="query-params", width=WIDTH))
    if not (count := model.number_of_clusters):
        return None
    numbers = [str(k) for k in range(count)]
    if not may_be_random:
        first = default % count
        return numbers.index(
            st.selectbox("Cluster", numbers, first, key=key, bind="query-params", width=WIDTH)
        )
    chosen = st.selectbox("Cluster", [RANDOM, *numbers], key=key, bind="query-params", width=WIDTH)
    return None if chosen == RANDOM else int(chosen)


def show_clusters(entry: Entry, sampling_options: SamplingOptions) -> None:
    """A button that opens the mean image of each cluster, for a model that has clusters."""
    if not entry.readable_config.model.number_of_clusters:
        return
    with st.popover("Clusters", icon=":material/grid_view:"), generation.explained_errors(entry):
        images = generation.cluster_images(sampling_options)
        st.image(sheets.draw(images, COLUMNS, SCALE), alt=f"The mean image of each of {len(images)} clusters")
        st.caption(
            f"The model was trained with {len(images)} k-means clusters of the training images in place of "
            f"labels. Each image is the centre of one, numbered row by row from 0, {COLUMNS} in a row."
        )
