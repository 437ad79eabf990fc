"""PatchGAN (Isola et al. 2017, section 3.2): a discriminator that judges every patch of an image alone.

It is convolutional to the end, so each output depends on the pixels of one patch: its receptive field. What
is wrong at a larger scale is left to the L1 error."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gencore.config.options import TranslationNorm
from gencore.networks.dcgan import initialise, normalisation
from gencore.networks.translation_unet import MOST_CHANNELS


def patch_depth(size: int) -> int:
    """The convolutions of stride 2 for images of side `size`: 3 from 128 pixels on, 2 from 48, else 1.

    Patches are then 70, 34 or 16 pixels wide: the paper's 70 of 256, and about half of smaller images."""
    return 3 if size >= 128 else 2 if size >= 48 else 1


class PatchDiscriminator(nn.Module):
    """Source and image become a map of outputs, one a patch: (B, C, H, W) -> (B, 1, h, w), unbounded.

    `depth` convolutions of stride 2, each but the first doubling the channels up to MOST_CHANNELS times
    `width`, then two of stride 1; all have kernels of 4. At depth 3 it is the paper's C64-C128-C256-C512."""

    def __init__(self, channels: int, depth: int, width: int, norm: TranslationNorm | None = "batch") -> None:
        super().__init__()
        widths = [width * min(2**level, MOST_CHANNELS) for level in range(depth + 1)]
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for level in range(1, depth + 1):
            stride = 2 if level < depth else 1
            layers += [
                nn.Conv2d(widths[level - 1], widths[level], 4, stride=stride, padding=1, bias=norm is None),
                *normalisation(norm or "none", widths[level]),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))
        initialise(self)

    def forward(self, source: Tensor, image: Tensor) -> Tensor:
        """Source (B, Cs, H, W) and image (B, C, H, W), both in [-1, 1] -> outputs (B, 1, h, w)."""
        return self.layers(torch.cat([source, image], dim=1))

    @property
    def receptive_field(self) -> int:
        """Side in pixels of the patch that one output depends on, from the layers' kernels and strides.

        Each layer, from the last to the first, turns a field of r of its outputs into one of
        (r - 1) stride + kernel of its inputs."""
        side = 1
        for layer in reversed(list(self.layers)):
            if isinstance(layer, nn.Conv2d):
                side = (side - 1) * layer.stride[0] + layer.kernel_size[0]
        return side
