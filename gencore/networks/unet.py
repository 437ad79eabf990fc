"""A small U-Net for denoising (Ronneberger et al. 2015; Ho et al. 2020), built for speed.

Its one idea: the image is folded 2x2 into channels first (space to depth), so that no convolution runs at
full resolution. Sides must be multiples of 4."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GROUPS = 8


class UNet(nn.Module):
    """Noisy images, noise times and conditions become a prediction of the images' shape.

    forward: x (B, C, H, W), t (B,) in [0, timesteps), label (B,) int64, or weights of the labels (B, classes)
    between which the condition lies, or None -> (B, C, H, W). Label `classes` is the null label of
    classifier-free guidance (Ho & Salimans 2022)."""

    def __init__(self, channels: int, size: int, width: int, classes: int = 0) -> None:
        super().__init__()
        if size % 4:
            raise ValueError(
                f"image size is {size}; the U-Net halves it twice, so use a multiple of 4 (28 or 32)"
            )
        fine, coarse, embedding = width, 2 * width, 2 * width
        self.time_dim = width
        self.time = nn.Sequential(
            nn.Linear(self.time_dim, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.label = nn.Embedding(classes + 1, embedding) if classes else None
        self.stem = nn.Conv2d(4 * channels, fine, 3, padding=1)
        self.down_fine = _Residual(fine, fine, embedding)
        self.shrink = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.down_coarse = _Residual(coarse, coarse, embedding)
        self.middle = _Residual(coarse, coarse, embedding)
        self.up_coarse = _Residual(2 * coarse, coarse, embedding)
        self.grow = nn.Conv2d(coarse, fine, 3, padding=1)
        self.up_fine = _Residual(2 * fine, fine, embedding)
        self.norm = nn.GroupNorm(_GROUPS, fine)
        self.head = nn.Conv2d(fine, 4 * channels, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        if self.head.bias is not None:  # it is there, by nn.Conv2d's default
            nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """x (B, C, H, W), t (B,), labels (B,) or weights of them (B, classes) -> prediction (B, C, H, W)."""
        embedding = self.time(sinusoids(t, self.time_dim))
        if self.label is not None:
            assert label is not None, "a conditional U-Net needs labels; use the null label for none"
            rows = self.label(label) if label.ndim == 1 else label @ self.label.weight[: label.shape[1]]
            embedding = embedding + rows
        h = self.stem(F.pixel_unshuffle(x, 2))  # (B, C, H, W) -> (B, 4C, H/2, W/2)
        h_fine = self.down_fine(h, embedding)
        h_coarse = self.down_coarse(self.shrink(h_fine), embedding)
        h = self.middle(h_coarse, embedding)
        h = self.up_coarse(torch.cat([h, h_coarse], dim=1), embedding)
        h = self.grow(F.interpolate(h, scale_factor=2.0))
        h = self.up_fine(torch.cat([h, h_fine], dim=1), embedding)
        return F.pixel_shuffle(self.head(F.silu(self.norm(h))), 2)


class _Residual(nn.Module):
    """Two convolutions round a shortcut; the embedding scales and shifts what is between them."""

    def __init__(self, channels_in: int, channels_out: int, embedding: int) -> None:
        super().__init__()
        self.norm_in = nn.GroupNorm(_GROUPS, channels_in)
        self.conv_in = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.modulate = nn.Linear(embedding, 2 * channels_out)
        self.norm_out = nn.GroupNorm(_GROUPS, channels_out)
        self.conv_out = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.shortcut = (
            nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()
        )
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulate(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv_in(F.silu(self.norm_in(x)))
        h = self.conv_out(F.silu(self.norm_out(h) * (1 + scale) + shift))
        return self.shortcut(x) + h


def sinusoids(t: Tensor, dim: int) -> Tensor:
    """Sine and cosine of t at geometrically spaced frequencies (Vaswani et al. 2017): (B,) -> (B, dim)."""
    frequencies = torch.exp(torch.arange(dim // 2, device=t.device) * (-math.log(10_000) / (dim // 2)))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)
