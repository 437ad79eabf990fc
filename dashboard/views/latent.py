"""Latent space: sliders along principal directions, interpolation, class morphs, maps, reconstructions."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.components import latent_sliders
from dashboard.components.latent_sliders import PageModel, Slider
from dashboard.data import generation, run_catalog, sheets
from dashboard.data.run_catalog import Entry
from dashboard.views import condition, latent_interpolation, latent_maps, latent_reconstruction
from dashboard.views.latent_model import (
    LARGE,
    REACH,
    SLIDER,
    SelectedModel,
    direction_name,
    generated_by,
    principal_directions,
    select_model,
)
from dashboard.widgets import address, run_controls
from dashboard.widgets.altair_charts import mark
from dashboard.widgets.text import plain
from gencore.analysis.colours import colour
from gencore.latent import traversal
from gencore.latent.directions import COARSE, Directions
from gencore.latent.traversal import LatentPoints
from gencore.models.base import SamplesInSteps, StepsByTable

MAX_OFFSET = 4.0
"""Largest offset of a raw coordinate; coordinates of random latents have a standard deviation of about 1."""
MAX_COORDINATES = 6


def main() -> None:
    """Show the page."""
    st.title("Latent space", anchor=False)
    entries = address.models(run_catalog.trained_models())
    if not entries:
        st.info(
            "No model to explore yet. Choose a model on the left and press **Start**; its latent space is "
            "shown here after its first checkpoint.",
            icon=":material/rocket_launch:",
        )
        return
    by_name = {entry.run.name: entry for entry in entries}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "View",
            [*VIEWS],
            default=next(iter(VIEWS)),
            required=True,
            key="walk",
            bind="query-params",
            label_visibility="collapsed",
            width="content",
        )
        with st.container(width=LARGE):
            entry = by_name[address.run("latent", [*by_name], _default(entries))]
    run_controls.faults(entry)
    if entry.config:
        _show_view(entry, view)


def _default(entries: list[Entry]) -> str:
    """The first model on the data set with the most evaluated runs, else the newest run."""
    for dataset in run_catalog.datasets(entries):
        return run_catalog.one_a_label(entries, dataset)[0].run.name
    return entries[0].run.name


@st.fragment
def _show_view(entry: Entry, view: str) -> None:
    with generation.explained_errors(entry):
        selected = select_model(entry)
        VIEWS[view](selected)
        st.caption(
            f"{mark(colour(entry.label))} {plain(entry.label)} · {plain(entry.run.name)} · weights of step "
            f"{selected.step:,} · {plain(selected.latent_space.model.sampling)}"
        )


def _sliders(selected: SelectedModel) -> None:
    """An image and sliders for the principal directions and the chosen raw coordinates of its latent."""
    found = principal_directions(selected)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = condition.choose(selected.entry, "ask")
        condition.show_clusters(selected.entry, selected.sampling_options)
        base = selected.latent_space.random(address.seed(), label)
        chosen = st.multiselect(
            "Raw coordinates",
            [str(i) for i in range(base.z.numel())],
            key="coordinates",
            bind="query-params",
            max_selections=MAX_COORDINATES,
            placeholder=f"Choose from {base.z.numel()}",
            width=SLIDER,
        )
    _edited_image(selected, base, found, [int(i) for i in chosen])
    searched = f"the {COARSE}×{COARSE} lowest frequencies" if found.vectors.ndim == 4 else "all coordinates"
    st.caption(
        "A direction slider rotates the latent towards that direction, by 45° at its end, and keeps its "
        "length. A coordinate slider adds to that coordinate. Percentages are shares of the squared change "
        f"of features along {searched}, measured at {found.places} random latents."
    )


@st.fragment
def _edited_image(
    selected: SelectedModel, base: LatentPoints, found: Directions, coordinates: list[int]
) -> None:
    """The image and its sliders: the only part of the page that a slider move reruns."""
    direction_sliders = [
        Slider(f"d{k}", direction_name(k, share), REACH, 0.05, f"direction {k} at")
        for k, share in enumerate(found.shares, start=1)
    ]
    coordinate_sliders = [
        Slider(f"z{i}", f"add to coordinate {i}", MAX_OFFSET, 0.1, f"coordinate {i} by") for i in coordinates
    ]
    sliders = [*direction_sliders, *coordinate_sliders]
    values = latent_sliders.places(sliders)
    amounts = [values[slider.name] for slider in direction_sliders]
    offsets = {i: values[f"z{i}"] for i in coordinates}
    with generation.explained_errors(selected.entry):
        point = traversal.edit_latent(base, found.vectors, amounts, offsets)
        pixels = generation.pictures(selected.latent_space.draw(point))
        latent_sliders.show(
            sliders,
            values,
            sheets.draw(pixels, 1, 1),
            generated_by(selected),
            selected.scale(LARGE) * selected.size,
            _page_model(selected, base, found),
        )


def _page_model(selected: SelectedModel, base: LatentPoints, found: Directions) -> PageModel | str:
    """What lets the browser draw by itself, or why it cannot."""
    model = selected.latent_space.model
    steps: list[tuple[float, ...]] = []
    if isinstance(model, SamplesInSteps):
        if not isinstance(model, StepsByTable):
            return "its sampler is not made for the browser"
        try:
            steps = model.step_table()
        except ValueError as error:
            return str(error)
    run = selected.entry.run
    return PageModel(
        f"in-page/decoder/{run.name}.onnx?weights={selected.version}",
        base.z[0].cpu().numpy(),
        base.condition[0].cpu().numpy(),
        found.vectors.cpu().numpy(),
        steps,
    )


VIEWS: dict[str, Callable[[SelectedModel], None]] = {
    "sliders": _sliders,
    "interpolation": latent_interpolation.interpolation,
    "class morph": latent_interpolation.morph,
    "map": latent_maps.show,
    "reconstruction": latent_reconstruction.show,
}

main()
