"""The dialog that makes a data set of a visitor's pictures: upload, preview, name, add."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import streamlit as st

from dashboard.data import sheets
from dashboard.widgets.text import plain
from gencore.config.datasets import DATASETS
from gencore.data.importing.names import count
from gencore.data.importing.options import ImportOptions
from gencore.data.importing.reading import read
from gencore.data.importing.report import ImportReport
from gencore.data.registry import data_folder, known

MOST_MEGABYTES = 200
"""Of all files of one upload together."""
PREVIEWED = 30
ADDED = "train.added"
"""Key of the session state: the data set that was just added, for the form to choose."""
COLOURS = {"as the pictures are": None, "grey": 1, "colour": 3}
FITS = {"cut to the middle": "crop", "padded": "pad"}
SIZES = (16, 28, 32, 64)
_SECONDS = 600


class Upload(NamedTuple):
    """A file as the visitor named it."""

    name: str
    content: bytes


class Preview(NamedTuple):
    """What the files would become."""

    pixels: np.ndarray
    """uint8 (N, H, W, 3), N at most PREVIEWED"""
    names: list[str]
    """The class of each, or nothing."""
    report: ImportReport
    size: int


def choose_added() -> None:
    """Let the form choose a data set that was just added. Call it before the form."""
    if added := st.session_state.pop(ADDED, None):
        st.session_state["train.dataset"] = added
        st.toast(f"{plain(added)} is added; the form trains on it.", icon=":material/add_photo_alternate:")


def button() -> None:
    """The button that opens the dialog."""
    if st.button("Add your pictures", icon=":material/add_photo_alternate:", width="stretch"):
        _dialog()


@st.dialog("Add your pictures", width="large")
def _dialog() -> None:
    st.caption(
        "A ZIP or TAR of pictures with a folder for each class, pictures alone, IDX or NPZ files: at most "
        f"{MOST_MEGABYTES} MB here. `gencore data add FOLDER --name NAME` takes more. The images stay on the "
        "machine that runs this page."
    )
    files = st.file_uploader(
        "Files",
        accept_multiple_files=True,
        max_upload_size=MOST_MEGABYTES,
        label_visibility="collapsed",
    )
    with st.container(horizontal=True):
        size = st.selectbox("Size in pixels", SIZES, index=1)
        channels = COLOURS[st.selectbox("Colour", list(COLOURS))]
        fit = FITS[st.selectbox("Pictures that are not square", list(FITS))]
        holdout = st.slider("Held out for testing, %", 5, 50, 15, help="Unless the files give a split.")
    if not files:
        return
    uploads = tuple(Upload(one.name, one.getvalue()) for one in files)
    if sum(len(one.content) for one in uploads) > MOST_MEGABYTES * 10**6:
        st.error(f"These files hold more than {MOST_MEGABYTES} MB; add fewer, or use the command line.")
        return
    options = ImportOptions(size=size, channels=channels, fit=fit, holdout=holdout / 100)
    try:
        with st.spinner("Reading …", show_time=True):
            preview = _preview(uploads, options)
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return
    _show(preview)
    name = st.text_input("Name", value=_free_name(uploads), max_chars=40, help="Small letters, digits, '-'.")
    if st.button("Add", type="primary", icon=":material/check:"):
        with st.spinner("Storing …", show_time=True):
            refusal = _add(uploads, options, name)
        if refusal:
            st.error(plain(refusal), icon=":material/block:")
        else:
            st.session_state[ADDED] = name
            st.rerun()


@st.cache_data(max_entries=2, show_spinner=False)
def _preview(uploads: tuple[Upload, ...], options: ImportOptions) -> Preview:
    """Raises DataError."""
    with TemporaryDirectory() as folder:
        imported = read(_written(uploads, Path(folder)), options)
    n = len(imported.images)
    chosen = np.random.default_rng(0).permutation(n)[:PREVIEWED]
    pixels = imported.images[chosen].transpose(0, 2, 3, 1)  # (N, C, H, W) -> (N, H, W, C)
    names = [imported.class_names[imported.labels[i]] if imported.class_names else "" for i in chosen]
    return Preview(np.broadcast_to(pixels, (*pixels.shape[:3], 3)), names, imported.report, options.size)


def _written(uploads: Sequence[Upload], folder: Path) -> Path:
    """The files in `folder`; a single one that is no picture by itself, so that archives are opened."""
    for number, one in enumerate(uploads):
        name = PurePath(one.name.replace("\\", "/")).name or str(number)
        place = folder / name
        (place if not place.exists() else folder / f"{number}-{name}").write_bytes(one.content)
    written = list(folder.iterdir())
    return written[0] if len(written) == 1 else folder


def _show(preview: Preview) -> None:
    report = preview.report
    st.markdown(
        f"**{report.train:,}** training and **{report.test:,}** test images · {plain(report.source)} · "
        f"{report.grey:,} grey, {report.colour:,} coloured"
    )
    if report.classes:
        counts = [f"{plain(one.name)} ({one.train + one.test:,})" for one in report.classes]
        st.caption(f"{len(counts):,} classes: {', '.join(counts[:40])}{' …' if len(counts) > 40 else ''}")
    else:
        st.caption("No labels: conditional models cannot be trained on these images.")
    st.image(
        sheets.draw(preview.pixels, 10, max(1, 56 // preview.size)),
        alt=f"{len(preview.pixels)} of the images as models will see them",
    )
    lines = [f"{plain(one.name)}: {plain(one.reason)}" for one in report.unreadable]
    lines += [f"{plain(one.name)} repeats {plain(one.repeats)}" for one in report.duplicates]
    left_out = len(lines) + report.more_unreadable + report.more_duplicates
    if left_out:
        with st.expander(f"{count(left_out, 'file')} left out"):
            st.markdown("\n".join(f"- {line}" for line in lines))
    for note in report.notes:
        st.caption(plain(note))


def _free_name(uploads: Sequence[Upload]) -> str:
    """A name made of the first file's, or the next one that is free."""
    stem = re.sub(r"[^a-z0-9]+", "-", PurePath(uploads[0].name).name.partition(".")[0].lower()).strip("-")
    stem = stem[:34].strip("-") or "pictures"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
    return next(name for name in names if name not in known())


def _add(uploads: Sequence[Upload], options: ImportOptions, name: str) -> str:
    """Store the data set by `gencore data add`; gives what was refused, or nothing."""
    if name in DATASETS or name in known():
        return f"there is a data set {name}; choose another name"
    with TemporaryDirectory() as folder:
        path = _written(uploads, Path(folder))
        words = ["data", "add", str(path), "--name", name, "--size", str(options.size), "--fit", options.fit]
        words += ["--holdout", str(options.holdout), "--data-dir", str(data_folder())]
        words += {1: ["--grey"], 3: ["--colour"], None: []}[options.channels]
        done = subprocess.run(
            [sys.executable, "-m", "gencore", *words], capture_output=True, text=True, timeout=_SECONDS
        )
    return (done.stderr.strip().splitlines() or ["it failed"])[-1] if done.returncode else ""
