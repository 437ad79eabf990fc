"""How a GAN's networks take labels and clusters: embedded, and by projection; residual networks."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Generator, Tensor, nn

from gencore.config.datasets import DATASETS
from gencore.config.options import GANConfig
from gencore.models import build
from gencore.models.gan import GAN
from gencore.networks import dcgan, resnet
from gencore.networks.conditioning import EMBEDDING_DIM, Embedded, Projection

CLASSES = 4


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def images(n: int) -> Tensor:
    return torch.rand(n, 1, 28, 28, generator=rng()) * 2 - 1


def projection(network: str) -> Projection:
    """With vectors of the classes that show: fresh ones are small."""
    torch.manual_seed(0)
    discriminator = (
        resnet.Encoder(1, 0, 28, 1, 8, 1, True, norm="none")
        if network == "resnet"
        else dcgan.Encoder(1, 0, 28, 1, 8, 1, True, network == "folded")
    )
    d = Projection(discriminator, CLASSES).eval()
    nn.init.normal_(d.embedding.weight)
    return d


@pytest.mark.parametrize("network", ["conv", "folded", "resnet"])
@torch.no_grad()
def test_a_projection_discriminator_adds_the_inner_product_of_class_and_features(network: str) -> None:
    d, x, labels = projection(network), images(6), torch.tensor([0, 1, 2, 3, 3, 0])
    logits = d(x, torch.eye(CLASSES)[labels])
    assert logits.shape == (6, 1)
    nothing = torch.empty(6, 0)
    features = d.network.features(x, nothing)
    inner = torch.einsum("bc,bchw->b", d.embedding.weight.T[labels], features)
    assert inner.abs().min() > 1e-3
    torch.testing.assert_close(logits.squeeze(1), d.network(x, nothing).squeeze(1) + inner)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@torch.no_grad()
def test_a_fresh_residual_discriminator_has_small_logits(norm: str) -> None:
    torch.manual_seed(0)
    d = Projection(resnet.Encoder(1, 0, 28, 1, 32, 2, norm=norm), CLASSES)
    logits = d(images(32), torch.eye(CLASSES)[torch.arange(32) % CLASSES])
    assert 0.01 < logits.square().mean().sqrt() < 10, "where the cross-entropy has a slope"


def test_a_condition_between_two_classes_has_the_mean_of_their_logits() -> None:
    d, x = projection("conv"), images(3)
    ends = torch.eye(CLASSES)[[1, 2]]
    one, other, between = (
        d(x, condition.expand(3, -1)) for condition in (ends[0], ends[1], ends.mean(dim=0))
    )
    assert not torch.allclose(one, other, atol=1e-2)
    torch.testing.assert_close(between, (one + other) / 2, atol=1e-5, rtol=1e-4)


def test_an_embedded_network_is_given_the_vector_of_the_class() -> None:
    class Watched(nn.Module):
        def forward(self, x: Tensor, condition: Tensor) -> Tensor:
            return condition

    network = Embedded(Watched(), CLASSES)
    assert 0.8 < network.embedding.weight.std() < 1.2
    given = network(images(2), torch.eye(CLASSES)[[3, 1]])
    assert given.shape == (2, EMBEDDING_DIM)
    assert torch.equal(given, network.embedding.weight.T[[3, 1]])


@pytest.mark.parametrize("network", ["conv", "folded", "resnet"])
def test_projection_keeps_the_condition_from_the_images_and_embedding_joins_it(network: str) -> None:
    spec = DATASETS["digits"]
    settings = {"width": 8, "latent_dim": 8, "network": network, "conditional": True}
    for conditioning, kind in (("projection", Projection), ("embedding", Embedded)):
        gan = build(GANConfig(**settings, conditioning=conditioning), spec)
        assert isinstance(gan, GAN) and isinstance(gan.generator, Embedded)
        assert type(gan.discriminator) is kind
    joined = build(GANConfig(**settings), spec)
    assert isinstance(joined, GAN)
    names = [*joined.generator.state_dict(), *joined.discriminator.state_dict()]
    assert not any("embedding" in name for name in names), "keys of checkpoints of before"


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_a_residual_discriminator_has_the_normalisation_asked_for(norm: str) -> None:
    network = resnet.Encoder(1, 0, 28, 1, 8, 1, norm=norm)
    found = {type(x) for x in network.modules()} & {nn.BatchNorm2d, nn.GroupNorm}
    assert found == {"batch": {nn.BatchNorm2d}, "layer": {nn.GroupNorm}, "none": set()}[norm]
    assert not any(isinstance(x, nn.BatchNorm2d | nn.GroupNorm) for x in network.layers[0].modules())


@torch.no_grad()
def test_a_residual_block_adds_its_branch_to_its_shortcut() -> None:
    torch.manual_seed(0)
    network, x = resnet.Encoder(1, 0, 28, 1, 8, 1, norm="none"), images(2)
    last = network.layers[2]  # after the two that halve the side
    h = network.layers[:2](x)
    assert h.shape == (2, 16, 7, 7)
    torch.testing.assert_close(last(h), h + last.branch(h))
    for convolution in (layer for layer in last.branch if isinstance(layer, nn.Conv2d)):
        convolution.weight.zero_()
    assert torch.equal(last(h), h)


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        (
            {"network": "mlp", "conditional": True, "conditioning": "projection"},
            "network mlp takes .* set conditioning to joined, or network to conv, folded or resnet",
        ),
        ({"network": "mlp", "clusters": 10, "conditioning": "embedding"}, "network mlp takes"),
        (
            {"conditioning": "projection"},
            "set conditional to true, clusters to 100, or conditioning to joined",
        ),
        ({"conditioning": "embedding"}, "conditioning is embedding, .* neither labels nor clusters"),
        (
            {"network": "resnet", "gradient_penalty": 10.0},
            "set discriminator_norm to layer or none",
        ),
    ],
)
def test_networks_and_conditionings_that_contradict_each_other_are_refused(
    switches: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        GANConfig(**switches)
