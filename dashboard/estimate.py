"""How long a training will take, by the pace of one that ended well on this very device; never by a guess."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dashboard import catalog
from dashboard.catalog import Entry
from dashboard.device import Report
from gencore.config import RunConfig
from gencore.data.registry import DATASETS
from gencore.events import Ended


@dataclass(frozen=True)
class Estimate:
    """Training time without evaluation, the run whose pace it is, and the options in which that run differs."""

    seconds: float
    run: str
    differs: tuple[str, ...]


def training_time(wanted: RunConfig, entries: Iterable[Entry], here: Report | str | None) -> Estimate | str:
    """By the finished run of the same family on images of the same size that differs least; else why there is none."""
    if not isinstance(here, Report):
        return "the device is not known yet" if here is None else f"the device is unknown: {here}"
    like = [one for one in entries if one.config and _is_like(wanted, one.config) and not one.run.is_shipped]
    known = [(one, pace) for one in like if (pace := _images_per_second(one, here))]
    if not known:
        return f"no {wanted.label} has finished on images of this size on this device yet"
    nearest, images_per_second = min(known, key=lambda found: len(_differs(wanted, found[0].config)))
    spec, batch = DATASETS[wanted.data.dataset], wanted.data.batch_size
    images = wanted.training.epochs * max(1, spec.train_count // batch) * batch
    return Estimate(images / images_per_second, nearest.run.name, _differs(wanted, nearest.config))


def _is_like(wanted: RunConfig, other: RunConfig) -> bool:
    one, two = DATASETS[wanted.data.dataset], DATASETS[other.data.dataset]
    return wanted.model.family == other.model.family and (one.size, one.channels) == (two.size, two.channels)


def _images_per_second(one: Entry, here: Report) -> float | None:
    trace = catalog.trace(one.run)
    ended, started = trace.newest, trace.started
    if not isinstance(ended, Ended) or ended.status != "finished" or not ended.seconds or started is None:
        return None
    if (started.device, started.threads) != (here.device, here.threads):
        return None
    return ended.step * one.config.data.batch_size / ended.seconds


def _differs(wanted: RunConfig, other: RunConfig) -> tuple[str, ...]:
    """Options of model and batch in which the two differ."""
    alike = wanted.model_copy(update={"training": other.training})
    fields = (line.split(":")[0].split(".")[-1] for line in alike.difference(other))
    return tuple(field for field in fields if field != "dataset")
