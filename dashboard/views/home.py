"""Home: the models at a glance. Pictures first, words second, tables last."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import actions, catalog, charts, film, frames, sheets, standing
from dashboard.catalog import Entry
from dashboard.charts import colour, mark
from dashboard.sidebar import LIVE
from dashboard.words import ABSENT, duration, figure, plain
from gencore import space
from gencore.config import HEADLINE, DatasetName
from gencore.data.registry import DATASETS, MORPH
from gencore.figures import Model
from gencore.scores import SCORES, Score
from gencore.space import View

PERFORMANCE = "views/performance.py"
FAMILIES = {
    "VAE": (
        "x → encoder → z → decoder → x",
        "An encoder squeezes each picture into a few numbers and a decoder draws it back. Both learn "
        "together, and the numbers are kept close to a bell curve, so that drawing from the curve gives new "
        "pictures. It trains in minutes, never collapses, and pays for that with soft edges.",
    ),
    "GAN": (
        "noise → generator → x ← discriminator",
        "A generator draws and a discriminator judges whether a picture is real; each improves on the other. "
        "No one says what a good picture is, the judge finds out. The results are sharp, and the danger is a "
        "generator that draws only a few pictures well.",
    ),
    "cGAN": (
        "noise + 7 → generator → x ← discriminator + 7",
        "A GAN in which both players are told which digit is meant. Asked for a 7 it should draw a 7, "
        "and many different ones. That second half is where conditional GANs fail unnoticed, so recall and "
        "coverage are measured beside accuracy.",
    ),
    "DDPM": (
        "noise → denoise → denoise → … → x",
        "Pictures are drowned in noise step by step, and a network learns to take one step back. From pure "
        "noise, many steps back make a picture that never existed. It has no rival to fall behind, so "
        "training is steady; drawing takes many passes through the network where the others need one.",
    ),
}


ORIGIN_ICONS = {"measured": ":material/straighten:", "shipped": ":material/package_2:"}


def main() -> None:
    entries = catalog.generative_runs()
    measured = catalog.datasets(entries)
    if not measured:
        _nothing_measured(entries)
    else:
        _overview(entries, measured)
    _families()
    for one in entries:
        actions.faults(one)


def _overview(entries: list[Entry], measured: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title(
            "Ways to draw a picture" if measured == ["cifar10"] else "Four ways to draw a digit", anchor=False
        )
        dataset, newest = standing.choose(entries, measured)
    shown = catalog.one_a_label(entries, dataset, newest)
    models = {one.run.name: standing.model(one, entries) for one in shown}
    st.caption(_subtitle(shown, dataset))
    columns = st.columns(2, gap="large")
    for place, one in enumerate(shown):
        with columns[place % 2]:
            _card(one, models[one.run.name])
    _morph(shown, dataset)
    _links()
    st.divider()
    _space([model for model in models.values() if model])
    _table(shown)


def _subtitle(shown: list[Entry], dataset: str) -> str:
    origins = [one.results.origins.get("evaluation") for one in shown if one.results]
    whence = " and ".join(sorted({origin.words for origin in origins if origin}))
    return f"{plain(dataset)} · {whence or 'not evaluated yet'} · ten samples each, not chosen"


def _card(one: Entry, model: Model | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"#### {mark(colour(one.label))} {plain(one.label)}", anchors=False, width="stretch")
        _origin_badge(one)
        st.page_link(
            LIVE,
            label="",
            icon=":material/show_chart:",
            help="How it learned",
            query_params={"run": one.run.name},
        )
    _ten_samples(one)
    with st.container(horizontal=True, horizontal_alignment="distribute", gap="small"):
        for name in SCORES:
            _score(name, model.scores[name] if model else None)


def _morph(shown: list[Entry], dataset: DatasetName) -> None:
    """The slider from one class to another, where evaluation has drawn the way."""
    tiles = []
    for one in shown:
        path = one.run.results / "morph.png"
        try:
            tiles.append(film.Tile(one.label, colour(one.label), _strip(path, path.stat().st_mtime_ns)))
        except FileNotFoundError:
            continue  # measured before there were strips, or never
        except (sheets.SheetError, OSError) as fault:
            st.warning(plain(str(fault)), icon=":material/broken_image:")
    if tiles:
        first, last = (DATASETS[dataset].class_names[i] for i in MORPH)
        st.subheader(f"From {plain(first)} to {plain(last)}", anchor=False)
        film.show(tiles, first, last)
        st.caption(
            "The same way through each model's latent space; a cGAN keeps its latent and changes the label. "
            "The ends are drawn pictures that the classifier is sure of; what lies between was not chosen."
        )


@st.cache_data(max_entries=64, show_spinner=False)
def _strip(path: Path, mtime_ns: int) -> sheets.Strip:
    return sheets.read_strip(path)


def _score(name: str, score: Score | None) -> None:
    if score and score.value is not None:
        shown, reasons = f"**{score.value:.2f}**", []
    else:
        shown = ABSENT
        reasons = [f"{part}: {reason}" for part, reason in score.missing.items()] if score else ["not evaluated yet"]
    help = "  \n".join(map(plain, reasons)) or None
    st.markdown(f":small[:gray[{name}]]  \n{shown}", width="content", help=help)


def _links() -> None:
    """One click to every other page."""
    with st.container(horizontal=True, gap="small"):
        for page in st.session_state["pages"]:
            if page.url_path:  # Home itself has none
                st.page_link(page)


def _origin_badge(one: Entry) -> None:
    origin = one.results.origins.get("evaluation") if one.results else None
    if origin is None:
        st.badge("not evaluated", icon=":material/pending:", color="gray")
        return
    st.badge(origin.words, icon=ORIGIN_ICONS[origin.kind], color="gray", help=plain(f"{origin.command}, on {origin.device}"))


def _ten_samples(one: Entry) -> None:
    path = catalog.newest_sheet(one.run)
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
    axes = space.shared_axes(models)
    places = [place for model in models if (place := space.place(model, axes))]
    left, right = st.columns([3, 2], gap="large")
    with left:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("How far from ideal", anchor=False)
            view: View = st.segmented_control(
                "View", ["distance to ideal", "own place"], default="distance to ideal", required=True,
                key="view", bind="query-params", label_visibility="collapsed",
            )  # fmt: skip
        if places:
            st.plotly_chart(
                space.performance_space(places, view), key=f"space.{view}", alt=space.describe(places),
                config={"displaylogo": False},
            )  # fmt: skip
        st.caption(space.caption(axes))
        for name in sorted({model.name for model in models} - {place.name for place in places}):
            st.caption(f"{plain(name)} is missing here: an axis was not measured.")
    with right:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Which is better at what", anchor=False)
            st.page_link(PERFORMANCE, label="Weigh them", icon=":material/balance:")
        values = standing.four(models) if axes == space.SCORES else standing.made_of(models, "quality")
        if any(values.values()):
            st.markdown(charts.legend(models))
            st.altair_chart(charts.score_bars(models, values), alt="Bars of the scores by model")


def _shown(column: str, value: float | None) -> str:
    match column:
        case "training":
            return duration(value)
        case "recall" | "coverage":
            return ABSENT if value is None else f"{value:.2f}"
        case _:
            return figure(value)


def _table(shown: list[Entry]) -> None:
    """A row a model, the reason behind every dash, and what real pictures score against real pictures."""
    st.subheader("Scores", anchor=False)
    widths = [2.2, *(1 for _ in frames.COLUMNS), 1.4]
    for cell, title in zip(st.columns(widths), ["model", *frames.COLUMNS, "origin"], strict=True):
        cell.caption(title)
    for one, cells in frames.table(shown):
        row = st.columns(widths, vertical_alignment="center")
        row[0].markdown(f"{mark(colour(one.label))} **{plain(one.label)}** :gray[{plain(one.run.name)}]")
        for place, (column, cell) in zip(row[1:-1], cells.items(), strict=True):
            place.markdown(_shown(column, cell.value), help=plain(cell.remark) or None)
        with row[-1]:
            _origin_badge(one)
    row = st.columns(widths)
    row[0].caption(
        "real pictures", help="The same metrics between training pictures and test pictures: the floor."
    )
    for place, (column, floor) in zip(row[1:-1], frames.floors(shown).items(), strict=True):
        place.caption(_shown(column, floor) if floor is not None else "")


def _families() -> None:
    st.divider()
    columns = st.columns(2, gap="large")
    for place, (label, (diagram, text)) in enumerate(FAMILIES.items()):
        with columns[place % 2]:
            st.markdown(f"#### {mark(colour(label))} {label}", anchors=False)
            st.code(diagram, language=None, wrap_lines=True)
            st.markdown(text)


def _nothing_measured(entries: list[Entry]) -> None:
    st.title("Four ways to draw a digit", anchor=False)
    running = [one for one in entries if one.run.process()]
    if running:
        names = ", ".join(plain(one.run.name) for one in running)
        st.info(f"Nothing is measured yet, but {names} is training.", icon=":material/hourglass_top:")
        st.page_link(LIVE, label="Watch it learn", icon=":material/show_chart:")
        return
    st.info(
        "Nothing is trained and measured here yet. Choose a model on the left and press **Start**, or train "
        f"{len(HEADLINE)} models at once:",
        icon=":material/rocket_launch:",
    )
    st.code("gencore compare --dataset digits --epochs 3", language="bash")


main()
