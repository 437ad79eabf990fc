"""A trial as Ray Tune sees it: steps from one quick distance to the next. Needs Ray."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import tune

from gencore.studies import records
from gencore.studies.trial_training import Report, TrialTraining, replay


class TrialTrainable(tune.Trainable):
    """An actor a trial: the training runs in its process, so that an end of either is one of both."""

    def setup(self, config: Mapping[str, Any]) -> None:
        """Find the trial; nothing is loaded before the first step."""
        config = config["work"]
        record = records.record(config["study"], Path(config["home"]))
        trial = record.trial(config["trial"])
        self._training: TrialTraining | None = None
        self._replayed: list[Report] = []
        if config["replay"]:
            self._replayed = replay(record, trial)
        else:
            folder = config["data_folder"]
            self._training = TrialTraining(
                record, trial.name, config["device"], config["threads"], Path(folder) if folder else None
            )

    def step(self) -> dict[str, object]:
        """Train to the next quick distance, or to the end."""
        report = self._training.advance() if self._training else self._replayed.pop(0)
        return {
            "epoch": report.epoch,
            "quick_fd": report.quick_fd,
            "status": report.status,
            "reason": report.reason,
            "done": report.status != "running",
        }

    def cleanup(self) -> None:
        """Where Tune ends the trial before its training does, its scheduler has cut it."""
        if self._training:
            self._training.cut()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """None of Ray's: the run keeps its own, and goes on from them."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """As `save_checkpoint`."""
