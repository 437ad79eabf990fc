"""One model's place in the gallery: its name, its sheet of samples, and how they were generated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data import generation, sheets
from dashboard.data.generation import Samples
from dashboard.data.run_catalog import Entry
from dashboard.widgets.altair_charts import mark
from dashboard.widgets.text import plain
from gencore.analysis.colours import colour

SCALE = 3
"""Screen pixels per image pixel."""
NARROW, WIDE = 5, 10
"""Columns of a sheet; two narrow sheets fit side by side at 1280 pixels."""


@contextmanager
def card(entry: Entry, columns: int) -> Iterator[DeltaGenerator]:
    """A container as wide as a sheet of `columns` images; gives its header, which shows the model's name.

    An error of the model is shown in the container, and the page continues.
    """
    width = columns * (entry.spec.size + sheets.GAP) - sheets.GAP
    with st.container(width=SCALE * width, gap="xsmall"):
        header = st.container(horizontal=True, vertical_alignment="center", gap="small")
        header.markdown(
            f"{mark(colour(entry.label))} **{plain(entry.label)}** :gray[{plain(entry.run.name)}]",
            width="stretch",
        )
        with generation.explained_errors(entry):
            yield header


def describe(entry: Entry, samples: Samples, header: DeltaGenerator) -> None:
    """Sampler and training step below the sheet, and download buttons in the header.

    Their files are made before a click: Streamlit loses one that is made on it if the page reruns meanwhile.
    """
    st.caption(f"{plain(samples.sampling)} · weights of step {samples.step:,}")
    for kind in ("png", "npz"):
        header.download_button(
            kind.upper(),
            generation.file(samples, kind),
            f"{entry.run.name}.{kind}",
            type="tertiary",
            icon=":material/download:",
            on_click="ignore",
            key=f"{kind}.{entry.run.name}",
        )
