"""All generative runs: config, log and results of each. A version of a file is read once."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

from gencore.analysis.scores import score_of_seed
from gencore.config.datasets import DatasetSpec, in_file_names
from gencore.config.families import family_of
from gencore.config.options import HEADLINE, PAIRS, PRESETS, DatasetName, RunConfig
from gencore.evaluation.records import Ladder, ReferenceFigures
from gencore.store import events, results
from gencore.store.events import Event, QuickDistance, Resumed, Sheet, Started
from gencore.store.extractor_runs import features_run, is_extractor
from gencore.store.files import read_file
from gencore.store.results import Record, Results
from gencore.store.runs import Run, all_runs, undescribed

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
        """What the model is called: the row of a table, the colour of a curve."""
        if self.config:
            return self.config.label
        return "unreadable" if self.faults else "new"

    @property
    def dataset(self) -> DatasetName | None:
        """The data set it is trained on; None where the config cannot be read."""
        return self.config.data.dataset if self.config else None

    @property
    def readable_config(self) -> RunConfig:
        """The config. Raises ValueError where it cannot be read; pages that need it list readable runs
        only.
        """
        if self.config is None:
            raise ValueError(f"the config of run {self.run.name} cannot be read")
        return self.config

    @property
    def spec(self) -> DatasetSpec:
        """The data set it is trained on. Raises ValueError where the config cannot be read."""
        return self.readable_config.dataset_spec

    @property
    def is_headline(self) -> bool:
        """Whether it is the run of a headline preset, by its name."""
        return self.run.name in {f"{in_file_names(self.dataset or '')}-{preset}" for preset in HEADLINE}

    @property
    def is_shipped(self) -> bool:
        """Whether its results came with the repository."""
        origin = self.results.origins.get("evaluation") if self.results else None
        return origin is not None and origin.kind == "shipped"

    @property
    def is_trial(self) -> bool:
        """Whether it is one of the trainings of a study."""
        return self.config is not None and self.config.study is not None

    @property
    def is_conditional(self) -> bool:
        """Whether its model is given a class."""
        return bool(self.config and getattr(self.config.model, "conditional", False))

    @property
    def translates(self) -> bool:
        """Whether its model makes images of source images."""
        return bool(self.config) and family_of(self.readable_config.model).task == "translation"


@lru_cache(maxsize=4096)
def _load(path: Path, kind: type[Record], _mtime_ns: int, _size: int) -> Record:
    return results.load(path, kind)


def _read(path: Path, kind: type[Record], faults: list[str]) -> Record | None:
    """The record in `path`; None where there is none, or it cannot be read, which `faults` then says."""
    try:
        state = path.stat()
        return cast(
            Record, _load(path, kind, state.st_mtime_ns, state.st_size)
        )  # lru_cache forgets which type
    except FileNotFoundError:
        return None
    except Exception as fault:  # the boundary of one run: whatever its files hold, listings go on
        faults.append(str(fault) or type(fault).__name__)
        return None


def entry(run: Run) -> Entry:
    """What `run`'s files say. A fault in one file leaves the others readable."""
    faults: list[str] = []
    config = _read(run.config_path, RunConfig, faults)
    if config and not config.describes_data:
        faults.append(undescribed(config))
        config = None
    measured = _read(run.results_path, Results, faults)
    if fault := trace(run).fault:
        faults.append(fault)
    return Entry(run, config, measured, tuple(faults))


_TRACED = (Started, Resumed, QuickDistance, Sheet)


@dataclass(frozen=True)
class Trace:
    """What a list of runs needs of an event log, found without reading all of it as events."""

    started: Started | None
    newest: Event | None
    distances: tuple[float, ...]
    """Quick distances that count and were finite, in their order."""
    sheet: str | None
    """The newest sample sheet's file."""
    fault: str | None = None
    """Why the log cannot be read, where it cannot."""


def trace(run: Run) -> Trace:
    """What is in `run`'s event log: nothing where there is none or it cannot be read. Raises nothing."""
    try:
        state = run.events_path.stat()
        return _trace(run.events_path, state.st_mtime_ns, state.st_size)
    except FileNotFoundError:
        return Trace(None, None, (), None)
    except Exception as fault:  # the boundary of one run, as in `_read`
        return Trace(None, None, (), None, fault=str(fault) or type(fault).__name__)


@lru_cache(maxsize=4096)
def _trace(path: Path, _mtime_ns: int, _size: int) -> Trace:
    counted = events.without_void(events.of_kinds(read_file(path), _TRACED))
    return Trace(
        started=next((e for e in counted if isinstance(e, Started)), None),
        newest=events.last(path),
        distances=tuple(e.fd for e in counted if isinstance(e, QuickDistance) and e.fd is not None),
        sheet=next((e.file for e in reversed(counted) if isinstance(e, Sheet)), None),
    )


def newest_sheet(run: Run) -> Path | None:
    """The evaluation's samples, else the last sheet of the training; None where neither is in its folder."""
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
    # a training renames files meanwhile; and what cannot be read is not counted
    with contextlib.suppress(OSError), os.scandir(folder) as inside:
        for one in inside:
            is_folder = one.is_dir(follow_symlinks=False)
            total += _bytes_in(one) if is_folder else one.stat(follow_symlinks=False).st_size
    return total


@dataclass(frozen=True)
class ExtractorRecords:
    """What is known of a data set's feature classifier; `faults` says what is unreadable, and why."""

    reference: ReferenceFigures | None
    ladder: Ladder | None
    faults: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether anything is on disk about this classifier."""
        return bool(self.reference or self.ladder or self.faults)


def extractor_records(dataset: str) -> ExtractorRecords:
    """What was measured of the feature classifier of `dataset`."""
    folder = features_run(dataset).results
    faults: list[str] = []
    reference = _read(folder / "reference.json", ReferenceFigures, faults)
    ladder = _read(folder / "selftest.json", Ladder, faults)
    return ExtractorRecords(reference, ladder, tuple(faults))


def listed_runs(folder: Path | None = None) -> list[Entry]:
    """All runs but those of feature classifiers, newest first."""
    found = [entry(run) for run in all_runs(folder) if not is_extractor(run.name)]
    return [one for one in found if one.config is None or one.config.model.family != "classifier"]


def generative_runs(folder: Path | None = None) -> list[Entry]:
    """As `listed_runs`, without translation models, which are no rivals of those that generate images."""
    return [one for one in listed_runs(folder) if not one.translates]


def trainings() -> list[Entry]:
    """As `listed_runs`, without images that were made elsewhere."""
    return [one for one in listed_runs() if one.config is None or family_of(one.config.model).is_trained]


def trained_models() -> list[Entry]:
    """As `generative_runs`, without images that were made elsewhere: no model here can make more of them."""
    return [one for one in trainings() if not one.translates]


def translators() -> list[Entry]:
    """The translation models: the shipped ones first, then those named after presets in the order of these,
    then the newest; of equals, those on the data set that presets name.
    """
    order = {preset: place for place, preset in enumerate(PRESETS)}

    def place(one: Entry) -> tuple[bool, int, bool]:
        preset = one.run.name.removeprefix(f"{in_file_names(one.dataset or '')}-")
        return not one.is_shipped, order.get(preset, len(order)), one.dataset != PAIRS

    return sorted((one for one in trainings() if one.translates), key=place)


def datasets(entries: Iterable[Entry]) -> list[DatasetName]:
    """Those with results: the one with most headline runs first, then with most that ship, then with most."""
    measured = [one for one in entries if one.results and one.dataset]
    count = Counter(one.dataset for one in measured)
    headline = Counter(one.dataset for one in measured if one.is_headline)
    shipped = Counter(one.dataset for one in measured if one.is_shipped)
    names = {one.dataset for one in measured if one.dataset}
    return sorted(names, key=lambda name: (-headline[name], -shipped[name], -count[name], name))


def datasets_with_runs(entries: Sequence[Entry]) -> list[DatasetName]:
    """`datasets`, then those with runs of which none was measured, that of the newest run first."""
    return list(dict.fromkeys([*datasets(entries), *(one.dataset for one in entries if one.dataset)]))


def one_a_label(entries: Iterable[Entry], dataset: str, newest: bool = False) -> list[Entry]:
    """The run that stands for each variant on `dataset`, in the headline order, measured variants first.

    It is the headline run where there is one, else that of best quality, else the newest; with `newest`, the
    newest everywhere. Runs with results come before runs without.
    """
    chosen: dict[str, Entry] = {}
    for one in entries:  # newest first
        if one.dataset != dataset:
            continue
        rival = chosen.get(one.label)
        if rival is None or _rank(one, newest) > _rank(rival, newest):
            chosen[one.label] = one
    order = {label: place for place, label in enumerate(HEADLINE_LABELS)}
    return sorted(
        chosen.values(),
        key=lambda one: (order.get(one.label, len(order)), one.results is None, one.label),
    )


def _rank(one: Entry, newest: bool) -> tuple[bool, bool, float]:
    if one.results is None or newest:
        return one.results is not None, one.is_headline and not newest, 0.0
    return True, one.is_headline, score_of_seed("quality", one.results) or 0.0
