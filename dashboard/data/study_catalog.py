"""All studies: plan, trials and state of each. Each version of their files is read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from gencore.store import runs
from gencore.store.claims import Claim
from gencore.studies import records, statistics
from gencore.studies.findings import StudyAnalysis, Winner
from gencore.studies.records import StudyRecord, StudyStatus, TrialState
from gencore.studies.study import Study

COMMITTED = Path(__file__).resolve().parents[2] / "studies"
"""Files of studies that come with the repository."""


_analyses: dict[str, tuple[object, StudyAnalysis]] = {}
"""By study the newest analysis, with what it was made of."""


@dataclass(frozen=True, eq=False)
class StudyContent:
    """What the files of a study say: what was asked for, and what has become of each trial."""

    study: Study
    states: tuple[TrialState, ...]

    @cached_property
    def at_epoch(self) -> float | None:
        """Where trials were cut: the epoch at which all are compared; None for their end."""
        searched = [one for one in self.states if one.trial.phase == "search"]
        return statistics.common_epoch(self.study, searched)

    @property
    def analysis(self) -> StudyAnalysis:
        """Means, effects and tests. They take seconds for hundreds of trials of a random search, so they are
        made anew only when another trial has ended."""
        ended = tuple(
            (one.trial.name, one.status, one.value)
            for one in self.states
            if one.is_lost or one.value is not None
        )
        known = _analyses.get(self.study.name)
        if known is None or known[0] != (self.study, ended):
            known = _analyses[self.study.name] = (
                (self.study, ended),
                statistics.analyse(self.study, self.states),
            )
        return known[1]

    @cached_property
    def winner(self) -> Winner | None:
        """The best point of a search so far; found sooner than the whole analysis."""
        return statistics.find_winner(self.study, self.states)


@dataclass(frozen=True)
class StudyEntry:
    """A study as far as it is readable; `fault` says what is not, and why."""

    record: StudyRecord
    status: StudyStatus
    content: StudyContent | None
    fault: str = ""

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.record.name

    @property
    def is_moving(self) -> bool:
        """Whether a process works on it."""
        return self.status in ("running", "stopping")


def entries() -> list[StudyEntry]:
    """All studies, the newest first."""
    return [entry(record) for record in records.all_records()]


def entry(record: StudyRecord) -> StudyEntry:
    """What the files of `record` say now. A study that cannot be read says why."""
    try:
        content = _read(record, _versions(record))
    except (ValueError, OSError) as fault:
        return StudyEntry(record, "unreadable", None, str(fault))
    return StudyEntry(record, record.status_of(content.study, content.states), content)


@lru_cache(maxsize=64)
def _read(record: StudyRecord, _versions: tuple[object, ...]) -> StudyContent:
    return StudyContent(record.study(), tuple(record.states()))


def _versions(record: StudyRecord) -> tuple[object, ...]:
    """Time and size of all files that tell of the study, and which trials have a process: whether it trains,
    measures or was asked to stop; they change with what is to be shown."""
    found: list[object] = [_version(record.study_path)]
    for path in sorted((record.folder / "trials").glob("*.json")):
        run = runs.run(path.stem, record.home)
        files = (path, run.config_path, run.events_path, run.results_path, Claim(run.results).stop_path)
        found.append((path.stem, run.process() is not None, *map(_version, files)))
    return tuple(found)


def _version(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def committed() -> dict[str, Path]:
    """The files of studies that come with the repository, by name."""
    return {path.stem: path for path in sorted(COMMITTED.glob("*.yaml"))}
