"""Steps and samples replayed as a graph, on a stand-in for CUDA's: what goes in and out, and a capture that
fails.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from support import TINY, tiny_config
from torch import Tensor

from gencore.config.datasets import DATASETS
from gencore.cuda_graphs import WARM_UP
from gencore.data.batches import Batches
from gencore.data.sources import ImageData
from gencore.models import build
from gencore.sampling import generate as generating
from gencore.sampling.generate import generate
from gencore.training.capture import CapturedStep
from gencore.training.loop import learning_rate_factor
from gencore.training.step import State

CPU = torch.device("cpu")
TOTAL = 8


class StandIn:
    """Graphs that do the work again at each replay, into one tensor, as a CUDA graph does."""

    def __init__(self) -> None:
        self.warmed_up = self.captured = self.replayed = 0

    def warm_up(self, work: Callable[[], Tensor]) -> Tensor:
        self.warmed_up += 1
        return work()

    def capture(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.captured += 1
        out: list[Tensor] = []

        def replay() -> Tensor:
            self.replayed += 1
            figures = work()
            out[:] = out or [torch.empty_like(figures)]
            return out[0].copy_(figures)

        return replay


class Refusing(StandIn):
    def capture(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")


def trained(family: str, optimizer: str, data: ImageData, graphs: StandIn | None) -> State:
    config = tiny_config(family, optimizer=optimizer, schedule="cosine")
    state = State.fresh(config, data, CPU)
    if graphs:
        state.captured = CapturedStep(graphs, state._step)
    batches = Batches(data, config.data.batch_size, seed=0)
    for step in range(TOTAL):
        state.advance(batches.batch(step), learning_rate_factor("cosine", step, TOTAL))
    return state


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("family", ["vae", "cgan", "ddpm"])
@pytest.mark.parametrize("kind", [StandIn, Refusing])
def test_replayed_or_refused_steps_train_as_steps_do(
    few_digits: ImageData, family: str, optimizer: str, kind: type[StandIn]
) -> None:
    graphs = kind()
    plain, captured = (trained(family, optimizer, few_digits, one) for one in (None, graphs))
    ours, theirs = captured.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    ours, theirs = captured.average.state_dict(), plain.average.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert captured.read_window() == plain.read_window(), "each step keeps figures of its own"
    assert graphs.warmed_up == WARM_UP
    if kind is StandIn:
        assert (graphs.captured, graphs.replayed) == (1, TOTAL - WARM_UP)
        assert captured.captured.refusal is None
    else:
        assert captured.captured.refusal == "operation not permitted when stream is capturing"


def test_the_step_has_no_number_of_the_host_that_changes(few_digits: ImageData) -> None:
    """A graph would keep learning rate and averaging weight of its capture: they are set outside of it."""
    state = trained("ddpm", "muon", few_digits, None)
    batch = Batches(few_digits, 16, seed=0).batch(0)
    before = {name: x.clone() for name, x in state.model.state_dict().items()}
    averages = {name: x.clone() for name, x in state.average.state_dict().items()}
    state.learning_rate_factor.zero_()
    state.averaging_weight.zero_()
    state._step(batch)
    assert all(torch.equal(x, before[name]) for name, x in state.model.state_dict().items())
    assert all(torch.equal(x, averages[name]) for name, x in state.average.state_dict().items())


@pytest.mark.parametrize("family", list(TINY))
@pytest.mark.parametrize("kind", [StandIn, Refusing])
def test_replayed_or_refused_batches_of_samples_are_those_drawn_one_by_one(
    family: str, kind: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(TINY[family], DATASETS["digits"]).eval()
    labels = torch.arange(23) % 10 if model.conditional else None

    def images() -> Tensor:
        return generate(model, 23, labels, 3, torch.float32, batch_size=5)

    plain, graphs = images(), kind()
    monkeypatch.setattr(generating, "CudaGraphs", lambda rng: graphs)
    monkeypatch.setattr(generating, "_captures", lambda device: True)
    with pytest.warns(match="not permitted") if kind is Refusing else nullcontext():
        assert torch.equal(images(), plain), "the last batch is smaller"
    assert (graphs.warmed_up, graphs.replayed) == (1, 3 if kind is StandIn else 0)
