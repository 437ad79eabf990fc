"""Seconds and memory of precision, recall, density and coverage between two sets of 10,000 images.

python benchmarks/metrics_speed.py [--images 10000] [--features 128] [--device auto] [--threads N] \\
        [--repeats 5]

The features are independent normal numbers, because the time does not depend on their values. Memory is the
peak above what the process, or the GPU, held before the first repetition.
"""

from __future__ import annotations

import argparse
import statistics
import time

import psutil
import torch
from torch import Generator, Tensor

from gencore import devices
from gencore.metrics.manifold import Manifold, ManifoldFigures, manifold_figures


def compare(real: Tensor, generated: Tensor) -> tuple[ManifoldFigures, float, float]:
    """The metrics, wall-clock seconds, and processor seconds over all threads."""
    devices.synchronise(real.device)
    begin, busy = time.perf_counter(), time.process_time()
    figures = manifold_figures(Manifold.of(real), Manifold.of(generated))
    devices.synchronise(real.device)
    return figures, time.perf_counter() - begin, time.process_time() - busy


def held_mib(device: torch.device) -> float:
    held = (
        torch.cuda.memory_allocated(device) if device.type == "cuda" else psutil.Process().memory_info().rss
    )
    return held / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = devices.pick(arguments.device)
    rng = Generator(device).manual_seed(0)
    real, generated = torch.randn(
        2, arguments.images, arguments.features, device=device, generator=rng
    ).unbind()
    compare(real[:100], generated[:100])  # libraries load what they need
    print(
        f"{devices.describe(device)}, {torch.get_num_threads()} threads, "
        + ", ".join(f"{k} {v}" for k, v in devices.versions().items())
    )
    before = held_mib(device)
    figures, seconds, busy = zip(*(compare(real, generated) for _ in range(arguments.repeats)), strict=True)
    extra = devices.peak_memory_mib(device) - before
    print(f"{arguments.images:,} x {arguments.images:,} images, {arguments.features} features: {figures[0]}")
    print(
        f"{statistics.median(seconds):.2f} s (median of {len(seconds)}, "
        f"{min(seconds):.2f}–{max(seconds):.2f}; target 10), "
        f"processors {statistics.median(busy):.2f} s, "
        f"{extra:.0f} MiB extra at the peak (target 1024)"
    )


if __name__ == "__main__":
    main()
