"""Cost of an image: images a second by batch size, passes of the network, floating-point operations."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn.modules import module as hooks
from torch.utils.flop_counter import FlopCounterMode

from gencore import devices
from gencore.data.batches import dequantise
from gencore.metrics.catalog import TIMED_BATCHES
from gencore.models.base import GenerativeModel, Translates
from gencore.sampling.generate import generate
from gencore.sampling.translate import LARGE, translate
from gencore.store.results import Metric

_TIMED_REPEATS = 5
_LARGEST_BATCH_OF_LARGE = 16


def cost_metrics(model: GenerativeModel, dtype: torch.dtype) -> dict[str, Metric]:
    """Of `generate` on the model's device, quantisation included."""

    def batch(n: int, seed: int) -> None:
        generate(model, n, _labels(model, n), seed, dtype, batch_size=n)

    speeds = {f"samples_per_second_{n}": _images_per_second(batch, n, model.device) for n in TIMED_BATCHES}
    return speeds | _figures_of_one(flops_per_sample(model), network_evaluations(model))


def translation_cost_metrics(model: Translates, sources: Tensor, dtype: torch.dtype) -> dict[str, Metric]:
    """Of `translate` on the model's device, of sources (N, Cs, H, W) uint8, repeated where N is too few.

    Of sources with more than LARGE pixels a side, large batches are not timed: they would not fit."""

    def batch(n: int, seed: int) -> None:
        translate(model, sources[torch.arange(n, device=sources.device) % len(sources)], seed, dtype, n)

    def one() -> None:
        model.translate(dequantise(sources[:1]), Generator(model.device).manual_seed(0))

    speeds = {}
    for n in TIMED_BATCHES:
        if n > _LARGEST_BATCH_OF_LARGE and sources.shape[2] > LARGE:
            reason = f"not timed on images of more than {LARGE} pixels a side, where the batch may not fit"
            speeds[f"samples_per_second_{n}"] = Metric(value=None, reason=reason)
        else:
            speeds[f"samples_per_second_{n}"] = _images_per_second(batch, n, model.device)
    return speeds | _figures_of_one(_flops(one), _passes(one))


def _figures_of_one(flops: int, passes: int) -> dict[str, Metric]:
    return {
        "flops_per_sample": Metric(value=float(flops), unit="FLOPs", samples=1),
        "network_evaluations": Metric(value=float(passes), unit="an image", samples=1),
    }


def _images_per_second(batch: Callable[[int, int], None], n: int, device: torch.device) -> Metric:
    """Median and interquartile range of repetitions of `batch(n, seed)` after a warm-up, synchronised."""
    rates = []
    for repeat in range(_TIMED_REPEATS + 1):
        devices.synchronise(device)
        start = time.perf_counter()
        batch(n, repeat)
        devices.synchronise(device)
        rates.append(n / (time.perf_counter() - start))
    low, median, high = statistics.quantiles(rates[1:], n=4)
    return Metric(value=median, spread=high - low, unit="images/s", samples=n)


def flops_per_sample(model: GenerativeModel) -> int:
    """Floating-point operations of matrix products and convolutions for one image; a multiply-add is two."""
    return _flops(lambda: _one_sample(model))


def network_evaluations(model: GenerativeModel) -> int:
    """Passes of a network for one image: its outermost calls, counted."""
    return _passes(lambda: _one_sample(model))


def _one_sample(model: GenerativeModel) -> None:
    model.sample(1, _labels(model, 1), Generator(model.device).manual_seed(0))


@torch.no_grad()
def _flops(one_image: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counter:
        one_image()
    return counter.get_total_flops()


@torch.no_grad()
def _passes(one_image: Callable[[], None]) -> int:
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
        one_image()
    finally:
        for watch in watching:
            watch.remove()
    return passes


def _labels(model: GenerativeModel, n: int) -> Tensor | None:
    """Each class in turn, for a conditional model."""
    return torch.arange(n, device=model.device) % model.spec.classes if model.conditional else None
