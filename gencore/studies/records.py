"""A study on disk: its file as given, its trials, and what has become of each.

`results/_studies/NAME/` holds `study.yaml` and a JSON file a trial. What a trial has reached is read from its
run, an ordinary one in `results/`, and stored nowhere else. Loads no torch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from gencore.store import events, results, runs
from gencore.store.claims import Claim
from gencore.store.events import Ended, Event, Progress, QuickDistance, Resumed, Started
from gencore.store.files import UnreadableError, read_file, write_atomically
from gencore.store.runs import Run, RunExistsError
from gencore.studies.plan import Trial
from gencore.studies.study import QUICK_FD, Study, parse

TrialStatus = Literal[
    "waiting",
    "running",
    "stopping",
    "evaluating",
    "finished",
    "cut",
    "diverged",
    "failed",
    "stopped",
    "died",
    "unreadable",
]
StudyStatus = Literal["running", "stopping", "finished", "stopped", "unreadable"]
CUT = "cut by ASHA"
"""How the reason begins for which a trial ended that its scheduler cut."""
_READ = (Started, Resumed, QuickDistance, Ended)
_END = 65_536  # bytes of a log's end in which its newest progress is looked for


class Distance(NamedTuple):
    """A quick Fréchet distance of a trial; `fd` is None where it was not finite."""

    epoch: float
    fd: float | None


class TrialState(BaseModel):
    """A trial, and what has become of it."""

    model_config = ConfigDict(frozen=True)

    trial: Trial
    status: TrialStatus
    value: float | None = Field(None, description="Of the study's objective; null where there is none.")
    distances: tuple[Distance, ...] = ()
    epoch: float = Field(0.0, description="Epochs trained so far.")
    seconds: float | None = Field(None, description="Training time so far.")
    starts: int = Field(0, description="How often its training was begun or gone on with.")
    reason: str = Field("", description="Why it ended, where it did not finish.")

    @property
    def is_settled(self) -> bool:
        """Whether doing it again would change nothing: it is done, was cut, or diverged."""
        return self.status in ("finished", "cut", "diverged")

    @property
    def is_lost(self) -> bool:
        """Whether it ended without a model: it counts as the worst."""
        return self.status in ("diverged", "failed", "died")


@dataclass(frozen=True)
class StudyRecord:
    """The folder of one study. Construct through `record(name)`."""

    name: str
    folder: Path
    home: Path
    """The folder that holds `results/` and `checkpoints/`."""

    @property
    def study_path(self) -> Path:
        """The study as it was given."""
        return self.folder / "study.yaml"

    @property
    def log_path(self) -> Path:
        """What Ray printed."""
        return self.folder / "log.txt"

    @property
    def claim(self) -> Claim:
        """Held by the process that drives the study."""
        return Claim(self.folder)

    @property
    def exists(self) -> bool:
        """Whether there is a study of this name."""
        return self.study_path.exists()

    def study(self) -> Study:
        """What was asked for. Raises FileNotFoundError, UnreadableError."""
        try:
            return parse(read_file(self.study_path), str(self.study_path))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"no study named {self.name} in {self.folder.parent}; `gencore study list` lists them"
            ) from None
        except UnreadableError:
            raise
        except ValueError as error:
            raise UnreadableError(str(error)) from error

    def create(self, text: bytes, trials: Iterable[Trial]) -> None:
        """Write the study and its trials. Raises RunExistsError where a run has the name of a trial."""
        trials = list(trials)
        for trial in trials:
            self.refuse_foreign_run(trial)
        for trial in trials:
            self.save(trial)
        write_atomically(self.study_path, text)  # last: without it, there is no study

    def refuse_foreign_run(self, trial: Trial) -> None:
        """Raises RunExistsError where a run of the trial's name is not of this study."""
        run = self.run_of(trial)
        if run.exists and (difference := trial.config.difference(run.config())):
            raise RunExistsError(
                f"a run named {trial.name} exists and is no trial of this study ({'; '.join(difference)}); "
                "delete it, or give the study another name"
            )

    def save(self, trial: Trial) -> None:
        """Write a trial, whole or not at all."""
        results.save(self._trial_path(trial.name), trial)

    def trial(self, name: str) -> Trial:
        """The trial of that name. Raises FileNotFoundError, UnreadableError."""
        return results.load(self._trial_path(name), Trial)

    def trials(self) -> list[Trial]:
        """All trials known so far, by number. Raises UnreadableError."""
        paths = (self.folder / "trials").glob("*.json")
        return sorted((results.load(path, Trial) for path in paths), key=lambda trial: trial.number)

    def _trial_path(self, name: str) -> Path:
        return self.folder / "trials" / f"{name}.json"

    def run_of(self, trial: Trial) -> Run:
        """The run that trains it."""
        return runs.run(trial.name, self.home)

    def states(self) -> list[TrialState]:
        """What has become of each trial, by number. Raises UnreadableError, FileNotFoundError."""
        study = self.study()
        return [self.state(study, trial) for trial in self.trials()]

    def state(self, study: Study, trial: Trial) -> TrialState:
        """What has become of one trial; that of a run which cannot be read says why."""
        run = self.run_of(trial)
        if not run.exists:
            if trial.fault:
                return TrialState(trial=trial, status="failed", reason=trial.fault)
            return TrialState(trial=trial, status="waiting")
        status, why = run.state()
        if status == "unreadable":
            return TrialState(trial=trial, status=status, reason=why or "")
        try:
            content = read_file(run.events_path)
        except FileNotFoundError:
            content = b""
        found = events.without_void(events.of_kinds(content, _READ))
        found += events.of_kinds(content[-_END:], (Progress,))[-1:]
        return _state(study, trial, run, "waiting" if status == "new" else status, found)

    def status(self) -> StudyStatus:
        """What the study is doing. Raises nothing."""
        if held := self._held_status():
            return held
        try:
            return self.status_of(self.study(), self.states())
        except (ValueError, OSError):
            return "unreadable"

    def status_of(self, study: Study, states: Sequence[TrialState]) -> StudyStatus:
        """What the study is doing, where its plan and the states of its trials have been read already."""
        if held := self._held_status():
            return held
        is_over = all(state.is_settled or state.status == "failed" for state in states)
        wanted = study.search.points if study.search.method == "tpe" else None
        is_whole = wanted is None or len(
            [one for one in states if one.trial.phase == "search"]
        ) >= wanted * len(study.seeds)
        is_confirmed = (
            not (study.is_search and study.confirmation_seeds)
            or any(one.trial.phase == "confirmation" for one in states)
            or not any(one.status == "finished" for one in states)
        )
        return "finished" if is_over and is_whole and is_confirmed else "stopped"

    def _held_status(self) -> StudyStatus | None:
        """What the process does that drives the study; None where there is none."""
        if self.claim.process() is None:
            return None
        return "stopping" if self.claim.is_stopping else "running"

    def request_stop(self) -> bool:
        """Ask the study to stop, and return at once: every trial saves a checkpoint. False where it is idle.

        Trainings look for the mark once a second, on whatever machine they are."""
        if self.claim.process() is None:
            return False
        self.claim.mark_as_stopping()
        return True

    def stop(self, patience_seconds: float = 60.0) -> bool:
        """Ask the study to stop, and wait for it so long. False where it is idle."""
        if not self.request_stop():
            return False
        deadline = time.monotonic() + patience_seconds
        while self.claim.process() and time.monotonic() < deadline:
            time.sleep(0.1)
        return True


def _state(study: Study, trial: Trial, run: Run, status: TrialStatus, found: list[Event]) -> TrialState:
    ended = next((event for event in reversed(found) if isinstance(event, Ended)), None)
    progress = next((event for event in reversed(found) if isinstance(event, Progress)), None)
    timed = ended or progress
    distances = tuple(Distance(e.epoch, e.fd) for e in found if isinstance(e, QuickDistance))
    if status == "stopped" and ended is not None and ended.reason.startswith(CUT):
        status = "cut"
    reason = "" if ended is None or status in ("finished", "running", "evaluating") else ended.reason
    value = _quick_value(trial, distances)
    if study.objective != QUICK_FD:
        try:
            measured = run.load_results() if status == "finished" else None
        except UnreadableError as error:
            measured, reason = None, str(error)
        value = measured.value(study.objective) if measured else None
        if status == "finished" and measured is None:
            status = "stopped"  # its evaluation is still to come
        elif measured and value is None:
            metric = measured.metrics.get(study.objective)
            reason = metric.reason or "" if metric else f"its evaluation has no {study.objective}"
    return TrialState(
        trial=trial,
        status=status,
        value=value if status in ("finished", "cut") else None,
        distances=distances,
        epoch=progress.epoch if progress else 0.0,
        seconds=timed.seconds if timed else None,
        starts=sum(isinstance(event, Started) for event in found),
        reason=reason,
    )


def _quick_value(trial: Trial, distances: tuple[Distance, ...]) -> float | None:
    """The distance of the weights that are kept: the best ones with early stopping, else the last."""
    known = [distance.fd for distance in distances if distance.fd is not None]
    if not known or distances[-1].fd is None:
        return None
    return min(known) if trial.config.training.patience is not None else known[-1]


def record(name: str, home: Path | None = None) -> StudyRecord:
    """The record of the study `name` under `home`, whether it exists yet or not. Raises ValueError."""
    runs.run(name, home)  # refuses names that lead elsewhere
    root = (home or runs.home()).resolve()
    return StudyRecord(name, runs.studies_folder(root) / name, root)


def all_records(home: Path | None = None) -> list[StudyRecord]:
    """All studies, the newest first."""
    paths = sorted(runs.studies_folder(home).glob("*/study.yaml"), key=lambda path: -path.stat().st_mtime)
    return [record(path.parent.name, home) for path in paths]
