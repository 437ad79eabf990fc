"""The two networks of a GAN as its config asks for them: kind, size, and how they take a condition."""

from __future__ import annotations

from torch import nn

from gencore.config.datasets import DatasetSpec
from gencore.config.options import GANConfig
from gencore.networks import dcgan, mlp, resnet
from gencore.networks.conditioning import EMBEDDING_DIM, Embedded, Projection


def generator(config: GANConfig, condition_dim: int, spec: DatasetSpec) -> nn.Module:
    """(B, latent_dim), (B, condition_dim) -> unbounded values (B, C, H, W).

    Under `projection` it takes an embedding, as under `embedding`."""
    d, c, size = config.latent_dim, spec.channels, spec.size
    k = condition_dim if config.conditioning == "joined" else EMBEDDING_DIM
    network: nn.Module
    match config.network:
        case "mlp":
            network = mlp.Decoder(d, k, c, size, hidden=(256, 512, 1024))
        case "resnet":
            network = resnet.Decoder(d, k, c, size, config.width, config.depth)
        case "conv" | "folded":
            folded = config.network == "folded"
            network = dcgan.Decoder(d, k, c, size, config.width, config.depth, folded)
    return network if config.conditioning == "joined" else Embedded(network, condition_dim)


def discriminator(config: GANConfig, condition_dim: int, spec: DatasetSpec) -> nn.Module:
    """(B, C, H, W) in [-1, 1], (B, condition_dim) -> (B, 1), unbounded."""
    if config.network == "mlp":
        return mlp.Encoder(spec.channels, condition_dim, spec.size, 1, hidden=(1024, 512, 256))
    match config.conditioning:
        case "joined":
            return _convolutional(config, condition_dim, spec)
        case "embedding":
            return Embedded(_convolutional(config, EMBEDDING_DIM, spec), condition_dim)
        case "projection":
            return Projection(_convolutional(config, 0, spec), condition_dim)


def _convolutional(
    config: GANConfig, condition_dim: int, spec: DatasetSpec
) -> dcgan.Encoder | resnet.Encoder:
    """A discriminator that takes conditions of `condition_dim` joined to its images."""
    c, size, width, depth = spec.channels, spec.size, config.width, config.depth
    stddev, norm = config.minibatch_stddev, config.discriminator_norm
    if config.network == "resnet":
        return resnet.Encoder(c, condition_dim, size, 1, width, depth, stddev, norm)
    folded = config.network == "folded"
    return dcgan.Encoder(c, condition_dim, size, 1, width, depth, stddev, folded, norm)
