"""A small U-Net for denoising (Ronneberger et al. 2015; Ho et al. 2020), built for speed.

Its one idea: the image is folded 2x2 into channels first (space to depth), so that no convolution runs at
full resolution. `width` channels at half the side become twice as many at a quarter and stay so below."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencore.networks.resolution import halvings

_GROUPS, _HEAD = 8, 32  # groups of a normalisation, channels of an attention head


class UNet(nn.Module):
    """Noisy images, noise times and conditions become a prediction of the images' shape.

    A stage has `depth` residual blocks; with `attention`, stages at the coarsest resolution end in it.
    forward: x (B, C, H, W), t (B,) in [0, timesteps), label (B,) int64, or weights of the labels (B, classes)
    between which the condition lies, or None -> (B, C, H, W). Label `classes` is the null label of
    classifier-free guidance (Ho & Salimans 2022). With `source_channels`, x has so many channels more, those
    of a source image after the noisy one's (Saharia et al. 2022)."""

    def __init__(
        self,
        channels: int,
        size: int,
        width: int,
        classes: int = 0,
        depth: int = 1,
        attention: bool = False,
        source_channels: int = 0,
    ) -> None:
        super().__init__()
        fine, coarse, embedding = width, 2 * width, 2 * width
        is_coarsest = halvings(size) == 2  # the coarse resolution; at three halvings, there is one inside it
        self.time_dim = width
        self.time = nn.Sequential(
            nn.Linear(self.time_dim, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.label = nn.Embedding(classes + 1, embedding) if classes else None
        self.stem = nn.Conv2d(4 * (channels + source_channels), fine, 3, padding=1)
        self.down_fine = _Stage(fine, fine, embedding, depth)
        self.shrink = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.down_coarse = _Stage(coarse, coarse, embedding, depth, attention and is_coarsest)
        self.middle = (
            _Stage(coarse, coarse, embedding, depth, attention)
            if is_coarsest
            else _Coarsest(coarse, embedding, depth, attention)
        )
        self.up_coarse = _Stage(2 * coarse, coarse, embedding, depth, attention and is_coarsest)
        self.grow = nn.Conv2d(coarse, fine, 3, padding=1)
        self.up_fine = _Stage(2 * fine, fine, embedding, depth)
        self.norm = nn.GroupNorm(_GROUPS, fine)
        self.head = nn.Conv2d(fine, 4 * channels, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        if self.head.bias is not None:  # it is there, by nn.Conv2d's default
            nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """x (B, C + source_channels, H, W), t (B,), labels (B,) or weights of them (B, classes) -> prediction
        (B, C, H, W).
        """
        embedding = self.time(sinusoids(t, self.time_dim))
        if self.label is not None:
            assert label is not None, "a conditional U-Net needs labels; use the null label for none"
            rows = self.label(label) if label.ndim == 1 else label @ self.label.weight[: label.shape[1]]
            embedding = embedding + rows
        h = self.stem(F.pixel_unshuffle(x, 2))  # (B, C, H, W) -> (B, 4C, H/2, W/2) -> (B, width, H/2, W/2)
        h_fine = self.down_fine(h, embedding)
        h_coarse = self.down_coarse(self.shrink(h_fine), embedding)
        h = self.middle(h_coarse, embedding)
        h = self.up_coarse(torch.cat([h, h_coarse], dim=1), embedding)
        h = self.grow(F.interpolate(h, scale_factor=2.0))
        h = self.up_fine(torch.cat([h, h_fine], dim=1), embedding)
        return F.pixel_shuffle(self.head(F.silu(self.norm(h))), 2)


class _Coarsest(nn.Module):
    """The third halving: the way down to it, through it and up again, (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int, embedding: int, depth: int, attention: bool) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.down = _Stage(channels, channels, embedding, depth, attention)
        self.middle = _Stage(channels, channels, embedding, depth, attention)
        self.up = _Stage(2 * channels, channels, embedding, depth, attention)
        self.grow = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h_down = self.down(self.shrink(x), embedding)  # (B, C, H, W) -> (B, C, H/2, W/2)
        h = self.middle(h_down, embedding)
        h = self.up(torch.cat([h, h_down], dim=1), embedding)
        return self.grow(F.interpolate(h, scale_factor=2.0))


class _Stage(nn.Module):
    """Residual blocks at one resolution, then attention where asked.

    A block is two convolutions round a shortcut; the embedding scales and shifts what is between them. The
    layers of the first block are the stage's own, as in checkpoints of when it was the only one."""

    def __init__(
        self, channels_in: int, channels_out: int, embedding: int, depth: int = 1, attention: bool = False
    ) -> None:
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
        self.further = nn.ModuleList(_Stage(channels_out, channels_out, embedding) for _ in range(depth - 1))
        self.attention = _Attention(channels_out) if attention else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulate(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv_in(F.silu(self.norm_in(x)))
        h = self.conv_out(F.silu(self.norm_out(h) * (1 + scale) + shift))
        h = self.shortcut(x) + h
        for block in self.further:
            h = block(h, embedding)
        return h if self.attention is None else self.attention(h)


class _Attention(nn.Module):
    """Self-attention between all places of a map, of several heads (Vaswani et al. 2017), round a shortcut,
    as Ho et al. (2020, appendix B) put into the U-Net: (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, channels)
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)  # begins as the identity
        if self.out.bias is not None:  # it is there, by nn.Conv2d's default
            nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.query_key_value(self.norm(x)).flatten(2)  # (B, 3C, H, W) -> (B, 3C, HW)
        # (B, 3C, HW) -> three of (B, heads, HW, _HEAD)
        query, key, value = parts.unflatten(1, (3, -1, _HEAD)).transpose(3, 4).unbind(dim=1)
        h = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(h.transpose(2, 3).flatten(1, 2).unflatten(2, x.shape[2:]))


def sinusoids(t: Tensor, dim: int) -> Tensor:
    """Sine and cosine of t at geometrically spaced frequencies (Vaswani et al. 2017): (B,) -> (B, dim)."""
    frequencies = torch.exp(torch.arange(dim // 2, device=t.device) * (-math.log(10_000) / (dim // 2)))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)
