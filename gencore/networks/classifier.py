"""A small residual classifier; its penultimate layer is the space in which images are compared."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class FeatureClassifier(nn.Module):
    """Images become features, features become logits: (B, C, H, W) -> (B, feature_dim) -> (B, classes)."""

    def __init__(self, channels: int, classes: int, width: int, feature_dim: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.fine = _Residual(width, width)
        self.middle = _Residual(width, 2 * width)
        self.coarse = _Residual(2 * width, 2 * width)
        self.feature = nn.Linear(2 * width, feature_dim)
        self.logit = nn.Linear(feature_dim, classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B, feature_dim)."""
        h = F.max_pool2d(F.relu(self.stem(x)), 2)
        h = self.fine(h)
        h = F.max_pool2d(self.middle(h), 2)
        h = self.coarse(h)
        return self.feature(h.amax(dim=(2, 3)))  # (B, 2 width, H/4, W/4) -> (B, feature_dim)

    def logits(self, features: Tensor) -> Tensor:
        """(B, feature_dim) -> (B, classes)."""
        return self.logit(F.relu(features))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> logits (B, classes)."""
        return self.logits(self.features(x))


class _Residual(nn.Module):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = (
            nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.body(x))
