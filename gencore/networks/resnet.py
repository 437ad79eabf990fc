"""Residual generator and discriminator (Gulrajani et al. 2017, appendix F; Miyato et al. 2018, table 4).

Channels and resolutions are those of `dcgan`: `width` channels at half the side, and twice as many at each
further halving. The discriminator's features are summed over places, as in Miyato et al."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from gencore.config.options import DiscriminatorNorm
from gencore.networks.dcgan import batch_deviation, channels_by_resolution, normalisation
from gencore.networks.resolution import coarsest


class Decoder(nn.Module):
    """A code becomes an image of unbounded values: (B, latent_dim), (B, condition_dim) -> (B, C, H, W).

    A block doubles the side; `depth` more keep the coarsest resolution."""

    def __init__(
        self, latent_dim: int, condition_dim: int, channels: int, size: int, width: int, depth: int
    ) -> None:
        super().__init__()
        widths = channels_by_resolution(width, size)
        coarse, most = coarsest(size), widths[-1]
        self.layers = nn.Sequential(
            nn.Linear(latent_dim + condition_dim, most * coarse**2),
            nn.Unflatten(1, (most, coarse, coarse)),
            *(_generating(most, most) for _ in range(depth)),
            *(_generating(wide, narrow, grow=True) for wide, narrow in pairwise([*widths[::-1], width])),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, channels, 3, padding=1),
        )
        _initialise(self)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """z (B, latent_dim), condition (B, condition_dim) -> unbounded values (B, C, H, W)."""
        return self.layers(torch.cat([z, condition], dim=1))


class Encoder(nn.Module):
    """An image becomes a vector: (B, C, H, W), (B, condition_dim) -> (B, out_dim).

    A block halves the side; `depth` more keep the coarsest resolution. The condition enters as constant maps;
    `minibatch_stddev` as in `dcgan`. The first block, which sees the pixels, has no normalisation."""

    def __init__(
        self,
        channels: int,
        condition_dim: int,
        size: int,
        out_dim: int,
        width: int,
        depth: int,
        minibatch_stddev: bool = False,
        norm: DiscriminatorNorm = "batch",
    ) -> None:
        super().__init__()
        widths = channels_by_resolution(width, size)
        self.feature_channels = most = widths[-1]
        self.minibatch_stddev = minibatch_stddev
        self.layers = nn.Sequential(
            _first(channels + condition_dim, width),
            *(_discriminating(narrow, wide, norm, shrink=True) for narrow, wide in pairwise(widths)),
            *(_discriminating(most, most, norm) for _ in range(depth)),
            nn.ReLU(),
        )
        self.last = nn.Linear(most + minibatch_stddev, out_dim)
        _initialise(self)
        nn.init.normal_(self.last.weight, 0.0, 0.005)  # of sums over places, which are large

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (B, C, H, W) in [-1, 1], condition (B, condition_dim) -> (B, outputs)."""
        return self.output(self.features(x, condition))

    def features(self, x: Tensor, condition: Tensor) -> Tensor:
        """What the last layer sees of x (B, C, H, W), without the batch: (B, feature_channels, h, w)."""
        maps = condition[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return self.layers(torch.cat([x, maps], dim=1))

    def output(self, maps: Tensor) -> Tensor:
        """The last layer on features (B, feature_channels, h, w): (B, outputs)."""
        if self.minibatch_stddev:
            maps = torch.cat([maps, batch_deviation(maps)], dim=1)
        return self.last(maps.float().sum(dim=(2, 3)))


class _Residual(nn.Module):
    """The sum of a `branch` and a `shortcut` around it."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x) + self.shortcut(x)


def _generating(wide: int, narrow: int, grow: bool = False) -> _Residual:
    """A block with batch normalisation before each convolution, which may double the side."""
    up = (nn.Upsample(scale_factor=2),) if grow else ()
    branch = nn.Sequential(
        nn.BatchNorm2d(wide),
        nn.ReLU(),
        *up,
        nn.Conv2d(wide, narrow, 3, padding=1),
        nn.BatchNorm2d(narrow),
        nn.ReLU(),
        nn.Conv2d(narrow, narrow, 3, padding=1),
    )
    return _Residual(branch, nn.Sequential(*up, nn.Conv2d(wide, narrow, 1)) if grow else nn.Identity())


def _discriminating(narrow: int, wide: int, norm: DiscriminatorNorm, shrink: bool = False) -> _Residual:
    """A block with `norm` before each convolution, which may halve the side."""
    down = (nn.AvgPool2d(2),) if shrink else ()
    branch = nn.Sequential(
        *normalisation(norm, narrow),
        nn.ReLU(),
        nn.Conv2d(narrow, wide, 3, padding=1),
        *normalisation(norm, wide),
        nn.ReLU(),
        nn.Conv2d(wide, wide, 3, padding=1),
        *down,
    )
    return _Residual(branch, nn.Sequential(nn.Conv2d(narrow, wide, 1), *down) if shrink else nn.Identity())


def _first(channels: int, width: int) -> _Residual:
    """The block on the pixels, which halves the side and does not rectify its input."""
    branch = nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.AvgPool2d(2),
    )
    return _Residual(branch, nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, width, 1)))


def _initialise(network: nn.Module) -> None:
    """Weights uniform with the variance of Glorot & Bengio 2010, twice that in branches, as the code of
    Miyato et al. has it; no biases.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, gain=2**0.5 if ".branch." in name else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
