"""Images from a model: a seed, labels and an arithmetic decide them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from gencore import devices
from gencore.cuda_graphs import Captured, CudaGraphs
from gencore.data.batches import quantise
from gencore.models.base import GenerativeModel

FEWEST_TO_CAPTURE = 4
"""Whole batches from which on a GPU replays them as a CUDA graph: one comes before the capture."""


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

    def draw(size: int, *given: Tensor) -> Tensor:
        with devices.autocast(model.device, dtype):
            return quantise(model.sample(size, given[0] if given else None, rng))

    whole = None
    if _captures(model.device) and n >= FEWEST_TO_CAPTURE * batch_size:
        whole = Captured(CudaGraphs(rng), lambda *given: draw(batch_size, *given), warm_up=1)
    for start in range(0, n, batch_size):
        size = min(batch_size, n - start)
        given = () if labels is None else (labels[start : start + size],)
        yield whole(*given) if whole and size == batch_size else draw(size, *given)
    if whole and whole.refusal:
        warnings.warn(f"samples were not replayed as a CUDA graph: {whole.refusal}", stacklevel=2)


def _captures(device: torch.device) -> bool:
    return device.type == "cuda"
