"""How long a run takes until it is finished, evaluation included, by the recorded times of like runs.

A like run trains the same family on images of the same size. Best is one that finished on this device; else a
shipped run, scaled by a probe of how fast this machine trains that run's config.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

from gencore.config.families import translates
from gencore.config.options import RunConfig
from gencore.store import events
from gencore.store.events import Ended, Resumed, Started
from gencore.store.results import Results
from gencore.store.runs import Run

SHEET_IMAGES = 100
MAX_EVALUATION_SECONDS = 3600.0
"""An evaluation recorded later than this after the training was not started directly after it."""


class Readable(Protocol):
    """A run with as much of its files as could be read."""

    @property
    def run(self) -> Run:
        """The run."""

    @property
    def config(self) -> RunConfig | None:
        """What it was asked to do."""

    @property
    def results(self) -> Results | None:
        """What was measured of it."""


_Entry = TypeVar("_Entry", bound=Readable)


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

    entry: Readable
    config: RunConfig
    started: Started
    images_per_second: float
    measuring_seconds_per_image: float
    """Wall-clock beside the training steps, for each image of a quick distance or a sheet."""

    def was_on(self, device: str, threads: int) -> bool:
        return (self.started.device, self.started.threads) == (device, threads)

    def estimate(self, wanted: RunConfig, evaluation: float | None) -> TimeEstimate:
        images = wanted.total_steps(steps_per_epoch(wanted)) * wanted.data.batch_size
        return TimeEstimate(
            training=images / self.images_per_second,
            measuring=_measured_images(wanted) * self.measuring_seconds_per_image,
            evaluation=evaluation,
            run=self.entry.run.name,
            differs=_differs(wanted, self.config),
        )


def time_by_runs_here(
    wanted: RunConfig, entries: Iterable[Readable], device: str, threads: int
) -> TimeEstimate | None:
    """By the run finished on this device that differs least from `wanted`; None where there is none."""
    entries = list(entries)
    recorded = [one for one in _like(wanted, entries) if one.was_on(device, threads)]
    local = [one for one in recorded if not one.entry.run.is_shipped]
    if not local:
        return None
    return _nearest(wanted, local).estimate(wanted, evaluation_seconds(wanted, entries, device, threads))


def time_by_pace(
    wanted: RunConfig, entries: Iterable[Readable], images_per_second: float
) -> tuple[float, float | None]:
    """Seconds of training, where this machine trains `wanted` at that pace, and of what is measured in it.

    The latter by the recorded run that differs least, on whatever machine; None where there is none."""
    images = wanted.total_steps(steps_per_epoch(wanted)) * wanted.data.batch_size
    recorded = _like(wanted, entries)
    measuring = (
        _measured_images(wanted) * _nearest(wanted, recorded).measuring_seconds_per_image
        if recorded
        else None
    )
    return images / images_per_second, measuring


def run_to_probe(wanted: RunConfig, entries: Iterable[_Entry]) -> _Entry | None:
    """The shipped run that differs least from `wanted`: `probed_time` needs the pace of its config here."""
    by_name = {one.run.name: one for one in entries if one.run.is_shipped}
    shipped = _like(wanted, by_name.values())
    return by_name[_nearest(wanted, shipped).entry.run.name] if shipped else None


def probed_time(
    wanted: RunConfig, entries: Iterable[Readable], shipped: Readable, images_per_second: float
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
    wanted: RunConfig, entries: Iterable[Readable], device: str | None = None, threads: int | None = None
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
        if translates(entry.config.model) == translates(wanted.model)  # their evaluations are not alike
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


def _like(wanted: RunConfig, entries: Iterable[Readable]) -> list[_RecordedRun]:
    found = (_recorded(entry) for entry in entries if entry.config and _is_like(wanted, entry.config))
    return [one for one in found if one is not None]


def _is_like(wanted: RunConfig, other: RunConfig) -> bool:
    ours, theirs = wanted.dataset_spec, other.dataset_spec
    same_images = (ours.size, ours.channels) == (theirs.size, theirs.channels)
    return wanted.model.family == other.model.family and same_images


def _nearest(wanted: RunConfig, recorded: Sequence[_RecordedRun]) -> _RecordedRun:
    return min(recorded, key=lambda one: len(_differs(wanted, one.config)))


def _recorded(entry: Readable) -> _RecordedRun | None:
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
    training, every = config.training, steps_per_epoch(config) * config.training.fd_every
    distances = config.total_steps(steps_per_epoch(config)) // every if every else 0
    return distances * training.fd_samples + training.sheets * SHEET_IMAGES


def steps_per_epoch(config: RunConfig) -> int:
    """Optimisation steps of a pass over the training split."""
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


def _recorded_evaluation(entry: Readable, results: Results) -> float | None:
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
