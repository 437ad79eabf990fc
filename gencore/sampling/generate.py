"""Images from a model: a seed, labels and an arithmetic decide them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from gencore import devices
from gencore.data.batches import quantise
from gencore.models.base import GenerativeModel


def generate(
    model: GenerativeModel,
    n: int,
    labels: Tensor | None,
    seed: int,
    dtype: torch.dtype,
    batch_size: int = 500,
) -> Tensor:
    """Images (n, C, H, W) uint8 on the model's device, as a PNG would hold them; same seed, same images."""
    return torch.cat(list(generate_batches(model, n, labels, seed, dtype, batch_size)))


@torch.no_grad()
def generate_batches(
    model: GenerativeModel,
    n: int,
    labels: Tensor | None,
    seed: int,
    dtype: torch.dtype,
    batch_size: int = 500,
) -> Iterator[Tensor]:
    """The images of `generate`, `batch_size` at a time."""
    rng = Generator(model.device).manual_seed(seed)
    for start in range(0, n, batch_size):
        given = None if labels is None else labels[start : start + batch_size]
        with devices.autocast(model.device, dtype):
            images = model.sample(min(batch_size, n - start), given, rng)
        yield quantise(images)
