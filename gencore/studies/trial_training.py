"""One trial as an ordinary run, from one quick distance to the next; goes on where the run was left.

Ray Tune calls this through `gencore.studies.trainable`; nothing here knows Ray.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from gencore.store import events
from gencore.store.events import Ended, QuickDistance
from gencore.store.runs import RunBusyError
from gencore.studies.plan import Trial
from gencore.studies.records import CUT, StudyRecord, TrialStatus
from gencore.studies.study import QUICK_FD

_SECONDS_BETWEEN_LOOKS = 1.0
"""Between two looks at whether the study was asked to stop."""
_SECONDS_TO_LET_GO = 60.0
_STOPPED = "the study was stopped"
WORST = 1e30
"""Reported in place of a distance that is not finite or not there: schedulers compute with it."""


class Report(NamedTuple):
    """How far a trial has come."""

    epoch: float
    quick_fd: float
    status: TrialStatus
    """`running` until it has ended."""
    reason: str = ""


class TrialTraining:
    """A trial of `record` that trains in this process, with an iterator's life: begun, advanced, ended."""

    def __init__(
        self,
        record: StudyRecord,
        name: str,
        device: str = "auto",
        threads: int = 1,
        data_folder: Path | None = None,
    ) -> None:
        """Loads nothing yet: the first `advance` does."""
        self.record, self.trial, self.study = record, record.trial(name), record.study()
        self._device, self._threads, self._data_folder = device, threads, data_folder
        self._run = record.run_of(self.trial)
        self._stream: Iterator[events.Event] | None = None
        self._reason: str | None = None
        self._looked = 0.0
        self._last = Report(0.0, WORST, "waiting")
        self._log: TextIO | None = None

    def advance(self) -> Report:
        """Train to the next quick distance or to the end; a finished trial is then measured, if the study's
        objective asks for it.

        Raises RuntimeError where the training failed, so that it is tried again."""
        with self._printing_to_log():
            ended = None
            try:
                for event in self._events():
                    if isinstance(event, QuickDistance):
                        self._last = Report(event.epoch, WORST if event.fd is None else event.fd, "running")
                        return self._last
                    if isinstance(event, Ended):
                        ended = event  # and the run is let go of, once its events are exhausted
            except RunBusyError as error:
                raise RuntimeError(str(error)) from error
            except (ValueError, FileNotFoundError) as error:  # bad input: again would be no better
                self.record.save(self.trial.model_copy(update={"fault": str(error)}))
                return self._last._replace(status="failed", reason=str(error))
            assert ended is not None, "a training ends with an event"
            return self._after(ended)

    def cut(self) -> None:
        """End the training for good; it saves a checkpoint, and its log says that the scheduler did it."""
        if self._stream is None or self._last.status != "running":
            return
        if self.record.claim.is_stopping:
            self._reason = _STOPPED
        else:
            at = f"after epoch {self._last.epoch:g} with a quick fd of {self._last.quick_fd:.4g}"
            self._reason = f"{CUT} {at}" if self.study.scheduler == "asha" else "ended by Ray Tune"
        with self._printing_to_log():
            for _ in self._stream:
                pass

    def _events(self) -> Iterator[events.Event]:
        """The rest of the training's events; begins it at first."""
        if self._stream is None:
            self._stream = self._begin()
        return self._stream

    def _begin(self) -> Iterator[events.Event]:
        deadline = time.monotonic() + _SECONDS_TO_LET_GO
        while self._run.process() and time.monotonic() < deadline:
            time.sleep(0.2)  # the process of an attempt before, which has lost its node, ends too
        import torch

        from gencore import devices
        from gencore.training import process

        if self._run.exists and self._run.status() == "finished":  # stopped between training and evaluation
            newest = events.last(self._run.events_path)
            assert isinstance(newest, Ended)
            yield newest
            return
        torch.set_num_threads(self._threads)
        if self.trial.fault:
            self.record.save(self.trial.model_copy(update={"fault": None}))
        yield from process.recorded(
            self._run,
            self.trial.config,
            devices.pick(self._device),
            resume=self._run.exists,
            data_folder=self._data_folder,
            should_stop=self._should_stop,
        )

    def _should_stop(self) -> str | None:
        if self._reason is None and time.monotonic() - self._looked > _SECONDS_BETWEEN_LOOKS:
            self._looked = time.monotonic()
            if self.record.claim.is_stopping:
                self._reason = _STOPPED
        return self._reason

    def _after(self, ended: Ended) -> Report:
        if ended.status == "failed":
            raise RuntimeError(ended.reason)
        if ended.status == "finished" and self.study.objective != QUICK_FD:
            self._evaluate()
        self._last = self._last._replace(status=ended.status, reason=ended.reason)
        return self._last

    def _evaluate(self) -> None:
        from gencore import devices
        from gencore.evaluation.evaluate import evaluate

        device = devices.pick(self._device)
        with self._run.claim():
            evaluate(self._run, device, self.study.samples, 0, None, self._data_folder, print)

    @contextlib.contextmanager
    def _printing_to_log(self) -> Iterator[None]:
        """What a training prints goes to the log of its run, as that of a detached one."""
        if self._log is None:
            self._run.results.mkdir(parents=True, exist_ok=True)
            self._log = self._run.log_path.open("a", buffering=1)
        with contextlib.redirect_stdout(self._log), contextlib.redirect_stderr(self._log):
            yield


def replay(record: StudyRecord, trial: Trial) -> list[Report]:
    """What a settled trial reported, for a scheduler that has forgotten it."""
    state = record.state(record.study(), trial)
    reports = [Report(epoch, WORST if fd is None else fd, "running") for epoch, fd in state.distances]
    last = reports[-1] if reports else Report(0.0, WORST, "running")
    return [*reports, last._replace(status=state.status)]
