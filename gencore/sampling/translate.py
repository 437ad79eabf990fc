"""From source images to images: a model, a seed and an arithmetic decide them. And sheets of triptychs, which
are three images in a row: a source, what the model makes of it, and the real image."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from gencore import devices
from gencore.data.batches import dequantise, quantise
from gencore.data.sources import ImageData
from gencore.models.base import Translates
from gencore.sampling.sheets import to_png

LARGE = 64
"""Images with a longer side than this are large: a sheet has fewer of them."""


def translate(
    model: Translates, sources: Tensor, seed: int, dtype: torch.dtype, batch_size: int = 64
) -> Tensor:
    """Images (N, C, H, W) uint8 of sources (N, Cs, H, W) uint8, on the model's device, as a PNG would hold
    them; same seed and sources, same images.
    """
    return torch.cat(list(translate_batches(model, sources, seed, dtype, batch_size)))


@torch.no_grad()
def translate_batches(
    model: Translates, sources: Tensor, seed: int, dtype: torch.dtype, batch_size: int = 64
) -> Iterator[Tensor]:
    """The images of `translate`, `batch_size` at a time."""
    rng = Generator(model.device).manual_seed(seed)
    for chunk in sources.split(batch_size):
        with devices.autocast(model.device, dtype):
            images = model.translate(dequantise(chunk.to(model.device)), rng)
        yield quantise(images)


def triptychs(*columns: Tensor) -> Tensor:
    """Images (N, Cs or C, H, W) of several kinds in turn, the first of each, then the second of each: uint8
    (columns N, the most channels, H, W). Grey ones get three equal channels beside colour.
    """
    channels = max(images.shape[1] for images in columns)
    same = [images.cpu().expand(-1, channels, -1, -1) for images in columns]
    return torch.stack(same, dim=1).flatten(0, 1)


def fixed_pairs(data: ImageData, n: int) -> ImageData:
    """`n` pairs spread evenly over `data`, or all where it has fewer."""
    assert data.sources is not None, "a data set of pairs has sources"
    count = len(data.images)
    chosen = torch.arange(min(n, count)) * count // min(n, count)
    return ImageData(data.images[chosen], data.labels[chosen], data.spec, data.sources[chosen])


def draw_triptychs(
    model: Translates, data: ImageData, seed: int, dtype: torch.dtype, n: int | None = None
) -> bytes:
    """The PNG of `n` fixed pairs of `data`, three triptychs a row; without n, of 30, or of 9 large ones."""
    pairs = fixed_pairs(data, n or (9 if data.spec.size > LARGE else 30))
    assert pairs.sources is not None
    made = translate(model, pairs.sources, seed, dtype)
    return to_png(triptychs(pairs.sources, made, pairs.images), columns=min(9, 3 * len(pairs.images)))
