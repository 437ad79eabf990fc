"""Clusters of the training images as a condition: how they are found, drawn, kept and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support import record, tiny_config
from torch import Generator

from gencore.config.datasets import DATASETS
from gencore.config.options import DDPMConfig, GANConfig, RunConfig
from gencore.data.batches import dequantise
from gencore.data.sources import ImageData, load
from gencore.metrics.frechet import frechet_distance, moments
from gencore.models.clusters import Clusters
from gencore.models.feature_extractor import load_extractor
from gencore.models.load import load_model
from gencore.sampling.generate import generate
from gencore.store.events import QuickDistance
from gencore.store.runs import run
from gencore.training.loop import prepare

CPU = torch.device("cpu")
K = 40


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load(DATASETS["digits"], "train")


@pytest.fixture(scope="module")
def clusters(digits: ImageData) -> Clusters:
    found = Clusters(K, digits.spec)
    found.fit(digits, seed=1)
    return found


def test_an_image_is_of_the_nearest_centroid_and_shares_are_those_of_the_training_images(
    clusters: Clusters, digits: ImageData
) -> None:
    images = dequantise(digits.images)
    of = clusters.of(images)
    projected = (images.flatten(1).double() - clusters.mean) @ clusters.axes.double().T
    assert torch.equal(of, torch.cdist(projected, clusters.centroids.double()).argmin(dim=1))
    torch.testing.assert_close(of.bincount(minlength=K) / len(of), clusters.shares, atol=1e-6, rtol=0)
    assert clusters.shares.sum().item() == pytest.approx(1)


def test_clusters_tell_digits_apart_although_nobody_labelled_them(
    clusters: Clusters, digits: ImageData
) -> None:
    of = clusters.of(dequantise(digits.images))
    pure = sum(digits.labels[of == k].bincount().max().item() for k in range(K)) / len(of)
    assert pure > 0.85, "chance is about 0.1"


def test_the_same_seed_finds_the_same_clusters(clusters: Clusters, digits: ImageData) -> None:
    again, other = Clusters(K, digits.spec), Clusters(K, digits.spec)
    again.fit(digits, seed=1)
    other.fit(digits, seed=2)
    assert torch.equal(again.centroids, clusters.centroids)
    assert not torch.equal(other.centroids, clusters.centroids)


def test_clusters_are_drawn_by_their_shares(clusters: Clusters) -> None:
    drawn = clusters.draw(100_000, Generator().manual_seed(0)).bincount(minlength=K) / 100_000
    assert (drawn - clusters.shares).abs().max() < 0.005


def test_a_centroid_stands_for_an_image_of_its_own_cluster(clusters: Clusters, digits: ImageData) -> None:
    images = clusters.images(digits.spec)
    assert images.shape == (K, 1, 28, 28) and images.abs().max() <= 1
    assert (clusters.of(images) == torch.arange(K)).float().mean() > 0.95


def test_more_clusters_than_images_are_refused(digits: ImageData) -> None:
    few = replace(digits, images=digits.images[: K - 1], labels=digits.labels[: K - 1])
    with pytest.raises(ValueError, match=f"clusters is {K}, but .* has {K - 1} images; use fewer"):
        Clusters(K, digits.spec).fit(few, seed=0)


def test_more_clusters_than_images_are_refused_before_a_run_is_made(
    home: Path, few_digits: ImageData
) -> None:
    config = tiny_config("ddpm")
    model = config.model.model_copy(update={"clusters": len(few_digits.images) + 1})
    with pytest.raises(ValueError, match="use fewer"):
        prepare(config.model_copy(update={"model": model}), CPU, home, data=few_digits)


@pytest.mark.parametrize("config", [DDPMConfig, GANConfig])
def test_labels_and_clusters_at_once_are_refused(config: type[DDPMConfig] | type[GANConfig]) -> None:
    with pytest.raises(ValueError, match="already takes labels; set clusters to 0"):
        config(conditional=True, clusters=10)


@pytest.mark.parametrize("family", ["gan", "ddpm"])
def test_a_trained_model_keeps_its_clusters_and_samples_without_labels(
    home: Path, few_digits: ImageData, family: str
) -> None:
    config = tiny_config("ddpm", epochs=1)
    model = GANConfig(width=8, latent_dim=8, clusters=6) if family == "gan" else config.model
    one = run("clustered")
    one.create(config.model_copy(update={"model": model.model_copy(update={"clusters": 6})}))
    assert record(one, few_digits)[-1].status == "finished"
    loaded, _ = load_model(one, CPU)
    expected = Clusters(6, few_digits.spec)
    expected.fit(few_digits, seed=config.training.seed)
    assert loaded.clusters is not None and torch.equal(loaded.clusters.centroids, expected.centroids)
    assert loaded.sample(3, None, Generator().manual_seed(0)).shape == (3, 1, 28, 28)
    assert "6 clusters by their shares" in loaded.sampling


def test_a_checkpoint_from_before_there_were_clusters_still_loads(home: Path, few_digits: ImageData) -> None:
    one, config = run("old"), tiny_config("ddpm", epochs=1).model_dump()
    del config["model"]["clusters"], config["training"]["optimizer"]
    one.create(RunConfig.model_validate(config))
    record(one, few_digits)
    assert load_model(one, CPU)[0].clusters is None


@pytest.mark.parametrize("family", ["gan", "ddpm"])
def test_a_quick_distance_is_of_samples_from_all_clusters(
    with_extractor: Path, few_digits: ImageData, family: str
) -> None:
    config = tiny_config("ddpm", epochs=1, fd_every=1, fd_samples=256)
    model = GANConfig(width=8, latent_dim=8, clusters=30) if family == "gan" else config.model
    one = run("clustered")
    one.create(config.model_copy(update={"model": model.model_copy(update={"clusters": 30})}))
    [quick] = [event for event in record(one, few_digits) if isinstance(event, QuickDistance)]
    loaded, _ = load_model(one, CPU)
    extractor = load_extractor(DATASETS["digits"], CPU, with_extractor)
    images = generate(loaded, 256, None, config.training.seed, torch.float32, batch_size=100)
    reference = extractor(few_digits.images).features
    expected = frechet_distance(moments(extractor(images).features), moments(reference))
    assert quick.fd == pytest.approx(expected, rel=1e-3)
