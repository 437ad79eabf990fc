"""Gallery: samples of several models side by side from one seed, one row per class, and over training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data import generation, run_catalog, sheets
from dashboard.data.generation import Samples
from dashboard.data.run_catalog import Entry
from dashboard.views import gallery_options, gallery_training
from dashboard.views.gallery_cards import NARROW, SCALE, WIDE, card, describe
from dashboard.views.gallery_options import SamplingChoices
from dashboard.widgets import address, dataset_choice, models_by_family, run_controls
from dashboard.widgets.text import figure, plain

MAX_SHOWN = 6
MAX_COUNT, DEFAULT_COUNT = 400, 20
MAX_IN_NARROW_SHEET = 25
"""Up to this many images are shown in a narrow sheet."""
ALL_CLASSES = "all"
VIEWS = SAMPLES, CLASS_BY_ROW, OVER_TRAINING = "samples", "class by row", "over training"
FORMER_VIEWS = {"digit by row": CLASS_BY_ROW}
"""Names in older links."""


def main() -> None:
    """Show the page."""
    st.title("Gallery", anchor=False)
    entries = address.models(run_catalog.trained_models())
    if not entries:
        st.info(
            "No model to sample from yet. Choose a model on the left and press **Start**; its samples "
            "appear here after its first checkpoint.",
            icon=":material/rocket_launch:",
        )
        return
    if (former := st.query_params.get("show")) in FORMER_VIEWS:
        st.session_state["show"] = FORMER_VIEWS[former]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "View",
            VIEWS,
            default=SAMPLES,
            required=True,
            key="show",
            bind="query-params",
            label_visibility="collapsed",
            width="content",
        )
        if names := run_catalog.datasets_with_runs(entries):
            dataset = dataset_choice.choose(entries, names)
            chosen = models_by_family.single_runs(entries, dataset, MAX_SHOWN)
        else:
            chosen = entries[:MAX_SHOWN]
        readable = [entry for entry in chosen if entry.config]
        choices = SamplingChoices()
        if view != "over training":
            with st.popover("Sampling options", icon=":material/tune:"):
                choices = gallery_options.choose(readable)
    for entry in chosen:
        run_controls.faults(entry)
    if not readable:
        return
    if view == OVER_TRAINING:
        gallery_training.show(readable)
    elif view == CLASS_BY_ROW:
        _class_by_row(readable, choices)
    else:
        _samples(readable, choices)


def _samples(entries: Sequence[Entry], choices: SamplingChoices) -> None:
    """A sheet of samples per model, all from one seed."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        spec = entries[0].spec
        names = [ALL_CLASSES, *spec.class_names]
        name = st.selectbox(
            spec.noun.capitalize(),
            names,
            key="digit",
            bind="query-params",
            width=130,
            help=f"Conditional models generate this {spec.noun}. Of the images of other models, the page "
            f"shows those that the data set's classifier recognises as this {spec.noun}.",
        )
        label = None if name == ALL_CLASSES else names.index(name) - 1
        seed = address.seed()
        count = st.slider(
            "Images per model", 1, MAX_COUNT, DEFAULT_COUNT, key="count", bind="query-params", width=200
        )
        with_neighbours = st.toggle(
            "Nearest training image",
            key="nearest",
            bind="query-params",
            help="Shows below each image the training image that is nearest to it in the features of the "
            "data set's classifier.",
        )
    columns = NARROW if count <= MAX_IN_NARROW_SHEET else WIDE
    with st.container(horizontal=True, gap="small"):
        for entry in entries:
            with card(entry, columns) as header, st.spinner("Generating …", show_time=True):
                samples = generation.draw(choices.sampling_options(entry), count, label, seed)
                if label is not None and samples.labels is None:
                    samples = _recognised(entry, samples, label)
                if len(samples.images):
                    _sheet(entry, samples, columns, with_neighbours, header)


def _recognised(entry: Entry, samples: Samples, label: int) -> Samples:
    """The samples that the classifier recognises as class `label`."""
    kept = samples.only(generation.recognised(entry.spec, samples.images) == label)
    name = entry.spec.class_names[label]
    st.caption(
        f"This model takes no label. The classifier recognises a {plain(name)} in {len(kept.images)} of "
        f"its {len(samples.images)} images."
    )
    return kept


def _sheet(
    entry: Entry, samples: Samples, columns: int, with_neighbours: bool, header: DeltaGenerator
) -> None:
    pixels = generation.pictures(samples.images)
    alt = f"{len(samples.images)} images generated by the {entry.label} of run {entry.run.name}"
    if with_neighbours:
        text = "Computing the features of the training images, once"
        bar = st.progress(0.0, text)

        def show_share(share: float) -> None:
            bar.progress(share, text=text)

        found = generation.nearest_training(entry.spec, samples.images, show_share)
        bar.empty()
        pairs = np.concatenate([pixels, generation.pictures(found.images)], axis=1)
        st.image(sheets.draw(pairs, columns, SCALE), alt=f"{alt}, each above its nearest training image")
        st.caption(
            f"Below each image is the nearest of {found.among:,} training images in the features of the "
            f"classifier. Distances are {figure(found.distances.min())} to "
            f"{figure(found.distances.max())}; the distance of a copy is 0."
        )
    else:
        st.image(sheets.draw(pixels, columns, SCALE), alt=alt)
    describe(entry, samples, header)


def _class_by_row(entries: Sequence[Entry], choices: SamplingChoices) -> None:
    """Samples of the conditional models, one row per class."""
    conditional = [entry for entry in entries if entry.is_conditional]
    if not conditional:
        st.info(
            "None of these models takes a label, so none can generate a chosen class. Choose a run of a "
            "cGAN or of a conditional DDPM.",
            icon=":material/tag:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = address.seed()
    st.caption("One row per class. The images of a column share their noise; only the label changes.")
    with st.container(horizontal=True, gap="small"):
        for entry in conditional:
            with card(entry, WIDE) as header, st.spinner("Generating …", show_time=True):
                samples = generation.grid(choices.sampling_options(entry), WIDE, seed)
                st.image(
                    sheets.draw(generation.pictures(samples.images), WIDE, SCALE),
                    alt=f"One row per class, generated by the {entry.label} of run {entry.run.name}",
                )
                describe(entry, samples, header)


main()
