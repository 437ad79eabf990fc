"""Commands that train studies: say what one would take, run it, go on with it."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from gencore.cli import study_tables
from gencore.cli.common import DONE, FAILED, INTERRUPTED, say
from gencore.store import runs
from gencore.store.files import read_file
from gencore.store.runs import RunExistsError
from gencore.studies import engine, plan, records, study
from gencore.studies.budget import Budget as StudyBudget
from gencore.studies.budget import estimate
from gencore.studies.engine import Machines
from gencore.studies.plan import Trial
from gencore.studies.records import StudyRecord
from gencore.studies.study import Study as StudyPlan


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """Where studies lie, and how they are printed."""

    output_dir: Path | None = None
    """Folder of results/ and checkpoints/ [$GENCORE_HOME, else the repository]."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print as JSON."""

    @property
    def folder(self) -> Path:
        """The folder that holds results/ and checkpoints/."""
        return self.output_dir or runs.home()

    def find(self, name: str) -> StudyRecord:
        """The study of that name. Raises FileNotFoundError, UnreadableError."""
        record = records.record(name, self.folder)
        record.study()
        return record


@dataclass(frozen=True, kw_only=True)
class WorkOptions(StudyOptions):
    """Where trials are trained."""

    address: str | None = None
    """A Ray cluster, as 127.0.0.1:6379 or auto; every node sees the same folders [this machine]."""
    data_dir: Path | None = None
    """Folder of the data sets [$GENCORE_DATA, else data/]."""
    device: str = "auto"
    """auto, cpu or cuda."""

    @property
    def machines(self) -> Machines:
        """Where trials run."""
        return Machines(address=self.address, device=self.device, data_folder=self.data_dir)

    def work(self, record: StudyRecord) -> int:
        """Run what is left of the study and show it; returns the exit code."""
        states = engine.drive(record, self.machines, say)
        if self.as_json:
            print(study_tables.as_json(record))
        else:
            study_tables.show_study(record, record.study(), states)
        if record.status() == "stopped" and not any(one.status in ("failed", "died") for one in states):
            say(f"stopped; `gencore study resume {record.name}` goes on")
            return INTERRUPTED
        return FAILED if any(one.status in ("failed", "died") for one in states) else DONE


@dataclass(frozen=True, kw_only=True)
class FileOptions(WorkOptions):
    """A study that has not begun, from its file."""

    path: Annotated[Positional[Path], tyro.conf.arg(metavar="FILE.yaml")]

    def check(self) -> tuple[bytes, StudyPlan, list[Trial]]:
        """The file's text, the study in it and its trials. Raises ValueError for what could not be run."""
        text = read_file(self.path)
        asked = study.parse(text, str(self.path))
        record = records.record(asked.name, self.folder)
        if record.exists:
            raise RunExistsError(
                f"a study named {asked.name} exists; `gencore study resume {asked.name}` goes on with it, or "
                "use another name"
            )
        trials = plan.expand(asked, self.data_dir)
        plan.refuse_without_extractors(asked, self.folder)
        engine.require(asked, self.address)
        for trial in trials:
            record.refuse_foreign_run(trial)
        return text, asked, trials

    def measure(self, asked: StudyPlan, trials: Sequence[Trial]) -> StudyBudget:
        """What these trials take, by a probe of this machine."""
        import torch

        from gencore import devices
        from gencore.training.pace import images_per_second

        device = devices.pick(self.device)
        before = torch.get_num_threads()
        torch.set_num_threads(asked.threads)
        try:
            return estimate(
                asked,
                trials,
                self.folder,
                engine.trials_at_once(asked),
                lambda config: images_per_second(config, device),
                self.data_dir,
            )
        finally:
            torch.set_num_threads(before)


@dataclass(frozen=True, kw_only=True)
class Run(FileOptions):
    """Run a study from its file: all trials are ordinary runs."""

    yes: bool = False
    """Begin without being asked."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        text, asked, trials = self.check()
        if not self._agree(self.measure(asked, trials), asked.scheduler == "asha"):
            say("nothing was written")
            return DONE
        record = records.record(asked.name, self.folder)
        record.create(text, trials)
        return self.work(record)

    def _agree(self, budget: StudyBudget, asha: bool) -> bool:
        """Say what it takes; whether to begin. Raises ValueError where nobody can be asked."""
        for line in study_tables.budget_lines(budget, asha, self.address):
            say(line)
        if self.yes:
            return True
        if not sys.stdin.isatty():
            raise ValueError("nobody is there to agree to this budget; add --yes to begin")
        print("Begin? [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")


@dataclass(frozen=True, kw_only=True)
class Budget(FileOptions):
    """Say what a study would take, by a probe of this machine; writes nothing."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        _, asked, trials = self.check()
        found = self.measure(asked, trials)
        lines = study_tables.budget_lines(found, asked.scheduler == "asha", self.address)
        if self.as_json:
            print(json.dumps(dataclasses.asdict(found) | {"lines": lines}, indent=1))
        else:
            print("\n".join(lines))
        return DONE


@dataclass(frozen=True, kw_only=True)
class Resume(WorkOptions):
    """Go on with a study; trials that have finished, were cut or diverged stay as they are."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="STUDY")]

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        record = self.find(self.name)
        asked = record.study()
        engine.require(asked, self.address)
        if record.status() == "finished" and all(one.is_settled for one in record.states()):
            say(f"{self.name} has finished")
            return DONE
        return self.work(record)
