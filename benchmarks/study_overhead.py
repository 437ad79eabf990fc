"""What Ray Tune adds to a trial, from 1 to 64 workers: queueing, failures, stragglers, by trials that wait.

    python benchmarks/study_overhead.py                  a table on standard output; minutes, as trials sleep

The workers are logical: Ray is started with N CPUs, and each trial takes one and sleeps, so that a small
machine shows how the queue of a large cluster behaves. It cannot show the time that starting the processes of
64 trials takes on 64 machines: here they share the cores of this one. So starts are also timed one by one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    RAY_AIR_NEW_OUTPUT="0",
)

import ray
from ray import tune

from gencore.cli import tables

WORKERS = (1, 4, 16, 64)
STEPS = 5
"""Reports of a trial, as quick distances are."""


@dataclass(frozen=True)
class Load:
    """How trials behave."""

    name: str
    failing: float = 0.0
    """Share of the trials whose first attempt fails half-way."""
    straggling: float = 0.0
    """Share that takes five times as long."""


LOADS = (Load("alike"), Load("failures and stragglers", failing=0.2, straggling=0.1))


class Waiting(tune.Trainable):
    """A trial that sleeps for a given time, in STEPS parts, and can be resumed, as a run can."""

    def setup(self, config: Mapping[str, Any]) -> None:
        """Take up where the attempt before has failed."""
        self._work = config["work"]
        self._kept = Path(self._work["folder"]) / str(self._work["number"])
        self._done = int(self._kept.read_text()) if self._kept.exists() else 0
        self._is_retry = self._kept.exists()

    def step(self) -> dict[str, object]:
        """One part."""
        time.sleep(self._work["seconds"] / STEPS)
        self._done += 1
        self._kept.write_text(str(self._done))
        if self._work["fails"] and self._done == STEPS // 2 and not self._is_retry:
            raise RuntimeError("as planned")
        return {"quick_fd": float(self._work["number"]), "done": self._done >= STEPS}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """None, as the engine's."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """None, as the engine's."""


def works(load: Load, trials: int, seconds: float, folder: str) -> list[dict[str, object]]:
    """What each trial is to do."""
    rng = random.Random(0)
    return [
        {
            "number": number,
            "folder": folder,
            "seconds": seconds * (5 if rng.random() < load.straggling else 1),
            "fails": rng.random() < load.failing,
        }
        for number in range(trials)
    ]


def ideal_seconds(work: Sequence[Mapping[str, object]], workers: int) -> float:
    """Of a queue without any overhead: each trial goes to the worker that is free first."""
    free = [0.0] * workers
    for one in work:
        place = free.index(min(free))
        free[place] += float(str(one["seconds"]))
    return max(free)


def measure(load: Load, workers: int, trials: int, seconds: float) -> dict[str, object]:
    """One row of the table."""
    with tempfile.TemporaryDirectory(prefix="gb-") as folder:
        kept = Path(folder) / "kept"
        kept.mkdir()
        work = works(load, trials, seconds, str(kept))
        tuner = tune.Tuner(
            tune.with_resources(Waiting, {"cpu": 1}),
            param_space={"work": tune.grid_search(work)},
            tune_config=tune.TuneConfig(metric="quick_fd", mode="min", max_concurrent_trials=workers),
            run_config=tune.RunConfig(
                name="waiting",
                storage_path=folder,
                failure_config=tune.FailureConfig(max_failures=2),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        )
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            found = tuner.fit()
        wall = time.perf_counter() - start
        assert sum(int(path.read_text()) == STEPS for path in kept.iterdir()) == trials, "a trial was lost"
        assert found.num_errors == 0
    ideal = ideal_seconds(work, workers)
    return {
        "trials": load.name,
        "workers": workers,
        "number": trials,
        "ideal s": ideal,
        "wall s": wall,
        "added s a trial": (wall - ideal) / trials,
        "workers busy": sum(float(str(one["seconds"])) for one in work) / workers / wall,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of a trial")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--rounds", type=int, default=2, help="trials for each worker")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="gr-") as temporary:
        ray.init(
            address="local",
            include_dashboard=False,
            num_cpus=max(given.workers),
            object_store_memory=100 * 2**20,
            _temp_dir=temporary,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        for workers in given.workers:
            for load in LOADS:
                rows.append(measure(load, workers, max(2, given.rounds * workers), given.seconds))
                print(rows[-1], file=sys.stderr, flush=True)
        ray.shutdown()
    tables.show(rows, list(rows[0]), empty="nothing measured")


if __name__ == "__main__":
    main()
