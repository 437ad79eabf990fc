"""Batches as a pure function of (seed, step), over data that already lies on the device as uint8. Large pairs
stay on the host, mapped from their file.

There is no loader process and no state to save: resuming at a step is calling `batch(step)`.
This is also the edge where pixels 0..255 become floats in [-1, 1], and back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gencore.data.jitter import Jitter
from gencore.data.sources import ImageData
from gencore.devices import queue_copy

_JITTER = 1
"""Tells the seeds of jitter by step from those of the order by epoch."""


def dequantise(pixels: Tensor) -> Tensor:
    """uint8 pixels, any shape, as float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def quantise(images: Tensor) -> Tensor:
    """Images in [-1, 1], any shape, as the nearest uint8 pixels, clamped: undoes `dequantise`."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


class Batch(NamedTuple):
    """B images with their labels, on one device."""

    images: Tensor
    """float32 (B, C, H, W) in [-1, 1]"""
    labels: Tensor
    """int64 (B,)"""
    sources: Tensor | None = None
    """float32 (B, source_channels, H, W) in [-1, 1]; None where images come alone"""

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with each of its tensors changed."""
        sources = None if self.sources is None else change(self.sources)
        return Batch(change(self.images), change(self.labels), sources)


class Batches:
    """Shuffled batches of one size, epoch after epoch, without end.

    The incomplete tail of an epoch is dropped: a captured CUDA graph needs fixed shapes, and as every epoch
    is shuffled anew, it drops other images each time. With `is_jittered`, images and their sources are
    cropped and flipped at random, alike. Raises ValueError where not even one batch fits.
    """

    def __init__(self, data: ImageData, batch_size: int, seed: int, is_jittered: bool = False) -> None:
        count = len(data.images)
        if not 1 <= batch_size <= count:
            raise ValueError(
                f"batch_size is {batch_size}, but {data.spec.title} has {count} images here; use 1 to {count}"
            )
        self.data = data
        self.batch_size = batch_size
        self.seed = seed
        self.is_jittered = is_jittered
        self.steps_per_epoch = count // batch_size
        self._epoch = -1
        self._order = torch.empty(0)

    def batch(self, step: int) -> Batch:
        """The batch of optimisation step `step`, counted from 0. Never makes the host wait for a GPU."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(epoch)
        chosen = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        device = self.data.labels.device
        images, sources = queue_copy(self.data.images[chosen], device), self.data.sources
        sources = None if sources is None else queue_copy(sources[chosen], device)
        if self.is_jittered:
            rng = torch.Generator().manual_seed(_mixed(self.seed, _JITTER, step))
            jitter = Jitter.draw(self.batch_size, self.data.spec.size, rng, device)
            images, sources = jitter(images), None if sources is None else jitter(sources)
        sources = None if sources is None else dequantise(sources)
        return Batch(dequantise(images), self.data.labels[queue_copy(chosen, device)], sources)

    def _shuffled(self, epoch: int) -> Tensor:
        """The order of one epoch, int64 (N,), where the images lie; the same on every kind of device."""
        rng = torch.Generator().manual_seed(_mixed(self.seed, epoch))
        order = torch.randperm(len(self.data.images), generator=rng)
        return queue_copy(order, self.data.images.device)


def _mixed(seed: int, *key: int) -> int:
    """A seed of 32 bits for torch.

    torch's CPU generator keeps only the low 32 bits of its seed, so `seed` and `key` are hashed down to 32
    (numpy's SeedSequence) rather than packed into 64, where one of them would have no effect."""
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0])
