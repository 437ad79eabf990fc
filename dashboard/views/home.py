"""Home: the models at a glance. Pictures first, words second, tables last."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import catalog, charts, frames, sheets
from dashboard.catalog import Entry
from dashboard.charts import AXES, View, colour, mark
from dashboard.sidebar import LIVE
from dashboard.words import ABSENT, duration, figure, plain
from gencore import events
from gencore.config import HEADLINE

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


ORIGINS = {
    "measured": ("measured here", ":material/straighten:"),
    "shipped": ("shipped", ":material/package_2:"),
}


def main() -> None:
    entries = catalog.generative_runs()
    measured = catalog.datasets(entries)
    if not measured:
        _nothing_measured(entries)
    else:
        _overview(entries, measured)
    _families()
    _faults(entries)


def _overview(entries: list[Entry], measured: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title(
            "Ways to draw a picture" if measured == ["cifar10"] else "Four ways to draw a digit", anchor=False
        )
        dataset, newest = _choices(entries, measured)
    shown = catalog.one_a_label(entries, dataset, newest)
    st.caption(_subtitle(shown, dataset))
    columns = st.columns(2, gap="large")
    for place, one in enumerate(shown):
        with columns[place % 2]:
            _card(one)
    st.divider()
    _space(shown)
    _table(shown)


def _choices(entries: list[Entry], measured: list[str]) -> tuple[str, bool]:
    dataset = measured[0]
    if len(measured) > 1:
        dataset = st.segmented_control(
            "Data set", measured, default=measured[0], required=True, key="dataset", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
    if catalog.one_a_label(entries, dataset) == catalog.one_a_label(entries, dataset, newest=True):
        return dataset, False
    return dataset, st.toggle(
        "Newest runs", key="newest", bind="query-params", help="Instead of the headline runs."
    )


def _subtitle(shown: list[Entry], dataset: str) -> str:
    origins = [one.results.origins.get("evaluation") for one in shown if one.results]
    whence = " and ".join(sorted({ORIGINS[origin.kind][0] for origin in origins if origin}))
    return (
        f"{plain(dataset)} · 1 seed a model · {whence or 'not evaluated yet'} · ten samples each, not chosen"
    )


def _card(one: Entry) -> None:
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
    [(_, cells)] = frames.table([one])
    in_short = (
        f":gray[{name}] **{_shown(name, cells[name].value)}**"
        for name in ("fd ÷ floor", "coverage", "training")
    )
    st.markdown(" &nbsp; ".join(in_short))


def _origin_badge(one: Entry) -> None:
    origin = one.results.origins.get("evaluation") if one.results else None
    if origin is None:
        st.badge("not evaluated", icon=":material/pending:", color="gray")
        return
    words, icon = ORIGINS[origin.kind]
    st.badge(words, icon=icon, color="gray", help=plain(f"{origin.command}, on {origin.device}"))


def _ten_samples(one: Entry) -> None:
    path = _newest_sheet(one)
    if path is None:
        st.info("No samples yet.", icon=":material/image:")
        return
    try:
        picture = _ten(path, one.is_conditional, path.stat().st_mtime_ns)
    except (sheets.SheetError, OSError) as fault:
        st.warning(plain(str(fault)), icon=":material/broken_image:")
        return
    st.image(picture, width="stretch", alt=f"Ten pictures drawn by the {one.label} of run {one.run.name}")


def _newest_sheet(one: Entry) -> Path | None:
    """The evaluation's samples, else the last sheet of the training."""
    samples = one.run.results / "samples.png"
    if samples.exists():
        return samples
    drawn = frames.sheets(events.tail(one.run.events_path).events)
    return one.run.results / drawn[-1].file if drawn else None


@st.cache_data(max_entries=64, show_spinner=False)
def _ten(path: Path, conditional: bool, _mtime_ns: int) -> bytes:
    return sheets.draw_ten(path, conditional)


def _space(shown: list[Entry]) -> None:
    placed = [(one, charts.place(one.results)) for one in shown if one.results]
    places = [place for _, place in placed if place]
    left, right = st.columns([3, 2], gap="large")
    with left:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("How far from ideal", anchor=False)
            view: View = st.segmented_control(
                "View", ["distance to ideal", "own place"], default="distance to ideal", required=True,
                key="view", bind="query-params", label_visibility="collapsed",
            )  # fmt: skip
        if places:
            figure = charts.performance_space(places, view)
            st.plotly_chart(
                figure, key=f"space.{view}", alt=charts.describe(places), config={"displaylogo": False}
            )
        st.caption(
            f"Axes: {', '.join(AXES)}, each 1 where real pictures stand. The star is the ideal; a smaller "
            "sphere is a better model. Stability and controllability join when they are measured; until then "
            "this is image quality only."
        )
        for one, place in placed:
            if place is None:
                st.caption(f"{plain(one.label)} is missing here: fd, precision or coverage was not measured.")
    with right:
        st.subheader("Which is better at what", anchor=False)
        quality = frames.quality(shown)
        if len(quality):
            st.altair_chart(charts.quality_bars(quality), alt="Bars of the parts of image quality, by model")


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


def _faults(entries: list[Entry]) -> None:
    for one in entries:
        for fault in one.faults:
            st.warning(
                f"**{plain(one.run.name)}** is unreadable: {plain(fault)}", icon=":material/broken_image:"
            )


main()
