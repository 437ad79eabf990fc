"""All generative runs with what they were asked and what was measured; each file is read once a version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel

from gencore import results
from gencore.config import HEADLINE, PRESETS, RunConfig
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
