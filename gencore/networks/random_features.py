"""Features of a random network: a second opinion on a ranking, from an extractor that has learnt nothing.

The feature classifier shares its training images and labels with the generators, and could favour those that
please it. This network has never seen a label or a training image, so where it confirms a ranking, that bias
did not make it. It sees strokes and textures, not classes: weaker, but independent.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

_WIDTHS = (32, 64)
_SLOPE = 0.2


class RandomFeatures(nn.Module):
    """Three random convolutions and a pooling: images (B, C, H, W) in [-1, 1] -> (B, dim).

    Weights are He-normal (He et al. 2015, eq. 15), without bias, frozen, and a function of `channels`, `seed`
    and `dim` only; the global random state is left alone. A feature's scale means nothing: standardise by the
    real images. Raises ValueError on an odd `dim`.
    """

    def __init__(self, channels: int, seed: int = 0, dim: int = 128) -> None:
        super().__init__()
        if dim < 2 or dim % 2:
            raise ValueError(f"dim is {dim}; half of it are means and half maxima, so use an even number")
        rng = Generator().manual_seed(seed)
        widths = (channels, *_WIDTHS, dim // 2)
        self.weights = nn.ParameterList(
            nn.Parameter(_he_normal(c_in, c_out, rng), requires_grad=False)
            for c_in, c_out in zip(widths[:-1], widths[1:], strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> features (B, D)."""
        for weight in self.weights:
            # Reflected, the border is no edge. With zeros it is the strongest edge of an image on a dark
            # ground, and some maxima are the same for most images.
            x = F.leaky_relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, stride=2), _SLOPE)
        return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)  # (B, dim/2, H/8, W/8) -> (B, dim)


def _he_normal(channels_in: int, channels_out: int, rng: Generator) -> Tensor:
    """Weights (out, in, 3, 3) that keep the second moment of what passes through them."""
    deviation = math.sqrt(2 / ((1 + _SLOPE**2) * channels_in * 9))
    return deviation * torch.randn(channels_out, channels_in, 3, 3, generator=rng)
