"""What happened in a run, one JSON object a line in `events.jsonl`, appended as it happens.

A reader keeps a byte offset and asks for what has come since. A last line without its newline is still being
written (or was torn by a crash): readers leave it alone, the next writer cuts it off.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

EndStatus = Literal["finished", "stopped", "diverged", "failed"]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    time: float = Field(default_factory=time.time, description="Unix time in seconds.")


class Started(_Event):
    type: Literal["started"] = "started"
    total_steps: int
    steps_per_epoch: int
    device: str
    threads: int
    precision: str
    parameters: dict[str, int] = Field(description="Trainable parameters by player.")
    versions: dict[str, str]


class Resumed(_Event):
    """Training goes on from `step`; events of later steps, written before, are void."""

    type: Literal["resumed"] = "resumed"
    step: int
    file: str


class Progress(_Event):
    """Means over the steps since the progress event before; null where not finite."""

    type: Literal["progress"] = "progress"
    step: int
    epoch: float
    seconds: float = Field(description="Training time so far, without evaluation, sheets and saving.")
    images_per_second: float
    losses: dict[str, float | None]
    gradient_norms: dict[str, float | None]
    norms: dict[str, list[float | None]] = Field(
        {}, description="The gradient norm of every one of these steps, in 4 digits; empty in logs of older versions."
    )


class Sheet(_Event):
    """Samples of the same fixed noise, as a PNG in the run's results folder."""

    type: Literal["sheet"] = "sheet"
    step: int
    epoch: float
    file: str


class QuickDistance(_Event):
    """Fréchet distance of a small fixed-noise sample: for the course of a run, not for a table."""

    type: Literal["quick_distance"] = "quick_distance"
    step: int
    epoch: float
    fd: float | None
    samples: int
    extractor_digest: str


class Saved(_Event):
    type: Literal["saved"] = "saved"
    step: int
    file: str


class Notice(_Event):
    type: Literal["notice"] = "notice"
    text: str


class Ended(_Event):
    type: Literal["ended"] = "ended"
    status: EndStatus
    reason: str
    step: int
    seconds: float = Field(description="Training time, without evaluation, sheets and saving.")
    peak_memory_mib: float


Event = Annotated[
    Started | Resumed | Progress | Sheet | QuickDistance | Saved | Notice | Ended, Field(discriminator="type")
]
_EVENT = TypeAdapter(Event)


class Tail(NamedTuple):
    events: list[Event]
    offset: int
    unreadable: int
    """Whole lines that are no event (a damaged disk, a foreign file)."""


def repair(path: Path) -> None:
    """Cut off a torn last line, so that the next event starts on a line of its own."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            end = start
        file.truncate(0)


def append(path: Path, event: Event) -> None:
    """Add one line; a reader sees all of it or none of its end. Raises OSError with the log as it was (disk full)."""
    try:
        with path.open("ab") as file:  # buffered, which insists on the whole line: a bare write may take a part in silence
            file.write(event.model_dump_json().encode() + b"\n")
    except OSError as error:
        repair(path)
        error.filename = error.filename or str(path)
        raise


def tail(path: Path, offset: int = 0) -> Tail:
    """The events whose lines were completed since byte `offset`, and the offset to ask from next."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return Tail([], offset, 0)
    whole = content[: content.rfind(b"\n") + 1]
    events, unreadable = [], 0
    for line in whole.splitlines():
        try:
            events.append(_EVENT.validate_json(line))
        except ValidationError:
            unreadable += 1
    return Tail(events, offset + len(whole), unreadable)


def last(path: Path) -> Event | None:
    """The newest whole event, read from no more of the file's end than holds it."""
    try:
        with path.open("rb") as file:
            size, block = file.seek(0, os.SEEK_END), 65536
            while True:
                file.seek(max(0, size - block))
                for line in reversed(file.read(min(size, block)).split(b"\n")[:-1]):
                    try:
                        return _EVENT.validate_json(line)
                    except ValidationError:
                        continue
                if block >= size:
                    return None
                block *= 8
    except FileNotFoundError:
        return None


def without_void(events: list[Event]) -> list[Event]:
    """The history as it counts: what a later resume took back is left out."""
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Resumed):
            kept = [e for e in kept if getattr(e, "step", 0) <= event.step and not isinstance(e, Ended)]
        kept.append(event)
    return kept
