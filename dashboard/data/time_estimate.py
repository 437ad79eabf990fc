"""How long a run takes until it is finished, evaluation included, by the recorded times of like runs.

A like run trains the same family on images of the same size. Best is one that finished on this device; else a
shipped run, scaled by a probe of how fast this machine trains that run's config.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from dashboard.data.frames import TrainingProgress
from dashboard.data.machine import Machine
from dashboard.data.run_catalog import Entry
from gencore.config.families import translates
from gencore.config.options import RunConfig
from gencore.store import events
from gencore.store.events import Ended, Resumed, Started
from gencore.store.results import Results

SHEET_IMAGES = 100
MAX_EVALUATION_SECONDS = 3600.0
"""An evaluation recorded later than this after the training was not started directly after it."""


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds of each phase until the run is finished, and which run they come from."""

    training: float
    measuring: float
    """Quick distances, sample sheets and checkpoints during the training."""
    evaluation: float | None
    """None where no recorded run says how long it takes."""
    run: str
    differs: tuple[str, ...]
    """Options of model and batch in which `run` differs."""
    is_probed: bool = False
    """Whether `run` was recorded on another machine and scaled by a probe of this one."""

    @property
    def seconds(self) -> float:
        """All known phases together."""
        return self.training + self.measuring + (self.evaluation or 0.0)


@dataclass(frozen=True)
class _RecordedRun:
    """A finished run with the times that its log and results recorded."""

    entry: Entry
    config: RunConfig
    started: Started
    images_per_second: float
    measuring_seconds_per_image: float
    """Wall-clock beside the training steps, for each image of a quick distance or a sheet."""

    def was_on(self, device: str, threads: int) -> bool:
        return (self.started.device, self.started.threads) == (device, threads)

    def estimate(self, wanted: RunConfig, evaluation: float | None) -> TimeEstimate:
        images = wanted.total_steps(_steps_per_epoch(wanted)) * wanted.data.batch_size
        return TimeEstimate(
            training=images / self.images_per_second,
            measuring=_measured_images(wanted) * self.measuring_seconds_per_image,
            evaluation=evaluation,
            run=self.entry.run.name,
            differs=_differs(wanted, self.config),
        )


def time_to_finish(
    wanted: RunConfig, entries: Iterable[Entry], here: Machine | str | None
) -> TimeEstimate | str:
    """By the run finished on this device that differs least from `wanted`; else the reason why there is
    none.
    """
    if not isinstance(here, Machine):
        return "the device is not known yet" if here is None else f"the device is unknown: {here}"
    entries = list(entries)
    recorded = [one for one in _like(wanted, entries) if one.was_on(here.device, here.threads)]
    local = [one for one in recorded if not one.entry.run.is_shipped]
    if not local:
        return f"no {wanted.label} has finished on images of this size on this device yet"
    nearest = _nearest(wanted, local)
    return nearest.estimate(wanted, evaluation_seconds(wanted, entries, here.device, here.threads))


def run_to_probe(wanted: RunConfig, entries: Iterable[Entry]) -> Entry | None:
    """The shipped run that differs least from `wanted`: `probed_time` needs the pace of its config here."""
    shipped = [one for one in _like(wanted, entries) if one.entry.run.is_shipped]
    return _nearest(wanted, shipped).entry if shipped else None


def probed_time(
    wanted: RunConfig, entries: Iterable[Entry], shipped: Entry, images_per_second: float
) -> TimeEstimate:
    """By `shipped`, one of `run_to_probe`, whose config this machine trains at `images_per_second`."""
    entries = list(entries)
    recorded = next(one for one in _like(wanted, entries) if one.entry == shipped)
    slower = recorded.images_per_second / images_per_second
    evaluation = evaluation_seconds(wanted, [one for one in entries if one.run.is_shipped])
    here = replace(
        recorded,
        images_per_second=images_per_second,
        measuring_seconds_per_image=recorded.measuring_seconds_per_image * slower,
    )
    estimate = here.estimate(wanted, None if evaluation is None else evaluation * slower)
    return replace(estimate, is_probed=True)


def evaluation_seconds(
    wanted: RunConfig, entries: Iterable[Entry], device: str | None = None, threads: int | None = None
) -> float | None:
    """How long the evaluation after a training of `wanted` takes; None where no recorded run says.

    By evaluations on `device` with `threads`, or on any. Of those of the same family the shortest counts,
    since a run evaluated some time after its training only seems to take longer. Without one, another
    family's is taken and its sampling time replaced by that of `wanted`'s family."""
    images = min(10_000, 10 * wanted.dataset_spec.test_count)
    known = [
        (entry, entry.results, entry.config)
        for entry in entries
        if entry.results is not None and entry.config is not None
        if entry.translates == translates(wanted.model)  # their evaluations are not alike
        if device is None or _evaluated_on(entry.results) == (device, threads)
    ]
    like = [(entry, results) for entry, results, config in known if _is_like(wanted, config)]
    times = [
        seconds * images / (results.samples or images)
        for entry, results in like
        if (seconds := _recorded_evaluation(entry, results)) is not None
    ]
    if times:
        return min(times)
    sampling = [rate for _, results in like if (rate := results.value("samples_per_second_100"))]
    if not sampling:
        return None
    others = [
        max(0.0, seconds * images / (results.samples or images) - images / rate)
        for entry, results, _ in known
        if (seconds := _recorded_evaluation(entry, results)) is not None
        and (rate := results.value("samples_per_second_100"))
    ]
    return min(others) + images / max(sampling) if others else None


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


def _like(wanted: RunConfig, entries: Iterable[Entry]) -> list[_RecordedRun]:
    found = (_recorded(entry) for entry in entries if entry.config and _is_like(wanted, entry.config))
    return [one for one in found if one is not None]


def _is_like(wanted: RunConfig, other: RunConfig) -> bool:
    ours, theirs = wanted.dataset_spec, other.dataset_spec
    same_images = (ours.size, ours.channels) == (theirs.size, theirs.channels)
    return wanted.model.family == other.model.family and same_images


def _nearest(wanted: RunConfig, recorded: Sequence[_RecordedRun]) -> _RecordedRun:
    return min(recorded, key=lambda one: len(_differs(wanted, one.config)))


def _recorded(entry: Entry) -> _RecordedRun | None:
    """None unless the run has finished."""
    log = _read_log(entry.run.events_path)
    if entry.config is None or log.started is None or log.ended is None:
        return None
    if log.ended.status != "finished" or not log.ended.seconds:
        return None
    images = log.ended.step * entry.config.data.batch_size
    beside_training = log.ended.time - log.started.time - log.ended.seconds
    measured = _measured_images(entry.config)
    return _RecordedRun(
        entry,
        entry.config,
        log.started,
        images_per_second=images / log.ended.seconds,
        measuring_seconds_per_image=(
            max(0.0, beside_training) / measured if measured and not log.was_resumed else 0.0
        ),
    )


def _measured_images(config: RunConfig) -> int:
    """Images that a training draws for its quick distances and sheets."""
    training, every = config.training, _steps_per_epoch(config) * config.training.fd_every
    distances = config.total_steps(_steps_per_epoch(config)) // every if every else 0
    return distances * training.fd_samples + training.sheets * SHEET_IMAGES


def _steps_per_epoch(config: RunConfig) -> int:
    return max(1, config.dataset_spec.train_count // config.data.batch_size)


@dataclass(frozen=True)
class _Log:
    started: Started | None
    ended: Ended | None
    was_resumed: bool
    """Then the time between its events counts the pause as well."""


def _read_log(path: Path) -> _Log:
    try:
        status = path.stat()
        return _read_log_version(path, status.st_mtime_ns, status.st_size)
    except OSError:
        return _Log(None, None, False)


@lru_cache(maxsize=256)
def _read_log_version(path: Path, _mtime_ns: int, _size: int) -> _Log:
    history = events.tail(path).events
    return _Log(
        started=next((event for event in history if isinstance(event, Started)), None),
        ended=history[-1] if history and isinstance(history[-1], Ended) else None,
        was_resumed=any(isinstance(event, Resumed) for event in history),
    )


def _evaluated_on(results: Results) -> tuple[str, int] | None:
    origin = results.origins.get("evaluation")
    return (origin.device, origin.threads) if origin else None


def _recorded_evaluation(entry: Entry, results: Results) -> float | None:
    """From the end of the training to the end of the evaluation, where one followed the other."""
    log, origin = _read_log(entry.run.events_path), results.origins.get("evaluation")
    if log.ended is None or origin is None:
        return None
    seconds = origin.unix_time - log.ended.time
    return seconds if 0 < seconds <= MAX_EVALUATION_SECONDS else None


def _differs(wanted: RunConfig, other: RunConfig) -> tuple[str, ...]:
    """Options of model and batch in which the two differ."""
    alike = wanted.model_copy(update={"training": other.training, "own_data": other.own_data})
    fields = (line.split(":")[0].split(".")[-1] for line in alike.difference(other))
    return tuple(field for field in fields if field != "dataset")
