"""Commands that look at what is there: runs, this machine, the schema; and stop what is running."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from gencore import events, results, runs, tables
from gencore.cli.common import DONE, FAILED, Places
from gencore.runs import Run


@dataclass(frozen=True, kw_only=True)
class Runs:
    """List all runs, newest first."""

    output_dir: Path | None = None
    """Folder of results/ [$GENCORE_HOME, else the repository]."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the list as JSON."""

    def __call__(self) -> int:
        rows = [_summary(run) for run in runs.all_runs(self.output_dir)]
        if self.as_json:
            print(json.dumps(rows, indent=1, allow_nan=False))
        else:
            tables.show(rows, ["name", "model", "dataset", "status", "step", "fd", "problem"], empty="no runs yet; `gencore train vae`")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Stop a running training; it saves a checkpoint first."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]
    output_dir: Path | None = None
    """Folder of results/ [$GENCORE_HOME, else the repository]."""

    def __call__(self) -> int:
        run = runs.run(self.name, self.output_dir)
        run.config()
        print(f"{run.name} stopped" if run.stop() else f"{run.name} is not running")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Doctor(Places):
    """Say what this machine has: device, threads, libraries, data sets, feature classifiers."""

    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print as JSON."""

    def __call__(self) -> int:
        import psutil
        import torch

        from gencore import devices
        from gencore.data.registry import DATASETS, availability
        from gencore.features import features_run

        device = self.pick_device()
        try:
            import torchvision  # noqa: F401

            fit = "ok"
        except (ImportError, RuntimeError) as error:
            fit = f"torch and torchvision do not fit together ({error}); pip install --force-reinstall torch torchvision"
        facts = {
            "device": devices.describe(device),
            "kind": device.type,
            "precision": str(devices.precision("auto", device)).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "torchvision": fit,
            "versions": devices.versions(),
            "datasets": {name: availability(name, self.data_dir) for name in DATASETS},
            "features": {name: (features_run(name, self.folder).results / "reference.json").exists() for name in DATASETS},
        }
        if self.as_json:
            print(json.dumps(facts, indent=1))
        else:
            for key, value in facts.items():
                print(f"{key}: {', '.join(f'{k} {v}' for k, v in value.items()) if isinstance(value, dict) else value}")
        return DONE if fit == "ok" else FAILED


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Print the JSON Schema of results.json."""

    def __call__(self) -> int:
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | results.Results.model_json_schema(mode="serialization")
        print(json.dumps(schema, indent=1))
        return DONE


def _summary(run: Run) -> dict[str, object]:
    """One row of the list; a run that cannot be read says why."""
    row: dict[str, object] = {"name": run.name, "status": run.status()}
    try:
        config, found = run.config(), run.load_results()
        newest = events.last(run.events_path)
        row |= {"model": config.label, "dataset": config.data.dataset, "seed": config.training.seed}
        row |= {"step": getattr(newest, "step", None), "fd": found.value("fd") if found else None}
    except (results.UnreadableError, OSError) as error:
        row |= {"status": "unreadable", "problem": str(error)}
    return row
