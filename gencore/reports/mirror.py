"""A run's event log written into a sink as it grows: losses, diagnostics, quick distances, sample sheets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from gencore.reports.sinks import open_sink
from gencore.store import events
from gencore.store.events import Ended, Event, Progress, QuickDistance, Resumed, Sheet
from gencore.store.runs import Run


class Mirror:
    """A run and its sink. A training that goes on from a checkpoint begins the sink anew, without what was
    taken back."""

    def __init__(self, run: Run, library: str, folder: Path) -> None:
        """Raises FileNotFoundError for no such run, UnreadableError, ValueError for an absent library."""
        self.run, self._library, self._folder = run, library, folder
        self._history: list[Event] = []
        self._offset = 0
        self._sink = open_sink(library, run.name, run.config(), folder)

    def update(self) -> bool:
        """Write what the log has gained; whether more may come, because a process works on the run.

        Raises UnreadableError."""
        is_going = self.run.process() is not None  # asked first: what it wrote last is then read below
        news = events.tail(self.run.events_path, self._offset)
        self._offset = news.offset
        begins_anew = bool(self._history) and any(isinstance(one, Resumed) for one in news.events)
        counted = events.without_void([*self._history, *news.events])
        if begins_anew:
            self._sink.close(None)
            self._sink = open_sink(self._library, self.run.name, self.run.config(), self._folder)
            self._write(counted)
        else:
            self._write(counted[len(self._history) :])
        self._history = counted
        return is_going

    def close(self) -> None:
        """Write what is left, and how the training ended."""
        newest = next((one for one in reversed(self._history) if isinstance(one, Ended)), None)
        self._sink.close(newest)

    def _write(self, new: Sequence[Event]) -> None:
        for event in new:
            match event:
                case Progress() | QuickDistance():
                    if found := figures(event):
                        self._sink.scalars(found, event.step, event.time)
                case Sheet(file=file, step=step, time=time):
                    path = (self.run.results / file).resolve()
                    if path.is_relative_to(self.run.results) and path.exists():
                        self._sink.picture(path, step, time)


def figures(event: Progress | QuickDistance) -> dict[str, float]:
    """The figures of an event, by the name that sinks show; what was not finite is left out."""
    if isinstance(event, QuickDistance):
        given: dict[str, float | None] = {"quick fd": event.fd}
    else:
        given = {"epoch": event.epoch, "images per second": event.images_per_second}
        given |= {f"loss/{name}": value for name, value in event.losses.items()}
        given |= {f"gradient norm/{name}": value for name, value in event.gradient_norms.items()}
        given |= {f"diagnostic/{name}": value for name, value in event.diagnostics.items()}
    return {name: value for name, value in given.items() if value is not None and math.isfinite(value)}
