"""A training step as one CUDA graph: some hundred launches become one.

A captured step runs on the memory that it was captured on. So a batch is copied into place before each
replay, the figures are copied out after it, and whatever changes from step to step (learning rate, averaging
weight) is a tensor on the device. Noise goes on, as the generator is registered with the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Generator, Tensor

from gencore.data.batches import Batch

Figures = dict[str, Tensor]
"""What a step reports, as scalars on the device."""

WARM_UP = 3  # steps before the capture, in which libraries choose and load their kernels


class Graphs(Protocol):
    """How work is captured: by CUDA here, by a stand-in in tests."""

    def warm_up(self, work: Callable[[], Figures]) -> Figures:
        """Do the work as it must be done before it can be captured."""

    def capture(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """A replay of the work, which is not done yet; it fills and returns the same tensor each time.

        Raises RuntimeError where the work cannot be captured."""


class CudaGraphs:
    """Graphs of the current CUDA device, whose noise comes from `rng`."""

    def __init__(self, rng: Generator) -> None:
        self._rng = rng
        self._stream = torch.cuda.Stream(rng.device)

    def warm_up(self, work: Callable[[], Figures]) -> Figures:
        """On a stream of its own: gradients remember the stream on which they were first made."""
        self._stream.wait_stream(torch.cuda.current_stream(self._rng.device))
        with torch.cuda.stream(self._stream):
            done = work()
        torch.cuda.current_stream(self._rng.device).wait_stream(self._stream)
        return done

    def capture(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """As in `Graphs`."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._rng)
        with torch.cuda.graph(graph, stream=self._stream):
            out = work()

        def replay() -> Tensor:
            graph.replay()
            return out

        return replay


class CapturedStep:
    """Does a step, always the same one, that is captured after WARM_UP calls and replayed from then on.

    Where it cannot be captured, it is done as before, and `refusal` says why."""

    def __init__(self, graphs: Graphs) -> None:
        self.refusal: str | None = None
        self._graphs = graphs
        self._calls = 0
        self._names: list[str] = []
        self._batch: Batch | None = None
        self._replay: Callable[[], Tensor] | None = None

    def __call__(self, step: Callable[[Batch], Figures], batch: Batch) -> Figures:
        """Do the step on a batch, always of the same shapes."""
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._graphs.warm_up(lambda: step(batch))
        if self._replay is None and self.refusal is None:
            self._capture(step, batch)
        if self._replay is None or self._batch is None:
            return step(batch)
        for place, tensor in zip(self._batch, batch, strict=True):
            if place is not None and tensor is not None:  # without sources, both are None
                place.copy_(tensor)
        figures = self._replay().clone()  # the next replay writes over them
        return dict(zip(self._names, figures.unbind(), strict=True))

    def _capture(self, step: Callable[[Batch], Figures], batch: Batch) -> None:
        self._batch = place = batch.each(Tensor.clone)

        def work() -> Tensor:
            figures = step(place)
            self._names = list(figures)
            return torch.stack([figure.float() for figure in figures.values()])

        try:
            self._replay = self._graphs.capture(work)
        except RuntimeError as error:
            self.refusal = str(error).partition("\n")[0]
