"""Small classifiers of different kinds; images are compared in the penultimate layer of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from gencore.networks.resolution import coarsest, halvings

_DEPTH, _KERNEL = 4, 5  # of the mixer


class FeatureClassifier(nn.Module, ABC):
    """Images become features, features become logits: (B, C, H, W) -> (B, feature_dim) -> (B, classes)."""

    feature: nn.Linear
    logit: nn.Linear

    @abstractmethod
    def maps(self, x: Tensor) -> Iterator[Tensor]:
        """(B, C, H, W) in [-1, 1] -> the activations of each stage, (B, channels, h, w), finest first."""

    @abstractmethod
    def pooled(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> what `feature` takes, (B, feature.in_features)."""

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B, feature_dim)."""
        return self.feature(self.pooled(x))

    def logits(self, features: Tensor) -> Tensor:
        """(B, feature_dim) -> (B, classes)."""
        return self.logit(F.relu(features))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> logits (B, classes)."""
        return self.logits(self.features(x))


class ResidualClassifier(FeatureClassifier):
    """Residual blocks (He et al. 2016); keeps the strongest response of each channel, wherever it is."""

    def __init__(self, channels: int, size: int, classes: int, width: int, feature_dim: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.fine = _Residual(width, width)
        self.middle = _Residual(width, 2 * width)
        self.coarse = _Residual(2 * width, 2 * width)
        self.further = nn.ModuleList(_Residual(2 * width, 2 * width) for _ in range(halvings(size) - 2))
        self.feature = nn.Linear(2 * width, feature_dim)
        self.logit = nn.Linear(feature_dim, classes)

    def maps(self, x: Tensor) -> Iterator[Tensor]:
        """As in the base class."""
        yield (h := F.relu(self.stem(x)))
        yield (h := self.fine(F.max_pool2d(h, 2)))
        yield (h := self.middle(h))
        for coarser in (self.coarse, *self.further):
            yield (h := coarser(F.max_pool2d(h, 2)))

    def pooled(self, x: Tensor) -> Tensor:
        """As in the base class."""
        return _last(self.maps(x)).amax(dim=(2, 3))  # (B, 2 width, H/4 or H/8, …) -> (B, 2 width)


class PlainClassifier(FeatureClassifier):
    """Convolutions and average pooling (Simonyan & Zisserman 2015); keeps where each response is."""

    def __init__(self, channels: int, size: int, classes: int, width: int, feature_dim: int) -> None:
        super().__init__()
        further = [
            layer
            for _ in range(halvings(size) - 2)
            for layer in (*_convolution(2 * width, 2 * width), nn.AvgPool2d(2))
        ]
        self.body = nn.Sequential(
            *_convolution(channels, width),
            *_convolution(width, width),
            nn.AvgPool2d(2),
            *_convolution(width, 2 * width),
            *_convolution(2 * width, 2 * width),
            nn.AvgPool2d(2),
            *further,
            nn.Flatten(),
        )
        self.feature = nn.Linear(2 * width * coarsest(size) ** 2, feature_dim)
        self.logit = nn.Linear(feature_dim, classes)

    def maps(self, x: Tensor) -> Iterator[Tensor]:
        """As in the base class."""
        for layer in self.body:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                yield x

    def pooled(self, x: Tensor) -> Tensor:
        """As in the base class."""
        return self.body(x)


class MixerClassifier(FeatureClassifier):
    """ConvMixer (Trockman & Kolter 2022): patches, mixed by depthwise and by pointwise convolutions in turn;
    keeps the mean response of each channel.
    """

    def __init__(self, channels: int, size: int, classes: int, width: int, feature_dim: int) -> None:
        super().__init__()
        patch = 2 ** (halvings(size) - 1)  # 8 to 30 patches a side
        self.patches = nn.Sequential(
            nn.Conv2d(channels, width, patch, stride=patch), nn.GELU(), nn.BatchNorm2d(width)
        )
        self.across = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, _KERNEL, groups=width, padding="same"),
                nn.GELU(),
                nn.BatchNorm2d(width),
            )
            for _ in range(_DEPTH)
        )
        self.within = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 1), nn.GELU(), nn.BatchNorm2d(width)) for _ in range(_DEPTH)
        )
        self.feature = nn.Linear(width, feature_dim)
        self.logit = nn.Linear(feature_dim, classes)

    def maps(self, x: Tensor) -> Iterator[Tensor]:
        """As in the base class."""
        yield (h := self.patches(x))
        for across, within in zip(self.across, self.within, strict=True):
            yield (h := within(h + across(h)))

    def pooled(self, x: Tensor) -> Tensor:
        """As in the base class."""
        return _last(self.maps(x)).mean(dim=(2, 3))  # (B, width, H/2 or H/4, …) -> (B, width)


CLASSIFIERS: dict[str, type[FeatureClassifier]] = {
    "residual": ResidualClassifier,
    "plain": PlainClassifier,
    "mixer": MixerClassifier,
}
"""By the name of the network in a config."""


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


def _last(maps: Iterator[Tensor]) -> Tensor:
    """The coarsest of the maps; those before it are not kept."""
    return deque(maps, maxlen=1).pop()


def _convolution(channels_in: int, channels_out: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
