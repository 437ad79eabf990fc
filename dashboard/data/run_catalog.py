"""All generative runs with what they were asked, what happened and what was measured; each file is read once a version."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ValidationError

from gencore import events, results, runs
from gencore.config import HEADLINE, PRESETS, RunConfig
from gencore.events import Event, QuickDistance, Resumed, Sheet, Started
from gencore.judge import Reference, SelfTest
from gencore.results import Results, UnreadableError
from gencore.runs import Run, all_runs

JUDGE = "features-"
"""Runs so named hold the classifier of a data set, through which the models are measured."""

HEADLINE_LABELS = tuple(PRESETS[preset].label for preset in HEADLINE)


@dataclass(frozen=True)
class Entry:
    """A run as far as it is readable; `faults` says what is not, and why."""

    run: Run
    config: RunConfig | None
    results: Results | None
    faults: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        if self.config:
            return self.config.label
        return "unreadable" if self.faults else "new"

    @property
    def dataset(self) -> str | None:
        return self.config.data.dataset if self.config else None

    @property
    def is_headline(self) -> bool:
        return self.run.name in {f"{self.dataset}-{preset}" for preset in HEADLINE}

    @property
    def is_conditional(self) -> bool:
        return bool(self.config and getattr(self.config.model, "conditional", False))


@lru_cache(maxsize=4096)
def _load(path: Path, kind: type[BaseModel], _mtime_ns: int, _size: int) -> BaseModel:
    return results.load(path, kind)


def _read(path: Path, kind: type[BaseModel], faults: list[str]) -> BaseModel | None:
    try:
        state = path.stat()
        return _load(path, kind, state.st_mtime_ns, state.st_size)
    except FileNotFoundError:
        return None
    except (UnreadableError, OSError) as fault:
        faults.append(str(fault))
        return None


def entry(run: Run) -> Entry:
    """What `run`'s files say. A fault in one file leaves the other readable."""
    faults: list[str] = []
    config = _read(run.config_path, RunConfig, faults)
    measured = _read(run.results_path, Results, faults)
    return Entry(run, config, measured, tuple(faults))


_TRACED = {kind.model_fields["type"].default: kind for kind in (Started, Resumed, QuickDistance, Sheet)}
_TRACED_WORD = re.compile(f'"type":"({"|".join(_TRACED)})"'.encode())


@dataclass(frozen=True)
class Trace:
    """What a list of runs needs of an event log, found without reading all of it as events."""

    started: Started | None
    newest: Event | None
    distances: tuple[float, ...]
    """Quick distances that count and were finite, in their order."""
    sheet: str | None
    """The newest sample sheet's file."""


def trace(run: Run) -> Trace:
    try:
        state = run.events_path.stat()
    except OSError:
        return Trace(None, None, (), None)
    return _trace(run.events_path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _trace(path: Path, _mtime_ns: int, _size: int) -> Trace:
    counted = events.without_void(_of_traced_kinds(path.read_bytes()))
    return Trace(
        started=next((e for e in counted if isinstance(e, Started)), None),
        newest=events.last(path),
        distances=tuple(e.fd for e in counted if isinstance(e, QuickDistance) and e.fd is not None),
        sheet=next((e.file for e in reversed(counted) if isinstance(e, Sheet)), None),
    )


def _of_traced_kinds(content: bytes) -> list[Event]:
    """The events of a log that a trace is made of, in its order; no other line is parsed."""
    found: list[Event] = []
    for word in _TRACED_WORD.finditer(content):
        line = content[content.rfind(b"\n", 0, word.start()) + 1 : content.find(b"\n", word.end())]
        with contextlib.suppress(ValidationError):
            found.append(_TRACED[word[1].decode()].model_validate_json(line))
    return found


def newest_sheet(run: Run) -> Path | None:
    """The evaluation's samples, else the last sheet of the training; None where there is none in the run's folder."""
    samples, drawn = run.results / "samples.png", trace(run).sheet
    if samples.exists() or drawn is None:
        return samples if samples.exists() else None
    path = (run.results / drawn).resolve()
    return path if path.is_relative_to(run.results) and path.exists() else None


def bytes_on_disk(run: Run) -> int:
    """What deleting `run` would free."""
    return _bytes_in(run.results) + _bytes_in(run.checkpoints)


def _bytes_in(folder: os.PathLike[str]) -> int:
    total = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as inside:  # a training renames files meanwhile
        for one in inside:
            total += _bytes_in(one) if one.is_dir(follow_symlinks=False) else one.stat(follow_symlinks=False).st_size
    return total


@dataclass(frozen=True)
class Judge:
    """What is known of a data set's feature classifier; `faults` says what is unreadable, and why."""

    reference: Reference | None
    ladder: SelfTest | None
    faults: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        return bool(self.reference or self.ladder or self.faults)


def judge(dataset: str) -> Judge:
    folder, faults = runs.run(f"{JUDGE}{dataset}").results, []
    reference = _read(folder / "reference.json", Reference, faults)
    ladder = _read(folder / "selftest.json", SelfTest, faults)
    return Judge(reference, ladder, tuple(faults))


def is_judge(name: str) -> bool:
    return name.startswith(JUDGE)


def generative_runs(folder: Path | None = None) -> list[Entry]:
    """Newest first. Feature classifiers are judges, not models, and are left out."""
    found = [entry(run) for run in all_runs(folder) if not is_judge(run.name)]
    return [one for one in found if one.config is None or one.config.model.family != "classifier"]


def datasets(entries: Iterable[Entry]) -> list[str]:
    """Those with results, the most measured first."""
    measured = [one.dataset for one in entries if one.results and one.dataset]
    return sorted(set(measured), key=lambda name: (-measured.count(name), name))


def one_a_label(entries: Iterable[Entry], dataset: str, newest: bool = False) -> list[Entry]:
    """The run that stands for each model on `dataset`: the headline run where there is one, else the newest.

    `newest` prefers the newest everywhere. Runs with results come before runs without. In the headline order.
    """
    chosen: dict[str, Entry] = {}
    for one in entries:  # newest first
        if one.dataset != dataset:
            continue
        rival = chosen.get(one.label)
        if rival is None or _rank(one, newest) > _rank(rival, newest):
            chosen[one.label] = one
    order = {label: place for place, label in enumerate(HEADLINE_LABELS)}
    return sorted(chosen.values(), key=lambda one: (order.get(one.label, len(order)), one.label))


def _rank(one: Entry, newest: bool) -> tuple[bool, bool]:
    return one.results is not None, one.is_headline and not newest
