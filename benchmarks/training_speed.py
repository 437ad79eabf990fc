"""Images per second of each headline training, and of its batches alone next to a plain DataLoader.

python benchmarks/training_speed.py [--dataset mnist] [--device auto] [--steps 60] [--repeats 5]

Run it with no other work on the machine. Every repetition times each model once, in turn, so that a drift of
the machine's speed affects all of them. Prints the median, the spread, and the time of 30 epochs (training
steps alone).
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch.utils.data import DataLoader, TensorDataset

from gencore import devices
from gencore.config.options import HEADLINE, PRESETS
from gencore.data.batches import Batches, dequantise
from gencore.data.registry import find
from gencore.data.sources import ImageData, load
from gencore.training.step import State


def rate(state: State, batches: Batches, steps: int, start: int) -> float:
    """Images a second over `steps` training steps."""
    devices.synchronise(state.rng.device)
    begin = time.perf_counter()
    for step in range(start, start + steps):
        state.advance(batches.batch(step), 1.0)
    state.read_window()
    devices.synchronise(state.rng.device)
    return steps * batches.batch_size / (time.perf_counter() - begin)


def data_rates(data: ImageData, batches: Batches, steps: int) -> tuple[float, float]:
    """Images a second of our batches alone, and of a DataLoader (two workers) over the same tensors."""
    begin = time.perf_counter()
    for step in range(steps):
        batches.batch(step)
    ours = steps * batches.batch_size / (time.perf_counter() - begin)
    loader = DataLoader(
        TensorDataset(data.images.cpu(), data.labels.cpu()),
        batches.batch_size,
        shuffle=True,
        num_workers=2,
        drop_last=True,
    )
    iterator = iter(loader)
    next(iterator)  # the workers' start is not counted
    begin = time.perf_counter()
    for _ in range(steps):
        dequantise(next(iterator)[0])
    return ours, steps * batches.batch_size / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    device = devices.pick(arguments.device)
    data = load(find(arguments.dataset), "train").to(device)
    print(
        f"{devices.describe(device)}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{data.spec.title}"
    )
    runs = {}
    for preset in HEADLINE:
        config = PRESETS[preset]
        batches = Batches(data, config.data.batch_size, config.training.seed)
        runs[preset] = (State.fresh(config, data, device), batches)
    rates: dict[str, list[float]] = {preset: [] for preset in HEADLINE}
    for repeat in range(arguments.repeats + 1):
        for preset, (state, batches) in runs.items():
            measured = rate(state, batches, arguments.steps, repeat * arguments.steps)
            if repeat:  # the first is the warm-up
                rates[preset].append(measured)
    for preset, values in rates.items():
        median = statistics.median(values)
        total = 30 * runs[preset][1].steps_per_epoch * runs[preset][1].batch_size
        print(
            f"{preset:5} {median:9.0f} images/s ({min(values):.0f}–{max(values):.0f}), "
            f"30 epochs {total / median / 60:6.1f} min"
        )
    ours, loader = zip(
        *(data_rates(data, runs["vae"][1], 300) for _ in range(arguments.repeats)), strict=True
    )
    ratio = statistics.median(a / b for a, b in zip(ours, loader, strict=True))
    print(
        f"data alone: {statistics.median(ours):.0f} images/s, DataLoader {statistics.median(loader):.0f}, "
        f"ratio {ratio:.1f}"
    )


if __name__ == "__main__":
    main()
