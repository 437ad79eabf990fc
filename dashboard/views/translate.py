"""Translate: a test picture, an upload or a drawing, and what translation models make of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
import torch

from dashboard.components import drawing_board
from dashboard.components.drawing_board import Start, Tile
from dashboard.data import generation, run_catalog, sheets, translations
from dashboard.data.run_catalog import Entry
from dashboard.data.translations import Pair
from dashboard.views import translate_pictures
from dashboard.views.translate_pictures import Shown
from dashboard.widgets import address, run_controls
from dashboard.widgets.altair_charts import mark
from dashboard.widgets.text import plain
from gencore.analysis.colours import colour
from gencore.config.datasets import DatasetSpec
from gencore.config.filters import FILTERS
from gencore.config.options import PAIRS

LARGE, SMALL = 336, 140
"""Widths of the canvas and its image, and of a picture beside them, in screen pixels at most."""
MOST_OTHERS = 3
MOST_MEGABYTES = 20
"""Of an uploaded picture."""


def main() -> None:
    """Show the page."""
    st.title("Translate", anchor=False)
    entries = run_catalog.translators()
    if not entries:
        st.info(
            "No translation model yet. Choose **pix2pix** on the left and press **Start**, or run this "
            "command; the page draws after its first checkpoint.",
            icon=":material/rocket_launch:",
        )
        st.code(f"gencore train pix2pix --dataset {PAIRS}", language="sh")
        return
    by_name = {entry.run.name: entry for entry in entries}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "Source",
            [*VIEWS],
            default=next(iter(VIEWS)),
            required=True,
            key="source",
            bind="query-params",
            label_visibility="collapsed",
            width="content",
        )
        with st.container(width=LARGE):
            entry = by_name[address.run("translate", [*by_name], entries[0].run.name)]
    run_controls.faults(entry)
    _show_view(entry, _others(entry, entries), view)


def _others(entry: Entry, entries: Sequence[Entry]) -> list[Entry]:
    """A run of each other variant on the same data set."""
    rivals = [one for one in entries if one.label != entry.label]
    return run_catalog.one_a_label(rivals, entry.dataset or "")[:MOST_OTHERS]


@st.fragment
def _show_view(entry: Entry, others: list[Entry], view: str) -> None:
    with generation.explained_errors(entry):
        with st.spinner("Loading the model …", show_time=True):
            translator = translations.load(entry.run)
        shown = Shown(entry, tuple(_usable(others)))
        VIEWS[view](shown)
        st.caption(
            f"{mark(colour(entry.label))} {plain(entry.label)} · {plain(entry.run.name)} · weights of step "
            f"{translator.step:,} · {plain(translator.model.translation)} · noise of one seed: the "
            "same source gives the same image"
        )


def _usable(others: Sequence[Entry]) -> list[Entry]:
    """Those whose models can be loaded; a line says what of the others cannot."""
    found = []
    for one in others:
        try:
            translations.load(one.run)
        except generation.FAULTS as fault:
            st.caption(f":material/broken_image: {plain(one.run.name)} is left out: {plain(str(fault))}")
        else:
            found.append(one)
    return found


def _draw(shown: Shown) -> None:
    """The canvas, and what the models make of it."""
    spec = shown.spec
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = _number(spec, "Start from test picture")
    start, real = _start(spec, number)
    drawn = drawing_board.drawing(start)
    pair = Pair(f"drawing-{number}", torch.from_numpy(drawn.pixels.copy())[None], None)
    tiles = [_tile(one, pair, drawn.is_done or one is shown.entry) for one in shown.entries]
    if real is not None:
        alt = f"Real image of test pair {number}, from which the drawing starts"
        tiles.append(Tile(f"real image {number}", alt, _png(real), "", ""))
    scales = [max(1, width // spec.size) * spec.size for width in (LARGE, SMALL)]
    drawing_board.show(start, drawn, tiles, _about_drawing(spec), *scales)
    translate_pictures.download(shown, pair)


def _start(spec: DatasetSpec, number: int) -> tuple[Start, torch.Tensor | None]:
    """The source of a test pair and its real image; an empty canvas where the data set is not at hand."""
    is_thin = spec.filter_id == "edges"
    name = f"{spec.name}:{spec.digest}:{number}"
    try:
        pair = translations.test_pair(spec, number)
    except generation.FAULTS as fault:
        st.caption(f"The canvas starts empty: {plain(str(fault))}")
        blank = np.zeros((spec.source_channels, spec.size, spec.size), np.uint8)
        return Start(f"{name}:empty", blank, is_thin), None
    return Start(name, pair.source[0].numpy(), is_thin), pair.real


def _tile(one: Entry, pair: Pair, is_drawn: bool) -> Tile:
    alt = f"Image of the drawing {translate_pictures.made_by(one)}"
    return Tile(
        f"{one.label} · {one.run.name}",
        alt,
        _png(translations.translated(one.run, pair.source)) if is_drawn else None,
        colour(one.label),
        translations.for_the_page(one.run),
    )


def _png(image: torch.Tensor) -> bytes:
    return sheets.draw(generation.pictures(image), 1, 1)


def _about_drawing(spec: DatasetSpec) -> str:
    """How a drawing becomes like the sources that the model was trained on."""
    if spec.filter_id == "edges":
        return (
            "The model was trained on edges (Canny), which run along both sides of a stroke, so draw "
            "outlines. The pen is one pixel wide; where lines meet or touch they are thinned to one pixel "
            "(Zhang and Suen 1984), as the training edges were."
        )
    of_what = FILTERS[spec.filter_id].source if spec.filter_id else "the sources of its pairs"
    colours = "" if spec.source_channels == 1 else " Sources have colour, but pens are black or white."
    return f"The model was trained on {of_what}; it gets the drawing as it is.{colours}"


def _test(shown: Shown) -> None:
    """A pair of the test split."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = _number(shown.spec, "Test picture")
    translate_pictures.show(shown, translations.test_pair(shown.spec, number))


def _number(spec: DatasetSpec, label: str) -> int:
    """The number of a test pair, with buttons for the one before, the one after and any."""
    last = spec.test_count - 1
    if st.session_state.get("pair", 0) > last:
        st.session_state["pair"] = 0
    number = st.number_input(label, 0, last, 0, key="pair", bind="query-params", width=200)
    moves = (
        ("Previous", ":material/arrow_back:", -1),
        ("Next", ":material/arrow_forward:", 1),
        ("Random", ":material/casino:", None),
    )
    for title, icon, by in moves:
        st.button(title, icon=icon, on_click=_move, args=(by, last))
    return number


def _move(by: int | None, last: int) -> None:
    now = st.session_state["pair"]
    st.session_state["pair"] = random.randint(0, last) if by is None else (now + by) % (last + 1)


def _upload(shown: Shown) -> None:
    """A picture of the visitor's."""
    spec = shown.spec
    file = st.file_uploader(
        f"A picture: PNG, JPEG or WebP, at most {MOST_MEGABYTES} MB",
        type=["png", "jpg", "jpeg", "webp"],
        max_upload_size=MOST_MEGABYTES,
        key="upload",
    )
    is_source = not spec.filter_id
    if spec.filter_id:
        is_source = st.toggle(
            "It is a source already",
            key="given",
            bind="query-params",
            help=f"Else the filter of the data set is applied to it. {FILTERS[spec.filter_id].description}",
        )
    if file is None:
        st.caption(
            f"The square in its middle is taken and scaled to {spec.size} × {spec.size} pixels. It stays "
            "on the machine that runs this page."
        )
        return
    try:
        pair = translations.uploaded_pair(file.getvalue(), spec, is_source)
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return
    translate_pictures.show(shown, pair)


VIEWS: dict[str, Callable[[Shown], None]] = {"draw": _draw, "test picture": _test, "upload": _upload}

main()
