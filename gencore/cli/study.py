"""Commands for studies: run, go on, stop, list, show, take their best point and their table."""

from __future__ import annotations

import csv
import io
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
from gencore.config import commands
from gencore.store import runs
from gencore.store.files import UnreadableError, read_file, write_atomically
from gencore.store.runs import RunExistsError
from gencore.studies import engine, plan, records, study
from gencore.studies.budget import Budget, estimate
from gencore.studies.engine import Machines
from gencore.studies.findings import StudyAnalysis
from gencore.studies.plan import Trial
from gencore.studies.records import StudyRecord, TrialState
from gencore.studies.statistics import analyse, find_winner
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
            print(_as_json(record))
        else:
            study_tables.show_study(record, record.study(), states)
        if record.status() == "stopped" and not any(one.status in ("failed", "died") for one in states):
            say(f"stopped; `gencore study resume {record.name}` goes on")
            return INTERRUPTED
        return FAILED if any(one.status in ("failed", "died") for one in states) else DONE


@dataclass(frozen=True, kw_only=True)
class Run(WorkOptions):
    """Run a study from its file: all trials are ordinary runs."""

    path: Annotated[Positional[Path], tyro.conf.arg(metavar="FILE.yaml")]
    yes: bool = False
    """Begin without being asked."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
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
        if not self._agree(self._budget(asked, trials), asked.scheduler == "asha"):
            say("nothing was written")
            return DONE
        record.create(text, trials)
        return self.work(record)

    def _agree(self, budget: Budget, asha: bool) -> bool:
        """Say what it takes; whether to begin. Raises ValueError where nobody can be asked."""
        for line in study_tables.budget_lines(budget, asha, self.address):
            say(line)
        if self.yes:
            return True
        if not sys.stdin.isatty():
            raise ValueError("nobody is there to agree to this budget; add --yes to begin")
        print("Begin? [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _budget(self, asked: StudyPlan, trials: Sequence[Trial]) -> Budget:
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


@dataclass(frozen=True, kw_only=True)
class List(StudyOptions):
    """List all studies, newest first."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        rows = [_row(record) for record in records.all_records(self.folder)]
        if self.as_json:
            print(json.dumps(rows, indent=1, allow_nan=False))
        else:
            study_tables.show_list(rows)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Show(StudyOptions):
    """Show what a study has found: points over seeds, effects of the options, tests, what was lost."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="STUDY")]

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        record = self.find(self.name)
        if self.as_json:
            print(_as_json(record))
        else:
            study_tables.show_study(record, record.study(), record.states())
        return DONE


@dataclass(frozen=True, kw_only=True)
class Stop(StudyOptions):
    """Stop a running study; its trials save a checkpoint first."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="STUDY")]

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        record = self.find(self.name)
        if not record.stop():
            print(f"{self.name} is not running")
        else:
            print(f"{self.name} {'is still stopping' if record.claim.process() else 'stopped'}")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Best(StudyOptions):
    """Name the best point of a search, as fresh seeds measured it, and the command that trains it."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="STUDY")]

    def __call__(self) -> int:
        """Run the command; returns the exit code. Raises ValueError where there is none."""
        record = self.find(self.name)
        asked, states = record.study(), record.states()
        winner = find_winner(asked, states)
        if winner is None:
            reason = (
                "no trial of it has finished, or it has one point"
                if asked.is_search
                else "it is an ablation, which asks what changes do; `gencore study show` has that"
            )
            raise ValueError(f"{self.name} has no best point: {reason}")
        config = next(one.trial.config for one in states if one.trial.name == winner.run)
        command = commands.shown(commands.train(asked.base.preset, f"{self.name}-best", config))
        if self.as_json:
            found = winner.model_dump(mode="json") | {"is_best": winner.is_best, "command": command}
            print(json.dumps(found, indent=1))
        else:
            study_tables.show_winner(winner, asked.objective)
            print(command)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Export(StudyOptions):
    """Write the trials of a study, with their options, states and values, as a table."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="STUDY")]
    out: Path = Path("study.csv")
    """File to write: .csv has a row a trial; .json has the analysis too."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        if self.out.suffix not in {".csv", ".json"}:
            raise ValueError(f"--out is {self.out}; end it in .csv (a row a trial) or .json (everything)")
        record = self.find(self.name)
        content = _as_json(record) if self.out.suffix == ".json" else _as_csv(record.states())
        write_atomically(self.out, content.encode())
        print(f"{self.name} in {self.out}")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Study:
    """Searches, ablations and seeds with statistics, on this machine or on a Ray cluster."""

    action: (
        Annotated[Run, tyro.conf.subcommand("run")]
        | Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Show, tyro.conf.subcommand("show")]
        | Annotated[Stop, tyro.conf.subcommand("stop")]
        | Annotated[Resume, tyro.conf.subcommand("resume")]
        | Annotated[Best, tyro.conf.subcommand("best")]
        | Annotated[Export, tyro.conf.subcommand("export")]
    )

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        return self.action()


def _row(record: StudyRecord) -> dict[str, object]:
    """One line of the list; a study that cannot be read says why."""
    row: dict[str, object] = {"name": record.name, "status": record.status()}
    try:
        asked, states = record.study(), record.states()
    except (UnreadableError, FileNotFoundError) as error:
        return row | {"problem": str(error)}
    winner = find_winner(asked, states)
    return row | {
        "preset": asked.base.preset,
        "dataset": asked.base.dataset,
        "trials": len(states),
        "settled": sum(one.is_settled for one in states),
        "lost": sum(one.is_lost for one in states),
        "best": winner.title if winner and winner.is_best else None,
    }


def _as_json(record: StudyRecord) -> str:
    asked, states = record.study(), record.states()
    found: StudyAnalysis = analyse(asked, states)
    return json.dumps(
        {
            "name": record.name,
            "status": record.status(),
            "study": asked.model_dump(mode="json"),
            "analysis": found.model_dump(mode="json"),
            "trials": [_flat(one) for one in states],
        },
        indent=1,
        allow_nan=False,
    )


def _flat(state: TrialState) -> dict[str, object]:
    """A trial as one row."""
    trial = state.trial
    return {
        "run": trial.name,
        "phase": trial.phase,
        **{f"axis {axis}": level for axis, level in trial.point.items()},
        "seed": trial.seed,
        "status": state.status,
        "value": state.value,
        "epoch": state.epoch,
        "seconds": state.seconds,
        "starts": state.starts,
        "reason": state.reason,
    }


def _as_csv(states: Sequence[TrialState]) -> str:
    rows = [_flat(state) for state in states]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()
