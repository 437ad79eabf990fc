"""Metrics against closed forms, library oracles and cases that a metric must not be fooled by."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from gencore.metrics.classes import (
    class_coverage,
    class_shares,
    class_total_variation,
    classifier_score,
    classifier_score_error,
    conditional_accuracy,
    confusion_matrix,
    corrected_shares,
    within_class_variance,
)
from gencore.metrics.corruptions import pure_noise
from gencore.metrics.frechet import Moments, frechet_distance, moments, sample_size_warning
from gencore.metrics.manifold import Manifold, ManifoldFigures, manifold_figures


def normal(n: int, d: int, seed: int, mean: float = 0.0, scale: float = 1.0) -> Tensor:
    """Features (n, d) float64 of independent normal numbers."""
    rng = torch.Generator().manual_seed(seed)
    return mean + scale * torch.randn(n, d, generator=rng, dtype=torch.float64)


def gaussian(d: int, mean: float = 0.0, variance: float = 1.0) -> Moments:
    """Exact moments of N(mean, variance I)."""
    identity = torch.eye(d, dtype=torch.float64)
    return Moments(mean * identity.sum(dim=0), variance * identity, count=100_000)


def figures(real: Tensor, generated: Tensor) -> ManifoldFigures:
    return manifold_figures(Manifold.of(real), Manifold.of(generated))


# Fréchet distance


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (gaussian(1024), gaussian(1024, mean=1), 1024),
        (gaussian(64), gaussian(64, mean=1), 64),
        (gaussian(64), gaussian(64, mean=0.5, variance=4), 80),
        (gaussian(3, variance=0), gaussian(3, mean=2, variance=0), 12),
    ],
)
def test_frechet_distance_of_known_gaussians(a: Moments, b: Moments, expected: float) -> None:
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_of_non_commuting_covariances_is_the_closed_form_in_two_dimensions() -> None:
    origin = torch.zeros(2, dtype=torch.float64)
    s1 = torch.tensor([[2.0, 0.6], [0.6, 1.0]], dtype=torch.float64)
    s2 = torch.tensor([[1.0, -0.4], [-0.4, 3.0]], dtype=torch.float64)
    # tr √M = √(tr M + 2 √det M) for a 2 x 2 matrix M
    root_trace = math.sqrt((s1 @ s2).trace() + 2 * math.sqrt(s1.det() * s2.det()))
    distance = frechet_distance(Moments(origin, s1, 9), Moments(origin, s2, 9))
    assert distance == pytest.approx(7 - 2 * root_trace, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(("n", "d", "rank"), [(50, 512, 512), (3000, 256, 20), (2, 16, 16)])
def test_frechet_distance_of_rank_deficient_features_to_themselves_is_zero_and_moved_is_the_move(
    n: int, d: int, rank: int, scale: float
) -> None:
    x = scale * (normal(n, rank, seed=0) @ normal(rank, d, seed=1)) / math.sqrt(rank)
    assert 0 <= frechet_distance(moments(x), moments(x)) <= 1e-4
    assert frechet_distance(moments(x), moments(x + 1)) == pytest.approx(d, abs=1e-4)


def test_moments_are_those_of_numpy_in_float64_even_for_float32_features_far_from_zero() -> None:
    x = normal(500, 16, seed=0, mean=1e4).float()
    of_x = moments(x)
    assert of_x.count == 500 and of_x.covariance.dtype == torch.float64
    np.testing.assert_allclose(of_x.covariance, np.cov(x.double().numpy(), rowvar=False), rtol=1e-9)
    np.testing.assert_allclose(of_x.mean, x.double().numpy().mean(axis=0), rtol=1e-12)


def correlated_pair() -> tuple[Tensor, Tensor]:
    mixing = normal(64, 64, seed=2) / 8
    return normal(2000, 64, seed=0) @ mixing, normal(1500, 64, seed=1, mean=0.2, scale=1.3)


def test_frechet_distance_equals_the_matrix_square_root_of_scipy() -> None:
    a, b = map(moments, correlated_pair())
    root = scipy.linalg.sqrtm(a.covariance.numpy() @ b.covariance.numpy())
    spread = (a.covariance + b.covariance).trace().item() - 2 * np.trace(root).real
    expected = (a.mean - b.mean).square().sum().item() + spread
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_frechet_distance_equals_torch_fidelity() -> None:
    oracle = pytest.importorskip("torch_fidelity.metric_fid", reason="torch-fidelity is not installed")
    x, y = correlated_pair()
    statistics = [oracle.fid_features_to_statistics(features) for features in (x, y)]
    expected = oracle.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_equals_torchmetrics() -> None:
    oracle = pytest.importorskip("torchmetrics.image.fid", reason="torchmetrics is not installed")
    a, b = map(moments, correlated_pair())
    expected = oracle._compute_fid(a.mean, a.covariance, b.mean, b.covariance).item()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_between_different_extractors_is_an_error() -> None:
    with pytest.raises(ValueError, match="of 8 and of 16 features"):
        frechet_distance(gaussian(8), gaussian(16))


@pytest.mark.parametrize(
    ("count", "dimensions", "words"),
    [(1000, 128, "1,000 samples for 128 features"), (1999, 64, "below 2,000"), (2000, 64, None)],
)
def test_too_few_samples_are_a_warning(count: int, dimensions: int, words: str | None) -> None:
    warning = sample_size_warning(count, dimensions)
    assert warning is None if words is None else words in warning


# Precision, recall, density, coverage


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_manifold_figures_equal_prdc(shift: float) -> None:
    oracle = pytest.importorskip("prdc", reason="prdc is not installed")
    real, generated = normal(900, 32, seed=0), normal(700, 32, seed=1, mean=shift, scale=0.9)
    narrow = oracle.compute_prdc(real.numpy(), generated.numpy(), nearest_k=3)
    wide = oracle.compute_prdc(real.numpy(), generated.numpy(), nearest_k=5)
    ours = figures(real, generated)
    assert (ours.precision, ours.recall) == pytest.approx((narrow["precision"], narrow["recall"]), rel=1e-6)
    assert (ours.density, ours.coverage) == pytest.approx((wide["density"], wide["coverage"]), rel=1e-6)


def test_precision_and_recall_equal_torch_fidelity() -> None:
    oracle = pytest.importorskip("torch_fidelity.metric_prc", reason="torch-fidelity is not installed")
    real, generated = normal(800, 16, seed=0), normal(600, 16, seed=1, scale=0.8)
    precision, recall = oracle.calculate_precision_recall_full(generated, real)
    ours = figures(real, generated)
    f1 = 2 * precision * recall / (precision + recall)
    assert (ours.precision, ours.recall, ours.f1) == pytest.approx((precision, recall, f1), rel=1e-6)


def test_a_set_against_itself_has_every_figure_one_although_all_its_points_lie_on_rims() -> None:
    x = normal(400, 24, seed=0).float()
    assert figures(x, x[torch.randperm(400, generator=torch.Generator().manual_seed(0))]) == ManifoldFigures(
        precision=1, recall=1, density=1, coverage=1, f1=1
    )


@pytest.mark.parametrize("chunk", [1, 7, 300, 10_000])
def test_manifold_figures_do_not_depend_on_the_chunk_size_even_with_ties(chunk: int) -> None:
    real = normal(300, 48, seed=0, mean=5.0).float()
    generated = torch.cat([real[:100], real[50:150], normal(90, 48, seed=1, mean=5.0).float()])
    chunked = manifold_figures(Manifold.of(real, chunk), Manifold.of(generated, chunk), chunk)
    assert chunked == figures(real, generated)


def test_manifold_figures_survive_features_whose_mean_dwarfs_their_spread() -> None:
    real, generated = normal(300, 8, seed=0), normal(300, 8, seed=1)
    assert figures(real + 2.0**20, generated + 2.0**20) == figures(real, generated)


def test_a_reference_can_be_used_again() -> None:
    reference, generated = Manifold.of(normal(200, 8, seed=0)), Manifold.of(normal(200, 8, seed=1))
    assert manifold_figures(reference, generated) == manifold_figures(reference, generated)


def test_disjoint_sets_share_nothing() -> None:
    assert figures(normal(100, 8, seed=0), normal(100, 8, seed=1, mean=50)) == ManifoldFigures(0, 0, 0, 0, 0)


def test_manifold_figures_of_different_extractors_are_an_error() -> None:
    with pytest.raises(ValueError, match="real has 8 features, generated 9"):
        figures(normal(20, 8, seed=0), normal(20, 9, seed=0))


# Collapse


def test_collapse_to_five_images_a_class_is_seen_although_the_classifier_is_always_right() -> None:
    labels = torch.arange(10).repeat_interleave(100)
    real = 10 * torch.eye(10, dtype=torch.float64).repeat(1, 2)[labels] + normal(1000, 20, seed=0)
    copied = torch.arange(1000).reshape(10, 100)[:, :5].repeat(1, 20).flatten()
    collapsed, kept_labels = real[copied], labels[copied]
    again = 10 * torch.eye(10, dtype=torch.float64).repeat(1, 2)[labels] + normal(1000, 20, seed=1)

    recognised = collapsed[:, :10].argmax(dim=1)
    assert conditional_accuracy(confusion_matrix(kept_labels, recognised, 10)).worst == 1
    floor, ours = figures(real, again), figures(real, collapsed)
    assert ours.precision == 1
    assert ours.recall < 0.1 < floor.recall
    assert ours.coverage < 0.5 * floor.coverage
    variance = within_class_variance(collapsed, kept_labels, 10)
    assert variance.mean() < 0.9 * within_class_variance(real, labels, 10).mean()

    one_a_class = real[torch.arange(10).repeat_interleave(100) * 100]
    assert within_class_variance(one_a_class, labels, 10).max() < 1e-20


# Classes


def test_classifier_score_is_the_class_count_when_sure_and_balanced_and_one_when_constant() -> None:
    one_hot = torch.eye(10).repeat(100, 1)
    assert classifier_score(1e4 * one_hot) == pytest.approx(10, rel=1e-12)
    assert classifier_score(torch.zeros(1000, 10)) == pytest.approx(1, rel=1e-12)
    assert classifier_score(1e4 * one_hot[:1].expand(50, 10)) == pytest.approx(1, rel=1e-12)


def test_classifier_score_equals_torch_fidelity_with_one_split() -> None:
    oracle = pytest.importorskip("torch_fidelity.metric_isc", reason="torch-fidelity is not installed")
    logits = normal(500, 10, seed=0, scale=3)
    expected = oracle.isc_features_to_metric(logits, splits=1, shuffle=False)["inception_score_mean"]
    assert classifier_score(logits) == pytest.approx(expected, rel=1e-6)


def test_the_error_of_the_classifier_score_is_its_scatter_over_draws_of_images() -> None:
    scores = [classifier_score(normal(400, 10, seed=seed, scale=3)) for seed in range(200)]
    errors = [classifier_score_error(normal(400, 10, seed=seed, scale=3)) for seed in range(20)]
    assert np.mean(errors) == pytest.approx(np.std(scores), rel=0.15)


def test_a_classifier_score_of_images_all_alike_has_no_error_and_one_image_has_none_to_give() -> None:
    assert classifier_score_error(torch.zeros(50, 10)) == 0
    with pytest.raises(ValueError, match="needs at least 2"):
        classifier_score_error(torch.zeros(1, 10))


def test_confusion_has_a_row_for_each_class_asked_for() -> None:
    confusion = confusion_matrix(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 2, 1, 2]), 3)
    assert confusion.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]
    accuracy = conditional_accuracy(confusion)
    assert (accuracy.mean, accuracy.worst, accuracy.worst_class) == pytest.approx((5 / 6, 0.5, 0))


def test_class_shares_count_the_classes_that_are_absent_too() -> None:
    assert class_shares(torch.tensor([0, 2, 2, 2]), 4).tolist() == [0.25, 0, 0.75, 0]


def test_correction_recovers_the_true_shares_from_what_a_fallible_classifier_recognised() -> None:
    confusion = torch.tensor([[90, 10, 0], [0, 150, 50], [6, 0, 14]])  # a row for each true class
    true = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    recognised = (confusion / confusion.sum(dim=1, keepdim=True)).double().T @ true
    torch.testing.assert_close(corrected_shares(recognised, confusion), true, rtol=0, atol=1e-6)
    assert class_total_variation(recognised, true, confusion) == pytest.approx(0, abs=1e-6)
    assert class_total_variation(recognised, true, None) > 0.1


def test_accuracy_is_of_the_classes_that_were_asked_for() -> None:
    accuracy = conditional_accuracy(torch.tensor([[8, 2, 0], [0, 0, 0], [0, 6, 4]]))
    assert (accuracy.mean, accuracy.worst, accuracy.worst_class) == (pytest.approx(0.6), 0.4, 2)


def test_corrected_shares_stay_shares_where_no_balance_explains_what_was_recognised() -> None:
    shares = corrected_shares(torch.tensor([0.0, 0.0, 1.0]), torch.tensor([[8, 2, 0], [1, 9, 0], [0, 1, 9]]))
    assert shares.min() >= 0 and shares.sum().item() == pytest.approx(1)


def test_shares_in_a_class_that_the_classifier_never_recognises_cannot_be_corrected() -> None:
    with pytest.raises(ValueError, match="never recognises"):
        corrected_shares(torch.tensor([0.0, 1.0]), torch.tensor([[5, 0], [5, 0]]))


def test_class_balance_of_a_missing_digit_and_of_a_single_class() -> None:
    real = torch.full((10,), 0.1)
    nine = torch.tensor([0.0] + [1 / 9] * 9)
    single = torch.eye(10)[3]
    assert (class_coverage(nine, real), class_coverage(single, real)) == pytest.approx((0.9, 0.1))
    assert class_total_variation(nine, real, None) == pytest.approx(0.1, rel=1e-6)
    assert class_total_variation(single, real, None) == pytest.approx(0.9, rel=1e-6)
    assert (class_coverage(real, real), class_total_variation(real, real, None)) == (1, 0)


def test_within_class_variance_is_the_trace_of_each_covariance() -> None:
    x, labels = normal(60, 5, seed=0), torch.arange(60) % 3
    expected = [moments(x[labels == label]).covariance.trace().item() for label in range(3)]
    assert within_class_variance(x, labels, 3).tolist() == pytest.approx(expected, rel=1e-12)


def test_within_class_variance_of_one_image_or_none_is_zero() -> None:
    assert within_class_variance(normal(3, 4, seed=0), torch.tensor([0, 1, 1]), 3)[[0, 2]].tolist() == [0, 0]


# What must not pass in silence

BY_FEATURES = {
    "moments": moments,
    "manifold": Manifold.of,
    "classifier score": classifier_score,
    "within-class variance": lambda x: within_class_variance(x, torch.zeros(len(x), dtype=torch.int64), 10),
}


@pytest.mark.parametrize("metric", BY_FEATURES.values(), ids=BY_FEATURES.keys())
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_features_that_are_not_finite_are_an_error(metric: Callable[[Tensor], object], bad: float) -> None:
    x = normal(20, 10, seed=0)
    x[3, 2] = bad
    with pytest.raises(ValueError, match="1 of 20 images hold NaN or infinity"):
        metric(x)


@pytest.mark.parametrize("metric", BY_FEATURES.values(), ids=BY_FEATURES.keys())
@pytest.mark.parametrize("shape", [(20,), (20, 3, 4), (20, 0), (0, 10)])
def test_features_of_a_wrong_shape_or_of_no_image_are_an_error(
    metric: Callable[[Tensor], object], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="features (have shape|of 0 images)"):
        metric(torch.zeros(shape))


def test_one_image_is_too_few_for_a_covariance_and_five_for_a_manifold() -> None:
    with pytest.raises(ValueError, match="needs at least 2"):
        moments(torch.zeros(1, 10))
    with pytest.raises(ValueError, match="needs at least 6"):
        Manifold.of(torch.zeros(5, 10))


def test_constant_features_have_finite_figures() -> None:
    constant, varied = torch.ones(50, 8), normal(50, 8, seed=0)
    assert frechet_distance(moments(constant), moments(constant)) == 0
    assert math.isfinite(frechet_distance(moments(constant), moments(varied)))
    for real, generated in [(constant, constant), (constant, varied), (varied, constant)]:
        ours = figures(real, generated)
        assert all(map(math.isfinite, (ours.precision, ours.recall, ours.density, ours.coverage, ours.f1)))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (torch.tensor([0, 3]), "from 0 to 3; expected 0 to 2"),
        (torch.tensor([-1, 2]), "from -1 to 2"),
        (torch.tensor([], dtype=torch.int64), "at least 1"),
        (torch.rand(4, 3), "argmax"),
    ],
)
def test_labels_that_are_no_classes_are_an_error(labels: Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        class_shares(labels, 3)


def test_quantities_that_do_not_belong_together_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 labels asked for, 2 recognised"):
        confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 1]), 2)
    with pytest.raises(ValueError, match="2 images, 3 labels"):
        within_class_variance(torch.zeros(2, 4), torch.tensor([0, 1, 1]), 2)
    with pytest.raises(ValueError, match="same classes"):
        class_coverage(torch.ones(3) / 3, torch.ones(2) / 2)
    with pytest.raises(ValueError, match="same classes"):
        corrected_shares(torch.ones(3) / 3, torch.eye(2))
    with pytest.raises(ValueError, match="no class was asked for"):
        conditional_accuracy(torch.tensor([[0, 0], [0, 0]]))
    with pytest.raises(ValueError, match=r"expected \(K, K\)"):
        conditional_accuracy(torch.zeros(2, 3, dtype=torch.int64))


# Corruptions


def test_pure_noise_is_uniform_over_all_grey_levels_and_the_same_for_the_same_seed() -> None:
    first, second = (pure_noise((64, 1, 28, 28), torch.Generator().manual_seed(7)) for _ in range(2))
    assert first.dtype == torch.uint8 and first.shape == (64, 1, 28, 28)
    assert torch.equal(first, second)
    assert first.flatten().bincount(minlength=256).min() > 100  # expected 196 each
