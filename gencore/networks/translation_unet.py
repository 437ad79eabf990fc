"""The generator of pix2pix (Isola et al. 2017, section 6.1): a U-Net that halves the source down to one
pixel and doubles it back, with a skip at every resolution.

It has no input noise, which the generator would learn to ignore: dropout in the coarse decoder blocks is the
noise, in training and in sampling alike (section 3.2). The masks come from a generator that is passed in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from gencore.config.options import TranslationNorm
from gencore.networks.dcgan import initialise, normalisation

MOST_CHANNELS = 8
"""Times the width: the channels at the coarsest resolutions."""
DROPOUT_SIDE = 8
"""Decoder blocks whose maps are at most so wide have dropout: at 256 pixels the paper's first three."""


def resolutions(size: int) -> list[int]:
    """The sides of the maps from `size` down to 1, each half of the one before, rounded down.

    So many halvings has a size: 28 -> 14, 7, 3, 1 (four), 32 five, 64 six, 128 seven, 256 eight (the
    paper's)."""
    return [size >> level for level in range(size.bit_length())]


class TranslationUNet(nn.Module):
    """A source image becomes an image of unbounded values: (B, source_channels, H, W) -> (B, channels, H, W).

    `width` channels at half the side, twice as many at each further halving up to MOST_CHANNELS times as
    many. The bottleneck of one pixel is not normalised: there would be nothing left of it."""

    def __init__(
        self,
        source_channels: int,
        channels: int,
        size: int,
        width: int,
        norm: TranslationNorm,
        dropout: float,
    ) -> None:
        super().__init__()
        sides = resolutions(size)
        halvings = len(sides) - 1
        widths = [width * min(2**level, MOST_CHANNELS) for level in range(halvings)]
        self.encoder = nn.ModuleList(
            _down(
                [source_channels, *widths][level],
                widths[level],
                norm if 0 < level < halvings - 1 else None,
                is_first=level == 0,
            )
            for level in range(halvings)
        )
        self._sides = sides
        self.decoder = nn.ModuleList(  # from the coarsest on
            _Up(
                widths[level] if level == halvings - 1 else 2 * widths[level],
                [channels, *widths][level],
                is_odd=sides[level] % 2 == 1,
                norm=norm if level else None,
                dropout=dropout if sides[level] <= DROPOUT_SIDE else 0.0,
            )
            for level in reversed(range(halvings))
        )
        initialise(self)

    def draw_masks(self, n: int, rng: Generator) -> list[Tensor | None]:
        """What the dropout of each decoder block keeps of n images: bool (n, its channels, side, side), on
        the device of `rng`; None for a block without dropout.
        """
        masks = []
        for up, side in zip(self.decoder, reversed(self._sides[:-1]), strict=True):
            assert isinstance(up, _Up), "the decoder has no others"
            masks.append(up.draw_mask(n, side, rng))
        return masks

    def forward(self, source: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
        """source (B, source_channels, H, W) in [-1, 1], `masks` of `draw_masks` -> (B, channels, H, W)."""
        h, skips = source, []
        for down in self.encoder:
            h = down(h)
            skips.append(h)
        skips.pop()  # the bottleneck itself
        for up, kept in zip(self.decoder, masks, strict=True):
            h = up(h, kept)
            if skips:
                h = torch.cat([h, skips.pop()], dim=1)
        return h


def _down(channels_in: int, channels_out: int, norm: TranslationNorm | None, is_first: bool) -> nn.Module:
    """Half the side, rounded down: (B, channels_in, H, W) -> (B, channels_out, H // 2, W // 2)."""
    return nn.Sequential(
        *(() if is_first else (nn.LeakyReLU(0.2),)),  # not in place: a skip is the map before it
        nn.Conv2d(channels_in, channels_out, 4, stride=2, padding=1, bias=norm is None),
        *normalisation(norm or "none", channels_out),
    )


class _Up(nn.Module):
    """Twice the side, and one more where it is odd; then dropout."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        is_odd: bool,
        norm: TranslationNorm | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.dropout, self.channels_out = dropout, channels_out
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose2d(
                channels_in,
                channels_out,
                4,
                stride=2,
                padding=1,
                output_padding=int(is_odd),
                bias=norm is None,
            ),
            *normalisation(norm or "none", channels_out),
        )

    def draw_mask(self, n: int, side: int, rng: Generator) -> Tensor | None:
        """bool (n, channels_out, side, side), on the device of `rng`; None without dropout."""
        if not self.dropout:
            return None
        shape = (n, self.channels_out, side, side)
        return torch.rand(shape, device=rng.device, generator=rng) >= self.dropout

    def forward(self, x: Tensor, kept: Tensor | None) -> Tensor:
        """x (B, channels_in, h, w), `kept` of `draw_mask` -> (B, channels_out, H, W)."""
        h = self.layers(x)
        return h if kept is None else h * kept / (1 - self.dropout)
