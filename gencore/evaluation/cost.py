"""Cost of sampling: images a second by batch size, passes of the network, floating-point operations."""

from __future__ import annotations

import statistics
import time

import torch
from torch import Generator, Tensor
from torch.nn.modules import module as hooks
from torch.utils.flop_counter import FlopCounterMode

from gencore import devices
from gencore.metrics.catalog import TIMED_BATCHES
from gencore.models.base import GenerativeModel
from gencore.sampling.generate import generate
from gencore.store.results import Metric

_TIMED_REPEATS = 5


def cost_metrics(model: GenerativeModel, dtype: torch.dtype) -> dict[str, Metric]:
    """Of `generate` on the model's device, quantisation included."""
    speeds = {f"samples_per_second_{n}": _samples_per_second(model, n, dtype) for n in TIMED_BATCHES}
    return speeds | {
        "flops_per_sample": Metric(value=float(flops_per_sample(model)), unit="FLOPs", samples=1),
        "network_evaluations": Metric(value=float(network_evaluations(model)), unit="an image", samples=1),
    }


def _samples_per_second(model: GenerativeModel, n: int, dtype: torch.dtype) -> Metric:
    """Median and interquartile range of repetitions after a warm-up, synchronised."""
    rates = []
    for repeat in range(_TIMED_REPEATS + 1):
        devices.synchronise(model.device)
        start = time.perf_counter()
        generate(model, n, _labels(model, n), repeat, dtype, batch_size=n)
        devices.synchronise(model.device)
        rates.append(n / (time.perf_counter() - start))
    low, median, high = statistics.quantiles(rates[1:], n=4)
    return Metric(value=median, spread=high - low, unit="images/s", samples=n)


@torch.no_grad()
def flops_per_sample(model: GenerativeModel) -> int:
    """Floating-point operations of matrix products and convolutions for one image; a multiply-add is two."""
    with FlopCounterMode(display=False) as counter:
        model.sample(1, _labels(model, 1), Generator(model.device).manual_seed(0))
    return counter.get_total_flops()


@torch.no_grad()
def network_evaluations(model: GenerativeModel) -> int:
    """Passes of a network for one image: its outermost calls, counted."""
    depth = passes = 0

    def enter(module: torch.nn.Module, inputs: object) -> None:
        nonlocal depth, passes
        passes += depth == 0
        depth += 1

    def leave(module: torch.nn.Module, inputs: object, output: object) -> None:
        nonlocal depth
        depth -= 1

    watching = hooks.register_module_forward_pre_hook(enter), hooks.register_module_forward_hook(leave)
    try:
        model.sample(1, _labels(model, 1), Generator(model.device).manual_seed(0))
    finally:
        for watch in watching:
            watch.remove()
    return passes


def _labels(model: GenerativeModel, n: int) -> Tensor | None:
    """Each class in turn, for a conditional model."""
    return torch.arange(n, device=model.device) % model.spec.classes if model.conditional else None
