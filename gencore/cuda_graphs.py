"""Work on a GPU as one CUDA graph: some hundred launches become one.

Captured work runs on the memory that it was captured on. So what it is given is copied into place before each
replay and its result is copied out after it; whatever else changes from one time to the next must be a tensor
on the device. Noise goes on, as the generator is registered with the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Generator, Tensor

WARM_UP = 3  # times before the capture, in which libraries choose and load their kernels


class Graphs(Protocol):
    """How work is captured: by CUDA here, by a stand-in in tests."""

    def warm_up(self, work: Callable[[], Tensor]) -> Tensor:
        """Do the work as it must be done before it can be captured."""

    def capture(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """A replay of the work, which is not done yet; it fills and returns the same tensor each time.

        Raises RuntimeError where the work cannot be captured."""


class CudaGraphs:
    """Graphs of the current CUDA device, whose noise comes from `rng`."""

    def __init__(self, rng: Generator) -> None:
        self._rng = rng
        self._stream = torch.cuda.Stream(rng.device)

    def warm_up(self, work: Callable[[], Tensor]) -> Tensor:
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


class Captured:
    """Does work on tensors, always of the same shapes: captured after `warm_up` times, then replayed.

    Where it cannot be captured, it is done as before, and `refusal` says why."""

    def __init__(self, graphs: Graphs, work: Callable[..., Tensor], warm_up: int = WARM_UP) -> None:
        self.refusal: str | None = None
        self._graphs, self._work, self._warm_up = graphs, work, warm_up
        self._times = 0
        self._places: tuple[Tensor, ...] = ()
        self._replay: Callable[[], Tensor] | None = None

    def __call__(self, *given: Tensor) -> Tensor:
        """The result of the work on these tensors, in memory of its own."""
        self._times += 1
        if self._times <= self._warm_up:
            return self._graphs.warm_up(lambda: self._work(*given))
        if self._replay is None and self.refusal is None:
            self._capture(given)
        if self._replay is None:
            return self._work(*given)
        for place, tensor in zip(self._places, given, strict=True):
            place.copy_(tensor)
        return self._replay().clone()  # the next replay writes over it

    def _capture(self, given: tuple[Tensor, ...]) -> None:
        self._places = places = tuple(tensor.clone() for tensor in given)
        try:
            self._replay = self._graphs.capture(lambda: self._work(*places))
        except RuntimeError as error:
            self.refusal = str(error).partition("\n")[0]
