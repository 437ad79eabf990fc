"""Studies as processes of their own, started from the page, and what a study would take, found out by one.

From the start on, the state of a study is what its files say (`gencore.studies.records`).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dashboard.data.machine import BackgroundCommand
from dashboard.data.processes import start_detached
from gencore.store.claims import BusyError
from gencore.store.files import read_file, write_atomically
from gencore.studies import records
from gencore.studies.records import StudyRecord

_ASKED, _PRINTED = "asked.yaml", "printed.txt"
_PROGRAM = (sys.executable, "-m", "gencore")


class StudyBudget(BaseModel):
    """What `gencore study budget --json` reports, as far as the page shows it."""

    model_config = ConfigDict(frozen=True)

    lines: list[str]


class BudgetProbe(BackgroundCommand[StudyBudget]):
    """`gencore study budget`: whether a study can begin here, and how long it would take."""

    def __init__(self, text: str, home: Path, command: Sequence[str] = (*_PROGRAM, "study", "budget")):
        self._folder = tempfile.TemporaryDirectory(prefix="gencore-study-")
        path = Path(self._folder.name) / "study.yaml"
        path.write_text(text)
        words = [*command, str(path), "--json", "--output-dir", str(home)]
        super().__init__("the estimate of this study", words, StudyBudget.model_validate_json)


@dataclass(frozen=True)
class StudyJob:
    """A child of this server that runs a study."""

    record: StudyRecord
    process: subprocess.Popen[bytes]

    @property
    def is_starting(self) -> bool:
        """Alive, but not yet in the files."""
        return self.process.poll() is None and self.record.claim.process() is None

    @property
    def failed(self) -> bool:
        """Ended without having run the study: what it printed says why."""
        code = self.process.poll()
        return code == 2 or (code not in (None, 0) and not self.record.exists)

    @property
    def printed(self) -> str:
        """The last lines that it printed."""
        lines = read_file(self.record.folder / _PRINTED).decode(errors="replace").splitlines()
        return "\n".join(lines[-8:]) or "(nothing was printed)"


class StudyJobs:
    """The studies that this server has started. One object a server, safe to use from every session."""

    def __init__(self, program: Sequence[str] = _PROGRAM):
        self._program = list(program)
        self._lock = threading.Lock()
        self._jobs: dict[str, StudyJob] = {}

    def start(self, record: StudyRecord, text: str) -> None:
        """Begin the study in the YAML `text`. Raises as `resume` does."""
        asked = record.folder / _ASKED
        self._begin(record, ["run", str(asked), "--yes"], asked, text)

    def resume(self, record: StudyRecord) -> None:
        """Go on with a study. Raises BusyError while it or another one runs, because a study takes all cores;
        OSError where the folder is not writable."""
        self._begin(record, ["resume", record.name])

    def _begin(
        self, record: StudyRecord, words: Sequence[str], asked: Path | None = None, text: str = ""
    ) -> None:
        with self._lock:
            self._refuse(record)
            if asked is not None:
                write_atomically(asked, text.encode())
            command = [*self._program, "study", *words]
            process = start_detached(command, record.folder / _PRINTED, record.home)
            self._jobs[record.name] = StudyJob(record, process)

    def _refuse(self, record: StudyRecord) -> None:
        going = {name for name, job in self._jobs.items() if job.process.poll() is None}
        going |= {one.name for one in records.all_records(record.home) if one.claim.process()}
        if going:
            raise BusyError(f"study {', '.join(sorted(going))} is running, on all cores; stop it first")

    def of(self, name: str) -> StudyJob | None:
        """The newest process that this server has started for the study `name`."""
        return self._jobs.get(name)

    def starting(self) -> list[StudyJob]:
        """Alive, but not yet in the files."""
        return [job for job in list(self._jobs.values()) if job.is_starting]

    def failed(self) -> list[StudyJob]:
        """What ended without having run its study, until it is forgotten or started again."""
        return [job for job in list(self._jobs.values()) if job.failed]

    def forget(self, job: StudyJob) -> None:
        """Drop a job that has ended."""
        self._jobs.pop(job.record.name, None)
