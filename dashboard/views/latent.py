"""Latent space: sliders along the directions that change a model's pictures most, walks, morphs and maps."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import actions, address, catalog, drawing, maps, travel
from dashboard.catalog import Entry
from dashboard.charts import colour, mark
from dashboard.subject import LARGE, REACH, SLIDER, Subject, digit, directions, named, picture, subject
from dashboard.words import plain
from gencore import latent, walks
from gencore.walks import Places

DEVIATIONS = 4.0
"""How far a raw coordinate is moved at most; drawn ones have a deviation of about 1."""
MAX_COORDINATES = 6


def main() -> None:
    st.title("Latent space", anchor=False)
    entries = catalog.generative_runs()
    if not entries:
        st.info(
            "No model to walk through yet. Choose one on the left and press **Start**; its latent space opens as soon "
            "as its first weights are saved.",
            icon=":material/rocket_launch:",
        )
        return
    by_name = {one.run.name: one for one in entries}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "View", [*VIEWS], default=next(iter(VIEWS)), required=True, key="walk", bind="query-params",
            label_visibility="collapsed", width="content",
        )  # fmt: skip
        with st.container(width=LARGE):
            one = by_name[address.run("latent", [*by_name], _default(entries))]
    actions.faults(one)
    if one.config:
        _walk(one, view)


def _default(entries: list[Entry]) -> str:
    """The first headline model of the data set that most is measured on, else the newest run."""
    for dataset in catalog.datasets(entries):
        return catalog.one_a_label(entries, dataset)[0].run.name
    return entries[0].run.name


@st.fragment
def _walk(one: Entry, view: str) -> None:
    with drawing.said(one):
        of = subject(one)
        VIEWS[view](of)
        st.caption(
            f"{mark(colour(one.label))} {plain(one.label)} · {plain(one.run.name)} · weights of step {of.step:,} · "
            f"{plain(of.walker.model.sampling)}"
        )


def _sliders(of: Subject) -> None:
    found = directions(of)
    keys = [f"d{k}" for k in range(1, len(found.shares) + 1)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = digit(of, "Digit", "ask")
        base = of.walker.random(address.seed(), asked)
        st.button("Back to 0", icon=":material/restart_alt:", on_click=_back, help="All sliders.")
    with st.container(horizontal=True, gap="medium"):
        place = st.container(width=of.scale(LARGE) * of.size)
        with st.container(width=2 * SLIDER + 32):
            with st.container(horizontal=True):
                amounts = [
                    st.slider(
                        f"direction {k} · {named(share)}", -REACH, REACH, 0.0, 0.05, key=key, bind="query-params",
                        width=SLIDER,
                    )
                    for k, (key, share) in enumerate(zip(keys, found.shares, strict=True), start=1)
                ]  # fmt: skip
            coordinates = _coordinates(base)
            with place:
                images = of.walker.draw(walks.moved(base, found.vectors, amounts, coordinates))
                moved = [f"direction {k} at {a:g}" for k, a in enumerate(amounts, start=1) if a]
                moved += [f"coordinate {i} by {c:g}" for i, c in coordinates.items() if c]
                picture(of, drawing.pictures(images), "Picture with " + (", ".join(moved) or "all sliders at 0"))
    among = f"its {latent.COARSE}×{latent.COARSE} slowest waves" if found.vectors.ndim == 4 else "its coordinates"
    st.caption(
        "A slider turns the latent towards a direction, by 45° at its end, and keeps its length. Shares are of the squared "
        f"change of features along all of {among}, around {found.places} drawn latents."
    )


def _coordinates(base: Places) -> dict[int, float]:
    """What is added to chosen coordinates of the flat latent."""
    with st.expander("Raw coordinates", icon=":material/data_array:"):
        chosen = st.multiselect(
            "Coordinates", [str(i) for i in range(base.z.numel())], key="coordinates", bind="query-params",
            max_selections=MAX_COORDINATES, placeholder=f"Choose among {base.z.numel()}",
        )  # fmt: skip
        with st.container(horizontal=True):
            return {
                int(i): st.slider(
                    f"add to coordinate {i}", -DEVIATIONS, DEVIATIONS, 0.0, 0.1, key=f"z{i}", bind="query-params",
                    width=SLIDER - 16,
                )
                for i in chosen
            }  # fmt: skip


def _back() -> None:
    for key in st.session_state:
        if key[:1] in "dz" and key[1:].isdigit():
            st.session_state[key] = 0.0


VIEWS: dict[str, Callable[[Subject], None]] = {
    "sliders": _sliders,
    "interpolation": travel.interpolation,
    "class morph": travel.morph,
    "map": maps.show,
}

main()
