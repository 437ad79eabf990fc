"""The classifier whose features evaluation compares images in; trained by the same loop as everything
else.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from gencore.config.datasets import DatasetSpec
from gencore.config.options import ClassifierConfig
from gencore.data.batches import Batch
from gencore.models.base import Parts, Player, Trainable
from gencore.networks.classifier import CLASSIFIERS


class Classifier(Trainable):
    """A convolutional classifier; evaluation uses its penultimate layer as features."""

    def __init__(self, config: ClassifierConfig, spec: DatasetSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.network = CLASSIFIERS[config.network](
            spec.channels, spec.size, spec.classes, config.width, config.feature_dim
        )
        self.players = {"classifier": Player(self.network, config.learning_rate)}

    @property
    def averaged(self) -> nn.Module:
        """The network."""
        return self.network

    def loss(self, player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        """Cross-entropy on slightly changed images.

        Labels are not smoothed: that would pull each class to a point (Müller et al. 2019) and hide from the
        features whether a generator varies within a class.
        """
        images = AUGMENTATIONS[self.config.augment](batch.images, rng)
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
    return _resampled(x, F.affine_grid(affine, list(x.shape), align_corners=False))


def shifted(x: Tensor, rng: Generator) -> Tensor:
    """Each image shifted at random by up to a fourteenth of its side, black outside."""
    return jitter(x, rng, degrees=0, scale=0, shift=1 / 7)


def warped(x: Tensor, rng: Generator, strength: float = 0.08) -> Tensor:
    """Each image bent at random (Simard et al. 2003), black outside; (B, C, H, W) in [-1, 1].

    Displacements of up to `strength` of half the side are drawn on a grid of 4 x 4 points and are smooth
    between them."""
    coarse = (torch.rand(len(x), 2, 4, 4, device=x.device, generator=rng) * 2 - 1) * strength
    smooth = F.interpolate(coarse, size=x.shape[2:], mode="bicubic", align_corners=True)
    still = torch.eye(2, 3, device=x.device).expand(len(x), 2, 3)
    return _resampled(
        x, F.affine_grid(still, list(x.shape), align_corners=False) + smooth.permute(0, 2, 3, 1)
    )


def _resampled(x: Tensor, grid: Tensor) -> Tensor:
    """x (B, C, H, W) at the places of `grid` (B, H, W, 2), -1 outside."""
    return (
        F.grid_sample(x + 1, grid, align_corners=False) - 1
    )  # grid_sample pads with 0: black is moved there


AUGMENTATIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "none": lambda x, rng: x,
    "affine": jitter,
    "shift": shifted,
    "warp": warped,
}
"""By the name in a config: what is done to training images (B, C, H, W) in [-1, 1]."""
