"""What benchmarks share that train a preset on several seeds: ordinary runs, measured alike, in a table."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gencore.config.options import EXTRACTORS
from gencore.store import runs
from gencore.store.extractor_runs import features_run
from gencore.store.results import Results
from gencore.store.runs import Run

FIRST_SEED = 42


def bring_extractors(dataset: str, home: Path) -> None:
    """Copy the feature classifiers of this checkout into `home`, so that all are measured by the same."""
    for name in EXTRACTORS:
        ours, theirs = features_run(dataset, runs.home(), name), features_run(dataset, home, name)
        for source, target in ((ours.results, theirs.results), (ours.checkpoints, theirs.checkpoints)):
            if not target.exists():
                shutil.copytree(source, target)


def measured(
    run: Run, preset: str, seed: int, settings: Sequence[object], measuring: Sequence[object]
) -> Results | None:
    """The results of `run`, trained to its end first where it is not; None where the training diverged.

    `settings` are words of the training, `measuring` of the evaluation."""
    if run.status() not in ("finished", "diverged"):
        resume = ["--resume"] if run.exists else []
        _gencore(run, "train", preset, "--seed", seed, "--name", run.name, *settings, *resume)
    if run.status() != "finished":
        return None
    if run.load_results() is None:
        _gencore(run, "evaluate", run.name, *measuring)
    return run.load_results()


def _gencore(run: Run, *words: object) -> None:
    """The command line in a process of its own: a training that diverges ends it with another code than 0."""
    options = ["--output-dir", str(run.home), "--threads", "1"]
    command = [sys.executable, "-m", "gencore", *map(str, words), *options]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        print(f"{' '.join(command[2:])}: {ended.stderr.strip().splitlines()[-1]}", file=sys.stderr)


def row(preset: str, found: Sequence[Results | None], columns: Mapping[str, tuple[str, str]]) -> str:
    """A Markdown row: the mean of each column with its range over the seeds that were measured.

    `columns` gives the metric and format of each title."""
    cells = [f"`{preset}`", f"{sum(one is not None for one in found)} of {len(found)}"]
    for metric, form in columns.values():
        values = [value for one in found if one and (value := one.value(metric)) is not None]
        if not values:
            cells.append("–")
            continue
        mean, low, high = (form.format(x) for x in (sum(values) / len(values), min(values), max(values)))
        cells.append(f"{mean} ({low} to {high})")
    return f"| {' | '.join(cells)} |"
