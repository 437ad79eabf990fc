"""The time a training takes: by the clock on the wall, and by the device that works for it."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch

from gencore import devices


class Lap(NamedTuple):
    """A stretch of training, in seconds."""

    seconds: float
    """That passed."""
    device_seconds: float
    """In which the device worked for this process: on a CPU its processor time divided by its threads, so
    that other work on the machine does not count; on a GPU all that passed."""


class Clock:
    """Times the stretches between what is no training: sheets, distances, saving."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.restart()

    def restart(self) -> None:
        """Begin a stretch."""
        self._start = self._now()

    def lap(self) -> Lap:
        """The stretch since the last call, once the device is done with it; the next one begins."""
        devices.synchronise(self._device)
        start, self._start = self._start, self._now()
        passed, worked = (now - then for now, then in zip(self._start, start, strict=True))
        return Lap(passed, passed if self._device.type == "cuda" else worked / torch.get_num_threads())

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()
