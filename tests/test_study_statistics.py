"""What a study says of its trials, on simulated ones where the truth is known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
import pytest
from scipy.stats import binom

from gencore.config.options import PRESETS
from gencore.studies.effects import Observation, shares_of_variance
from gencore.studies.permutation import paired_p, seeds_needed, smallest_p
from gencore.studies.plan import Trial
from gencore.studies.records import Distance, TrialState, TrialStatus
from gencore.studies.statistics import analyse, find_winner
from gencore.studies.study import Study

SEEDS = range(42, 51)


def grid(seeds: int = len(SEEDS), **changes: object) -> Study:
    return Study.model_validate(
        {
            "name": "made",
            "base": {"preset": "dcgan", "dataset": "digits"},
            "axes": {"beta1": [0.3, 0.7], "depth": [0, 2]},
            "seeds": seeds,
        }
        | changes
    )


def state(
    point: dict[str, object],
    seed: int,
    value: float | None,
    status: TrialStatus = "finished",
    phase: str = "search",
    distances: Sequence[Distance] = (),
) -> TrialState:
    name = "-".join(map(str, [*point.values(), seed]))
    trial = Trial(number=0, name=name, point=point, seed=seed, phase=phase, config=PRESETS["dcgan"])
    return TrialState(trial=trial, status=status, value=value, distances=tuple(distances))


def simulated(
    rng: np.random.Generator, of_beta1: float, of_depth: float, seeds: Sequence[int] = SEEDS
) -> list[TrialState]:
    """Distances of a 2 x 2 grid: an option multiplies them by 10**effect, seed and chance by a little."""
    of_seed = {seed: rng.normal(0, 0.1) for seed in seeds}
    return [
        state(
            {"beta1": beta1, "depth": depth},
            seed,
            10
            ** (
                1 + of_beta1 * (beta1 == 0.7) + of_depth * (depth == 2) + of_seed[seed] + rng.normal(0, 0.05)
            ),
        )
        for beta1, depth, seed in itertools.product((0.3, 0.7), (0, 2), seeds)
    ]


def test_a_planted_effect_is_found_and_a_planted_null_is_not_more_often_than_chance_allows() -> None:
    rng, studies = np.random.default_rng(5), 200
    found, false = 0, 0
    for _ in range(studies):
        contrasts = analyse(grid(), simulated(rng, of_beta1=0.2, of_depth=0.0)).contrasts
        better = {contrast.axis: contrast.better for contrast in contrasts}
        found += better["beta1"] == "0.3"
        false += better["depth"] is not None
    assert found > 0.95 * studies
    assert false <= binom.ppf(0.999, studies, 0.05), "more often than tests at 5 % may be wrong"
    assert false > 0, "a test that is never wrong tests nothing"


def test_fewer_seeds_than_a_test_needs_are_said_and_not_tested() -> None:
    assert [seeds_needed(tests) for tests in (1, 2, 8)] == [6, 7, 9]
    assert all(
        smallest_p(seeds_needed(n), n) < 0.05 <= smallest_p(seeds_needed(n) - 1, n) for n in range(1, 40)
    )
    found = analyse(grid(6), simulated(np.random.default_rng(0), 0.5, 0.0, range(6)))
    assert [contrast.p for contrast in found.contrasts] == [None, None]
    assert "on 6 seeds" in found.contrasts_note and "7 seeds would do" in found.contrasts_note
    assert found.contrasts[0].difference.mean == pytest.approx(-0.5, abs=0.1), (
        "the difference is shown all the same"
    )


@pytest.mark.parametrize("differences", [[1.0, 2.0, 0.5, 3.0, 1.5, 0.1], [1.0, -2.0, 0.5, 3.0], [0.0, 0.0]])
def test_p_is_the_share_of_sign_changes_with_a_mean_as_far_from_zero(differences: list[float]) -> None:
    sums = [
        sum(sign * abs(x) for sign, x in zip(signs, differences, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    as_far = [abs(one) >= abs(sum(differences)) - 1e-12 for one in sums]
    assert paired_p(differences) == pytest.approx(sum(as_far) / len(as_far))


def test_shares_of_variance_are_those_of_a_balanced_analysis_of_variance() -> None:
    values = {("a", "c"): 1.0, ("a", "d"): 2.0, ("b", "c"): 4.0, ("b", "d"): 9.0}
    noise = {1: 0.25, 2: -0.25}
    observations = [
        Observation({"x": x, "y": y}, seed, value + noise[seed])
        for (x, y), value in values.items()
        for seed in noise
    ]
    found = shares_of_variance(observations)
    assert not isinstance(found, str)
    expected = {("x",): 8 * 2.5**2, ("y",): 8 * 1.5**2, ("x", "y"): 8 * 1.0**2, ("seed",): 8 * 0.25**2}
    total = sum(expected.values())
    assert found == pytest.approx({cause: square / total for cause, square in expected.items()})


def test_a_training_that_diverged_counts_as_the_worst_and_is_shown() -> None:
    values: Callable[[float, int], float] = lambda beta1, depth: 1.0 + depth + 10 * (beta1 == 0.7)  # noqa: E731
    states = [
        state({"beta1": beta1, "depth": depth}, seed, values(beta1, depth))
        for beta1, depth, seed in itertools.product((0.3, 0.7), (0, 2), (1, 2))
    ]
    lost = state({"beta1": 0.3, "depth": 0}, 3, None, "diverged")
    more = [state({"beta1": b, "depth": d}, 3, values(b, d)) for b, d in ((0.3, 2), (0.7, 0), (0.7, 2))]
    before = analyse(grid(2), states)
    after = analyse(grid(3), [*states, lost, *more])
    assert before.points[0].point == {"beta1": 0.3, "depth": 0}
    assert after.points[0].point == {"beta1": 0.3, "depth": 2}, "the best one did not train on every seed"
    summary = next(one for one in after.points if one.point == {"beta1": 0.3, "depth": 0})
    assert (summary.finished, summary.lost, summary.interval and summary.interval.mean) == (2, 1, 1.0)
    assert after.counts == {"finished": 11, "diverged": 1}
    effects = [{one.axis: one.sensitivity for one in found.effects}["beta1"] for found in (before, after)]
    assert effects[1] < effects[0], "a training that failed on the good level makes it look worse"


def test_the_winner_is_best_only_after_fresh_seeds_have_measured_it() -> None:
    rng = np.random.default_rng(1)
    states = simulated(rng, 0.0, 0.0)
    chosen = find_winner(grid(), states)
    assert chosen is not None and not chosen.is_best and "winner's curse" in chosen.note
    fresh = [state(dict(chosen.point), seed, 10.0, phase="confirmation") for seed in (90, 91, 92)]
    running = fresh[:2] + [fresh[2].model_copy(update={"status": "running", "value": None})]
    assert (waiting := find_winner(grid(), [*states, *running])) is not None and not waiting.is_best
    confirmed = find_winner(grid(), [*states, *fresh])
    assert confirmed is not None and confirmed.is_best and confirmed.point == chosen.point
    assert confirmed.confirmed is not None and confirmed.confirmed.mean == 10.0
    assert confirmed.selected == chosen.selected, "fresh seeds do not choose"


def test_the_first_of_equal_points_looks_better_than_it_is() -> None:
    rng = np.random.default_rng(2)
    means = []
    for _ in range(100):
        winner = find_winner(grid(), simulated(rng, 0.0, 0.0))
        assert winner is not None
        means.append(np.log10(winner.selected.mean))
    assert np.mean(means) < 1.0, "the distances are 10 by construction"


def test_trials_that_were_cut_are_compared_where_all_have_a_distance() -> None:
    curves = {0: (8.0, 4.0, 2.0), 2: (9.0, 6.0, 5.0)}
    states = [
        state(
            {"beta1": beta1, "depth": depth},
            seed,
            curves[depth][-1] if beta1 == 0.3 else None,
            "finished" if beta1 == 0.3 else "cut",
            distances=[Distance(e + 1.0, fd) for e, fd in enumerate(curves[depth])][
                : 3 if beta1 == 0.3 else 1
            ],
        )
        for beta1, depth, seed in itertools.product((0.3, 0.7), (0, 2), (1, 2))
    ]
    found = analyse(grid(2), states)
    assert found.at_epoch == 1.0
    depth = next(one for one in found.effects if one.axis == "depth")
    assert depth.sensitivity == pytest.approx(9 / 8), "at epoch 1, not at the end"


@pytest.mark.skipif(find_spec("optuna") is None, reason="Optuna is not installed")
def test_in_a_random_search_the_option_that_matters_has_most_of_the_variance() -> None:
    rng = np.random.default_rng(3)
    search = grid(
        1,
        axes={"generator_learning_rate": {"lower": 1e-5, "upper": 1e-2, "scale": "log"}, "depth": [0, 2]},
        search={"method": "random", "points": 40},
    )
    states = [
        state(
            {
                "generator_learning_rate": (rate := float(10 ** rng.uniform(-5, -2))),
                "depth": int(rng.choice([0, 2])),
            },
            42,
            10 ** (abs(math.log10(rate) + 3) + rng.normal(0, 0.1)),
        )
        for _ in range(40)
    ]
    found = analyse(search, states)
    shares = {one.axis: one.share for one in found.effects}
    assert shares["generator_learning_rate"] > 0.8 > 0.2 > shares["depth"]
    assert "fANOVA" in found.effects_note and not found.contrasts and "not tested" in found.contrasts_note
