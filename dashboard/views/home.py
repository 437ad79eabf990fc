"""Home: the models at a glance. Pictures first, words second, tables last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from dashboard.components import frame_slider
from dashboard.data import frames, run_catalog, sheets
from dashboard.data.run_catalog import Entry
from dashboard.widgets import (
    address,
    altair_charts,
    dataset_choice,
    model_choice,
    models_by_family,
    run_controls,
)
from dashboard.widgets.altair_charts import mark
from dashboard.widgets.model_choice import ShownModel
from dashboard.widgets.sidebar import LIVE
from dashboard.widgets.text import ABSENT, duration, figure, plain
from gencore.analysis.measured_models import Model
from gencore.analysis.scores import SCORES, Score
from gencore.config.families import variants
from gencore.config.options import HEADLINE
from gencore.reports import spheres
from gencore.reports.spheres import View

PERFORMANCE = "views/performance.py"
TITLE = "Generative models side by side"
MORPH_SECONDS = 8.0
"""From one class to the other and back, while nobody moves the slider."""
ORIGIN_ICONS = {"measured": ":material/straighten:", "shipped": ":material/package_2:"}


def main() -> None:
    """Draw the page."""
    entries = address.models(run_catalog.generative_runs())
    if run_catalog.datasets(entries):
        _overview(entries)
    else:
        _nothing_measured(entries)
    _explanations()
    for one in entries:
        run_controls.faults(one)


def _overview(entries: list[Entry]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title(TITLE, anchor=False)
        dataset = dataset_choice.choose(entries, run_catalog.datasets_with_runs(entries))
    with st.container(horizontal=True, vertical_alignment="center"):
        subtitle = st.container(width="stretch")
        shown = model_choice.side_by_side(models_by_family.compared(entries, dataset), dataset)
    subtitle.caption(_subtitle(shown, dataset))
    _morph(shown)
    columns = st.columns(2, gap="large")
    for place, one in enumerate(shown):
        with columns[place % 2]:
            _card(one)
    _links()
    st.divider()
    if models := [one.model for one in shown if one.model]:
        _space(models)
        _table(shown)
    else:
        st.info(f"Nothing is measured on {plain(dataset)} yet.", icon=":material/straighten:")
        st.code("\n".join(f"gencore evaluate {one.first.run.name}" for one in shown), language="bash")


def _subtitle(shown: Sequence[ShownModel], dataset: str) -> str:
    origins = [one.first.results.origins.get("evaluation") for one in shown if one.first.results]
    source = " and ".join(sorted({origin.words for origin in origins if origin}))
    return f"{plain(dataset)} · {source or 'not evaluated yet'} · ten samples each, not selected"


def _card(one: ShownModel) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"#### {mark(one.look.colour)} {plain(one.look.name)}", anchors=False, width="stretch")
        _origin_badge(one.first)
        st.page_link(
            LIVE,
            label="",
            icon=":material/show_chart:",
            help="Training curves",
            query_params={"run": one.first.run.name},
        )
    _ten_samples(one.first)
    with st.container(horizontal=True, horizontal_alignment="distribute", gap="small"):
        for name in SCORES:
            _score(name, one.model.scores[name] if one.model else None)


def _morph(shown: Sequence[ShownModel]) -> None:
    """The slider from one class to another, for models whose evaluation has made the images in between."""
    tiles = []
    for one in shown:
        path = one.first.run.results / "morph.png"
        try:
            tiles.append(
                frame_slider.Tile(one.look.name, one.look.colour, _strip(path, path.stat().st_mtime_ns))
            )
        except FileNotFoundError:
            continue  # not measured, or by a version without these images
        except (sheets.SheetError, OSError) as fault:
            st.warning(plain(str(fault)), icon=":material/broken_image:")
    if tiles:
        spec = shown[0].first.spec
        first, last = (spec.class_names[i] for i in spec.morph)
        frame_slider.show(tiles, first, last, moves=MORPH_SECONDS)
        st.caption(
            "Interpolation in each model's latent space; a cGAN keeps its latent and changes the label. The "
            "two ends are generated images of which the classifier is certain; those in between are not "
            "selected."
        )


@st.cache_data(max_entries=64, show_spinner=False)
def _strip(path: Path, mtime_ns: int) -> sheets.Strip:
    return sheets.read_strip(path)


def _score(name: str, score: Score | None) -> None:
    if score and score.value is not None:
        shown, reasons = f"**{score.value:.2f}**", [score.note] if score.note else []
    else:
        shown = ABSENT
        reasons = (
            [f"{part}: {reason}" for part, reason in score.missing.items()]
            if score
            else ["not evaluated yet"]
        )
    help = "  \n".join(map(plain, reasons)) or None
    st.markdown(f":small[:gray[{name}]]  \n{shown}", width="content", help=help)


def _links() -> None:
    """Links to all other pages."""
    with st.container(horizontal=True, gap="small"):
        for page in st.session_state["pages"]:
            if page.url_path:  # Home itself has none
                st.page_link(page)


def _origin_badge(one: Entry) -> None:
    origin = one.results.origins.get("evaluation") if one.results else None
    if origin is None:
        st.badge("not evaluated", icon=":material/pending:", color="gray")
        return
    st.badge(
        origin.words,
        icon=ORIGIN_ICONS[origin.kind],
        color="gray",
        help=plain(f"{origin.command}, on {origin.device}"),
    )


def _ten_samples(one: Entry) -> None:
    path = run_catalog.newest_sheet(one.run)
    if path is None:
        st.info("No samples yet.", icon=":material/image:")
        return
    try:
        picture = _ten(path, one.is_conditional, path.stat().st_mtime_ns)
    except (sheets.SheetError, OSError) as fault:
        st.warning(plain(str(fault)), icon=":material/broken_image:")
        return
    st.image(picture, width="stretch", alt=f"Ten pictures drawn by the {one.label} of run {one.run.name}")


@st.cache_data(max_entries=64, show_spinner=False)
def _ten(path: Path, conditional: bool, mtime_ns: int) -> bytes:
    return sheets.draw_ten(path, conditional)


def _space(models: list[Model]) -> None:
    axes = spheres.shared_axes(models)
    places = [place for model in models if (place := spheres.place(model, axes))]
    left, right = st.columns([3, 2], gap="large")
    with left:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Distance to the ideal model", anchor=False)
            view: View = st.segmented_control(
                "View", ["distance to ideal", "own place"], default="distance to ideal", required=True,
                key="view", bind="query-params", label_visibility="collapsed",
            )  # fmt: skip
        if places:
            st.plotly_chart(
                spheres.performance_space(places, view), key=f"space.{view}", alt=spheres.describe(places),
                config={"displaylogo": False},
            )  # fmt: skip
        st.caption(spheres.caption(axes))
        for name in sorted({model.name for model in models} - {place.name for place in places}):
            st.caption(f"{plain(name)} is not shown: one of the axes was not measured.")
    with right:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Scores by model", anchor=False)
            st.page_link(PERFORMANCE, label="Weight the scores", icon=":material/balance:")
        values = (
            model_choice.four(models) if axes != spheres.PARTS else model_choice.made_of(models, "quality")
        )
        if any(values.values()):
            st.markdown(altair_charts.legend(models))
            st.altair_chart(altair_charts.score_bars(models, values), alt="Bars of the scores by model")


def _shown(column: str, value: float | None) -> str:
    match column:
        case "training":
            return duration(value)
        case "recall" | "coverage":
            return ABSENT if value is None else f"{value:.2f}"
        case _:
            return figure(value)


def _table(shown: Sequence[ShownModel]) -> None:
    """A row a model with the reason for every dash, and the scores of real images against real images."""
    st.subheader("Scores", anchor=False)
    widths = [2.2, *(1 for _ in frames.COLUMNS), 1.4]
    for column, title in zip(st.columns(widths), ["model", *frames.COLUMNS, "origin"], strict=True):
        column.caption(title)
    entries = [one.first for one in shown]
    for (one, cells), model in zip(frames.table(entries), shown, strict=True):
        row = st.columns(widths, vertical_alignment="center")
        row[0].markdown(f"{mark(model.look.colour)} **{plain(one.label)}** :gray[{plain(one.run.name)}]")
        for place, (metric, cell) in zip(row[1:-1], cells.items(), strict=True):
            place.markdown(_shown(metric, cell.value), help=plain(cell.remark) or None)
        with row[-1]:
            _origin_badge(one)
    row = st.columns(widths)
    row[0].caption("real images", help="The same metrics between training images and test images: the floor.")
    for place, (metric, floor) in zip(row[1:-1], frames.floors(entries).items(), strict=True):
        place.caption(_shown(metric, floor) if floor is not None else "")


def _explanations() -> None:
    """How each model works, from the table of families."""
    st.divider()
    columns = st.columns(2, gap="large")
    for place, variant in enumerate(variants("generation")):
        with columns[place % 2]:
            st.markdown(f"#### {mark(variant.colour)} {variant.label}", anchors=False)
            st.code(variant.diagram, language=None, wrap_lines=True)
            st.markdown(variant.explanation)


def _nothing_measured(entries: list[Entry]) -> None:
    st.title(TITLE, anchor=False)
    running = [one for one in entries if one.run.process()]
    if running:
        names = ", ".join(plain(one.run.name) for one in running)
        st.info(f"No results yet; {names} is training.", icon=":material/hourglass_top:")
        st.page_link(LIVE, label="Follow the training", icon=":material/show_chart:")
        return
    st.info(
        "No model is trained and measured here yet. Choose a model on the left and press **Start**, or train "
        f"{len(HEADLINE)} models at once:",
        icon=":material/rocket_launch:",
    )
    st.code("gencore compare --dataset digits --quick", language="bash")


main()
