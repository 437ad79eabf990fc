"""The GAN variants on MNIST in one table: each preset trained on several seeds for a few epochs.

    python benchmarks/gan_variants.py --home FOLDER [--epochs 5] [--seeds 3] [--samples 5000] [PRESET …]

Trains ordinary runs in FOLDER, one thread each; goes on with one that was interrupted and leaves alone what
is finished. Measures them by the feature classifiers of this checkout, and prints a Markdown row a variant as
soon as its seeds are measured: means, with the range over seeds in brackets.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from gencore import devices
from gencore.config.families import GAN
from gencore.config.options import EXTRACTORS
from gencore.metrics.catalog import MetricGroup
from gencore.store import runs
from gencore.store.extractor_runs import features_run
from gencore.store.results import Results
from gencore.store.runs import Run

FIRST_SEED = 42
GROUPS: tuple[MetricGroup, ...] = ("distances", "manifold", "classes")
COLUMNS = {
    "fd ÷ floor": ("fd_over_floor", "{:.3g}"),
    "recall": ("recall", "{:.2f}"),
    "within-class variety": ("within_class_variance", "{:.0f}"),
    "in collapse": ("collapse_share", "{:.0%}"),
    "seconds": ("training_seconds", "{:.0f}"),
}
"""Title, metric and format of each column."""
VARIANTS = [name for name, preset in GAN.presets.items() if not preset.is_quick and "base" not in name]


def gencore(home: Path, *words: object) -> None:
    """The command line in a process of its own: a training that diverges ends it with another code than 0."""
    command = [sys.executable, "-m", "gencore", *map(str, words), "--output-dir", str(home), "--threads", "1"]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        print(f"{' '.join(command[2:])}: {ended.stderr.strip().splitlines()[-1]}", file=sys.stderr)


def trained(home: Path, preset: str, seed: int, epochs: int) -> Run:
    """The run of this variant and seed, trained to its end."""
    run = runs.run(f"mnist-{preset}-seed{seed}", home)
    if run.status() not in ("finished", "diverged"):
        resume = ["--resume"] if run.exists else []
        settings = ["--seed", seed, "--epochs", epochs, "--fd-every", epochs, "--name", run.name]
        gencore(home, "train", preset, *settings, *resume)
    return run


def measured(home: Path, run: Run, samples: int) -> Results | None:
    """Its results; None where the training diverged."""
    if run.status() != "finished":
        return None
    if run.load_results() is None:
        gencore(home, "evaluate", run.name, "--samples", samples, "--metrics", *GROUPS)
    return run.load_results()


def row(preset: str, found: Sequence[Results | None]) -> str:
    """A Markdown row: the mean of each column with its range over the seeds that were measured."""
    cells = [f"`{preset}`", f"{sum(one is not None for one in found)} of {len(found)}"]
    for metric, form in COLUMNS.values():
        values = [value for one in found if one and (value := one.value(metric)) is not None]
        if not values:
            cells.append("–")
            continue
        mean, low, high = (form.format(x) for x in (sum(values) / len(values), min(values), max(values)))
        cells.append(f"{mean} ({low} to {high})")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("presets", nargs="*", choices=[*VARIANTS, []], metavar="PRESET")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=5000)
    asked = parser.parse_args()
    for name in EXTRACTORS:  # measured by those that ship
        ours, theirs = features_run("mnist", runs.home(), name), features_run("mnist", asked.home, name)
        for source, target in ((ours.results, theirs.results), (ours.checkpoints, theirs.checkpoints)):
            if not target.exists():
                shutil.copytree(source, target)
    print(
        f"{devices.describe(torch.device('cpu'))}, torch {torch.__version__}, 1 thread, {asked.epochs} epochs"
    )
    print(f"| preset | finished | {' | '.join(COLUMNS)} |\n|{' --- |' * (len(COLUMNS) + 2)}")
    for preset in asked.presets or VARIANTS:
        seeds = range(FIRST_SEED, FIRST_SEED + asked.seeds)
        found = [
            measured(asked.home, trained(asked.home, preset, seed, asked.epochs), asked.samples)
            for seed in seeds
        ]
        print(row(preset, found), flush=True)


if __name__ == "__main__":
    main()
