"""Clusters of the training images, found without labels, that a model is conditioned on in place of labels.

A network with a condition learns faster than one without, and k-means clusters are nearly as good a condition
as labels: Bao et al. 2022, "Why Are Conditional Generative Models Better Than Unconditional Ones?"; Hu et al.
2023, "Self-Guided Diffusion Models"; for GANs, Liu et al. 2020, "Diverse Image Generation via
Self-Conditioned GANs". In sampling, clusters are drawn at random, by their shares of the training images.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from gencore.config.datasets import DatasetSpec
from gencore.data.batches import dequantise
from gencore.data.clusters import PRINCIPAL_COMPONENTS, k_means
from gencore.data.sources import ImageData

FITTED_IMAGES = 60_000


def refuse_too_many(clusters: int, data: ImageData) -> None:
    """Raises ValueError where there are fewer images than clusters."""
    if clusters > len(data.images):
        raise ValueError(
            f"clusters is {clusters}, but {data.spec.title} has {len(data.images)} images; use fewer"
        )


class Clusters(nn.Module):
    """k-means clusters of images on their PRINCIPAL_COMPONENTS; all zeros until they are fitted.

    Everything is a buffer, so a network that holds this module saves it with its weights."""

    mean: Tensor
    axes: Tensor
    centroids: Tensor
    shares: Tensor

    def __init__(self, k: int, spec: DatasetSpec) -> None:
        super().__init__()
        pixels = spec.channels * spec.size**2
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("axes", torch.zeros(PRINCIPAL_COMPONENTS, pixels))
        self.register_buffer("centroids", torch.zeros(k, PRINCIPAL_COMPONENTS))
        self.register_buffer("shares", torch.full((k,), 1 / k))

    def __len__(self) -> int:
        return len(self.shares)

    @torch.no_grad()
    def fit(self, data: ImageData, seed: int) -> None:
        """Find the clusters of up to FITTED_IMAGES training images; the same seed, the same clusters.

        Raises ValueError where there are fewer images than clusters."""
        k, images = len(self), data.images[:FITTED_IMAGES]
        refuse_too_many(k, data)
        found = k_means(dequantise(images.cpu()).flatten(1).numpy(), k, seed)
        n = len(found.axes)
        self.mean.copy_(torch.from_numpy(found.mean))
        self.axes.zero_()[:n] = torch.from_numpy(found.axes)
        self.centroids.zero_()[:, :n] = torch.from_numpy(found.centroids)
        self.shares.copy_(torch.from_numpy(found.labels).bincount(minlength=k) / len(images))

    def of(self, images: Tensor) -> Tensor:
        """The nearest cluster (B,) int64 of each image (B, C, H, W) in [-1, 1]."""
        with torch.autocast(images.device.type, enabled=False):
            projected = (images.float().flatten(1) - self.mean) @ self.axes.T
            distances = self.centroids.square().sum(dim=1) - 2 * projected @ self.centroids.T
        return distances.argmin(dim=1)

    def draw(self, n: int, rng: Generator) -> Tensor:
        """n clusters (n,) int64 at random, by their shares."""
        return torch.multinomial(self.shares, n, replacement=True, generator=rng)

    def images(self, spec: DatasetSpec) -> Tensor:
        """The image (k, C, H, W) in [-1, 1] at each centroid: the mean of the cluster's images."""
        return (
            (self.mean + self.centroids @ self.axes)
            .clamp(-1, 1)
            .view(-1, spec.channels, spec.size, spec.size)
        )
