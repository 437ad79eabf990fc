"""A training step that is captured as one CUDA graph, its figures with it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gencore.cuda_graphs import Captured, Graphs
from gencore.data.batches import Batch

Figures = dict[str, Tensor]
"""What a step reports, as scalars on the device."""


class CapturedStep:
    """Does a training step on batches of one shape, as `Captured` does."""

    def __init__(self, graphs: Graphs, step: Callable[[Batch], Figures]) -> None:
        self._step, self._names = step, list[str]()
        self._captured = Captured(graphs, self._stacked)

    @property
    def refusal(self) -> str | None:
        """Why steps cannot be captured, once that is known."""
        return self._captured.refusal

    def __call__(self, batch: Batch) -> Figures:
        """Do the step; its figures."""
        figures = self._captured(*(tensor for tensor in batch if tensor is not None))
        return dict(zip(self._names, figures.unbind(), strict=True))

    def _stacked(self, *tensors: Tensor) -> Tensor:
        figures = self._step(Batch(*tensors))
        self._names = list(figures)
        return torch.stack([figure.float() for figure in figures.values()])
