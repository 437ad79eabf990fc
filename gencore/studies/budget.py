"""How much work a study is, before it begins: trials by the time of each, from a probe of this machine."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gencore.analysis.time_estimate import evaluation_seconds, time_by_pace
from gencore.config.options import RunConfig
from gencore.store import runs
from gencore.store.files import UnreadableError
from gencore.store.results import Results
from gencore.store.runs import Run
from gencore.studies.plan import Trial, base_config
from gencore.studies.study import QUICK_FD, Study

SECONDS_TO_BEGIN = 6.0
"""Of a trial before its first step: a process of its own that loads torch (docs/studies.md)."""
MAX_PROBES = 8
_PACE = ("optimizer", "precision")
"""Options of the training that a step takes longer with; those of data and model are all looked at."""


@dataclass(frozen=True)
class _Files:
    """A run with what could be read of it."""

    run: Run
    config: RunConfig
    results: Results | None


@dataclass(frozen=True)
class Budget:
    """What a study takes at most; a scheduler that cuts trials makes it less."""

    trials: int
    """Confirmations of the best point included."""
    seconds: float
    """Of all trials together, one after the other."""
    at_once: int
    """Trials that this machine trains side by side."""
    probes: int
    """Configs whose pace was measured; others have the mean of these."""
    unknown: tuple[str, ...]
    """Parts that no recorded run tells the time of, which come on top."""

    @property
    def wall_seconds(self) -> float:
        """With `at_once` trials side by side."""
        return self.seconds / min(self.at_once, max(1, self.trials))


def estimate(
    study: Study,
    trials: Sequence[Trial],
    folder: Path,
    at_once: int,
    images_per_second: Callable[[RunConfig], float],
    data_folder: Path | None = None,
) -> Budget:
    """What the not yet trained `trials` of `study` take; those of TPE count as its base.

    `images_per_second` measures the pace of a config on this machine."""
    configs = [trial.config for trial in trials]
    if study.search.method == "tpe":
        configs = [base_config(study, data_folder)] * ((study.search.points or 0) * len(study.seeds))
    paces: dict[str, float] = {}
    for config in configs:
        if (kind := _pace_kind(config)) not in paces and len(paces) < MAX_PROBES:
            paces[kind] = images_per_second(config)
    recorded = _recorded(folder)
    unknown: set[str] = set()
    times = []
    for config in configs:
        pace = paces.get(_pace_kind(config)) or statistics.harmonic_mean(paces.values())
        training, measuring = time_by_pace(config, recorded, pace)
        evaluation = 0.0 if study.objective == QUICK_FD else evaluation_seconds(config, recorded)
        unknown |= {"quick distances and sheets"} if measuring is None else set()
        unknown |= {"evaluations"} if evaluation is None else set()
        times.append(SECONDS_TO_BEGIN + training + (measuring or 0.0) + (evaluation or 0.0))
    more = study.confirmation_seeds if study.is_search and times else 0
    return Budget(
        trials=len(times) + more,
        seconds=sum(times) + (more * statistics.fmean(times) if times else 0.0),
        at_once=at_once,
        probes=len(paces),
        unknown=tuple(sorted(unknown)),
    )


def _pace_kind(config: RunConfig) -> str:
    """What is alike for configs of one pace: all options but numbers that are only turned up or down."""
    model = {
        name: bool(value) if isinstance(value, float) else value
        for name, value in config.model.model_dump().items()
    }
    training = {name: getattr(config.training, name) for name in _PACE}
    return repr((config.data, model, training))


def _recorded(folder: Path) -> list[_Files]:
    """All runs that can be read."""
    found = []
    for run in runs.all_runs(folder):
        try:
            found.append(_Files(run, run.config(), run.load_results()))
        except (UnreadableError, FileNotFoundError):
            continue
    return found
