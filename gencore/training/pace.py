"""How fast this machine trains a config: `python -m gencore.training.pace` reads it from standard input.

A few steps on random pixels are enough, because the time of a step does not depend on what the images show.
Prints the images per second.
"""

from __future__ import annotations

import math
import sys
import time

import torch

from gencore import devices
from gencore.config.options import RunConfig
from gencore.data.batches import Batches
from gencore.data.sources import ImageData
from gencore.training.step import State

WARM_UP_STEPS = 2
SECONDS = 2.0
"""Steps are timed until this much time has passed."""


def images_per_second(config: RunConfig, device: torch.device) -> float:
    """Training images per second of `config` on `device`, after `WARM_UP_STEPS`.

    By the fastest step, which other work on the machine slows down least.
    """
    spec, batch_size = config.dataset_spec, config.data.batch_size
    rng = torch.Generator().manual_seed(0)
    shape = (batch_size, spec.channels, spec.size, spec.size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng)
    labels = torch.arange(batch_size) % spec.classes
    data = ImageData(images, labels, spec).to(device)
    state, batches = State.fresh(config, data, device), Batches(data, batch_size, seed=0)
    for step in range(WARM_UP_STEPS):
        state.advance(batches.batch(step), learning_rate_factor=1.0)
    devices.synchronise(device)
    fastest, end = math.inf, time.perf_counter() + SECONDS
    while time.perf_counter() < end or fastest == math.inf:
        start = time.perf_counter()
        state.advance(batches.batch(state.step), learning_rate_factor=1.0)
        devices.synchronise(device)
        fastest = min(fastest, time.perf_counter() - start)
    return batch_size / fastest


if __name__ == "__main__":
    print(images_per_second(RunConfig.model_validate_json(sys.stdin.read()), devices.pick()))
