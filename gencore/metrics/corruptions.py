"""Images that are wrong in a known way: the rungs of a metric's ladder, and its anchor for `bad`."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def pure_noise(shape: tuple[int, int, int, int], rng: Generator) -> Tensor:
    """Images (N, C, H, W) uint8 of pixels independent and uniform over 0 to 255, on the device of `rng`."""
    return torch.randint(256, shape, dtype=torch.uint8, generator=rng, device=rng.device)
