"""The GAN variants on MNIST in one table: each preset trained on several seeds for a few epochs.

    python benchmarks/gan_variants.py --home FOLDER [--epochs 5] [--seeds 3] [--samples 5000] [PRESET …]

Trains ordinary runs in FOLDER, one thread each; goes on with one that was interrupted and leaves alone what
is finished. Measures them by the feature classifiers of this checkout, and prints a Markdown row a variant as
soon as its seeds are measured: means, with the range over seeds in brackets.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from gencore import devices
from gencore.config.families import GAN
from gencore.metrics.catalog import MetricGroup
from gencore.store import runs

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.seed_table import FIRST_SEED, bring_extractors, measured, row  # noqa: E402

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
    bring_extractors("mnist", asked.home)
    settings = ("--epochs", asked.epochs, "--fd-every", asked.epochs)
    measuring = ("--samples", asked.samples, "--metrics", *GROUPS)
    print(
        f"{devices.describe(torch.device('cpu'))}, torch {torch.__version__}, 1 thread, {asked.epochs} epochs"
    )
    print(f"| preset | finished | {' | '.join(COLUMNS)} |\n|{' --- |' * (len(COLUMNS) + 2)}")
    for preset in asked.presets or VARIANTS:
        found = [
            measured(runs.run(f"mnist-{preset}-seed{seed}", asked.home), preset, seed, settings, measuring)
            for seed in range(FIRST_SEED, FIRST_SEED + asked.seeds)
        ]
        print(row(preset, found, COLUMNS), flush=True)


if __name__ == "__main__":
    main()
