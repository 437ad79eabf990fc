"""Convolutional encoder and decoder in the manner of DCGAN (Radford et al. 2016): `width` channels at half
the side, twice as many at each further halving.

A GAN's generator and a VAE's decoder are one network, a discriminator and a VAE's encoder the other.
Conditions are vectors; a width of 0 means there are none, and nothing else changes.

A `folded` network has no convolution at full resolution, where few channels make it slow: pixels are folded
2x2 into channels (space to depth; Shi et al. 2016 for the way back)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from gencore.config.options import DiscriminatorNorm, TranslationNorm
from gencore.networks.resolution import coarsest, halvings


class Decoder(nn.Module):
    """A code becomes an image of unbounded values: (B, latent_dim), (B, condition_dim) -> (B, C, H, W).

    `depth` 3x3 convolutions at the coarsest resolution let it bend one cloud of codes into many classes.
    """

    def __init__(
        self,
        latent_dim: int,
        condition_dim: int,
        channels: int,
        size: int,
        width: int,
        depth: int,
        folded: bool = False,
    ) -> None:
        super().__init__()
        widths = channels_by_resolution(width, size)
        coarse, most = coarsest(size), widths[-1]
        deep = [
            layer
            for _ in range(depth)
            for layer in (
                nn.Conv2d(most, most, 3, padding=1, bias=False),
                nn.BatchNorm2d(most),
                nn.ReLU(inplace=True),
            )
        ]
        growing = [
            layer
            for narrow, wide in reversed(list(pairwise(widths)))
            for layer in (
                nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(narrow),
                nn.ReLU(inplace=True),
            )
        ]
        last: tuple[nn.Module, ...] = (
            (nn.Conv2d(width, 4 * channels, 3, padding=1), nn.PixelShuffle(2))
            if folded
            else (nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),)
        )
        self.layers = nn.Sequential(
            nn.Linear(latent_dim + condition_dim, most * coarse**2, bias=False),
            nn.Unflatten(1, (most, coarse, coarse)),
            nn.BatchNorm2d(most),
            nn.ReLU(inplace=True),
            *deep,
            *growing,
            *last,
        )
        initialise(self)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """z (B, latent_dim), condition (B, condition_dim) -> unbounded values (B, C, H, W)."""
        return self.layers(torch.cat([z, condition], dim=1))


class Encoder(nn.Module):
    """An image becomes a vector: (B, C, H, W), (B, condition_dim) -> (B, out_dim).

    The condition enters as constant maps; a folded network adds what a convolution makes of such maps away
    from the border, a bias. With `minibatch_stddev` one more map tells how much the images of this batch
    differ (Karras et al. 2018, section 3), which shows a discriminator a collapse. They trained it with a
    gradient penalty: the slope at an image then has a small part from the others of its batch."""

    def __init__(
        self,
        channels: int,
        condition_dim: int,
        size: int,
        out_dim: int,
        width: int,
        depth: int,
        minibatch_stddev: bool = False,
        folded: bool = False,
        norm: DiscriminatorNorm = "batch",
    ) -> None:
        super().__init__()
        widths = channels_by_resolution(width, size)
        most = widths[-1]
        bias = norm == "none"
        deep = [
            layer
            for _ in range(depth)
            for layer in (
                nn.Conv2d(most, most, 3, padding=1, bias=bias),
                *normalisation(norm, most),
                nn.LeakyReLU(0.2, inplace=True),
            )
        ]
        self.minibatch_stddev = minibatch_stddev
        self.stem = (
            nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, width, 3, padding=1))
            if folded
            else None
        )
        self.condition = nn.Linear(condition_dim, width, bias=False) if folded and condition_dim else None
        first = () if folded else (nn.Conv2d(channels + condition_dim, width, 4, stride=2, padding=1),)
        shrinking = [
            layer
            for narrow, wide in pairwise(widths)
            for layer in (
                nn.Conv2d(narrow, wide, 4, stride=2, padding=1, bias=bias),
                *normalisation(norm, wide),
                nn.LeakyReLU(0.2, inplace=True),
            )
        ]
        self.layers = nn.Sequential(
            *first,
            nn.LeakyReLU(0.2, inplace=True),
            *shrinking,
            *deep,
        )
        self.feature_channels = most
        # sees the whole map: a linear layer
        self.last = nn.Conv2d(most + minibatch_stddev, out_dim, coarsest(size))
        initialise(self)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (B, C, H, W) in [-1, 1], condition (B, condition_dim) -> (B, outputs)."""
        return self.output(self.features(x, condition))

    def features(self, x: Tensor, condition: Tensor) -> Tensor:
        """What the last layer sees of x (B, C, H, W), without the batch: (B, feature_channels, h, w)."""
        if self.stem is None:
            maps = condition[:, :, None, None].expand(-1, -1, *x.shape[2:])
            return self.layers(torch.cat([x, maps], dim=1))
        h = self.stem(x)
        if self.condition is not None:
            h = h + self.condition(condition)[:, :, None, None]
        return self.layers(h)

    def output(self, maps: Tensor) -> Tensor:
        """The last layer on features (B, feature_channels, h, w): (B, outputs)."""
        if self.minibatch_stddev:
            maps = torch.cat([maps, batch_deviation(maps)], dim=1)
        return self.last(maps).flatten(1)


def normalisation(norm: DiscriminatorNorm | TranslationNorm, channels: int) -> tuple[nn.Module, ...]:
    """What follows a convolution; `layer` normalises each image over channels and places, `instance` each map
    of each image over its places.
    """
    match norm:
        case "batch":
            return (nn.BatchNorm2d(channels),)
        case "layer":
            return (nn.GroupNorm(1, channels),)
        case "instance":
            return (nn.InstanceNorm2d(channels, affine=True),)
        case "none":
            return ()


def batch_deviation(h: Tensor) -> Tensor:
    """The standard deviation over the batch, averaged over channels and places: (B, C, H, W) -> (B, 1, H,
    W).
    """
    x = h.float().flatten(1)  # flat rows: three times as fast on a CPU as reducing (B, C, H, W)
    deviation = ((x - x.mean(dim=0)).square().mean(dim=0) + 1e-8).sqrt().mean()
    return deviation.to(h.dtype).expand(h.shape[0], 1, *h.shape[2:])


def channels_by_resolution(width: int, size: int) -> list[int]:
    """Channels at each resolution below the images' own, the finest first."""
    return [width * 2**level for level in range(halvings(size))]


def initialise(network: nn.Module) -> None:
    """Weights N(0, 0.02), normalisation N(1, 0.02) (Radford et al. 2016, section 4)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
