"""LPIPS in the layers of this project's classifiers: closed forms, and what it says of little variety."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from gencore.config.datasets import DATASETS
from gencore.config.options import EXTRACTORS
from gencore.data.batches import dequantise
from gencore.data.sources import load
from gencore.metrics.perceptual import feature_lpips, mean_pair_distance
from gencore.models import build
from gencore.networks.classifier import FeatureClassifier


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def layers(seed: int, batch: int = 3) -> list[Tensor]:
    sizes = [(8, 7, 5), (16, 3, 3)]
    generator = rng(seed)
    return [torch.rand(batch, *size, generator=generator) for size in sizes]


def classifier(name: str) -> FeatureClassifier:
    torch.manual_seed(0)
    network = build(EXTRACTORS[name], DATASETS["digits"]).network
    assert isinstance(network, FeatureClassifier)
    return network.eval().requires_grad_(False)


def test_the_distance_is_zero_to_itself_symmetric_and_positive_else() -> None:
    x, y = layers(0), layers(1)
    assert feature_lpips(x, x).tolist() == [0, 0, 0]
    torch.testing.assert_close(feature_lpips(x, y), feature_lpips(y, x), rtol=0, atol=0)
    assert (feature_lpips(x, y) > 0.1).all()


def test_each_layer_adds_two_minus_twice_the_mean_cosine_of_its_places() -> None:
    x, y = layers(0), layers(1)
    cosine = [torch.cosine_similarity(a, b, dim=1).mean(dim=(1, 2)) for a, b in zip(x, y, strict=True)]
    torch.testing.assert_close(feature_lpips(x, y), sum(2 - 2 * one for one in cosine))


def test_the_strength_of_activations_does_not_count_and_places_without_any_agree() -> None:
    x, nothing = layers(0), [torch.zeros(3, 8, 7, 5), torch.zeros(3, 16, 3, 3)]
    assert feature_lpips(x, [5 * layer for layer in x]).max() < 1e-12
    assert feature_lpips(nothing, nothing).tolist() == [0, 0, 0]
    torch.testing.assert_close(feature_lpips(x, nothing), torch.full((3,), 2.0))  # 1 a layer


def test_layers_of_different_networks_are_refused() -> None:
    x = layers(0)
    with pytest.raises(ValueError, match="the same of both"):
        feature_lpips(x, x[:1])
    with pytest.raises(ValueError, match="at least one"):
        feature_lpips([], [])


@pytest.mark.parametrize("name", EXTRACTORS)
def test_the_maps_of_every_extractor_end_in_what_is_pooled(name: str) -> None:
    network = classifier(name)
    x = torch.rand(2, 1, 28, 28, generator=rng()) * 2 - 1
    maps = [*network.maps(x)]
    assert len(maps) >= 4 and all(layer.ndim == 4 and len(layer) == 2 for layer in maps)
    assert [len(layer[0, 0]) for layer in maps] == sorted((len(layer[0, 0]) for layer in maps), reverse=True)
    pooled = {
        "residual": lambda h: h.amax(dim=(2, 3)),
        "plain": lambda h: torch.nn.functional.avg_pool2d(h, 2).flatten(1),
        "mixer": lambda h: h.mean(dim=(2, 3)),
    }[name](maps[-1])
    torch.testing.assert_close(network.pooled(x), pooled, rtol=0, atol=0)


def test_the_mean_over_pairs_is_zero_for_one_image_repeated_and_larger_between_classes_than_within() -> None:
    data, network = load(DATASETS["digits"], "train"), classifier("residual")

    def mean(images: Tensor) -> float:
        return mean_pair_distance(
            images,
            lambda x, y: feature_lpips(*([*network.maps(dequantise(few))] for few in (x, y))),
            rng(),
            40,
        ).value

    assert mean(data.images[:1].expand(80, -1, -1, -1)) == pytest.approx(0, abs=1e-6)
    assert mean(data.images[data.labels == 0][:80]) < 0.8 * mean(data.images[:80])


def test_no_image_is_in_two_pairs_and_the_error_is_that_of_a_mean() -> None:
    images = torch.arange(9.0).reshape(9, 1, 1, 1)
    seen: list[float] = []

    def distance(x: Tensor, y: Tensor) -> Tensor:
        seen.extend([*x.flatten().tolist(), *y.flatten().tolist()])
        return feature_lpips(*([torch.cat([side.cos(), side.sin()], dim=1)] for side in (x, y)))

    found = mean_pair_distance(images, distance, rng())
    assert len(seen) == len(set(seen)) == 8 and found.pairs == 4
    distances = [2 - 2 * torch.tensor(a - b).cos() for a, b in zip(seen[:4], seen[4:], strict=True)]
    assert found.value == pytest.approx(torch.stack(distances).mean().item(), rel=1e-5)
    assert found.standard_error == pytest.approx(torch.stack(distances).std().item() / 2, rel=1e-5)
    with pytest.raises(ValueError, match="3 images"):
        mean_pair_distance(images[:3], distance, rng())
