"""Commands on studies that are there: list, show, stop, take their best point and their table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from gencore.cli import study_tables
from gencore.cli.common import DONE
from gencore.cli.study_work import Budget, Resume, Run, StudyOptions
from gencore.config import commands
from gencore.store.files import UnreadableError, write_atomically
from gencore.studies import records
from gencore.studies.records import StudyRecord, TrialState
from gencore.studies.statistics import find_winner


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
            print(study_tables.as_json(record))
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
        content = study_tables.as_json(record) if self.out.suffix == ".json" else _as_csv(record.states())
        write_atomically(self.out, content.encode())
        print(f"{self.name} in {self.out}")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Study:
    """Searches, ablations and seeds with statistics, on this machine or on a Ray cluster."""

    action: (
        Annotated[Run, tyro.conf.subcommand("run")]
        | Annotated[Budget, tyro.conf.subcommand("budget")]
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


def _as_csv(states: Sequence[TrialState]) -> str:
    rows = [study_tables.flat(state) for state in states]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()
