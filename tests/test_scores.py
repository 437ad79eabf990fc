"""The four scores: known answers by hand, and nothing that stands in for what was not measured."""

from __future__ import annotations

import math

import pytest
from support import made_results

from gencore.analysis.scores import (
    SCORES,
    Score,
    first_places,
    geometric_mean,
    is_collapsed,
    overall,
    position,
    score_of_seed,
    scores,
)
from gencore.store.results import Metric, Results

WHOLE: dict[str, Metric | float] = {
    "fd": Metric(value=20.0, floor=2.0),  # realism .5
    "fd_of_noise": 200.0,
    "precision": Metric(value=0.6, floor=0.8),  # .75
    "coverage": Metric(value=0.72, floor=0.9),  # .8
    "class_total_variation": 0.1,  # .9
    "worst_within_class_variance": 0.8,
    "training_finite": 1.0,
    "fd_last_over_best": 0.8,
    "gradient_spike_share": 0.01,  # 1 - 20 x .01 = .8
    "control_hit_rate": Metric(value=0.58, unit="by a linear probe on z"),
    "control_chance": 0.1,
    "control_real_accuracy": 0.9,  # (.58 - .1) / (.9 - .1) = .6
    "control_coverage": Metric(value=0.54, floor=0.9),  # .6
    "seconds_to_half": 600.0,  # ln 60 / ln 3600 = .5
    "samples_per_second_100": 7.0,
    "samples_per_second_1000": 1e4,  # 1e-4 s: ln 1e4 / ln 1e5 = .8
    "peak_memory_mib": 1280.0,  # ln 12.8 / ln 163.84 = .5
}
"""Every metric that a score is made of, and its part."""


def whole(seed: int = 42, **changed: Metric | float | None) -> Results:
    """Results with all of WHOLE but what is `changed`, or left out by None."""
    return made_results(
        seed=seed, **{name: given for name, given in (WHOLE | changed).items() if given is not None}
    )


def test_each_score_is_the_geometric_mean_of_its_parts() -> None:
    found = scores([whole()])
    assert tuple(found) == SCORES
    assert found["quality"].parts == pytest.approx(
        {"realism": 0.5, "fidelity": 0.75, "coverage": 0.8, "balance": 0.9}
    )
    assert found["quality"].value == pytest.approx((0.5 * 0.75 * 0.8 * 0.9) ** 0.25)
    assert found["controllability"].parts == pytest.approx({"hits": 0.6, "coverage": 0.6})
    assert found["controllability"].value == pytest.approx(0.6)
    assert found["efficiency"].parts == pytest.approx(
        {"training": 0.5, "sampling": 0.8, "memory": math.log(12.8) / math.log(163.84)}
    )
    assert found["efficiency"].value == pytest.approx((0.5 * 0.8 * 0.5) ** (1 / 3), abs=1e-3)
    assert found["stability"].parts == pytest.approx({"fd_last_over_best": 0.8, "gradient_calm": 0.8})
    assert found["stability"].value == pytest.approx(0.8)


def test_a_single_seed_says_so_and_has_no_share_and_no_spread() -> None:
    stability = scores([whole()])["stability"]
    assert stability.note == "1 seed"
    assert stability.missing == {
        "sound_seeds": "1 seed; a share needs 2 or more",
        "seed_spread": "1 seed; a spread needs 2 or more",
    }


def test_stability_over_seeds_is_the_share_of_sound_ones_times_the_mean_of_the_rest() -> None:
    seeds = [
        whole(seed, fd=Metric(value=fd, floor=2.0)) for seed, fd in ((1, 20.0), (2, 2.0), (3, 200.0))
    ]  # s: .5, 1, 0
    stability = scores(seeds)["stability"]
    assert stability.parts["seed_spread"] == 0 and stability.value == 0 and stability.note == ""
    seeds = [
        whole(1),
        whole(2, fd=Metric(value=20.0 * 10**0.2, floor=2.0)),
        whole(3, worst_within_class_variance=0.01),
    ]
    stability = scores(seeds)["stability"]  # s: .5, .4, .5, of which the deviation is .1 / sqrt(3)
    spread = 1 - (0.1 / math.sqrt(3)) / 0.25
    assert stability.parts == pytest.approx(
        {"sound_seeds": 2 / 3, "seed_spread": spread, "fd_last_over_best": 0.8, "gradient_calm": 0.8}
    )
    assert stability.value == pytest.approx(2 / 3 * (spread * 0.8 * 0.8) ** (1 / 3)) and not stability.missing


def test_the_mean_over_seeds_is_of_scores_and_of_parts() -> None:
    seeds = [whole(1), whole(2, precision=Metric(value=0.8, floor=0.8))]
    quality = scores(seeds)["quality"]
    assert quality.parts["fidelity"] == pytest.approx((0.75 + 1) / 2)
    assert quality.value == pytest.approx(sum(score_of_seed("quality", one) for one in seeds) / 2)


@pytest.mark.parametrize(
    ("changed", "collapsed"),
    [
        ({"worst_within_class_variance": 0.1, "coverage": Metric(value=0.19, floor=0.9)}, False),
        ({"worst_within_class_variance": 0.09}, True),
        ({"coverage": Metric(value=0.17, floor=0.9)}, True),
        ({"worst_within_class_variance": None}, None),
        ({"coverage": 0.17}, None),
    ],
)
def test_a_model_is_collapsed_by_absolute_bounds(
    changed: dict[str, Metric | float | None], collapsed: bool | None
) -> None:
    assert is_collapsed(whole(**changed)) is collapsed


@pytest.mark.parametrize("fault", [{"worst_within_class_variance": 0.01}, {"training_finite": 0.0}])
def test_one_seed_that_collapsed_or_diverged_is_not_stable(fault: dict[str, float]) -> None:
    stability = scores([whole(**fault)])["stability"]
    assert stability.value == 0 and stability.parts["sound_seeds"] == 0


def test_a_known_fault_counts_though_the_other_figure_is_absent() -> None:
    faulty = whole(1, training_finite=0.0, worst_within_class_variance=None)
    assert scores([faulty, whole(2)])["stability"].parts["sound_seeds"] == 0.5


def test_a_seed_that_left_no_result_for_it_diverged_is_not_sound() -> None:
    assert scores([whole()], diverged=3)["stability"].parts["sound_seeds"] == 0.25


def test_stability_needs_the_course_or_the_seeds() -> None:
    unknown = {"fd_last_over_best": Metric(value=None, reason="fewer than 2 quick distances")}
    alone = scores([whole(**unknown)])["stability"]
    assert alone.value is None and alone.parts == {"gradient_calm": pytest.approx(0.8)}
    assert alone.missing["fd_last_over_best"] == "fewer than 2 quick distances"
    together = scores([whole(1, **unknown), whole(2, **unknown)])["stability"]
    assert together.value == pytest.approx(math.sqrt(1.0 * 0.8)) and set(together.missing) == {
        "fd_last_over_best"
    }


NEEDED = {
    "quality": ("fd", "fd_of_noise", "precision", "coverage", "class_total_variation"),
    "controllability": ("control_hit_rate", "control_chance", "control_real_accuracy", "control_coverage"),
    "efficiency": ("seconds_to_half", "peak_memory_mib", "fd"),
}


@pytest.mark.parametrize(
    ("score", "metric"), [(score, metric) for score, names in NEEDED.items() for metric in names]
)
def test_no_default_stands_in_for_what_was_not_measured(score: str, metric: str) -> None:
    assert scores([whole()])[score].value is not None
    absent = scores([whole(1), whole(2, **{metric: None})])[score]
    assert absent.value is None and absent.missing and not set(absent.missing) & set(absent.parts)
    explained = scores([whole(**{metric: Metric(value=None, reason="the disk was full")})])[score]
    assert explained.value is None
    assert "the disk was full" in explained.missing.values() or explained.missing == {
        "quality": "quality is not known"
    }


def test_of_empty_results_nothing_is_known_and_everything_is_said() -> None:
    for name, score in scores([made_results()]).items():
        assert score.value is None and not score.parts and score.missing, name
    assert (
        scores([made_results()])["controllability"].missing["hits"]
        == "control_hit_rate not measured; `gencore evaluate RUN`"
    )


@pytest.mark.parametrize("metric", ["fd", "precision", "coverage", "control_coverage"])
def test_a_metric_without_its_floor_makes_no_part(metric: str) -> None:
    found = scores([whole(**{metric: 0.5})])["controllability" if metric.startswith("control") else "quality"]
    assert found.value is None and f"{metric} has no floor; `gencore evaluate RUN`" in found.missing.values()


def test_hits_lie_between_chance_and_the_classifier_on_real_images() -> None:
    def hits(rate: float) -> float:
        return scores([whole(control_hit_rate=rate)])["controllability"].parts["hits"]

    assert [hits(rate) for rate in (0.05, 0.1, 0.5, 0.9, 0.95)] == pytest.approx([0, 0, 0.5, 1, 1])
    floor = Metric(value=0.5, floor=0.9)
    assert scores([whole(control_hit_rate=floor, control_real_accuracy=None)])["controllability"].parts[
        "hits"
    ] == pytest.approx(0.5)
    blind = scores([whole(control_real_accuracy=0.1)])["controllability"]
    assert blind.value is None and "no better than chance" in blind.missing["hits"]


def test_the_means_of_steering_stands_beside_controllability() -> None:
    assert scores([whole(1), whole(2)])["controllability"].note == "by a linear probe on z"


def test_sampling_is_timed_at_the_largest_batch_that_was_measured() -> None:
    slow = scores(
        [whole(samples_per_second_1000=None, samples_per_second_16=1e9, samples_per_second_100=100.0)]
    )
    assert slow["efficiency"].parts["sampling"] == pytest.approx(0.4)  # 1e-2 s: ln 1e2 / ln 1e5
    assert (
        scores([whole(samples_per_second_1000=None, samples_per_second_100=None)])["efficiency"].value is None
    )


def test_efficiency_is_absent_below_the_least_quality() -> None:
    idle = scores([whole(fd=Metric(value=180.0, floor=2.0), precision=Metric(value=0.1, floor=0.8))])
    assert idle["quality"].value < 0.3 and idle["efficiency"].value is None
    assert "efficiency needs 0.3 or more" in idle["efficiency"].missing["quality"]


@pytest.mark.parametrize(
    ("score", "metric", "worse", "better"),
    [
        ("quality", "fd", Metric(value=30.0, floor=2.0), Metric(value=10.0, floor=2.0)),
        ("quality", "precision", Metric(value=0.5, floor=0.8), Metric(value=0.7, floor=0.8)),
        ("quality", "coverage", Metric(value=0.5, floor=0.9), Metric(value=0.85, floor=0.9)),
        ("quality", "class_total_variation", 0.3, 0.05),
        ("stability", "fd_last_over_best", 0.6, 0.9),
        ("stability", "gradient_spike_share", 0.03, 0.001),
        ("controllability", "control_hit_rate", 0.4, 0.7),
        ("controllability", "control_coverage", Metric(value=0.3, floor=0.9), Metric(value=0.6, floor=0.9)),
        ("efficiency", "seconds_to_half", 3000.0, 60.0),
        ("efficiency", "samples_per_second_1000", 10.0, 5e4),
        ("efficiency", "peak_memory_mib", 4000.0, 500.0),
    ],
)
def test_a_better_metric_is_a_better_score(
    score: str, metric: str, worse: Metric | float, better: Metric | float
) -> None:
    low, mid, high = (
        scores([whole(**{metric: given})])[score].value for given in (worse, WHOLE[metric], better)
    )
    assert 0 < low < mid < high <= 1


def test_a_score_does_not_depend_on_who_is_compared_and_stays_between_its_anchors() -> None:
    best = {
        "fd": Metric(value=0.1, floor=2.0),
        "precision": Metric(value=1.0, floor=0.8),
        "class_total_variation": 0.0,
        "coverage": Metric(value=0.95, floor=0.9),
        "fd_last_over_best": 1.0,
        "gradient_spike_share": 0.0,
        "control_hit_rate": 1.0,
        "control_coverage": Metric(value=1.0, floor=0.9),
        "seconds_to_half": 1.0,
        "samples_per_second_1000": 1e6,
        "peak_memory_mib": 10.0,
    }
    assert {name: score.value for name, score in scores([whole(**best)]).items()} == dict.fromkeys(
        SCORES, 1.0
    )
    worst = {
        "fd": Metric(value=1e6, floor=2.0),
        "fd_last_over_best": 0.0,
        "gradient_spike_share": 0.5,
        "control_hit_rate": 0.0,
        "seconds_to_half": 1e6,
    }
    found = {name: score.value for name, score in scores([whole(**worst)]).items()}
    assert found == {"quality": 0.0, "stability": 0.0, "controllability": 0.0, "efficiency": None}


@pytest.mark.parametrize(
    "given",
    [[], [whole(1), whole(1)], [whole(1), made_results("GAN", seed=2)]],
    ids=["none", "same seed", "two models"],
)
def test_results_that_are_not_the_seeds_of_one_model_are_refused(given: list[Results]) -> None:
    with pytest.raises(ValueError, match="scores are of one model, one result a training seed; got "):
        scores(given)


def made(
    quality: float | None, stability: float | None, controllability: float | None, efficiency: float | None
) -> dict[str, Score]:
    values = (quality, stability, controllability, efficiency)
    return {name: Score(value=value) for name, value in zip(SCORES, values, strict=True)}


def test_overall_is_the_weighted_mean_and_absent_with_any_score_that_has_a_weight() -> None:
    partly = made(0.9, 0.5, 0.0, None)
    assert overall(partly, {"quality": 3, "stability": 1}) == pytest.approx(0.8)
    assert overall(partly, {"quality": 1, "controllability": 1, "efficiency": 0}) == pytest.approx(0.45)
    assert overall(partly, dict.fromkeys(SCORES, 1.0)) is None


@pytest.mark.parametrize(
    "weights", [{}, {"quality": 0}, {"quality": -1, "stability": 2}, {"beauty": 1}, {"quality": math.nan}]
)
def test_weights_that_are_none_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="any of quality, stability, controllability, efficiency"):
        overall(made(1, 1, 1, 1), weights)


def test_first_places_are_shares_of_the_simplex() -> None:
    # b is ahead in quality by 3, behind in stability by 1: first where 3 w1 > w2, which is 3 / 4 of the
    # simplex.
    places = first_places(
        {"a": made(0.5, 0.6, 0.5, 0.5), "b": made(0.8, 0.5, 0.5, 0.5), "worse": made(0.4, 0.4, 0.4, 0.4)}
    )
    assert places == {"a": pytest.approx(0.25, abs=0.02), "b": pytest.approx(0.75, abs=0.02), "worse": 0}
    assert sum(places.values()) == pytest.approx(1)
    assert first_places({"a": made(1, 0, 0, 0), "b": made(0, 1, 0, 0)}, draws=100, seed=1) != first_places(
        {"a": made(1, 0, 0, 0), "b": made(0, 1, 0, 0)}, draws=100, seed=2
    )


def test_models_in_a_tie_share_the_first_place_and_those_that_lack_a_score_have_none() -> None:
    same = made(0.5, 0.5, 0.5, 0.5)
    assert first_places({"a": same, "b": same, "partly": made(1, 1, 1, None)}) == {
        "a": pytest.approx(0.5),
        "b": pytest.approx(0.5),
    }
    assert first_places({"partly": made(1, 1, 1, None)}) == {}


def test_the_place_in_the_performance_space_needs_its_three_scores() -> None:
    assert position(made(0.1, 0.2, 0.3, None)) == (0.1, 0.2, 0.3)
    for missing in range(3):
        values = [0.1, 0.2, 0.3]
        values[missing] = None
        assert position(made(*values, 0.4)) is None


def test_the_score_of_a_seed_is_that_of_the_model_with_this_seed_alone() -> None:
    found = scores([whole()])
    assert {name: score_of_seed(name, whole()) for name in SCORES} == {
        name: score.value for name, score in found.items()
    } | {"stability": None}
    assert found["quality"].value == geometric_mean(list(found["quality"].parts.values()))
