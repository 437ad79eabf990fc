"""Kernel distance, extrapolation, diversity, memorisation, reconstruction, the ladder and random features."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import Generator, Tensor

from gencore.config.datasets import DATASETS
from gencore.data.batches import dequantise
from gencore.data.sources import load
from gencore.metrics.corruptions import LADDER, ladder_for
from gencore.metrics.diversity import Bins, diversity, mean_pairwise_distance, pixel_variance
from gencore.metrics.extrapolation import fd_infinity
from gencore.metrics.frechet import frechet_distance, moments
from gencore.metrics.kernel import kernel_distance, squared_mmd
from gencore.metrics.memorisation import authentic_share, memorisation, nearest
from gencore.metrics.reconstruction import mse, psnr, ssim
from gencore.networks.random_features import RandomFeatures


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def normal(n: int, d: int, seed: int, mean: float = 0.0, scale: float = 1.0) -> Tensor:
    """Features (n, d) float64 of independent normal numbers."""
    return mean + scale * torch.randn(n, d, generator=seeded(seed), dtype=torch.float64)


def pixels(n: int, seed: int, channels: int = 1, size: int = 12) -> Tensor:
    """Images (n, channels, size, size) uint8 of smooth blobs, no two alike."""
    coarse = torch.rand(n, channels, 4, 4, generator=seeded(seed))
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    return (255 * smooth).round().to(torch.uint8)


# Kernel distance


def test_kernel_distance_of_all_images_equals_torch_fidelity_and_torchmetrics() -> None:
    fidelity = pytest.importorskip("torch_fidelity.metric_kid", reason="torch-fidelity is not installed")
    torchmetrics = pytest.importorskip("torchmetrics.image.kid", reason="torchmetrics is not installed")
    generated, real = normal(300, 32, seed=0, mean=0.3, scale=1.2), normal(300, 32, seed=1, mean=5, scale=3)
    scaler = StandardScaler().fit(real.numpy())
    x, y = (torch.from_numpy(scaler.transform(side.numpy())) for side in (generated, real))
    ours = kernel_distance(generated, real, seeded(), subset_size=300)
    assert (ours.subsets, ours.subset_size, ours.spread) == (1, 300, None)
    assert ours.value == pytest.approx(torchmetrics.poly_mmd(y, x).item(), rel=1e-6)
    oracle = fidelity.kid_features_to_metric(x, y, kid_subsets=1, kid_subset_size=300, verbose=False)
    assert ours.value == pytest.approx(oracle[fidelity.KEY_METRIC_KID_MEAN], rel=1e-6)


def test_squared_mmd_of_unequal_counts_is_the_mean_over_pairs_of_different_images() -> None:
    x, y = normal(5, 3, seed=0), normal(4, 3, seed=1)

    def kernel_mean(a: Tensor, b: Tensor) -> float:
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if a is not b or i != j]
        return statistics.fmean((float(a[i] @ b[j]) / 3 + 1) ** 3 for i, j in pairs)

    expected = kernel_mean(x, x) + kernel_mean(y, y) - 2 * kernel_mean(x, y)
    assert squared_mmd(x, y).item() == pytest.approx(expected, rel=1e-12)
    assert squared_mmd(x, y, chunk=2).item() == pytest.approx(expected, rel=1e-12)


def test_kernel_distance_is_unbiased_where_distributions_agree_and_so_takes_both_signs() -> None:
    draws = [squared_mmd(normal(40, 4, seed=2 * i), normal(40, 4, seed=2 * i + 1)).item() for i in range(300)]
    assert min(draws) < 0 < max(draws)
    assert abs(statistics.fmean(draws)) < 3 * statistics.stdev(draws) / math.sqrt(300)


def test_kernel_distance_of_a_set_to_itself_is_small_but_not_zero() -> None:
    x = normal(500, 8, seed=0)
    distance = kernel_distance(x, x, seeded(), subset_size=500).value
    moved = kernel_distance(x + 0.5, x, seeded(), subset_size=500).value
    assert distance != 0 and abs(distance) < 0.05 * moved


def test_kernel_distance_does_not_depend_on_the_scale_and_place_of_a_feature() -> None:
    generated, real = normal(60, 5, seed=0, mean=0.4), normal(80, 5, seed=1)
    scale, shift = torch.tensor([1e-3, 1, 10, 1e3, 7]), torch.tensor([5, -1e3, 0, 1e4, 2])
    plain, moved = (
        kernel_distance(*sides, seeded(), subsets=4, subset_size=40)
        for sides in ((generated, real), (generated * scale + shift, real * scale + shift))
    )
    assert moved.value == pytest.approx(plain.value, rel=1e-6)


def test_kernel_distance_is_mean_and_spread_over_subsets_that_the_generator_draws() -> None:
    generated, real = normal(200, 4, seed=0), normal(300, 4, seed=1)
    first, again, other = (
        kernel_distance(generated, real, seeded(seed), subsets=20, subset_size=50) for seed in (7, 7, 8)
    )
    assert first == again != other
    assert first.spread is not None and first.spread > 0
    assert kernel_distance(generated, real, seeded(), subsets=2).subset_size == 200


def test_a_feature_that_never_varies_in_reality_counts_where_generated_images_leave_it() -> None:
    real = torch.cat([normal(100, 3, seed=0), torch.full((100, 1), 0.1, dtype=torch.float64)], dim=1)
    generated = torch.cat([normal(100, 3, seed=1), torch.full((100, 1), 0.1, dtype=torch.float64)], dim=1)
    away = generated + torch.tensor([0.0, 0.0, 0.0, 2.0])
    near, far = (kernel_distance(side, real, seeded()).value for side in (generated, away))
    assert math.isfinite(near) and far > near + 0.5


# Extrapolation


def test_extrapolated_fd_of_gaussians_is_nearer_to_the_truth_than_fd_of_as_many_images() -> None:
    truth, d, errors = 0.16, 16, {"plain": [], "extrapolated": []}
    for seed in range(10):
        generated, real = normal(600, d, seed=2 * seed, mean=0.1), normal(600, d, seed=2 * seed + 1)
        found = fd_infinity(generated, real, seeded(seed))
        errors["plain"].append(found.distances[0] - truth)
        errors["extrapolated"].append(found.value - truth)
        whole = frechet_distance(moments(generated), moments(real))
        assert found.distances[0] == pytest.approx(whole, rel=1e-9)
    plain, extrapolated = (statistics.fmean(values) for values in errors.values())
    assert plain > 0.1
    assert abs(extrapolated) < 0.3 * plain


def test_extrapolation_meets_the_line_exactly_where_distances_lie_on_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "gencore.metrics.extrapolation.frechet_distance", lambda a, b: 3 + 50 / a.count + 20 / b.count
    )
    found = fd_infinity(normal(120, 2, seed=0), normal(150, 2, seed=1), seeded())
    assert found.sizes == (120, 60, 40, 30, 24)
    assert found.value == pytest.approx(3, rel=1e-9)


def test_extrapolated_fd_of_one_distribution_scatters_about_zero_and_is_not_clipped() -> None:
    values = [
        fd_infinity(normal(300, 8, seed=2 * i), normal(300, 8, seed=2 * i + 1), seeded()).value
        for i in range(12)
    ]
    assert min(values) < 0 < max(values)


def test_extrapolation_warns_of_sizes_too_small_for_a_covariance() -> None:
    few = fd_infinity(normal(60, 4, seed=0), normal(60, 4, seed=1), seeded())
    assert few.warning is not None and few.warning.startswith(
        "its line rests on distances of pieces down to 12 samples"
    )
    assert fd_infinity(normal(10_000, 2, seed=0), normal(10_000, 2, seed=1), seeded()).warning is None


# Diversity


def test_mean_pairwise_distance_is_that_of_torch_pdist_in_any_order_and_chunk() -> None:
    x = normal(150, 6, seed=0, mean=1e4)
    expected = torch.pdist(x).mean().item()
    shuffled = x[torch.randperm(150, generator=seeded())]
    for features, chunk in [(x, 512), (x, 1), (x, 37), (shuffled, 512)]:
        assert mean_pairwise_distance(features, chunk) == pytest.approx(expected, rel=1e-9)
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert mean_pairwise_distance(corners) == pytest.approx(4)


def test_pixel_variance_of_black_and_white_halves_is_a_quarter_and_independent_of_chunks() -> None:
    images = torch.zeros(10, 1, 2, 2, dtype=torch.uint8)
    images[:5] = 255
    assert pixel_variance(images) == pytest.approx(0.25 * 10 / 9, rel=1e-12)
    images = pixels(20, seed=0, channels=3)
    expected = (images.double() / 255).var(dim=0).mean().item()
    assert pixel_variance(images) == pytest.approx(expected, rel=1e-12)
    assert pixel_variance(images, chunk=7) == pytest.approx(expected, rel=1e-12)


def test_diversity_is_one_for_the_same_images_less_for_fewer_kinds_and_more_for_noise() -> None:
    real_features, real = normal(40, 5, seed=0), pixels(40, seed=0)
    same = diversity(real_features, real_features, real, real)
    assert (same.feature_distance_ratio, same.pixel_variance_ratio) == (1, 1)

    repeated = torch.arange(40) % 2
    collapsed = diversity(real_features[repeated], real_features, real[repeated], real)
    assert 0 < collapsed.feature_distance_ratio < 0.8 and 0 < collapsed.pixel_variance_ratio < 0.8

    noise = torch.randint(256, real.shape, dtype=torch.uint8, generator=seeded())
    wild = diversity(2 * real_features, real_features, noise, real)
    assert wild.feature_distance_ratio == pytest.approx(2) and wild.pixel_variance_ratio > 1


def test_diversity_of_one_image_over_and_over_is_zero_and_of_real_images_all_alike_an_error() -> None:
    features, images = normal(20, 5, seed=0) + 0.1, pixels(20, seed=0)
    alike, same = features[:1].expand(20, -1), images[:1].expand(20, -1, -1, -1)
    collapsed = diversity(alike, features, same, images)
    assert (collapsed.feature_distance_ratio, collapsed.pixel_variance_ratio) == (0, 0)
    for real_features, real_images in [(alike, images), (features, same)]:
        with pytest.raises(ValueError, match="all alike"):
            diversity(features, real_features, images, real_images)


# Bins


def clusters(counts: list[int], seed: int) -> Tensor:
    """Features (sum of counts, 4) in tight clusters far apart, so many of each."""
    centres = 100 * torch.eye(4, dtype=torch.float64)
    which = torch.repeat_interleave(torch.arange(4), torch.tensor(counts))
    return centres[which] + normal(len(which), 4, seed=seed)


def test_bins_are_the_clusters_and_their_total_variation_is_that_of_the_shares() -> None:
    real = clusters([100, 100, 100, 100], seed=0)
    found = Bins.of(real, 4).difference(clusters([0, 100, 100, 200], seed=1))
    assert found.total_variation == pytest.approx(0.25)
    assert found.different == 0.5
    same = Bins.of(real, 4).difference(real)
    assert (same.total_variation, same.different, same.covered) == (0, 0, 1)


@pytest.mark.parametrize(("few", "covered"), [(20, 1.0), (19, 0.75), (0, 0.75)])
def test_a_bin_is_covered_from_a_fifth_of_its_real_share_on(few: int, covered: float) -> None:
    found = Bins.of(clusters([100] * 4, seed=0), 4).difference(clusters([few, 200 - few, 100, 100], seed=1))
    assert found.covered == covered


@pytest.mark.parametrize(("few", "different"), [(77, 0.0), (76, 0.25)])
def test_a_bin_differs_significantly_where_the_two_proportion_test_says_so(
    few: int, different: float
) -> None:
    # Against 100 of 400 real images; the bin with as many too much has |z| < 1.9 in both cases.
    pooled = (100 + few) / 800
    z = (100 - few) / 400 / math.sqrt(pooled * (1 - pooled) * 2 / 400)
    counts = [few, 200 - few, 100, 100]
    found = Bins.of(clusters([100] * 4, seed=0), 4).difference(clusters(counts, seed=1))
    assert (z > 1.96) == (different > 0)
    assert found.different == different


def test_about_a_twentieth_of_bins_differ_between_draws_of_one_distribution() -> None:
    found = [
        Bins.of(normal(1000, 3, seed=2 * i + 1), 20).difference(normal(1000, 3, seed=2 * i)).different
        for i in range(10)
    ]
    assert 0 < statistics.fmean(found) < 0.2


def test_bins_are_the_same_for_the_same_seed_and_order_does_not_matter() -> None:
    generated, real = normal(300, 4, seed=0, mean=0.5), normal(300, 4, seed=1)
    shuffled = generated[torch.randperm(300, generator=seeded())]
    first = Bins.of(real, 10, seed=3).difference(generated)
    assert first == Bins.of(real, 10, seed=3).difference(shuffled)
    assert first != Bins.of(real, 10, seed=4).difference(generated)


def test_fewer_real_kinds_or_images_than_bins_need_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 distinct real features for 3 bins"):
        Bins.of(torch.eye(2).repeat(15, 1), 3)
    with pytest.raises(ValueError, match="of 49 images; needs at least 50"):
        Bins.of(normal(90, 2, seed=1), 10).difference(normal(49, 2, seed=0))
    with pytest.raises(ValueError, match="bins is 1"):
        Bins.of(normal(9, 2, seed=1), 1)


# Memorisation


def test_nearest_is_the_brute_force_answer_in_any_chunk_even_far_from_the_origin() -> None:
    generated, train = normal(90, 30, seed=0, mean=1e5), normal(70, 30, seed=1, mean=1e5)
    brute = (generated[:, None] - train).norm(dim=2).min(dim=1)
    for chunk in (1, 40, 512):
        found = nearest(generated, train, chunk)
        assert torch.equal(found.indices, brute.indices)
        torch.testing.assert_close(found.distances, brute.values, rtol=1e-12, atol=0)


def test_exact_copies_lie_at_distance_zero_and_none_is_authentic() -> None:
    train = normal(200, 16, seed=0, mean=50).float()
    copies = train[torch.randint(200, (80,), generator=seeded())]
    assert nearest(copies, train).distances.max() == 0
    assert authentic_share(copies, train) == 0
    twice = torch.cat([train, train])  # an item with a twin reaches 0 far, and so does its copy
    assert authentic_share(copies, twice) == 0


def test_a_sample_is_authentic_from_beyond_the_reach_of_its_nearest_training_item() -> None:
    train = torch.tensor([[0.0], [1.0], [10.0]])  # reaches 1, 1 and 9
    samples = torch.tensor([[-0.9], [-1.0], [-1.1], [1.9], [2.1], [18.0], [20.0]])
    authentic = [authentic_share(torch.stack([sample] * 2), train) for sample in samples]
    assert authentic == [0, 0, 1, 0, 1, 0, 1]
    assert authentic_share(samples, train) == pytest.approx(3 / 7)


def test_memorised_samples_fall_below_the_floor_of_held_out_images_and_fresh_ones_do_not() -> None:
    train, held_out, fresh = (normal(500, 6, seed=seed) for seed in range(3))
    nearly = train[:300] + normal(300, 6, seed=4, scale=0.05)
    copied, honest = memorisation(nearly, train, held_out), memorisation(fresh, train, held_out)
    assert copied.held_out_authentic == honest.held_out_authentic == authentic_share(held_out, train)
    assert copied.authentic < 0.1 < honest.held_out_authentic
    assert copied.distance_ratio < 0.3
    assert honest.authentic == pytest.approx(honest.held_out_authentic, abs=0.1)
    assert honest.distance_ratio == pytest.approx(1, abs=0.1)


def test_the_distance_ratio_is_that_of_the_medians() -> None:
    train = torch.tensor([[0.0], [100.0]])
    generated, held_out = torch.tensor([[1.0], [2.0], [30.0]]), torch.tensor([[3.0], [5.0]])
    assert memorisation(generated, train, held_out).distance_ratio == pytest.approx(0.5)


def test_held_out_images_that_were_trained_on_are_an_error() -> None:
    train = normal(50, 4, seed=0)
    with pytest.raises(ValueError, match="exact copies of training items"):
        memorisation(normal(20, 4, seed=1), train, train[:20])


# Reconstruction


def image_pair(channels: int = 1) -> tuple[Tensor, Tensor]:
    target = pixels(6, seed=0, channels=channels, size=28) / 255
    image = (target + 0.1 * torch.randn(target.shape, generator=seeded())).clamp(0, 1)
    return image, target


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_and_psnr_equal_torchmetrics(channels: int) -> None:
    oracle = pytest.importorskip("torchmetrics.functional.image", reason="torchmetrics is not installed")
    image, target = image_pair(channels)
    expected = oracle.structural_similarity_index_measure(image, target, data_range=1.0).item()
    assert 0.2 < expected < 0.95
    assert ssim(image, target) == pytest.approx(expected, abs=1e-4)
    expected = oracle.peak_signal_noise_ratio(image, target, data_range=(0.0, 1.0), dim=(1, 2, 3)).item()
    assert psnr(image, target) == pytest.approx(expected, rel=1e-6)


def test_mse_and_psnr_of_a_constant_error_are_the_closed_form() -> None:
    image, target = torch.full((3, 1, 4, 4), 0.75), torch.full((3, 1, 4, 4), 0.5)
    target[2] = 0.25
    assert mse(image, target) == pytest.approx((2 * 0.25**2 + 0.5**2) / 3, rel=1e-12)
    assert psnr(image, target) == pytest.approx(20 * (2 + 2 + 1) * math.log10(2) / 3, rel=1e-12)


def test_a_perfect_copy_has_no_error_infinite_psnr_and_ssim_one_and_one_suffices_for_infinity() -> None:
    image, target = image_pair()
    assert (mse(target, target), psnr(target, target)) == (0, math.inf)
    assert ssim(target, target) == pytest.approx(1, abs=1e-12)
    assert math.isfinite(psnr(image, target))
    assert psnr(torch.cat([image[:5], target[5:]]), target) == math.inf


def test_ssim_of_flat_images_is_the_luminance_term_alone() -> None:
    image, target = torch.full((2, 1, 11, 11), 0.2), torch.full((2, 1, 11, 11), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert ssim(image, target) == pytest.approx(expected, abs=1e-6)


def test_ssim_is_symmetric_the_mean_over_images_and_independent_of_chunks() -> None:
    image, target = image_pair()
    whole = ssim(image, target)
    assert ssim(target, image) == pytest.approx(whole, rel=1e-12)
    assert ssim(image, target, chunk=4) == pytest.approx(whole, rel=1e-12)
    single = [ssim(x[None], y[None]) for x, y in zip(image, target, strict=True)]
    assert statistics.fmean(single) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("metric", [mse, psnr, ssim])
def test_images_that_cannot_be_compared_are_an_error(metric: Callable[[Tensor, Tensor], float]) -> None:
    image, target = image_pair()
    broken = image.clone()
    broken[1, 0, 3, 3] = math.nan
    for bad, words in [
        (broken, "images run from nan to nan"),
        (2 * image - 1, r"\(x \+ 1\) / 2"),
        ((255 * image).to(torch.uint8), "divide pixels by 255"),
        (image[:5], "expected equal"),
    ]:
        with pytest.raises(ValueError, match=words):
            metric(bad, target)
    with pytest.raises(ValueError, match="N at least 1"):
        metric(image[:0], target[:0])


def test_images_smaller_than_the_window_of_ssim_are_an_error() -> None:
    with pytest.raises(ValueError, match="10 x 12 pixels; the window of SSIM needs 11"):
        ssim(torch.rand(2, 1, 10, 12), torch.rand(2, 1, 10, 12))


# The ladder

LABELS = torch.arange(40) % 5


def names_of(images: Tensor, originals: Tensor) -> list[int]:
    """Index of each image among the originals; fails on an image that is none of them."""
    alike = (images[:, None] == originals).flatten(2).all(dim=2)  # (M, N)
    assert alike.any(dim=1).all()
    return alike.int().argmax(dim=1).tolist()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", LADDER)
def test_a_rung_is_labelled_images_that_the_generator_decides_and_leaves_the_originals_alone(
    name: str, channels: int
) -> None:
    originals, before = pixels(40, seed=0, channels=channels), pixels(40, seed=0, channels=channels)
    state = torch.get_rng_state()
    first, again = (LADDER[name](originals, LABELS, seeded(5)) for _ in range(2))
    assert torch.equal(first.images, again.images) and torch.equal(first.labels, again.labels)
    assert first.images.dtype == torch.uint8 and first.images.shape[1:] == originals.shape[1:]
    assert len(first.images) == len(first.labels) > 0
    assert torch.equal(originals, before) and torch.equal(torch.get_rng_state(), state)
    assert first.images.shape != originals.shape or not torch.equal(first.images, originals)


def test_blur_is_the_rounded_mean_of_nine_and_leaves_flat_images_alone() -> None:
    dot = torch.zeros(2, 1, 5, 5, dtype=torch.uint8)
    dot[0, 0, 2, 2], dot[1] = 255, 200
    blurred = LADDER["blurred"](dot, LABELS[:2], seeded()).images
    assert (blurred[0, 0, 1:4, 1:4] == 28).all() and blurred[0].sum() == 9 * 28
    assert torch.equal(blurred[1], dot[1])


@pytest.mark.parametrize(
    ("size", "native_size", "width"), [(28, None, 3), (28, 28, 3), (32, None, 3), (28, 8, 11), (28, 4, 21)]
)
def test_blur_of_enlarged_images_is_over_three_of_the_pixels_that_they_had(
    size: int, native_size: int | None, width: int
) -> None:
    dot = torch.zeros(2, 1, size, size, dtype=torch.uint8)
    dot[0, 0, size // 2, size // 2], dot[1] = 255, 200
    blurred = ladder_for(size, native_size)["blurred"](dot, LABELS[:2], seeded()).images
    assert (blurred[0] > 0).sum() == width**2 and blurred.max() == 200
    assert blurred[0].max() == round(255 / width**2)
    assert torch.equal(blurred[1], dot[1]), "edges are repeated outwards"


def test_only_the_blur_depends_on_whether_images_were_enlarged() -> None:
    ladder = ladder_for(28, 8)
    assert list(ladder) == list(LADDER)
    assert [name for name in LADDER if ladder[name] is not LADDER[name]] == ["blurred"]
    assert DATASETS["digits"].native_size == 8 and DATASETS["mnist"].native_size is None
    with pytest.raises(ValueError, match="uint8"):
        ladder["blurred"](pixels(4, seed=0).float(), LABELS[:4], seeded())


def test_noise_has_a_tenth_of_the_range_as_its_deviation() -> None:
    grey = torch.full((50, 1, 28, 28), 128, dtype=torch.uint8)
    noisy = LADDER["noisy"](grey, LABELS.repeat(2)[:50], seeded()).images.double()
    assert noisy.std().item() == pytest.approx(25.5, rel=0.02)
    assert noisy.mean().item() == pytest.approx(128, abs=0.5)


def test_shift_moves_two_pixels_to_the_right_and_binarised_keeps_black_and_white() -> None:
    originals = pixels(4, seed=0)
    shifted = LADDER["shifted"](originals, LABELS[:4], seeded()).images
    assert torch.equal(shifted[..., 2:], originals[..., :-2])
    assert torch.equal(shifted[..., :2], originals[..., :1].expand(-1, -1, -1, 2))
    binary = LADDER["binarised"](originals, LABELS[:4], seeded()).images
    assert torch.equal(binary == 255, originals > 127) and set(binary.unique().tolist()) == {0, 255}


def test_half_duplicated_holds_each_of_half_the_images_twice_with_its_own_label() -> None:
    originals = pixels(40, seed=0)
    images, labels = LADDER["half duplicated"](originals, LABELS, seeded())
    names = names_of(images, originals)
    assert sorted(names) == sorted(2 * list(set(names))) and len(set(names)) == 20
    assert labels.tolist() == [LABELS[name] for name in names]


def test_a_missing_class_and_a_single_class_are_whole_classes_and_the_seed_says_which() -> None:
    originals = pixels(40, seed=0)
    chosen = set()
    for seed in range(12):
        missing = LADDER["one class missing"](originals, LABELS, seeded(seed))
        single = LADDER["single class"](originals, LABELS, seeded(seed))
        assert len(missing.labels.unique()) == 4 and len(missing.images) == 32
        assert len(single.labels.unique()) == 1 and len(single.images) == 8
        for images, labels in (missing, single):
            assert labels.tolist() == [LABELS[name] for name in names_of(images, originals)]
        chosen.add(int(single.labels[0]))
    assert len(chosen) > 1


def test_the_ladder_refuses_floats_missing_labels_and_classes_that_are_not_there() -> None:
    originals = pixels(40, seed=0)
    with pytest.raises(ValueError, match="uint8"):
        LADDER["blurred"](originals.float(), LABELS, seeded())
    with pytest.raises(ValueError, match=r"labels \(39,\)"):
        LADDER["noisy"](originals, LABELS[1:], seeded())
    for name in ("one class missing", "single class"):
        with pytest.raises(ValueError, match="all 40 images are of class 3"):
            LADDER[name](originals, torch.full((40,), 3), seeded())


# Random features


def test_random_features_are_the_same_every_time_and_leave_the_global_random_state_alone() -> None:
    x = torch.rand(4, 1, 28, 28, generator=seeded()) * 2 - 1
    state = torch.get_rng_state()
    first = RandomFeatures(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert torch.equal(first(x), RandomFeatures(1)(x))
    assert not torch.equal(first(x), RandomFeatures(1, seed=1)(x))


@pytest.mark.parametrize(("channels", "size", "dim"), [(1, 28, 128), (3, 32, 128), (3, 32, 64)])
def test_random_features_have_their_dimensions_no_gradients_and_no_memory_of_the_batch(
    channels: int, size: int, dim: int
) -> None:
    network = RandomFeatures(channels, dim=dim)
    x = torch.rand(6, channels, size, size, generator=seeded()) * 2 - 1
    features = network(x)
    assert features.shape == (6, dim) and not features.requires_grad
    one_by_one = torch.cat([network(image[None]) for image in x])
    torch.testing.assert_close(features, one_by_one, rtol=1e-5, atol=1e-5)


def test_every_random_feature_varies_over_real_digits() -> None:
    features = RandomFeatures(1)(dequantise(load(DATASETS["digits"], "test").images)).double()
    deviation = features.std(dim=0)
    assert deviation.min() > 0.01 * deviation.median() > 0
    most_frequent = (features == features.mode(dim=0).values).double().mean(dim=0)
    assert most_frequent.max() < 0.1


def test_random_features_tell_corrupted_digits_from_others_of_the_same_kind() -> None:
    digits, network = load(DATASETS["digits"], "test"), RandomFeatures(1)
    real, others, labels = network(dequantise(digits.images[::2])), digits.images[1::2], digits.labels[1::2]

    def distance(images: Tensor) -> float:
        return kernel_distance(network(dequantise(images)), real, seeded()).value

    names = ("noisy", "shifted", "single class", "binarised", "pure noise")
    corrupted = {name: distance(LADDER[name](others, labels, seeded()).images) for name in names}
    assert min(corrupted.values()) > 3 * abs(distance(others))
    assert max(corrupted, key=corrupted.__getitem__) == "pure noise"


def test_an_odd_number_of_random_features_is_an_error() -> None:
    with pytest.raises(ValueError, match="dim is 7"):
        RandomFeatures(1, dim=7)


# What must not pass in silence

BY_FEATURE_PAIRS: dict[str, Callable[[Tensor, Tensor], object]] = {
    "kernel distance": lambda a, b: kernel_distance(a, b, seeded()),
    "extrapolated fd": lambda a, b: fd_infinity(a, b, seeded()),
    "bins": lambda a, b: Bins.of(b, 2).difference(a),
    "nearest": nearest,
    "authentic share": authentic_share,
    "memorisation": lambda a, b: memorisation(a, b, normal(20, b.shape[-1], seed=9)),
    "memorisation, held out": lambda a, b: memorisation(normal(20, b.shape[-1], seed=9), b, a),
    "diversity": lambda a, b: diversity(a, b, pixels(len(a), seed=0), pixels(len(b), seed=1)),
}
pairs = pytest.mark.parametrize("metric", BY_FEATURE_PAIRS.values(), ids=BY_FEATURE_PAIRS.keys())


@pairs
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_features_that_are_not_finite_are_an_error(
    metric: Callable[[Tensor, Tensor], object], bad: float
) -> None:
    good, broken = normal(20, 4, seed=0), normal(20, 4, seed=1)
    broken[3, 2] = bad
    for sides in ((good, broken), (broken, good)):
        with pytest.raises(ValueError, match="1 of 20 images hold NaN or infinity"):
            metric(*sides)


@pairs
def test_features_of_different_extractors_are_an_error(metric: Callable[[Tensor, Tensor], object]) -> None:
    with pytest.raises(ValueError, match="sets of [45] and of [45] features"):
        metric(normal(20, 4, seed=0), normal(20, 5, seed=1))


@pytest.mark.parametrize("name", [n for n in BY_FEATURE_PAIRS if n != "nearest"])
def test_one_image_is_too_few(name: str) -> None:
    one, many = normal(1, 4, seed=0), normal(20, 4, seed=1)
    for sides in ((one, many), (many, one)):
        with pytest.raises(ValueError, match="of 1 images; needs at least"):
            BY_FEATURE_PAIRS[name](*sides)


def test_one_image_has_no_variance_and_no_pairs() -> None:
    with pytest.raises(ValueError, match="needs at least 2"):
        mean_pairwise_distance(normal(1, 4, seed=0))
    with pytest.raises(ValueError, match="needs at least 2"):
        pixel_variance(pixels(1, seed=0))
    with pytest.raises(ValueError, match="uint8"):
        pixel_variance(pixels(5, seed=0).float())


def test_collapsed_samples_never_look_like_reality() -> None:
    real, held_out = normal(300, 6, seed=0), normal(300, 6, seed=1)
    collapsed = real[:1].expand(300, -1)
    honest = normal(300, 6, seed=2)
    for distance in (kernel_distance, fd_infinity):
        floor = abs(distance(honest, real, seeded()).value)
        assert distance(collapsed, real, seeded()).value > 10 * floor
    assert Bins.of(real, 10).difference(collapsed).total_variation > 0.7
    assert memorisation(collapsed, real, held_out).authentic == 0


def test_a_constant_reference_gives_finite_figures_of_the_truth_apart_from_it() -> None:
    constant, varied = torch.full((60, 4), 0.1), normal(60, 4, seed=0).float()
    assert kernel_distance(constant, constant, seeded()).value == pytest.approx(0, abs=1e-12)
    assert 0 < kernel_distance(varied, constant, seeded()).value < math.inf
    assert 0 < fd_infinity(varied, constant, seeded()).value < math.inf
    assert authentic_share(varied, constant) == 1
    assert authentic_share(constant, constant) == 0
