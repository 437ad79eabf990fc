"""Latent space: sliders along the directions that change a model's pictures most, walks, morphs and maps."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.components import latent_sliders
from dashboard.components.latent_sliders import Slider
from dashboard.data import generation, run_catalog, sheets
from dashboard.data.run_catalog import Entry
from dashboard.views import latent_interpolation, latent_maps
from dashboard.views.latent_model import (
    LARGE,
    REACH,
    SLIDER,
    SelectedModel,
    digit,
    directions,
    drawn_by,
    named,
    select_model,
)
from dashboard.widgets import address, run_controls
from dashboard.widgets.altair_charts import mark
from dashboard.widgets.text import plain
from gencore.analysis.colours import colour
from gencore.latent import traversal
from gencore.latent.directions import COARSE, Directions
from gencore.latent.traversal import LatentPoints

DEVIATIONS = 4.0
"""How far a raw coordinate is moved at most; drawn ones have a deviation of about 1."""
MAX_COORDINATES = 6


def main() -> None:
    """Draw the page."""
    st.title("Latent space", anchor=False)
    entries = run_catalog.generative_runs()
    if not entries:
        st.info(
            "No model to walk through yet. Choose one on the left and press **Start**; its latent "
            "space opens as soon "
            "as its first weights are saved.",
            icon=":material/rocket_launch:",
        )
        return
    by_name = {one.run.name: one for one in entries}
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
            one = by_name[address.run("latent", [*by_name], _default(entries))]
    run_controls.faults(one)
    if one.config:
        _walk(one, view)


def _default(entries: list[Entry]) -> str:
    """The first headline model of the data set that most is measured on, else the newest run."""
    for dataset in run_catalog.datasets(entries):
        return run_catalog.one_a_label(entries, dataset)[0].run.name
    return entries[0].run.name


@st.fragment
def _walk(one: Entry, view: str) -> None:
    with generation.explained_errors(one):
        of = select_model(one)
        VIEWS[view](of)
        st.caption(
            f"{mark(colour(one.label))} {plain(one.label)} · {plain(one.run.name)} · weights of step "
            f"{of.step:,} · "
            f"{plain(of.latent_space.model.sampling)}"
        )


def _sliders(of: SelectedModel) -> None:
    found = directions(of)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = digit(of, "Digit", "ask")
        base = of.latent_space.random(address.seed(), asked)
        chosen = st.multiselect(
            "Raw coordinates",
            [str(i) for i in range(base.z.numel())],
            key="coordinates",
            bind="query-params",
            max_selections=MAX_COORDINATES,
            placeholder=f"Choose among {base.z.numel()}",
            width=SLIDER,
        )
    _moved(of, base, found, [int(i) for i in chosen])
    among = f"its {COARSE}×{COARSE} slowest waves" if found.vectors.ndim == 4 else "its coordinates"
    st.caption(
        "A slider turns the latent towards a direction, by 45° at its end, and keeps its length; one "
        "of a raw coordinate is "
        f"added to it. Shares are of the squared change of features along all of {among}, around "
        f"{found.places} drawn latents."
    )


@st.fragment
def _moved(of: SelectedModel, base: LatentPoints, found: Directions, coordinates: list[int]) -> None:
    """The picture and its sliders; all that a move runs."""
    turns = [
        Slider(f"d{k}", f"direction {k} · {named(share)}", REACH, 0.05)
        for k, share in enumerate(found.shares, start=1)
    ]
    shifts = [Slider(f"z{i}", f"add to coordinate {i}", DEVIATIONS, 0.1) for i in coordinates]
    stand = latent_sliders.places([*turns, *shifts])
    amounts, added = [stand[one.name] for one in turns], {i: stand[f"z{i}"] for i in coordinates}
    with generation.explained_errors(of.one):
        images = of.latent_space.draw(traversal.edit_latent(base, found.vectors, amounts, added))
        told = [f"direction {k} at {a:g}" for k, a in enumerate(amounts, start=1) if a]
        told += [f"coordinate {i} by {c:g}" for i, c in added.items() if c]
        words = f"Picture with {', '.join(told) or 'all sliders at 0'}, {drawn_by(of)}"
        latent_sliders.show(
            [*turns, *shifts],
            stand,
            sheets.draw(generation.pictures(images), 1, 1),
            words,
            of.scale(LARGE) * of.size,
        )


VIEWS: dict[str, Callable[[SelectedModel], None]] = {
    "sliders": _sliders,
    "interpolation": latent_interpolation.interpolation,
    "class morph": latent_interpolation.morph,
    "map": latent_maps.show,
}

main()
