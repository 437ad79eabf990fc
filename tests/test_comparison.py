"""Models over seeds: intervals, pairs, ties."""

import math

import pytest
from scipy.stats import ttest_rel
from support import made_origin, made_results

from gencore.analysis.comparison import Comparison, MeanInterval, compare, holm
from gencore.cli.tables import show_comparison
from gencore.store.results import Metric


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
    sound = {
        "training_finite": 1.0,
        "worst_within_class_variance": 1.0,
        "coverage": Metric(value=0.9, floor=0.9),
    }
    members = {label: of(label, [10.0, 11.0], **sound) for label in ("VAE", "GAN")}
    compared = compare(members, diverged={"GAN": [7, 8]})
    assert compared.lost == "diverged: GAN on seed 7, 8" and compare(members).lost == ""
    assert compared.scores["VAE"]["stability"].parts["sound_seeds"] == 1.0
    assert compared.scores["GAN"]["stability"].parts["sound_seeds"] == 0.5


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


def scored(label: str, *fds: float) -> list:
    """Seeds whose quality and stability are known."""
    rest = {
        "fd_of_noise": 200.0,
        "precision": Metric(value=0.8, floor=0.8),
        "coverage": Metric(value=0.9, floor=0.9),
        "class_total_variation": 0.0,
        "fd_last_over_best": 1.0,
    }
    return [
        made_results(label, seed=seed, fd=Metric(value=fd, floor=2.0), **rest) for seed, fd in enumerate(fds)
    ]


def test_models_are_ranked_by_the_scores_that_every_seed_has_and_all_four_are_kept_with_their_parts() -> None:
    compared = compare({"VAE": scored("VAE", 20.0, 21.0), "GAN": scored("GAN", 5.0, 5.2)})
    quality = compared.rankings["quality"]
    assert list(quality.models) == ["GAN", "VAE"] and quality.pairs[0].better == "GAN"
    assert quality.models["VAE"].mean == pytest.approx(compared.scores["VAE"]["quality"].value)
    assert not compared.rankings.keys() & {"stability", "controllability", "efficiency"}
    assert compared.scores["GAN"]["stability"].value is not None
    assert compared.scores["GAN"]["stability"].parts.keys() == {"seed_spread", "fd_last_over_best"}
    assert compared.scores["VAE"]["efficiency"].value is None and compared.scores["VAE"]["efficiency"].missing


def test_the_table_shows_every_score_or_why_it_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(compare({"VAE": scored("VAE", 20.0, 20.0), "GAN": scored("GAN", 2.0, 2.0)}))
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
    assert vae.split() == ["VAE", f"{0.5**0.25:.4g}", "1", "—", "—", "—"] and gan.split()[:3] == [
        "GAN",
        "1",
        "1",
    ]
    assert (
        "VAE, GAN: stability without gradient_calm: gradient_spike_share not measured; `gencore evaluate RUN`"
        in lines
    )
    assert (
        "VAE, GAN: controllability lacks hits: control_hit_rate not measured; `gencore evaluate RUN`" in lines
    )


def test_unlike_results_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"different seeds.*train the missing"):
        compare({"VAE": of("VAE", [9.0, 8.0]), "GAN": of("GAN", [9.0])})
    with pytest.raises(ValueError, match="differ in their feature extractor"):
        compare({"VAE": of("VAE", [9.0]), "GAN": [made_results("GAN", fd=9.0, extractor_digest="other")]})
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
