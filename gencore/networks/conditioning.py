"""How a GAN's networks take their condition, other than joined to the input: embedded, or by projection.

A condition is a row of weights over the classes, one-hot or between several of them. So an embedding is a
linear map without bias: a vector for each class, and the weighted mean of these in between."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

EMBEDDING_DIM = 32
"""Length of an embedded class; fewer numbers than a one-hot vector of 100 clusters."""


class Embedded(nn.Module):
    """`network` with a learned vector for each class joined to its input, in place of a one-hot vector.

    It takes conditions of length EMBEDDING_DIM. The vectors start from N(0, 1), as those of
    `nn.Embedding`."""

    def __init__(self, network: nn.Module, condition_dim: int) -> None:
        super().__init__()
        self.network = network
        self.embedding = nn.Linear(condition_dim, EMBEDDING_DIM, bias=False)
        nn.init.normal_(self.embedding.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Input of `network` (B, ...), condition (B, condition_dim) -> its output."""
        return self.network(x, self.embedding(condition))


class Discriminator(Protocol):
    """A convolutional discriminator in two parts."""

    feature_channels: int
    """C of its features."""

    def features(self, x: Tensor, condition: Tensor) -> Tensor:
        """Images (B, C, H, W), conditions (B, condition_dim) -> maps (B, feature_channels, h, w)."""

    def output(self, maps: Tensor) -> Tensor:
        """Those maps -> (B, outputs)."""


class Projection(nn.Module):
    """D(x|y) = ψ(φ(x)) + yᵀVφ(x) (Miyato & Koyama 2018, eq. 3), from a discriminator without conditions.

    φ are its features, summed over places for the inner product; ψ is its output; V holds a vector for each
    class. A discriminator's standard deviation over the batch enters ψ alone."""

    def __init__(self, discriminator: Discriminator, condition_dim: int) -> None:
        super().__init__()
        assert isinstance(discriminator, nn.Module)
        self.network: Discriminator = discriminator
        self.embedding = nn.Linear(condition_dim, discriminator.feature_channels, bias=False)
        nn.init.normal_(self.embedding.weight, 0.0, 0.005)  # of sums over places, which are large

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (B, C, H, W) in [-1, 1], condition (B, condition_dim) -> (B, 1)."""
        maps = self.network.features(x, condition[:, :0])
        pooled = maps.float().sum(dim=(2, 3))  # (B, feature_channels)
        inner = (self.embedding(condition).float() * pooled).sum(dim=1, keepdim=True)
        return self.network.output(maps) + inner
