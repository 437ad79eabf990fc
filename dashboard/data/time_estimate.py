"""How long a run takes until it is finished, as pages ask for it; see `gencore.analysis.time_estimate`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from dashboard.data.frames import TrainingProgress
from dashboard.data.machine import Machine
from dashboard.data.run_catalog import Entry
from gencore.analysis.time_estimate import TimeEstimate, evaluation_seconds, time_by_runs_here
from gencore.config.options import RunConfig


def time_to_finish(
    wanted: RunConfig, entries: Iterable[Entry], here: Machine | str | None
) -> TimeEstimate | str:
    """By the run finished on this device that differs least from `wanted`; else the reason why there is
    none.
    """
    if not isinstance(here, Machine):
        return "the device is not known yet" if here is None else f"the device is unknown: {here}"
    found = time_by_runs_here(wanted, entries, here.device, here.threads)
    return found or f"no {wanted.label} has finished on images of this size on this device yet"


class TimeLeft(NamedTuple):
    """What a running run does now and how long it takes until it is finished; None where that is not
    known.
    """

    phase: Literal["training", "measuring", "evaluation"]
    seconds: float | None
    """Until finished, evaluation included where `evaluation` is known."""
    evaluation: float | None
    """Of the evaluation that follows or runs; 0 where none does."""


def time_left(
    entry: Entry, progress: TrainingProgress, evaluates: bool, entries: Sequence[Entry], now: float
) -> TimeLeft:
    """Of a run that is training or being evaluated at the Unix time `now`; `evaluates` says if it ends so."""
    evaluation: float | None = 0.0
    if evaluates and entry.config is not None:
        evaluation = evaluation_seconds(entry.config, entries, progress.device, progress.threads)
    if progress.ended is not None:
        left = None if evaluation is None else max(0.0, evaluation - (now - progress.ended.time))
        return TimeLeft("evaluation", left or None, evaluation)
    if progress.total_steps and progress.step >= progress.total_steps:
        return TimeLeft("measuring", evaluation or None, evaluation)
    training = progress.seconds_left
    return TimeLeft("training", None if training is None else training + (evaluation or 0.0), evaluation)
