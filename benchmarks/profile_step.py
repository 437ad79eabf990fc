"""Where the time of a training step goes: torch.profiler over steps of a preset on random pixels.

    python benchmarks/profile_step.py [--preset ddpm] [--threads 1] [--precision auto] [--rows 15]

Prints the time of a step, the images per second, the arithmetic that the network's products reach next to
what a large matrix product reaches on this machine, and the operators that take longest.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from gencore import devices
from gencore.config.options import PRESETS
from gencore.data.batches import Batch
from gencore.data.sources import ImageData
from gencore.training.step import State

WARM_UP, STEPS, SIDE = 3, 10, 2048


def matrix_product_rate(dtype: torch.dtype) -> float:
    """FLOP/s of the best of some products of SIDE x SIDE matrices."""
    a, b = (torch.randn(SIDE, SIDE).to(dtype) for _ in range(2))
    a @ b
    times = []
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return 2 * SIDE**3 / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="ddpm", choices=PRESETS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--rows", type=int, default=15)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device, config = torch.device("cpu"), PRESETS[asked.preset]
    settings = config.training.model_copy(update={"precision": asked.precision})
    config = config.model_copy(update={"training": settings})
    spec, n = config.dataset_spec, config.data.batch_size
    pixels = torch.randint(0, 256, (8 * n, spec.channels, spec.size, spec.size), dtype=torch.uint8)
    data = ImageData(pixels, torch.arange(8 * n) % spec.classes, spec)
    state = State.fresh(config, data, device)
    batch = Batch(pixels[:n].float() / 127.5 - 1, data.labels[:n])
    for _ in range(WARM_UP):
        state.advance(batch, 1.0)
    with FlopCounterMode(display=False) as counter:
        state.advance(batch, 1.0)
    start = time.perf_counter()
    for _ in range(STEPS):
        state.advance(batch, 1.0)
    seconds = (time.perf_counter() - start) / STEPS
    limit = matrix_product_rate(state.dtype)
    print(f"{devices.describe(device)}, {asked.threads} threads, {state.dtype}, {asked.preset}, batch {n}")
    print(f"{1000 * seconds:.1f} ms a step, {n / seconds:.0f} images/s")
    print(
        f"{counter.get_total_flops() / seconds / 1e9:.0f} GFLOP/s of {limit / 1e9:.0f} GFLOP/s "
        f"({100 * counter.get_total_flops() / seconds / limit:.0f} %) that a matrix product reaches"
    )
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(STEPS):
            state.advance(batch, 1.0)
    averages = profiled.key_averages()
    total = sum(one.self_cpu_time_total for one in averages)
    for one in sorted(averages, key=lambda one: -one.self_cpu_time_total)[: asked.rows]:
        share, ms = 100 * one.self_cpu_time_total / total, one.self_cpu_time_total / STEPS / 1000
        print(f"{share:5.1f} %  {ms:7.2f} ms  {one.count // STEPS:4} x  {one.key}")


if __name__ == "__main__":
    main()
