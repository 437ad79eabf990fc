"""Commands on what is there: list runs, stop one, describe the machine, print the schema, migrate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from gencore.analysis.comparison import Comparison
from gencore.cli import tables
from gencore.cli.common import DONE, FAILED, CommonOptions
from gencore.metrics import catalog
from gencore.store import events, results, runs
from gencore.store.runs import Run


@dataclass(frozen=True, kw_only=True)
class Runs:
    """List all runs, newest first."""

    output_dir: Path | None = None
    """Folder of results/ [$GENCORE_HOME, else the repository]."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the list as JSON."""

    def __call__(self) -> int:
        """Print the list and return the exit code."""
        rows = [_summary(run) for run in runs.all_runs(self.output_dir)]
        if self.as_json:
            print(json.dumps(rows, indent=1, allow_nan=False))
        else:
            tables.show(
                rows,
                ["name", "model", "dataset", "status", "step", "fd", "problem"],
                empty="no runs yet; `gencore train vae`",
            )
        return DONE


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Stop a running training; it saves a checkpoint first."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]
    output_dir: Path | None = None
    """Folder of results/ [$GENCORE_HOME, else the repository]."""

    def __call__(self) -> int:
        """Stop the run and return the exit code. Raises FileNotFoundError for no such run."""
        run = runs.run(self.name, self.output_dir)
        run.config()
        print(f"{run.name} stopped" if run.stop() else f"{run.name} is not running")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Migrate:
    """Move files of older versions to where this version looks for them; doing it again changes nothing."""

    output_dir: Path | None = None
    """Folder of results/ [$GENCORE_HOME, else the repository]."""

    def __call__(self) -> int:
        """Print what was moved: comparisons, from results/comparisons, a name that a run could take."""
        new = runs.comparisons_folder(self.output_dir)
        old = new.with_name("comparisons")
        found = [path for path in sorted(old.glob("*.json")) if _is_comparison(path)]
        for path in found:
            target = new / path.name
            if target.exists():
                print(f"left {path}: {target} exists; remove one of the two")
                continue
            new.mkdir(exist_ok=True)
            path.rename(target)
            print(f"moved {path} to {target}")
        if not found:
            print("nothing to migrate")
        elif not any(old.iterdir()):
            old.rmdir()
        return DONE


def _is_comparison(path: Path) -> bool:
    """Whether `path` holds a comparison: a run may be called `comparisons`, and keeps its own files."""
    try:
        results.load(path, Comparison)
    except (results.UnreadableError, OSError):
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Doctor(CommonOptions):
    """Say what this machine has: device, threads, libraries, data sets, feature classifiers."""

    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print as JSON."""

    def __call__(self) -> int:
        """Print what was found and return the exit code."""
        import psutil
        import torch

        from gencore import devices
        from gencore.data.registry import availability, known
        from gencore.store.extractor_runs import features_run

        device = self.pick_device()
        try:
            import torchvision  # noqa: F401

            fit = "ok"
        except (ImportError, RuntimeError) as error:
            fit = (
                f"torch and torchvision do not fit together ({error}); "
                "pip install --force-reinstall torch torchvision"
            )
        facts = {
            "device": devices.describe(device),
            "kind": device.type,
            "precision": str(devices.precision("auto", device)).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "torchvision": fit,
            "versions": devices.versions(),
            "datasets": {name: availability(name, self.data_dir) for name in known(self.data_dir)},
            "features": {
                name: (features_run(name, self.folder).results / "reference.json").exists()
                for name in known(self.data_dir)
            },
        }
        if self.as_json:
            print(json.dumps(facts, indent=1))
        else:
            for key, value in facts.items():
                parts = [f"{k} {v}" for k, v in value.items()] if isinstance(value, dict) else [str(value)]
                print(f"{key}: {', '.join(parts)}")
        return DONE if fit == "ok" else FAILED


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Print the JSON Schema of results.json."""

    def __call__(self) -> int:
        """Print the schema and return the exit code."""
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema"
        } | results.Results.model_json_schema(mode="serialization")
        schema["properties"]["metrics"]["properties"] = catalog.schema()
        print(json.dumps(schema, indent=1))
        return DONE


def _summary(run: Run) -> dict[str, object]:
    """One row of the list; a run that cannot be read says why."""
    status, problem = run.state()
    row: dict[str, object] = {"name": run.name, "status": status}
    if problem:
        return row | {"problem": problem}
    try:
        config, found = run.config(), run.load_results()
        newest = events.last(run.events_path)
    except Exception as error:  # the boundary of one run: whatever its files hold, the list goes on
        return row | {"status": "unreadable", "problem": str(error)}
    row |= {"model": config.label, "dataset": config.data.dataset, "seed": config.training.seed}
    return row | {"step": getattr(newest, "step", None), "fd": found.value("fd") if found else None}
