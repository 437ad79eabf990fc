"""The classifier whose features evaluation compares images in; trained by the same loop as everything
else.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from gencore.config.options import ClassifierConfig
from gencore.data.batches import Batch
from gencore.data.registry import DatasetSpec
from gencore.models.base import Parts, Player, Trainable
from gencore.networks.classifier import FeatureClassifier


class Classifier(Trainable):
    """A convolutional classifier; evaluation uses its penultimate layer as features."""

    def __init__(self, config: ClassifierConfig, spec: DatasetSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.network = FeatureClassifier(
            spec.channels, len(spec.class_names), config.width, config.feature_dim
        )
        self.players = {"classifier": Player(self.network, config.learning_rate)}

    @property
    def averaged(self) -> nn.Module:
        """The network."""
        return self.network

    def loss(self, player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        """Cross-entropy on slightly moved images.

        Labels are not smoothed: that would pull each class to a point (Müller et al. 2019) and hide from the
        features whether a generator varies within a class.
        """
        images = jitter(batch.images, rng) if self.config.augment else batch.images
        logits = self.network(images).float()
        loss = F.cross_entropy(logits, batch.labels)
        right = (logits.argmax(1) == batch.labels).float().mean()
        return loss, {"cross_entropy": loss.detach(), "accuracy": right.detach()}


def jitter(x: Tensor, rng: Generator, degrees: float = 12, scale: float = 0.1, shift: float = 0.1) -> Tensor:
    """Each image turned, scaled and shifted at random about its centre, black outside; (B, C, H, W) in [-1,
    1].

    `shift` is a share of half the side. One affine resampling of the whole batch, on its own device.
    """
    turn, zoom, right, down = torch.rand(4, len(x), device=x.device, generator=rng) * 2 - 1
    angle, factor = turn * math.radians(degrees), 1 + zoom * scale
    cos, sin = factor * angle.cos(), factor * angle.sin()
    affine = torch.stack([cos, -sin, right * shift, sin, cos, down * shift], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)
    return (
        F.grid_sample(x + 1, grid, align_corners=False) - 1
    )  # grid_sample pads with 0, so black is moved to 0
