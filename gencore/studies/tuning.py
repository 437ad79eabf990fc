"""What Ray Tune is given: the trainable, trials that are chosen one by one, when to stop, what to announce.

Needs Ray."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from gencore.studies.plan import Trial
from gencore.studies.records import StudyRecord
from gencore.studies.study import Study
from gencore.studies.tpe import PointChooser
from gencore.studies.trainable import TrialTrainable
from gencore.studies.trial_training import WORST

Config = dict[str, object]


def trainable(study: Study) -> Any:
    """A trial, with the share of a machine that it takes."""
    return tune.with_resources(TrialTrainable, {"cpu": study.threads, "gpu": study.gpus})


class ChosenTrials(Searcher):
    """The trials of a `PointChooser`, at most `at_once` of them at a time."""

    def __init__(self, chooser: PointChooser, config_of: Callable[[Trial], Config], at_once: int) -> None:
        super().__init__()
        self._chooser, self._config_of, self._at_once = chooser, config_of, at_once
        self._running: dict[str, str] = {}

    def suggest(self, trial_id: str) -> Any:
        """The next trial's config; None while enough are running, FINISHED where there are no more."""
        if len(self._running) >= self._at_once:
            return None
        trial = self._chooser.next()
        if trial is None:
            return None if self._running else Searcher.FINISHED
        self._running[trial_id] = trial.name
        return self._config_of(trial)

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, object] | None = None, error: bool = False
    ) -> None:
        """Have the chooser learn from it."""
        if name := self._running.pop(trial_id, None):
            self._chooser.ended(name)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study's record holds all."""

    def restore(self, checkpoint_path: str) -> None:
        """As `save`."""


class StopWithTheStudy(tune.Stopper):
    """Begins no more trials once the study was asked to stop; those that train look for themselves."""

    def __init__(self, record: StudyRecord) -> None:
        self._record = record

    def __call__(self, trial_id: str, result: Mapping[str, object]) -> bool:
        """Whether to stop one trial: never, it is the training that ends."""
        return False

    def stop_all(self) -> bool:
        """Whether to stop all."""
        return self._record.claim.is_stopping


class Announcer(tune.Callback):
    """A line for each trial that has ended."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:
        """One that came to its end, by itself or cut."""
        config, result = trial.config["work"], trial.last_result or {}
        if config["replay"]:
            return
        status = result.get("status", "stopped")
        fd = result.get("quick_fd", WORST)
        reached = "" if fd >= WORST else f", quick fd {fd:.4g} after epoch {result['epoch']:g}"
        reason = f" ({result['reason']})" if status in ("failed", "diverged") else ""
        self._say(f"{config['trial']}: {'cut' if status == 'running' else status}{reason}{reached}")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:
        """One that failed more often than is tried again."""
        self._say(f"{trial.config['work']['trial']}: failed; its log says why")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:
        """One that failed and is tried again."""
        self._say(f"{trial.config['work']['trial']}: failed, and goes on from its newest checkpoint")
