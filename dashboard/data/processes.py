"""Trainings as processes of their own, which outlive the page and the server that started them.

From the start on, the state of a training is what its files say (`gencore.store.runs`); a handle is kept only
to know that a child is still starting, to see that it failed before it wrote anything, and to reap it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gencore.store import events
from gencore.store.runs import Run, RunBusyError, all_runs

MAX_RUNNING = 2
"""Trainings at once. They share the machine: a third would mostly slow the other two."""


def start_detached(command: Sequence[str], log_path: Path, home: Path) -> subprocess.Popen[bytes]:
    """Run `command` in a session of its own, what it prints appended to a log; it is reaped when it ends.

    Raises OSError where the log's folder is not writable."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"GENCORE_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        )
    threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
    return process


class TooManyRunsError(ValueError):
    """The limit of trainings at once is reached."""


@dataclass(frozen=True)
class Job:
    """A child of this server."""

    run: Run
    process: subprocess.Popen[bytes]
    since: float

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    @property
    def has_begun(self) -> bool:
        """Whether the training has claimed its run or left a trace in its event log."""
        newest = events.last(self.run.events_path)
        return self.run.process() is not None or (newest is not None and newest.time >= self.since)

    @property
    def failed_to_start(self) -> bool:
        """Ended with an error before it began: only its log says why."""
        return self.process.poll() not in (None, 0) and not self.has_begun


class Jobs:
    """The trainings that this server has started. One object a server, safe to use from every session."""

    def __init__(self, program: Sequence[str] = (sys.executable, "-m", "gencore"), limit: int = MAX_RUNNING):
        self._program = list(program)
        self._limit = limit
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def start(self, run: Run, words: Sequence[str]) -> None:
        """Run `gencore words…` detached, its output appended to the run's log.

        Of several calls at once for one run exactly one starts it. Raises RunBusyError for the others and
        while another start is under way (a double click must not make two runs), TooManyRunsError at the
        limit, OSError where the folder is not writable.
        """
        with self._lock:
            self._refuse(run)
            process = start_detached([*self._program, *words], run.log_path, run.home)
            self._jobs[run.name] = Job(run, process, time.time())

    def delete(self, run: Run) -> None:
        """Remove all that `run` has on disk.

        Raises RunBusyError while it trains or is measured, NotARunError where the folder is not of a run,
        OSError where a folder cannot be removed.
        """
        with self._lock:
            if run.process() or run.name in {job.run.name for job in self.alive()}:
                raise RunBusyError(f"run {run.name} is running; stop it first")
            run.delete()
            self._jobs.pop(run.name, None)

    def _refuse(self, run: Run) -> None:
        alive = {job.run.name for job in self.alive()}
        if run.name in alive or run.process():
            raise RunBusyError(f"run {run.name} is running already")
        if starting := self.starting():
            raise RunBusyError(f"run {starting[0].run.name} is still starting; try again in a moment")
        going = alive | {other.name for other in all_runs(run.home) if other.process()}
        if len(going) >= self._limit:
            names = ", ".join(sorted(going))
            raise TooManyRunsError(
                f"{len(going)} trainings are running ({names}), the limit is {self._limit}; stop one"
            )

    def alive(self) -> list[Job]:
        """Children that are training, or measuring after it."""
        return [job for job in list(self._jobs.values()) if job.is_alive]

    def starting(self) -> list[Job]:
        """Alive, but not yet in the files."""
        return [job for job in self.alive() if not job.has_begun]

    def failed_to_start(self) -> list[Job]:
        """What ended with an error before it began, until it is forgotten."""
        return [job for job in list(self._jobs.values()) if job.failed_to_start]

    def forget(self, job: Job) -> None:
        """Drop a job that has ended from `failed_to_start`."""
        self._jobs.pop(job.run.name, None)
