"""Event logs and results as pandas frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from dashboard.data.run_catalog import Entry
from gencore.metrics.diagnostics import DIAGNOSTICS
from gencore.store import events
from gencore.store.events import Collapse, Ended, Event, Progress, QuickDistance, Resumed, Sheet, Started
from gencore.store.files import UnreadableError
from gencore.store.results import Metric
from gencore.training.collapse import present_collapse

MAX_POINTS = 2000


@dataclass(frozen=True)
class History:
    """A run's event log as far as it was read."""

    events: list[Event] = field(default_factory=list)
    offset: int = 0
    unreadable: int = 0


def follow(path: Path, history: History) -> History:
    """`history` and what was written since; from the start where the log was begun anew.

    A log that cannot be read adds nothing: `run_catalog.entry` says why.
    """
    try:
        size = path.stat().st_size if path.exists() else 0
        known = history if size >= history.offset else History()
        news = events.tail(path, known.offset)
    except (UnreadableError, OSError):
        return history
    return History(known.events + news.events, news.offset, known.unreadable + news.unreadable)


def curves(history: Sequence[Event]) -> pd.DataFrame:
    """One figure per row: `kind` (loss, gradient norm, images/s, quick fd, diagnostic), `series`, `step`,
    `epoch`, `minutes` of training time, `value`. Older logs have diagnostics among the losses.

    What a resume took back is left out; a value that was not finite is NaN; at most 2,000 points a curve.
    """
    rows: list[tuple[str, str, int, float, float, float | None]] = []
    minutes = 0.0
    for event in events.without_void(list(history)):
        if isinstance(event, Progress):
            minutes = event.seconds / 60
            at = event.step, event.epoch, minutes
            for name, value in (event.losses | event.diagnostics).items():
                rows.append(("diagnostic" if name in DIAGNOSTICS else "loss", name, *at, value))
            rows += [("gradient norm", name, *at, value) for name, value in event.gradient_norms.items()]
            rows.append(("images/s", "", *at, event.images_per_second))
        elif isinstance(event, QuickDistance):
            rows.append(("quick fd", "", event.step, event.epoch, minutes, event.fd))
    names = ["kind", "series", "step", "epoch", "minutes", "value"]
    frame = pd.DataFrame(rows, columns=names).astype({"value": float})
    parts = [downsample(part) for _, part in frame.groupby(["kind", "series"], sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else frame


def downsample(curve: pd.DataFrame, limit: int = MAX_POINTS) -> pd.DataFrame:
    """At most `limit` of the points: both ends, and the extremes of each stretch, so no spike is lost."""
    if len(curve) <= limit:
        return curve
    values = curve["value"].to_numpy()
    stretches = np.array_split(np.arange(1, len(curve) - 1), (limit - 2) // 2)
    lowest = [part[np.where(np.isnan(values[part]), np.inf, values[part]).argmin()] for part in stretches]
    highest = [part[np.where(np.isnan(values[part]), -np.inf, values[part]).argmax()] for part in stretches]
    return curve.iloc[sorted({0, len(curve) - 1, *lowest, *highest})]


def sheets(history: Sequence[Event]) -> list[Sheet]:
    """The sample sheets that count, by step."""
    return [event for event in events.without_void(list(history)) if isinstance(event, Sheet)]


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training has come. `seconds_left` is of the training alone, its sheets and quick distances
    too.
    """

    step: int
    total_steps: int
    epoch: float
    seconds: float
    images_per_second: float | None
    seconds_left: float | None
    device: str
    threads: int
    best_fd: float | None
    collapse: Collapse | None
    """From which the generated images have not recovered."""
    ended: Ended | None

    @property
    def share(self) -> float:
        """The part of all steps that is done, 0 to 1."""
        return min(1.0, self.step / self.total_steps) if self.total_steps else 0.0


def training_progress(history: Sequence[Event]) -> TrainingProgress | None:
    """None until the log says that the training has started."""
    counted = events.without_void(list(history))
    started = next((e for e in reversed(counted) if isinstance(e, Started)), None)
    if started is None:
        return None
    reached = next((e for e in reversed(counted) if isinstance(e, Progress | Sheet | QuickDistance)), None)
    figures = next((e for e in reversed(counted) if isinstance(e, Progress)), None)
    distances = [e.fd for e in counted if isinstance(e, QuickDistance) and e.fd is not None]
    return TrainingProgress(
        step=reached.step if reached else 0,
        total_steps=started.total_steps,
        epoch=reached.epoch if reached else 0.0,
        seconds=figures.seconds if figures else 0.0,
        images_per_second=figures.images_per_second if figures else None,
        seconds_left=_seconds_left(counted, started.total_steps),
        device=started.device,
        threads=started.threads,
        best_fd=min(distances, default=None),
        collapse=present_collapse(counted),
        ended=counted[-1] if isinstance(counted[-1], Ended) else None,
    )


def _seconds_left(counted: Sequence[Event], total_steps: int, window: int = 50) -> float | None:
    """By the clock of the last progress events, so that evaluation and sheets between them are in it."""
    begun = max((place for place, e in enumerate(counted) if isinstance(e, Started | Resumed)), default=0)
    recent = [e for e in counted[begun:] if isinstance(e, Progress)][-window:]
    if len(recent) < 2 or recent[-1].step <= recent[0].step:
        return None
    pace = (recent[-1].time - recent[0].time) / (recent[-1].step - recent[0].step)
    return pace * (total_steps - recent[-1].step)


COLUMNS = {
    "fd": "fd",
    "fd ÷ floor": "fd_over_floor",
    "recall": "recall",
    "coverage": "coverage",
    "training": "training_seconds",
    "images/s": "samples_per_second_100",
}
"""Columns of the score table and the metric that each is made of."""


@dataclass(frozen=True)
class Cell:
    """One number of the score table; `remark` is the reason where there is none, or a warning about it."""

    value: float | None
    remark: str = ""


def table(entries: Iterable[Entry]) -> list[tuple[Entry, dict[str, Cell]]]:
    """The score table: a row a run, its cells by column."""
    return [(one, {column: _cell(one, column) for column in COLUMNS}) for one in entries]


def _cell(one: Entry, column: str) -> Cell:
    if one.results is None:
        return Cell(None, f"not evaluated yet: gencore evaluate {one.run.name}")
    metric = one.results.metrics.get(COLUMNS[column])
    if metric is None:
        return Cell(None, f"{COLUMNS[column]} is not in this run's results")
    blind = (
        f"It cannot tell these from real pictures: {', '.join(metric.blind_to)}" if metric.blind_to else ""
    )
    return Cell(metric.value, metric.reason or metric.warning or blind or _over_extractors(metric))


def _over_extractors(metric: Metric) -> str:
    """What each extractor says, where a metric is a mean over several; their names in its tooltip."""
    each = ", ".join(f"{name} {value:.3g}" for name, value in metric.by_extractor.items())
    seeds = f"; ± {metric.spread:.2g} over sampling seeds" if metric.spread is not None else ""
    return f"By feature extractor: {each}{seeds}" if each else ""


def floors(entries: Iterable[Entry]) -> dict[str, float | None]:
    """What real pictures score, by column: the same for all models of a data set, so the first found."""
    metrics = [one.results.metrics for one in entries if one.results]
    return {
        column: next((m[name].floor for m in metrics if name in m and m[name].floor is not None), None)
        for column, name in COLUMNS.items()
    }
