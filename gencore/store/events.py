"""What happened in a run, one JSON object a line in `events.jsonl`, appended as it happens.

A reader keeps a byte offset and asks for what has come since. A last line without its newline is being
written, was torn by a crash, or is room that a `Writer` keeps: readers leave it alone, the next writer cuts
it off.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gencore.store.files import open_file

EndStatus = Literal["finished", "stopped", "diverged", "failed"]

_YEAR_10000 = 253_402_300_800  # where dates end; a time out of range would take down whoever shows it
Time = Annotated[float, Field(ge=0, lt=_YEAR_10000, description="Unix time in seconds.")]
Seconds = Annotated[float, Field(ge=0, lt=_YEAR_10000)]
_DEVICE_SECONDS = Field(
    None,
    description="Of these, those in which the device worked for the training: on a CPU processor time divided"
    " by threads; null in older logs.",
)
Step = Annotated[int, Field(ge=0, lt=10**12)]
Epoch = Annotated[float, Field(ge=0, lt=10**12)]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    time: Time = Field(default_factory=time.time)


class Started(_Event):
    """A training begins or goes on, on this device with these libraries."""

    type: Literal["started"] = "started"
    total_steps: Step
    steps_per_epoch: Step
    device: str
    threads: int
    precision: str
    parameters: dict[str, int] = Field(description="Trainable parameters by player.")
    versions: dict[str, str]
    data_digest: str | None = Field(
        None, description="SHA-256 of the training images and labels as loaded; null in older logs."
    )
    idle_memory_mib: float | None = Field(
        None, ge=0, description="Memory of the process before the training; null in older logs."
    )
    tf32: bool | None = Field(
        None, description="Whether a GPU could round float32 to TF32; null in older logs."
    )


class Resumed(_Event):
    """Training goes on from `step`; events of later steps, written before, are void."""

    type: Literal["resumed"] = "resumed"
    step: Step
    file: str


class Progress(_Event):
    """Means over the steps since the progress event before; null where not finite."""

    type: Literal["progress"] = "progress"
    step: Step
    epoch: Epoch
    seconds: Seconds = Field(description="Training time so far, without evaluation, sheets and saving.")
    device_seconds: Seconds | None = _DEVICE_SECONDS
    images_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    losses: dict[str, float | None]
    gradient_norms: dict[str, float | None]
    norms: dict[str, list[float | None]] = Field(
        {},
        description="The gradient norm of each of these steps, in 4 digits; empty in logs of older versions.",
    )
    diagnostics: dict[str, float | None] = Field(
        {},
        description="What tells how the training goes beside its losses, by the names of"
        " `gencore.metrics.diagnostics`; older logs have some of it among the losses.",
    )


class Collapse(_Event):
    """The images that a generator draws have become nearly one image."""

    type: Literal["collapse"] = "collapse"
    step: Step
    epoch: Epoch
    variance_ratio: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    text: str


class Sheet(_Event):
    """Samples of the same fixed noise, as a PNG in the run's results folder."""

    type: Literal["sheet"] = "sheet"
    step: Step
    epoch: Epoch
    file: str


class QuickDistance(_Event):
    """Fréchet distance of a small fixed-noise sample: for the course of a run, not for a table."""

    type: Literal["quick_distance"] = "quick_distance"
    step: Step
    epoch: Epoch
    fd: float | None
    samples: int
    extractor_digest: str


class Saved(_Event):
    """A checkpoint, in the run's checkpoints folder."""

    type: Literal["saved"] = "saved"
    step: Step
    file: str


class Notice(_Event):
    """Something a reader of the log should know."""

    type: Literal["notice"] = "notice"
    text: str


class Ended(_Event):
    """The training is over, and why."""

    type: Literal["ended"] = "ended"
    status: EndStatus
    reason: str
    step: Step
    seconds: Seconds = Field(description="Training time, without evaluation, sheets and saving.")
    device_seconds: Seconds | None = _DEVICE_SECONDS
    peak_memory_mib: Annotated[float, Field(ge=0, allow_inf_nan=False)]


def device_seconds(event: Progress | Ended) -> float:
    """Training time in which the device worked; in logs of before this was recorded all training time."""
    return event.seconds if event.device_seconds is None else event.device_seconds


Event = Annotated[
    Started | Resumed | Progress | Collapse | Sheet | QuickDistance | Saved | Notice | Ended,
    Field(discriminator="type"),
]
_EVENT = TypeAdapter(Event)


class Tail(NamedTuple):
    """A part of an event log, as `tail` reads it."""

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
    """Add one line; a reader sees all of it or none. Raises OSError with the log as it was (disk full)."""
    try:
        with path.open("ab") as file:  # buffered: a bare write may take a part of the line in silence
            file.write(_line(event))
    except OSError as error:
        repair(path)
        error.filename = error.filename or str(path)
        raise


def _line(event: Event) -> bytes:
    return event.model_dump_json().encode() + b"\n"


class Writer:
    """The log of a running training, with room on the disk for one more event: how it ended.

    The room is blank bytes after the last line, which readers leave alone. A disk that is full when an event
    comes can still take the Ended event that says so. One writer per log; leaving the context gives the room
    back.
    """

    ROOM = 8192
    """Bytes; an Ended event takes about 200, and its reason may hold a path."""

    def __init__(self, path: Path) -> None:
        """Cuts off a torn last line and takes the room. Raises OSError where it cannot be had."""
        repair(path)
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._end = self._size = os.fstat(self._file).st_size
        try:
            self._grow(self._end + self.ROOM)
        except OSError:
            os.close(self._file)
            raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._file, self._end)
        os.close(self._file)

    def append(self, event: Event) -> None:
        """Add one line. Raises OSError with the log and the room as they were (disk full).

        An Ended event may use the room, so it needs no more of the disk.
        """
        line = _line(event)
        self._grow(self._end + len(line) + (0 if isinstance(event, Ended) else self.ROOM))
        self._write(line, self._end)
        self._end += len(line)

    def _grow(self, size: int) -> None:
        """Have at least `size` bytes of the file on the disk, blank where nothing is written yet."""
        if size <= self._size:
            return
        try:
            self._write(b" " * (size - self._size), self._size)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size = size

    def _write(self, content: bytes, place: int) -> None:
        os.lseek(self._file, place, os.SEEK_SET)
        try:
            while content:
                content = content[os.write(self._file, content) :]
        except OSError as error:
            error.filename = str(self._path)
            raise


def tail(path: Path, offset: int = 0) -> Tail:
    """The events whose lines were completed since byte `offset`, and the offset to ask from next.

    Nothing where there is no file. Raises UnreadableError.
    """
    try:
        with open_file(path) as file:
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


def of_kinds(content: bytes, kinds: Sequence[type[Event]]) -> list[Event]:
    """The events of these classes in a log's `content`, in its order; no other line is parsed."""
    by_word = {kind.model_fields["type"].default: kind for kind in kinds}
    found: list[Event] = []
    for word in re.finditer(f'"type":"({"|".join(by_word)})"'.encode(), content):
        line = content[content.rfind(b"\n", 0, word.start()) + 1 : content.find(b"\n", word.end())]
        with contextlib.suppress(ValidationError):
            found.append(by_word[word[1].decode()].model_validate_json(line))
    return found


def last(path: Path) -> Event | None:
    """The newest whole event, read from no more of the file's end than holds it; None where there is none.

    Raises UnreadableError.
    """
    try:
        with open_file(path) as file:
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
