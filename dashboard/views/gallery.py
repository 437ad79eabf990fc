"""Gallery: what the models draw, side by side from one seed; a digit a row; and how they came to draw so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, get_args

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data import frames, generation, run_catalog, sheets
from dashboard.data.generation import Samples, SamplingOptions
from dashboard.data.run_catalog import Entry
from dashboard.widgets import address, run_controls, train_form
from dashboard.widgets.altair_charts import mark
from dashboard.widgets.text import figure, plain
from gencore.analysis.colours import colour
from gencore.config.families import SamplingOption, sampling_options
from gencore.config.options import ModelConfig
from gencore.data.registry import DATASETS
from gencore.store import events

MAX_SHOWN = 6
MAX_COUNT, COUNT = 400, 20
SCALE = 3
NARROW, WIDE = 5, 10
"""Columns of a sheet; two narrow ones stand side by side at 1280 pixels."""
FEW = 25
"""Up to so many pictures stand in a narrow sheet."""
ALL, OWN = "all", "own"
VIEWS = ("samples", "digit by row", "over training")


class Manner(NamedTuple):
    """How all models are to draw."""

    averaged: bool = True
    changes: Mapping[str, object] = MappingProxyType({})

    def sampling_options(self, one: Entry) -> SamplingOptions:
        """With the changes that this run's model knows."""
        assert one.config, "only readable runs generate images"
        known = type(one.config.model).model_fields
        changes = tuple((name, value) for name, value in self.changes.items() if name in known)
        return SamplingOptions(one.run, self.averaged, changes)


def main() -> None:
    """Draw the page."""
    st.title("Gallery", anchor=False)
    entries = run_catalog.generative_runs()
    if not entries:
        st.info(
            "No model to draw with yet. Choose one on the left and press **Start**; it can draw here "
            "as soon as "
            "its first weights are saved.",
            icon=":material/rocket_launch:",
        )
        return
    by_name = {one.run.name: one for one in entries}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "View",
            VIEWS,
            default=VIEWS[0],
            required=True,
            key="show",
            bind="query-params",
            label_visibility="collapsed",
            width="content",
        )
        chosen = [by_name[name] for name in address.runs("gallery", [*by_name], _default(entries), MAX_SHOWN)]
        readable = [one for one in chosen if one.config]
        manner = Manner()
        if view != "over training":
            with st.popover("How they draw", icon=":material/tune:"):
                manner = _manner(readable)
    for one in chosen:
        run_controls.faults(one)
    if not readable:
        return
    if view == "over training":
        _over_training(readable)
    elif view == "digit by row":
        _digit_by_row(readable, manner)
    else:
        _samples(readable, manner)


def _default(entries: list[Entry]) -> list[str]:
    """The models of the data set that most is measured on, else of the newest run's."""
    dataset = next(
        iter([*run_catalog.datasets(entries), *(one.dataset for one in entries if one.dataset)]), None
    )
    models = run_catalog.one_a_label(entries, dataset) if dataset else entries
    return [one.run.name for one in models[:MAX_SHOWN]]


def _manner(shown: list[Entry]) -> Manner:
    """Asks only what some model shown can be asked."""
    averaged = st.toggle(
        "Averaged weights (EMA)",
        True,
        key="averaged",
        bind="query-params",
        help="Off: the weights as the last step left them. Models that came with the "
        "product "
        "have "
        "only the averaged.",
    )
    models = [one.config.model for one in shown if one.config]
    changes: dict[str, object] = {}
    for flag, options in sampling_options().items():
        for option, family in options:
            having = [model for model in models if isinstance(model, family.config)]
            if any(model.is_conditional for model in having) if option.needs_labels else having:
                title = f"{family.variants[0].label} {flag}"
                changes[option.field] = _ask(title, option, having, changes)
    return Manner(averaged, {name: value for name, value in changes.items() if value not in (OWN, None)})


def _ask(
    title: str, option: SamplingOption, models: list[ModelConfig], changes: Mapping[str, object]
) -> object:
    """The visitor's value of a sampling option of `models`; OWN or None leaves it as trained."""
    field = type(models[0]).model_fields[option.field]
    if (number := train_form.kind(field)) not in (int, float):
        choices = [OWN, *get_args(field.annotation)]
        return st.selectbox(title, choices, key=option.flag, bind="query-params", help=field.description)
    low, high, _ = train_form.bounds(field)
    if option.limit:
        high = min(getattr(model, option.limit) for model in models)
    unused = option.ignored_with is not None and changes.get(option.ignored_with[0]) == option.ignored_with[1]
    return st.number_input(
        title,
        None if low is None else number(low),
        None if high is None else number(high),
        None,
        1 if number is int else 0.5,
        key=option.flag,
        bind="query-params",
        placeholder=OWN,
        help=field.description,
        disabled=unused,
    )


def _samples(shown: list[Entry], manner: Manner) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [ALL, *DATASETS[shown[0].readable_config.data.dataset].class_names]
        name = st.selectbox(
            "Digit",
            names,
            key="digit",
            bind="query-params",
            width=130,
            help="Conditional models are asked for it. Of the others' pictures, those are shown in which the "
            "data set's classifier sees it.",
        )
        digit = None if name == ALL else names.index(name) - 1
        seed = address.seed()
        count = st.slider(
            "Pictures a model", 1, MAX_COUNT, COUNT, key="count", bind="query-params", width=200
        )
        neighbours = st.toggle(
            "Nearest training picture",
            key="nearest",
            bind="query-params",
            help="Under each picture, the training picture that the data set's classifier finds most alike.",
        )
    columns = NARROW if count <= FEW else WIDE
    with st.container(horizontal=True, gap="small"):
        for one in shown:
            with _card(one, columns) as head, st.spinner("Drawing …", show_time=True):
                drawn = generation.draw(manner.sampling_options(one), count, digit, seed)
                if digit is not None and drawn.labels is None:
                    drawn = _recognised(one, drawn, digit)
                if len(drawn.images):
                    _sheet(one, drawn, columns, neighbours, head)


@contextmanager
def _card(one: Entry, columns: int) -> Iterator[DeltaGenerator]:
    """A place as wide as a sheet of so many columns, under a line with the model's name, which it gives."""
    width = columns * (DATASETS[one.readable_config.data.dataset].size + sheets.GAP) - sheets.GAP
    with st.container(width=SCALE * width, gap="xsmall"):
        head = st.container(horizontal=True, vertical_alignment="center", gap="small")
        head.markdown(
            f"{mark(colour(one.label))} **{plain(one.label)}** :gray[{plain(one.run.name)}]", width="stretch"
        )
        with generation.explained_errors(one):
            yield head


def _recognised(one: Entry, drawn: Samples, digit: int) -> Samples:
    kept = drawn.only(generation.recognised(one.readable_config.data.dataset, drawn.images) == digit)
    name = DATASETS[one.readable_config.data.dataset].class_names[digit]
    st.caption(
        f"It takes no label. Of its {len(drawn.images)} pictures, the classifier sees a {plain(name)} in "
        f"{len(kept.images)}."
    )
    return kept


def _sheet(one: Entry, drawn: Samples, columns: int, neighbours: bool, head: DeltaGenerator) -> None:
    drawn_pictures = generation.pictures(drawn.images)
    words = f"{len(drawn.images)} pictures drawn by the {one.label} of run {one.run.name}"
    if neighbours:
        doing = "Features of the training pictures; computed once, then kept"
        bar = st.progress(0.0, doing)

        def show_share(share: float) -> None:
            bar.progress(share, text=doing)

        found = generation.nearest_training(one.readable_config.data.dataset, drawn.images, show_share)
        bar.empty()
        pairs = np.concatenate([drawn_pictures, generation.pictures(found.images)], axis=1)
        picture = sheets.draw(pairs, columns, SCALE)
        words += ", each above the nearest training picture"
    else:
        picture = sheets.draw(drawn_pictures, columns, SCALE)
    st.image(picture, alt=words)
    if neighbours:
        st.caption(
            f"Below each picture the most alike of {found.among:,} training pictures, in the "
            f"classifier's features. "
            f"Distances {figure(found.distances.min())} to {figure(found.distances.max())}; a copy "
            f"would be at 0."
        )
    _describe(one, drawn, head)


def _describe(one: Entry, drawn: Samples, head: DeltaGenerator) -> None:
    st.caption(f"{plain(drawn.sampling)} · weights of step {drawn.step:,}")
    for kind in ("png", "npz"):
        head.download_button(
            kind.upper(),
            partial(generation.file, drawn, kind),
            f"{one.run.name}.{kind}",
            type="tertiary",
            icon=":material/download:",
            on_click="ignore",
            key=f"{kind}.{one.run.name}",
        )


def _digit_by_row(shown: list[Entry], manner: Manner) -> None:
    conditional = [one for one in shown if one.is_conditional]
    if not conditional:
        st.info(
            "None of these models takes a label, so none can be asked for a digit. Choose a run of a "
            "cGAN or of a "
            "conditional DDPM.",
            icon=":material/tag:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = address.seed()
    st.caption("A row a digit. Down each column the noise is the same and only the label changes.")
    with st.container(horizontal=True, gap="small"):
        for one in conditional:
            with _card(one, WIDE) as head, st.spinner("Drawing …", show_time=True):
                drawn = generation.grid(manner.sampling_options(one), WIDE, seed)
                words = f"A row a class, drawn by the {one.label} of run {one.run.name}"
                st.image(sheets.draw(generation.pictures(drawn.images), WIDE, SCALE), alt=words)
                _describe(one, drawn, head)


def _over_training(shown: list[Entry]) -> None:
    drawn = {one.run.name: frames.sheets(events.tail(one.run.events_path).events) for one in shown}
    steps = sorted({sheet.step for of_run in drawn.values() for sheet in of_run})
    if not steps:
        st.info("These runs have drawn nothing while they trained.", icon=":material/image:")
        return
    step = steps[-1]
    if len(steps) > 1:
        step = st.select_slider(
            "Samples of the same noise, by training step", steps, steps[-1], key="after", bind="query-params"
        )
    st.caption("Ten pictures each, not chosen. Live shows the whole sheets.")
    with st.container(horizontal=True, gap="small"):
        for one in shown:
            reached = [sheet for sheet in drawn[one.run.name] if sheet.step <= step]
            if reached:
                with _card(one, NARROW):
                    path = sheets.of_run(one.run.results, reached[-1].file)
                    st.image(
                        _grown(path, one.is_conditional, path.stat().st_mtime_ns),
                        alt=f"Ten pictures drawn by {one.run.name} after epoch {reached[-1].epoch:.1f}",
                    )
                    st.caption(f"after epoch {reached[-1].epoch:.1f}")


@st.cache_data(max_entries=64, show_spinner=False)
def _grown(path: Path, conditional: bool, mtime_ns: int) -> bytes:
    return sheets.draw_ten(path, conditional, NARROW, SCALE)


main()
