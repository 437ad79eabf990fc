"""The four scores: known answers by hand, and nothing that stands in for what was not measured."""

from __future__ import annotations

import math

import pytest
from support import made_results

from gencore.analysis.measured_models import Model, alongside
from gencore.analysis.scores import (
    SCORES,
    Score,
    first_places,
    overall,
    quality_parts,
    score_of_seed,
    scores,
    soundness,
    unlike_machines,
)
from gencore.store.results import Metric, Origin, Results


def over_floor(residual: float, plain: float, mixer: float) -> Metric:
    """A Fréchet distance as a multiple of its floor, by three extractors."""
    mean = (residual * plain * mixer) ** (1 / 3)
    return Metric(value=mean, floor=1.0, by_extractor={"residual": residual, "plain": plain, "mixer": mixer})


def as_real(realism: float) -> Metric:
    """What has this realism by each extractor, with WHOLE's blur."""
    return over_floor(100 ** (1 - realism), 16 ** (1 - realism), 16 ** (1 - realism))


WHOLE: dict[str, Metric | float] = {
    "fd_over_floor": over_floor(10.0, 2.0, 8.0),  # 1/2, 3/4 and 1/4: realism .5
    "blur_over_floor": over_floor(100.0, 16.0, 16.0),
    "precision": Metric(value=0.6, floor=0.8),  # fidelity .75
    "recall": Metric(value=0.63, floor=0.9),  # variety .7
    "coverage": Metric(value=0.72, floor=0.9),  # .8
    "class_total_variation": 0.1,  # balance .9
    "authentic_share": Metric(value=0.57, floor=0.6),  # novelty .95
    "worst_within_class_variance": 0.4,  # (.4 - .1) / (.5 - .1) = .75
    "training_finite": 1.0,
    "fd_last_over_best": 0.8,
    "gradient_spike_share": 0.01,  # 1 - 20 x .01 = .8
    "control_hit_rate": Metric(value=0.58, unit="by a linear probe on z"),
    "control_chance": 0.1,
    "control_real_accuracy": 0.9,  # (.58 - .1) / (.9 - .1) = .6
    "control_coverage": Metric(value=0.54, floor=0.9),  # .6
    "seconds_to_blur": 600.0,  # ln 60 / ln 3600 = .5
    "samples_per_second_100": 7.0,
    "samples_per_second_1000": 1e4,  # 1e-4 s: ln 1e4 / ln 1e5 = .8
    "peak_memory_mib": 1280.0,  # ln 12.8 / ln 1638.4
}
"""Every metric that a score is made of, and its part."""


def whole(seed: int = 42, **changed: Metric | float | None) -> Results:
    """Results with all of WHOLE but what is `changed`, or left out by None."""
    return made_results(
        seed=seed, **{name: given for name, given in (WHOLE | changed).items() if given is not None}
    )


def of_seeds(count: int = 3, **changed: Metric | float | None) -> list[Results]:
    """`whole` on as many seeds."""
    return [whole(seed, **changed) for seed in range(count)]


def test_each_score_has_the_value_that_its_parts_give_by_hand() -> None:
    found = scores(of_seeds(3))
    assert tuple(found) == SCORES
    assert found["quality"].parts == pytest.approx(
        {"realism": 0.5, "fidelity": 0.75, "variety": 0.7, "coverage": 0.8, "balance": 0.9, "novelty": 0.95}
    )
    assert found["quality"].value == pytest.approx(0.95 * (0.5 * 0.75 * 0.7 * 0.8 * 0.9) ** 0.2)
    assert found["controllability"].parts == pytest.approx({"hits": 0.6, "coverage": 0.6})
    assert found["controllability"].value == pytest.approx(0.6)
    memory = math.log(12.8) / math.log(1638.4)
    assert found["efficiency"].parts == pytest.approx({"training": 0.5, "sampling": 0.8, "memory": memory})
    assert found["efficiency"].value == pytest.approx((0.5 * 0.8 * memory) ** (1 / 3))
    assert found["stability"].parts == pytest.approx(
        {"sound_seeds": 0.75, "seed_spread": 1.0, "fd_last_over_best": 0.8, "gradient_calm": 0.8}
    )
    assert found["stability"].value == pytest.approx(0.75 * (1.0 * 0.8 * 0.8) ** (1 / 3))
    assert not any(score.missing for score in found.values())


# quality


def realism(fd: Metric, blur: Metric) -> float | None:
    return quality_parts(whole(fd_over_floor=fd, blur_over_floor=blur)).get("realism")


def test_realism_is_the_mean_over_extractors_of_the_log_scale_from_blur_to_floor() -> None:
    blur = over_floor(100.0, 16.0, 16.0)
    assert realism(over_floor(10.0, 10.0, 10.0), blur) == pytest.approx(
        (0.5 + 2 * (math.log(1.6) / math.log(16))) / 3
    )
    assert realism(blur, blur) == 0 and realism(over_floor(1.0, 1.0, 1.0), blur) == 1
    one = {"residual": 10.0}
    assert realism(
        Metric(value=10.0, by_extractor=one), Metric(value=100.0, by_extractor={"residual": 100.0})
    ) == pytest.approx(0.5)


def test_an_extractor_cannot_make_up_for_another_beyond_the_ends_of_its_scale() -> None:
    found = realism(over_floor(0.2, 1000.0, 4.0), over_floor(100.0, 16.0, 16.0))  # 1, 0 and 1/2
    assert found == pytest.approx(0.5)


def test_realism_is_not_read_off_distances_that_no_score_is_made_of() -> None:
    others = {"fd": Metric(value=900.0, floor=2.0), "fd_of_noise": 1000.0, "seconds_to_half": 9e9}
    assert scores(of_seeds(3, **others)) == scores(of_seeds(3))
    old = whole(fd_over_floor=None, blur_over_floor=None, fd=Metric(value=20.0, floor=2.0), fd_of_noise=200.0)
    assert "realism" not in quality_parts(old) and scores([old])["quality"].value is None


def test_a_blur_through_other_extractors_gives_no_realism() -> None:
    two = Metric(value=40.0, by_extractor={"residual": 100.0, "plain": 16.0})
    found = scores([whole(blur_over_floor=two)])["quality"]
    assert found.value is None and "realism" in found.missing and "realism" not in found.parts


def test_variety_is_recall_as_a_share_of_its_floor_and_at_most_1() -> None:
    shares = [
        quality_parts(whole(recall=Metric(value=value, floor=0.8)))["variety"]
        for value in (0.0, 0.2, 0.8, 0.9)
    ]
    assert shares == pytest.approx([0.0, 0.25, 1.0, 1.0])
    assert scores([whole(recall=Metric(value=0.0, floor=0.8))])["quality"].value == 0


def test_novelty_is_the_authentic_share_over_that_of_unseen_images_and_at_most_1() -> None:
    shares = [
        quality_parts(whole(authentic_share=Metric(value=value, floor=0.6)))["novelty"]
        for value in (0.0, 0.3, 0.6, 0.9)
    ]
    assert shares == pytest.approx([0.0, 0.5, 1.0, 1.0])


def test_quality_is_proportional_to_novelty_so_that_copies_are_worth_nothing() -> None:
    def quality(value: float) -> float:
        return scores([whole(authentic_share=Metric(value=value, floor=0.6))])["quality"].value

    of_others = (0.5 * 0.75 * 0.7 * 0.8 * 0.9) ** 0.2
    assert [quality(value) for value in (0.6, 0.3, 0.06, 0.0)] == pytest.approx(
        [of_others, of_others / 2, of_others / 10, 0.0]
    )


def test_copying_is_said_below_nine_tenths_of_the_authentic_share_of_unseen_images() -> None:
    def note(value: float, floor: float) -> str:
        return scores([whole(authentic_share=Metric(value=value, floor=floor))])["quality"].note

    told = "copies training images: {} of its images are authentic, {} of unseen real ones"
    assert note(0.9, 1.0) == note(0.57, 0.6) == note(0.7, 0.6) == ""
    assert note(0.89, 1.0) == told.format("89%", "100%")
    assert note(0.24, 0.6) == told.format("24%", "60%") and note(0.0, 0.6) == told.format("0%", "60%")


def test_copying_on_one_of_the_seeds_is_said_of_the_model() -> None:
    seeds = [whole(1), whole(2, authentic_share=Metric(value=0.24, floor=0.6)), whole(3)]
    quality = scores(seeds)["quality"]
    assert quality.note.startswith("copies training images: 24%")
    assert quality.parts["novelty"] == pytest.approx((0.95 + 0.4 + 0.95) / 3)


def test_the_mean_over_seeds_is_of_scores_and_of_parts() -> None:
    seeds = [whole(1), whole(2, precision=Metric(value=0.8, floor=0.8))]
    quality = scores(seeds)["quality"]
    assert quality.parts["fidelity"] == pytest.approx((0.75 + 1) / 2)
    rest = 0.5 * 0.7 * 0.8 * 0.9
    assert quality.value == pytest.approx(0.95 * ((0.75 * rest) ** 0.2 + rest**0.2) / 2)


# stability


@pytest.mark.parametrize("seeds", [1, 2])
def test_below_three_seeds_there_is_no_stability_and_the_number_is_said(seeds: int) -> None:
    stability = scores(of_seeds(seeds))["stability"]
    assert stability.value is None and stability.parts == {}
    assert stability.missing == {"seeds": f"needs 3 seeds; there are {seeds}"}


def test_seeds_that_diverged_count_among_the_three_and_are_not_sound() -> None:
    assert scores(of_seeds(1), diverged=1)["stability"].missing == {"seeds": "needs 3 seeds; there are 2"}
    two = scores(of_seeds(2), diverged=1)["stability"]
    assert two.parts["sound_seeds"] == pytest.approx(0.75 * 2 / 3)
    assert two.value == pytest.approx(0.75 * 2 / 3 * (1.0 * 0.8 * 0.8) ** (1 / 3))
    assert scores(of_seeds(3), diverged=3)["stability"].parts["sound_seeds"] == pytest.approx(0.75 / 2)


def test_a_single_seed_beside_diverged_ones_has_no_spread_and_so_no_stability() -> None:
    stability = scores(of_seeds(1), diverged=2)["stability"]
    assert stability.value is None and stability.parts["sound_seeds"] == pytest.approx(0.25)
    assert stability.missing == {"seed_spread": "one seed finished; a spread needs two"}


def test_the_spread_of_seeds_is_of_their_realism_against_a_quarter() -> None:
    seeds = [whole(seed, fd_over_floor=as_real(realism)) for seed, realism in enumerate((0.5, 0.4, 0.5))]
    stability = scores(seeds)["stability"]  # the standard deviation of .5, .4, .5 is .1 / sqrt(3)
    spread = 1 - (0.1 / math.sqrt(3)) / 0.25
    assert stability.parts["seed_spread"] == pytest.approx(spread)
    assert stability.value == pytest.approx(0.75 * (spread * 0.8 * 0.8) ** (1 / 3)) and not stability.missing
    apart = [whole(seed, fd_over_floor=as_real(realism)) for seed, realism in enumerate((0.5, 1.0, 0.0))]
    assert scores(apart)["stability"].parts["seed_spread"] == 0 == scores(apart)["stability"].value


@pytest.mark.parametrize(
    ("variance", "sound"), [(0.05, 0.0), (0.1, 0.0), (0.2, 0.25), (0.3, 0.5), (0.5, 1.0), (1.3, 1.0)]
)
def test_soundness_rises_with_the_variance_of_the_worst_class_from_a_tenth_to_half(
    variance: float, sound: float
) -> None:
    assert soundness(whole(worst_within_class_variance=variance)) == pytest.approx(sound)


def test_soundness_has_no_step_and_does_not_hang_on_coverage() -> None:
    values = [soundness(whole(worst_within_class_variance=i / 1000)) for i in range(1, 700)]
    assert max(abs(after - before) for before, after in zip(values, values[1:], strict=False)) < 0.003
    bare = whole(coverage=Metric(value=0.001, floor=0.9))
    assert soundness(bare) == soundness(whole()) == pytest.approx(0.75)


def test_what_diverged_is_not_sound_whatever_else_is_known_and_what_is_not_known_is_not_judged() -> None:
    assert soundness(whole(training_finite=0.0)) == 0
    assert soundness(whole(training_finite=0.0, worst_within_class_variance=None)) == 0
    assert soundness(whole(training_finite=None, worst_within_class_variance=0.0)) == 0
    assert soundness(whole(training_finite=None)) is None
    assert soundness(whole(worst_within_class_variance=None)) is None


def test_the_soundness_of_a_model_is_the_mean_over_its_seeds() -> None:
    variances = (0.2, 0.5, 0.0)  # .25, 1, 0
    seeds = [whole(seed, worst_within_class_variance=given) for seed, given in enumerate(variances)]
    stability = scores(seeds)["stability"]
    assert stability.parts["sound_seeds"] == pytest.approx(1.25 / 3)
    assert stability.value == pytest.approx(1.25 / 3 * (0.8 * 0.8) ** (1 / 3))
    faulty = [whole(1), whole(2, training_finite=0.0), whole(3)]
    assert scores(faulty)["stability"].parts["sound_seeds"] == pytest.approx(0.75 * 2 / 3)
    assert scores(of_seeds(3, training_finite=0.0))["stability"].value == 0


@pytest.mark.parametrize(
    ("metric", "part"),
    [
        ("worst_within_class_variance", "sound_seeds"),
        ("training_finite", "sound_seeds"),
        ("fd_over_floor", "seed_spread"),
        ("blur_over_floor", "seed_spread"),
        ("fd_last_over_best", "fd_last_over_best"),
        ("gradient_spike_share", "gradient_calm"),
    ],
)
def test_stability_needs_every_part_of_every_seed(metric: str, part: str) -> None:
    lost = Metric(value=None, reason="the disk was full")
    stability = scores([whole(1), whole(2), whole(3, **{metric: lost})])["stability"]
    assert stability.value is None and stability.missing == {part: "the disk was full"}
    assert part not in stability.parts and len(stability.parts) == 3


# what was not measured

NEEDED = {
    "quality": (
        "fd_over_floor",
        "blur_over_floor",
        "precision",
        "recall",
        "coverage",
        "class_total_variation",
        "authentic_share",
    ),
    "controllability": ("control_hit_rate", "control_chance", "control_real_accuracy", "control_coverage"),
    "efficiency": ("seconds_to_blur", "peak_memory_mib", "fd_over_floor"),
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
    for name, score in scores([made_results(seed=seed) for seed in range(3)]).items():
        assert score.value is None and not score.parts and score.missing, name
    assert (
        scores([made_results()])["controllability"].missing["hits"]
        == "control_hit_rate not measured; `gencore evaluate RUN`"
    )


@pytest.mark.parametrize("metric", ["precision", "recall", "coverage", "authentic_share", "control_coverage"])
def test_a_metric_without_its_floor_makes_no_part(metric: str) -> None:
    found = scores([whole(**{metric: 0.5})])["controllability" if metric.startswith("control") else "quality"]
    assert found.value is None and f"{metric} has no floor; `gencore evaluate RUN`" in found.missing.values()


# controllability and efficiency


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
    idle = scores([whole(fd_over_floor=as_real(0.02), precision=Metric(value=0.1, floor=0.8))])
    assert idle["quality"].value < 0.3 and idle["efficiency"].value is None
    assert "efficiency needs 0.3 or more" in idle["efficiency"].missing["quality"]


def test_the_ends_of_the_scale_of_memory_are_10_and_16384_mib() -> None:
    parts = [
        scores([whole(peak_memory_mib=given)])["efficiency"].parts["memory"]
        for given in (5.0, 10.0, math.sqrt(10 * 16384), 16384.0, 1e6)
    ]
    assert parts == pytest.approx([1, 1, 0.5, 0, 0])


# machines


def on(one: Results, **machines: tuple[str, int]) -> Results:
    """`one`, trained or evaluated on other machines: a device and its number of threads."""
    origins = {
        kind: Origin(kind="measured", command="x", device=device, threads=threads, versions={}, unix_time=0.0)
        for kind, (device, threads) in machines.items()
    }
    return one.model_copy(update={"origins": origins})


BOTH_ON_CPU = {"training": ("cpu", 2), "evaluation": ("cpu", 2)}


def test_results_of_one_machine_are_alike_and_an_origin_that_is_not_known_tells_nothing() -> None:
    assert unlike_machines([on(whole(1), **BOTH_ON_CPU), on(whole(2), **BOTH_ON_CPU)]) == ""
    assert unlike_machines([on(whole(1), **BOTH_ON_CPU), on(whole(2)), on(whole(3))]) == ""
    elsewhere = on(whole(1), training=("NVIDIA H200", 16), evaluation=("cpu", 2))
    assert unlike_machines([elsewhere, elsewhere]) == "", "trained on one machine and timed on another, all"
    assert unlike_machines([]) == ""


@pytest.mark.parametrize(
    ("machines", "told"),
    [
        (
            {"training": ("NVIDIA H200", 2), "evaluation": ("cpu", 2)},
            "trained on NVIDIA H200 (2 threads) and on cpu (2 threads)",
        ),
        (
            {"training": ("cpu", 16), "evaluation": ("cpu", 2)},
            "trained on cpu (16 threads) and on cpu (2 threads)",
        ),
        (
            {"training": ("cpu", 2), "evaluation": ("NVIDIA H200", 2)},
            "timed on NVIDIA H200 (2 threads) and on cpu (2 threads)",
        ),
        (
            {"training": ("cpu", 2), "evaluation": ("cpu", 1)},
            "timed on cpu (1 thread) and on cpu (2 threads)",
        ),
    ],
)
def test_unlike_machines_are_named_by_what_was_done_on_them(
    machines: dict[str, tuple[str, int]], told: str
) -> None:
    assert unlike_machines([on(whole(1), **BOTH_ON_CPU), on(whole(2), **machines)]) == told


def test_where_machines_differ_efficiency_is_absent_and_the_other_scores_are_not() -> None:
    alike, unlike = scores(of_seeds(3)), scores(of_seeds(3), unlike="trained on A and on B")
    assert unlike["efficiency"] == Score(
        value=None, missing={"machines": "not compared: trained on A and on B"}
    )
    assert {name: unlike[name] for name in SCORES[:3]} == {name: alike[name] for name in SCORES[:3]}


def test_models_alongside_each_other_lose_their_efficiency_where_any_machine_differs() -> None:
    here = Model("VAE", "#112233", (on(whole(1), **BOTH_ON_CPU), on(whole(2), **BOTH_ON_CPU)))
    there = Model("GAN", "#445566", (on(whole(1), **BOTH_ON_CPU | {"training": ("NVIDIA H200", 2)}),))
    assert [one.scores["efficiency"].value is None for one in alongside([here, here])] == [False, False]
    assert alongside([here])[0].scores == here.scores
    for one in alongside([here, there]):
        assert one.scores["efficiency"].missing == {
            "machines": "not compared: trained on NVIDIA H200 (2 threads) and on cpu (2 threads)"
        }
        assert one.scores["quality"].value is not None
    assert alongside([]) == []


# all scores


@pytest.mark.parametrize(
    ("score", "metric", "worse", "better"),
    [
        ("quality", "fd_over_floor", over_floor(10.0, 2.0, 9.0), over_floor(9.0, 2.0, 8.0)),
        ("quality", "precision", Metric(value=0.5, floor=0.8), Metric(value=0.7, floor=0.8)),
        ("quality", "recall", Metric(value=0.5, floor=0.9), Metric(value=0.8, floor=0.9)),
        ("quality", "coverage", Metric(value=0.5, floor=0.9), Metric(value=0.85, floor=0.9)),
        ("quality", "class_total_variation", 0.3, 0.05),
        ("quality", "authentic_share", Metric(value=0.4, floor=0.6), Metric(value=0.6, floor=0.6)),
        ("stability", "worst_within_class_variance", 0.2, 0.45),
        ("stability", "fd_last_over_best", 0.6, 0.9),
        ("stability", "gradient_spike_share", 0.03, 0.001),
        ("controllability", "control_hit_rate", 0.4, 0.7),
        ("controllability", "control_coverage", Metric(value=0.3, floor=0.9), Metric(value=0.6, floor=0.9)),
        ("efficiency", "seconds_to_blur", 3000.0, 60.0),
        ("efficiency", "samples_per_second_1000", 10.0, 5e4),
        ("efficiency", "peak_memory_mib", 4000.0, 500.0),
    ],
)
def test_a_better_metric_is_a_better_score(
    score: str, metric: str, worse: Metric | float, better: Metric | float
) -> None:
    low, mid, high = (
        scores(of_seeds(3, **{metric: given}))[score].value for given in (worse, WHOLE[metric], better)
    )
    assert 0 < low < mid < high <= 1


def test_a_score_does_not_depend_on_who_is_compared_and_stays_between_its_anchors() -> None:
    best = {
        "fd_over_floor": over_floor(0.9, 1.0, 0.5),
        "precision": Metric(value=1.0, floor=0.8),
        "recall": Metric(value=1.0, floor=0.9),
        "class_total_variation": 0.0,
        "coverage": Metric(value=0.95, floor=0.9),
        "authentic_share": Metric(value=0.7, floor=0.6),
        "worst_within_class_variance": 1.2,
        "fd_last_over_best": 1.0,
        "gradient_spike_share": 0.0,
        "control_hit_rate": 1.0,
        "control_coverage": Metric(value=1.0, floor=0.9),
        "seconds_to_blur": 1.0,
        "samples_per_second_1000": 1e6,
        "peak_memory_mib": 5.0,
    }
    assert {name: score.value for name, score in scores(of_seeds(3, **best)).items()} == dict.fromkeys(
        SCORES, 1.0
    )
    worst = {
        "fd_over_floor": over_floor(1e6, 1e6, 1e6),
        "fd_last_over_best": 0.0,
        "gradient_spike_share": 0.5,
        "control_hit_rate": 0.0,
        "seconds_to_blur": 1e6,
    }
    found = {name: score.value for name, score in scores(of_seeds(3, **worst)).items()}
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


def test_the_score_of_a_seed_is_that_of_the_model_with_this_seed_alone() -> None:
    found = scores([whole()])
    assert {name: score_of_seed(name, whole()) for name in SCORES} == {
        name: score.value for name, score in found.items()
    }
    assert score_of_seed("stability", whole()) is None
    known = {name: score.value for name, score in found.items() if name != "stability"}
    assert None not in known.values() and len(set(known.values())) == 3
