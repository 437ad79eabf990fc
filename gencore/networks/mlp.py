"""Plain fully connected encoder and decoder: the classic first networks for MNIST, same calls as `dcgan`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def _layers(widths: tuple[int, ...]) -> nn.Sequential:
    """Linear layers with LeakyReLU between them."""
    layers: list[nn.Module] = []
    for wide, narrow in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers[:-1])


class Decoder(nn.Module):
    """A code becomes an image of unbounded values: (B, latent_dim), (B, condition_dim) -> (B, C, H, W)."""

    def __init__(
        self, latent_dim: int, condition_dim: int, channels: int, size: int, hidden: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        self.layers = _layers((latent_dim + condition_dim, *hidden, math.prod(self.shape)))

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """z (B, latent_dim), condition (B, condition_dim) -> unbounded values (B, C, H, W)."""
        return self.layers(torch.cat([z, condition], dim=1)).unflatten(1, self.shape)


class Encoder(nn.Module):
    """An image becomes a vector: (B, C, H, W), (B, condition_dim) -> (B, out_dim)."""

    def __init__(
        self, channels: int, condition_dim: int, size: int, out_dim: int, hidden: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.layers = _layers((channels * size**2 + condition_dim, *hidden, out_dim))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (B, C, H, W) in [-1, 1], condition (B, condition_dim) -> (B, outputs)."""
        return self.layers(torch.cat([x.flatten(1), condition], dim=1))
