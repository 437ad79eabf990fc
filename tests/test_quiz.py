"""The quiz: half of it is real, scores are counted by source, and nothing but the picture tells."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import made_runs
from support import tiny_config
from visits import checked, pictures, text_of, trained, visit

from dashboard.views.quiz_game import DECK, REAL, Count, Game, Question
from gencore.config.options import DataConfig
from gencore.data.sources import ImageData
from gencore.store.runs import run


@pytest.fixture(scope="module")
def players_home(tmp_path_factory: pytest.TempPathFactory, few_digits: ImageData) -> Path:
    folder = tmp_path_factory.mktemp("players") / "home"
    for family in ("vae", "cgan"):
        trained(folder, family, few_digits)
    return folder


@pytest.fixture
def players(home: Path, players_home: Path) -> Path:
    """A `vae` and a `cgan` on the digits."""
    shutil.copytree(players_home, home, dirs_exist_ok=True)
    return home


# ---------------------------------------------------------------- the game


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (Count(), "none shown yet"),
        (Count(0, 10), "0 of 10 · 0 % (0 to 31 %)"),
        (Count(5, 10), "5 of 10 · 50 % (19 to 81 %)"),
    ],
)
def test_a_share_stands_with_its_count_and_exact_interval(count: Count, shown: str) -> None:
    assert str(count) == shown  # 1 - 0.025 ** (1 / 10) = 0.31


def blank(value: int) -> np.ndarray:
    return np.full((2, 2, 3), value, np.uint8)


def test_half_of_the_questions_are_real_and_the_models_take_turns_by_chance() -> None:
    drawn = {"a": np.stack([blank(1)] * DECK), "b": np.stack([blank(2)] * DECK)}
    real = np.stack([blank(3)] * 5)
    shade = {"a": 1, "b": 2, REAL: 3}
    asked = [replace(Game(seed=1), asked=n).asking(drawn, real).question for n in range(2000)]
    assert all((question.picture == shade[question.source]).all() for question in asked)
    shares = [sum(question.source == source for question in asked) / 2000 for source in (REAL, "a", "b")]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.05)  # 0.05 is 4 standard errors


def test_no_picture_of_a_deck_comes_twice_and_every_deck_is_another() -> None:
    game = Game(seed=7)
    decks = [replace(game, asked=n).deck for n in range(2 * DECK)]
    assert decks == [7] * DECK + [8] * DECK
    numbered = {"a": np.stack([blank(n) for n in range(DECK)])}
    asked = [replace(game, asked=n).asking(numbered, np.stack([blank(99)])).question for n in range(DECK)]
    shown = [question.picture[0, 0, 0] for question in asked if question.source == "a"]
    assert len(shown) > 5 and len(set(shown)) == len(shown)


def test_answers_are_counted_by_source_and_the_true_ones_in_all() -> None:
    game = Game()
    for source, took_for_real in [("a", True), ("a", False), (REAL, True), (REAL, False), (REAL, True)]:
        game = replace(game, question=Question(blank(0), source)).answered(took_for_real)
    assert game.counts == {"a": Count(1, 2), REAL: Count(2, 3)}
    assert (game.asked, game.right, game.question) == (5, 3, None)


# ---------------------------------------------------------------- the page


def test_without_runs_it_says_what_to_do(home: Path) -> None:
    assert "press **Start**" in text_of(visit("quiz"))


def test_a_game_is_counted_and_told_only_afterwards(players: Path) -> None:
    app = visit("quiz", ["vae", "cgan"])
    question = "A picture: is it real, or was it drawn by a model?"
    answers = [True, False, True, True, False, False]
    truths = []
    for place, says_real in enumerate(answers):
        assert list(pictures(app))[0] == question
        assert [key for key in app.query_params if key != "run"] == []
        truths.append(app.session_state["quiz.digits"].question.source)
        checked(app.button(key=f"quiz.{'Real' if says_real else 'Drawn'}").click().run())
        assert app.session_state["quiz.digits"].asked == place + 1
    shown = text_of(app)
    right = sum(says_real == (truth is REAL) for says_real, truth in zip(answers, truths, strict=True))
    assert f"You were right in {right} of 6." in shown
    for source in ("vae", "cgan", REAL):
        took = [says for says, truth in zip(answers, truths, strict=True) if truth == source]
        assert str(Count(sum(took), len(took))) in shown
    truth = truths[-1]
    told = "real" if truth is REAL else f"drawn by the {'VAE' if truth == 'vae' else 'cGAN'} of {truth}"
    assert f"The picture before, which was {told}" in pictures(app)


def test_starting_again_forgets_the_score(players: Path) -> None:
    app = visit("quiz", ["vae", "cgan"])
    checked(app.button(key="quiz.Real").click().run())
    again = next(button for button in app.main.button if button.label == "Start again")
    assert text_of(checked(again.click().run())).count("none shown yet") == 3
    assert app.session_state["quiz.digits"].asked == 0


def test_a_second_click_answers_no_picture_that_was_not_seen(players: Path) -> None:
    app = visit("quiz", ["vae"])
    before = app.session_state["quiz.digits"]
    app.session_state["quiz.digits"] = before.answered(
        True
    )  # as the first click did, before the page was drawn anew
    checked(app.button(key="quiz.Real").click().run())
    assert app.session_state["quiz.digits"].asked == 1


def test_without_real_pictures_it_says_how_to_get_them(home: Path, few_digits: ImageData) -> None:
    run("mnist").create(tiny_config("vae").model_copy(update={"data": DataConfig(dataset="mnist")}))
    app = visit("quiz", ["mnist"])
    assert "MNIST is not in" in text_of(app) and "GENCORE_DATA" in text_of(app) and not app.main.button


def test_models_of_another_data_set_are_left_out_and_said_to_be(players: Path) -> None:
    run("mnist").create(tiny_config("vae").model_copy(update={"data": DataConfig(dataset="mnist")}))
    shown = text_of(visit("quiz", ["cgan", "mnist"]))
    assert "Only models of scikit-learn digits play together" in shown and "**VAE**" not in shown


def test_models_that_cannot_draw_say_why_and_the_others_play(players: Path) -> None:
    made_runs.trained(players, "dead", made_runs.config("gan"), until=0.5, end=None)
    going = made_runs.trained(players, "going", made_runs.config("ddpm"), until=0.5, end=None)
    (run("cgan").checkpoints / "final.safetensors").write_bytes(b"rubbish")
    with going.claim():
        app = visit("quiz", ["dead", "going", "cgan", "vae"])
        shown = text_of(app)
    assert "run dead has no checkpoint" in shown and "**going** is training" in shown
    assert "final.safetensors is" in shown and shown.count("none shown yet") == 2  # the VAE and real pictures
    with going.claim():
        assert not visit("quiz", ["dead", "going"]).main.button
