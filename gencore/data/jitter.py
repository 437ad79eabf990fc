"""Random crop and flip of a batch of pairs, the same for both sides (Isola et al. 2017, section 6.2).

They enlarge a picture before they crop it; here its border is mirrored, so that lines of one pixel stay what
they are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gencore.devices import queue_copy

BORDER = 1 / 16
"""Of the side, added on each side before the crop: an eighth of the side together."""


class Jitter(NamedTuple):
    """How each image of a batch is changed."""

    rows: Tensor
    """int64 (B,): how far down each image is cropped, negative upwards, in pixels"""
    columns: Tensor
    """int64 (B,): how far to the right"""
    flips: Tensor
    """int64 (B,): 1 where an image is mirrored left to right"""

    @classmethod
    def draw(cls, n: int, size: int, rng: Generator, device: torch.device) -> Jitter:
        """Of `n` images of this size, on `device`, from a generator of the CPU: the same for every device."""
        most = round(BORDER * size)
        drawn = torch.cat(
            [torch.randint(-most, most + 1, (2, n), generator=rng), torch.randint(2, (1, n), generator=rng)]
        )
        rows, columns, flips = queue_copy(drawn, device)
        return cls(rows, columns, flips)

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, C, S, S) of any type, each cropped and flipped, of the same size."""
        n, _, size, _ = images.shape
        places = torch.arange(size, device=images.device)
        rows = _mirrored(places + self.rows[:, None], size)  # (B, S)
        flips = self.flips[:, None]
        columns = _mirrored(places * (1 - flips) + (size - 1 - places) * flips + self.columns[:, None], size)
        batch = torch.arange(n, device=images.device)[:, None, None]
        # (B, C, S, S) -> (B, S, S, C): indices around a slice put the slice last
        return images[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places up to a side beyond the border, mirrored at the outermost pixel."""
    places = places.abs()
    return (size - 1) - ((size - 1) - places).abs()
