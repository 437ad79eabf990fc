"""Models over seeds: intervals, pairs, ties."""

import math
import statistics

import pytest
from scipy.stats import ttest_rel
from support import made_origin, made_results

from gencore.analysis.comparison import Comparison, MeanInterval, compare, extractors_disagree, holm
from gencore.cli.tables import show_comparison
from gencore.store.results import Metric, Results


def of(label: str, fds: list[float], **more: float) -> list:
    return [made_results(label, seed=seed, fd=fd, **more) for seed, fd in enumerate(fds)]


def test_an_estimate_is_the_mean_with_students_interval() -> None:
    estimate = MeanInterval.of([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.7764451052 * math.sqrt(2.5) / math.sqrt(5)  # t(0.975, 4 degrees of freedom), sd of 1..5
    assert estimate.mean == 3
    assert estimate.low == pytest.approx(3 - half) and estimate.high == pytest.approx(3 + half)


def test_one_seed_has_no_interval_and_ranks_nothing() -> None:
    compared = compare({"VAE": of("VAE", [20.0]), "GAN": of("GAN", [5.0])})
    ranking = compared.rankings["fd"]
    assert ranking.models["VAE"].low is None and list(ranking.models) == ["GAN", "VAE"]
    assert [pair.better for pair in ranking.pairs] == [None]


def test_a_steady_difference_ranks_even_where_the_seeds_differ_more() -> None:
    compared = compare({"VAE": of("VAE", [10.0, 20.0, 30.0]), "GAN": of("GAN", [9.0, 18.9, 29.1])})
    (pair,) = compared.rankings["fd"].pairs
    assert (pair.first, pair.second, pair.better) == ("GAN", "VAE", "GAN")
    assert pair.difference.mean == pytest.approx(-1)


def test_a_training_that_diverged_is_named_and_costs_its_model_stability() -> None:
    sound = {"training_finite": 1.0, "worst_within_class_variance": 0.4}  # (.4 - .1) / (.5 - .1) = .75
    members = {label: of(label, [10.0, 11.0, 12.0], **sound) for label in ("VAE", "GAN")}
    compared = compare(members, diverged={"GAN": [7, 8]})
    assert compared.lost == "diverged: GAN on seed 7, 8" and compare(members).lost == ""
    assert compared.scores["VAE"]["stability"].parts["sound_seeds"] == pytest.approx(0.75)
    assert compared.scores["GAN"]["stability"].parts["sound_seeds"] == pytest.approx(0.75 * 3 / 5)


def test_two_seeds_and_one_that_diverged_are_three() -> None:
    members = {label: of(label, [10.0, 11.0]) for label in ("VAE", "GAN")}
    compared = compare(members, diverged={"GAN": [7]})
    assert compared.scores["VAE"]["stability"].missing == {"seeds": "needs 3 seeds; there are 2"}
    assert "seeds" not in compared.scores["GAN"]["stability"].missing


def test_holms_correction_is_that_of_statsmodels_documented_example() -> None:
    # multipletests([.01, .04, .03, .005], method="holm"): each times the number of hypotheses not yet decided
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0] and holm([]) == []


def test_p_is_that_of_scipys_paired_t_test() -> None:
    ours, theirs = [10.0, 20.0, 30.5], [9.0, 18.9, 29.1]
    difference = MeanInterval.of([a - b for a, b in zip(ours, theirs, strict=True)])
    assert difference.p == pytest.approx(ttest_rel(ours, theirs).pvalue)
    assert MeanInterval.of([2.0, 2.0]).p == 0 and MeanInterval.of([0.0, 0.0]).p == 1
    assert MeanInterval.of([1.0]).p is None


def test_a_difference_that_one_test_shows_is_a_tie_among_many() -> None:
    values = {"VAE": [10.0, 20.0, 30.0], "GAN": [9.0, 18.9, 29.5]}
    one = compare({label: of(label, fds) for label, fds in values.items()})
    same = {"recall": 0.5, "precision": 0.5, "coverage": 0.5, "density": 1.0}
    many = compare({label: of(label, fds, **same) for label, fds in values.items()})
    (alone,), among = one.rankings["fd"].pairs, many.rankings["fd"].pairs[0]
    assert alone.better == "GAN" and 0 < alone.p < 0.05
    assert among.better is None and among.p == pytest.approx(5 * alone.p)


def test_a_difference_that_changes_its_sign_is_a_tie() -> None:
    compared = compare({"VAE": of("VAE", [10.0, 12.0, 11.0]), "GAN": of("GAN", [11.0, 10.0, 11.5])})
    ranking = compared.rankings["fd"]
    assert ranking.pairs[0].better is None and ranking.rank_stability == pytest.approx(1 / 3)


def test_where_more_is_better_the_larger_comes_first() -> None:
    members = {"VAE": of("VAE", [9.0, 9.0], recall=0.5), "GAN": of("GAN", [9.0, 9.0], recall=0.75)}
    assert list(compare(members).rankings["recall"].models) == ["GAN", "VAE"]


def test_a_metric_that_one_model_lacks_is_compared_among_the_others_and_not_at_all_among_one() -> None:
    members = {
        "VAE": of("VAE", [9.0]),
        "GAN": of("GAN", [9.0], recall=0.75),
        "DDPM": of("DDPM", [9.0], recall=0.5),
    }
    rankings = compare(members).rankings
    assert list(rankings["recall"].models) == ["GAN", "DDPM"] and "precision" not in rankings


def scored(label: str, *ratios: float) -> list:
    """Seeds whose quality and stability are known, by their distances over the floor; blurs have 100."""
    rest = {
        "blur_over_floor": Metric(value=100.0, by_extractor={"residual": 100.0}),
        "precision": Metric(value=0.8, floor=0.8),
        "recall": Metric(value=0.8, floor=0.8),
        "coverage": Metric(value=0.9, floor=0.9),
        "class_total_variation": 0.0,
        "authentic_share": Metric(value=0.5, floor=0.5),
        "fd_last_over_best": 1.0,
        "gradient_spike_share": 0.0,
        "training_finite": 1.0,
        "worst_within_class_variance": 0.3,  # (.3 - .1) / (.5 - .1) = .5
    }
    return [
        made_results(
            label, seed=seed, fd_over_floor=Metric(value=ratio, by_extractor={"residual": ratio}), **rest
        )
        for seed, ratio in enumerate(ratios)
    ]


def test_models_are_ranked_by_the_scores_that_every_seed_has_and_all_four_are_kept_with_their_parts() -> None:
    compared = compare({"VAE": scored("VAE", 20.0, 21.0, 22.0), "GAN": scored("GAN", 5.0, 5.2, 5.3)})
    quality = compared.rankings["quality"]
    assert list(quality.models) == ["GAN", "VAE"] and quality.pairs[0].better == "GAN"
    assert quality.models["VAE"].mean == pytest.approx(compared.scores["VAE"]["quality"].value)
    assert not compared.rankings.keys() & {"stability", "controllability", "efficiency"}
    stability = compared.scores["GAN"]["stability"]
    assert stability.parts.keys() == {"sound_seeds", "seed_spread", "fd_last_over_best", "gradient_calm"}
    realism = [1 - math.log(ratio) / math.log(100) for ratio in (5.0, 5.2, 5.3)]
    spread = 1 - statistics.stdev(realism) / 0.25
    assert stability.value == pytest.approx(0.5 * spread ** (1 / 3))
    assert compared.scores["VAE"]["efficiency"].value is None and compared.scores["VAE"]["efficiency"].missing


def test_the_table_shows_every_score_or_why_it_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(compare({"VAE": scored("VAE", 10.0, 10.0, 10.0), "GAN": scored("GAN", 1.0, 1.0, 1.0)}))
    head, vae, gan, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == [
        "model",
        "quality",
        "stability",
        "controllability",
        "efficiency",
        "comes",
        "first",
    ]
    assert vae.split() == ["VAE", f"{0.5**0.2:.4g}", "0.5", "—", "—", "—"]
    assert gan.split() == ["GAN", "1", "0.5", "—", "—", "—"]
    assert (
        "VAE, GAN: controllability lacks hits: control_hit_rate not measured; `gencore evaluate RUN`" in lines
    )
    show_comparison(compare({"VAE": scored("VAE", 10.0), "GAN": scored("GAN", 1.0)}))
    assert "VAE, GAN: stability lacks seeds: needs 3 seeds; there are 1" in capsys.readouterr().out


# feature extractors that disagree


def by_extractors(label: str, *seeds: tuple[float, float]) -> list:
    """A seed each: distances over the floor by two extractors, their geometric mean the metric."""
    return [
        made_results(
            label,
            seed=seed,
            fd_over_floor=Metric(
                value=math.sqrt(residual * plain), by_extractor={"residual": residual, "plain": plain}
            ),
        )
        for seed, (residual, plain) in enumerate(seeds)
    ]


VAE = by_extractors("VAE", (9.0, 7.0), (9.1, 7.0), (9.2, 7.0))
GAN = by_extractors("GAN", (4.0, 8.0), (4.0, 8.1), (4.1, 8.1))
"""Better than the VAE by the first extractor and by the mean, worse by the second."""
AGREED = by_extractors("GAN", (4.0, 6.0), (4.0, 6.1), (4.1, 6.2))


def test_a_pair_that_extractors_put_in_different_orders_ties_though_p_is_tiny() -> None:
    (pair,) = compare({"VAE": VAE, "GAN": GAN}).rankings["fd_over_floor"].pairs
    ours, theirs = [32.0, 4.0 * 8.1, 4.1 * 8.1], [63.0, 9.1 * 7.0, 9.2 * 7.0]
    by_hand = ttest_rel([math.sqrt(x) for x in ours], [math.sqrt(x) for x in theirs])
    assert pair.p == pytest.approx(by_hand.pvalue) and pair.p < 1e-4
    assert pair.difference.mean < -2 and (pair.first, pair.second) == ("GAN", "VAE")
    assert pair.extractors_disagree and pair.better is None


def test_the_same_pair_is_ranked_where_extractors_agree() -> None:
    (pair,) = compare({"VAE": VAE, "GAN": AGREED}).rankings["fd_over_floor"].pairs
    assert pair.better == "GAN" and pair.p < 0.05 and not pair.extractors_disagree


def test_extractors_disagree_by_their_means_over_seeds_whichever_model_comes_first() -> None:
    assert extractors_disagree("fd_over_floor", VAE, GAN) and extractors_disagree("fd_over_floor", GAN, VAE)
    assert not extractors_disagree("fd_over_floor", VAE, AGREED)
    one_seed_apart = by_extractors("GAN", (4.0, 7.5), (4.0, 6.0), (4.0, 6.0))  # by plain 7.5 > 7, 6.5 < 7
    assert not extractors_disagree("fd_over_floor", VAE, one_seed_apart)
    assert extractors_disagree("fd_over_floor", VAE[:1], one_seed_apart[:1])


def test_equal_distances_and_what_a_single_extractor_measured_are_no_disagreement() -> None:
    equal = by_extractors("GAN", (4.0, 7.0), (4.0, 7.0), (4.0, 7.0))
    assert not extractors_disagree("fd_over_floor", VAE, equal)
    assert not extractors_disagree("fd_over_floor", VAE, VAE)
    alone = [made_results("GAN", fd_over_floor=Metric(value=4.0, by_extractor={"residual": 4.0}))]
    assert not extractors_disagree("fd_over_floor", VAE, alone)
    bare = [made_results("GAN", fd_over_floor=4.0)]
    assert not extractors_disagree("fd_over_floor", VAE, bare)
    assert not extractors_disagree("recall", VAE, GAN)


def test_a_disagreement_ties_its_own_metric_alone() -> None:
    def with_recall(results: list[Results], recall: float) -> list[Results]:
        more = {"recall": Metric(value=recall)}
        return [one.model_copy(update={"metrics": one.metrics | more}) for one in results]

    compared = compare({"VAE": with_recall(VAE, 0.5), "GAN": with_recall(GAN, 0.6)})
    assert compared.rankings["fd_over_floor"].pairs[0].better is None
    assert compared.rankings["recall"].pairs[0].better == "GAN"


def test_the_table_says_which_ties_are_of_extractors_that_disagree(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_comparison(compare({"VAE": VAE, "GAN": GAN}))
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fd_over_floor ")]
    assert "GAN=VAE (extractors disagree)" in row
    show_comparison(compare({"VAE": VAE, "GAN": AGREED}))
    assert "disagree" not in capsys.readouterr().out


# machines


def efficient(label: str, device: str) -> list:
    """Three seeds with all that efficiency is made of, trained and timed on a device."""
    costs = {"seconds_to_blur": 600.0, "samples_per_second_1000": 1e4, "peak_memory_mib": 1280.0}
    there = made_origin("x").model_copy(update={"device": device})
    return [
        one.model_copy(
            update={
                "metrics": one.metrics | {name: Metric(value=value) for name, value in costs.items()},
                "origins": {"training": there, "evaluation": there},
            }
        )
        for one in scored(label, 2.0, 2.1, 2.2)
    ]


def test_models_of_one_machine_have_their_efficiency_and_are_ranked_by_it() -> None:
    compared = compare({"VAE": efficient("VAE", "cpu"), "GAN": efficient("GAN", "cpu")})
    parts = [0.5, 0.8, math.log(12.8) / math.log(1638.4)]  # of 600 s, of 1e-4 s an image, of 1280 MiB
    assert compared.scores["VAE"]["efficiency"].value == pytest.approx(math.prod(parts) ** (1 / 3))
    assert list(compared.rankings["efficiency"].models) == ["VAE", "GAN"]


def test_models_of_unlike_machines_have_no_efficiency() -> None:
    compared = compare({"VAE": efficient("VAE", "cpu"), "GAN": efficient("GAN", "NVIDIA H200")})
    told = "not compared: trained on NVIDIA H200 (1 thread) and on cpu (1 thread)"
    for label in ("VAE", "GAN"):
        assert compared.scores[label]["efficiency"].missing == {"machines": told}
        assert compared.scores[label]["quality"].value is not None


def test_models_of_unlike_machines_are_not_ranked_by_efficiency() -> None:
    compared = compare({"VAE": efficient("VAE", "cpu"), "GAN": efficient("GAN", "NVIDIA H200")})
    assert "quality" in compared.rankings and "efficiency" not in compared.rankings


def test_unlike_results_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"different seeds.*train the missing"):
        compare({"VAE": of("VAE", [9.0, 8.0]), "GAN": of("GAN", [9.0])})
    with pytest.raises(ValueError, match="differ in their feature extractors"):
        compare({"VAE": of("VAE", [9.0]), "GAN": [made_results("GAN", fd=9.0, extractor_digest="other")]})
    with pytest.raises(ValueError, match=r"feature extractors \(1{12}, 2{12} in x, 1{12}, 3{12} in x\)"):
        compare(
            {
                label: [one.model_copy(update={"extractor_digests": {"residual": "1" * 64, "plain": plain}})]
                for label, plain in (("VAE", "2" * 64), ("GAN", "3" * 64))
                for one in of(label, [9.0])
            }
        )
    with pytest.raises(ValueError, match="nothing to compare"):
        compare({"VAE": []})


def test_a_comparison_of_before_the_correction_is_corrected_when_it_is_read() -> None:
    values = {"VAE": [10.0, 20.0, 30.0], "GAN": [9.0, 18.9, 29.5]}
    same = {"recall": 0.5, "precision": 0.5, "coverage": 0.5, "density": 1.0}
    compared = compare({label: of(label, fds, **same) for label, fds in values.items()})
    old = compared.model_dump()
    for ranking in old["rankings"].values():
        for pair in ranking["pairs"]:
            del pair["p"]
            pair["better"] = pair["first"]
    assert Comparison.model_validate(old) == compared


def test_a_comparison_survives_the_disk() -> None:
    compared = compare(
        {"VAE": of("VAE", [20.0, 21.0]), "GAN": of("GAN", [5.0, 6.0])},
        epochs=2,
        origin=made_origin("gencore compare"),
    )
    assert Comparison.model_validate_json(compared.model_dump_json()) == compared


def test_a_tie_of_extractors_that_disagree_survives_the_disk() -> None:
    compared = compare({"VAE": VAE, "GAN": GAN})
    read = Comparison.model_validate_json(compared.model_dump_json())
    assert read == compared and read.rankings["fd_over_floor"].pairs[0].better is None
    old = compared.model_dump()
    del old["rankings"]["fd_over_floor"]["pairs"][0]["extractors_disagree"]  # of before it was recorded
    assert Comparison.model_validate(old).rankings["fd_over_floor"].pairs[0].better == "GAN"
