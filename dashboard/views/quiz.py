"""Quiz: real or drawn by a model? How often a model's pictures are taken for real is its score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard.data import generation, run_catalog, sheets
from dashboard.data.generation import SamplingOptions
from dashboard.data.run_catalog import Entry
from dashboard.views.quiz_game import DECK, REAL, Count, Game
from dashboard.widgets import address
from dashboard.widgets.altair_charts import mark
from dashboard.widgets.text import plain
from gencore.analysis.colours import colour
from gencore.data.registry import DATASETS

MAX_MODELS = 6
LARGE, SMALL = 10, 3


def main() -> None:
    """Draw the page."""
    st.title("Real or drawn?", anchor=False)
    entries = [one for one in run_catalog.generative_runs() if one.config]
    if not entries:
        st.info(
            "No model to guess yet. Choose one on the left and press **Start**.",
            icon=":material/rocket_launch:",
        )
        return
    by_name = {one.run.name: one for one in entries}
    chosen = [by_name[name] for name in address.runs("quiz", [*by_name], _default(entries), MAX_MODELS)]
    dataset = chosen[0].readable_config.data.dataset
    players = [one for one in chosen if one.dataset == dataset]
    if len(players) < len(chosen):
        st.caption(
            f"Only models of {DATASETS[dataset].title} play together; the first run chosen says "
            f"which data set."
        )
    try:
        real = generation.real(dataset, "test")
    except generation.FAULTS as fault:
        st.warning(plain(str(fault)), icon=":material/database:")
        return
    key = f"quiz.{dataset}"
    game = st.session_state.setdefault(key, Game())
    with st.spinner("Shuffling …", show_time=True):
        drawn = _decks(players, game.deck)
    if not drawn:
        return
    if game.question is None or game.question.source not in {REAL, *drawn}:
        game = st.session_state[key] = game.asking(drawn, generation.pictures(real))
    left, right = st.columns([5, 6], gap="large")
    with left:
        _question(game, key)
    with right:
        _before(game, by_name)
        _score(game, key, [one for one in players if one.run.name in drawn])


def _default(entries: Sequence[Entry]) -> list[str]:
    """The models of a data set that is at hand, the most measured first, else of the newest run's."""
    at_hand = [name for name in run_catalog.datasets(entries) if generation.is_at_hand(name)]
    models = run_catalog.one_a_label(entries, (at_hand or [entries[0].readable_config.data.dataset])[0])
    return [one.run.name for one in models[:MAX_MODELS]]


def _decks(players: Sequence[Entry], seed: int) -> dict[str, np.ndarray]:
    """DECK pictures of every run that can draw, in an order that follows no label."""
    decks = {}
    for one in players:
        with generation.explained_errors(one):
            pictures = generation.pictures(generation.draw(SamplingOptions(one.run), DECK, None, seed).images)
            decks[one.run.name] = np.random.default_rng(seed).permutation(pictures)
    return decks


def _question(game: Game, kept: str) -> None:
    assert game.question is not None, "the page asks before it shows"
    side = game.question.picture.shape[1] * LARGE
    st.image(
        sheets.draw([game.question.picture], 1, LARGE),
        alt="A picture: is it real, or was it drawn by a model?",
    )
    with st.container(horizontal=True, width=side):
        for words, real, key in (("Real", True, "Left"), ("Drawn", False, "Right")):
            st.button(
                words,
                key=f"quiz.{words}",
                on_click=_answer,
                args=(kept, game.asked, real),
                shortcut=key,
                width="stretch",
                type="primary",
            )


def _answer(kept: str, asked: int, real: bool) -> None:
    game = st.session_state[kept]
    if game.asked == asked and game.question:  # a second click would answer a picture not yet seen
        st.session_state[kept] = game.answered(real)


def _before(game: Game, by_name: dict[str, Entry]) -> None:
    if game.before is None:
        st.markdown("Half of the pictures are real ones that no model was trained on. Which?")
        return
    source = game.before.source
    label = by_name[source].label if source in by_name else "model"  # a run may be deleted meanwhile
    truth = "real" if source is REAL else f"drawn by the {plain(label)} of {plain(source)}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.image(sheets.draw([game.before.picture], 1, SMALL), alt=f"The picture before, which was {truth}")
        right = game.took_for_real == (source is REAL)
        icon = ":material/check:" if right else ":material/close:"
        st.markdown(f"{icon} {'Yes' if right else 'No'}, that one was **{truth}**.", width="stretch")


def _score(game: Game, kept: str, players: Sequence[Entry]) -> None:
    rows = [
        f"| {mark(colour(one.label))} **{plain(one.label)}** :gray[{plain(one.run.name)}] "
        f"| {game.counts.get(one.run.name, Count())} |"
        for one in players
    ]
    rows.append(f"| real pictures | {game.counts.get(REAL, Count())} |")
    st.markdown("\n".join(["| by | taken for real (95 % interval) |", "| :-- | :-- |", *rows]))
    st.caption(
        "A model whose pictures are taken for real as often as real ones are cannot be told from "
        "them, by you, so far."
    )
    if game.asked:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"You were right in {game.right} of {game.asked}.", width="content")
            st.button(
                "Start again",
                icon=":material/restart_alt:",
                type="tertiary",
                on_click=_begin_anew,
                args=(kept,),
            )


def _begin_anew(kept: str) -> None:
    st.session_state.pop(kept, None)


main()
