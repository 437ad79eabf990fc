"""The translation models in one table: each preset trained on several seeds, next to answers without a model.

    python benchmarks/translation.py --home FOLDER [--dataset edges:mnist] [--seeds 3] [--epochs N]
        [--samples N] [--triptychs FILE] [PRESET …]

Trains ordinary runs in FOLDER, one thread each; goes on with one that was interrupted and leaves alone what
is finished. Measures them on test pairs by the feature classifiers of this checkout, and prints a Markdown
row a preset as soon as its seeds are measured: means, with the range over seeds in brackets. Then rows of the
source itself, the mean training image and the nearest training pair as outputs, and of real images.
`--triptychs` writes a PNG of the first test pairs: source, the output of each preset, real image.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from gencore import devices
from gencore.config.datasets import in_file_names, original_name
from gencore.config.translation_families import PALETTE, PIX2PIX
from gencore.data.sources import load
from gencore.evaluation.paired_figures import ERRORS, IDENTITY, MEAN_PICTURE, NEAREST_PAIR
from gencore.models.load import load_translator
from gencore.sampling.sheets import to_png
from gencore.sampling.translate import translate, triptychs
from gencore.store import runs
from gencore.store.files import write_atomically
from gencore.store.results import Results
from gencore.store.runs import Run

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.seed_table import FIRST_SEED, bring_extractors, measured, row  # noqa: E402

PAIRS_SHOWN, ENLARGED = 10, 2
COLUMNS = {
    "L1": ("translation_l1", "{:.4f}"),
    "PSNR, dB": ("translation_psnr", "{:.2f}"),
    "SSIM": ("translation_ssim", "{:.3f}"),
    "feature LPIPS": ("translation_feature_lpips", "{:.3f}"),
    "fd": ("fd", "{:.3g}"),
    "fd ÷ floor": ("fd_over_floor", "{:.3g}"),
    "agrees with source": ("source_agreement", "{:.3f}"),
    "agrees with label": ("label_agreement", "{:.3f}"),
    "variety": ("translation_variety", "{:.4f}"),
    "images/s": ("samples_per_second_100", "{:.0f}"),
    "seconds": ("training_seconds", "{:.0f}"),
}
"""Title, metric and format of each column."""
_PRESETS = {**PIX2PIX.presets, **PALETTE.presets}
HEADLINE = [name for name, preset in _PRESETS.items() if preset.is_headline]


def run_of(asked: argparse.Namespace, preset: str, seed: int) -> Run:
    return runs.run(f"{in_file_names(asked.dataset)}-{preset}-seed{seed}", asked.home)


def rows_without_model(one: Results) -> Iterator[str]:
    """Markdown rows of what results say beside their own values: answers without a model, real images."""
    for answer in (IDENTITY, MEAN_PICTURE, NEAREST_PAIR):
        found = {name: metric.baselines.get(answer) for name, metric in one.metrics.items()}
        yield _plain_row(answer, found)
    of_real = {name: metric.floor for name, metric in one.metrics.items() if name not in ERRORS}
    yield _plain_row("real images", of_real)


def _plain_row(name: str, found: Mapping[str, float | None]) -> str:
    values = [(found.get(metric), form) for metric, form in COLUMNS.values()]
    cells = ["–" if value is None else form.format(value) for value, form in values]
    return f"| *{name}* | | {' | '.join(cells)} |"


def write_triptychs(asked: argparse.Namespace, presets: Sequence[str]) -> None:
    """The first test pairs, a row each: source, output of each preset's first seed, real image."""
    finished = [run for name in presets if (run := run_of(asked, name, FIRST_SEED)).status() == "finished"]
    pairs = load(finished[0].config().dataset_spec, "test")
    assert pairs.sources is not None, "the data set has pairs"
    sources, cpu = pairs.sources[:PAIRS_SHOWN], torch.device("cpu")
    outputs = [translate(load_translator(run, cpu)[0], sources, 0, torch.float32) for run in finished]
    columns = [sources, *outputs, pairs.images[:PAIRS_SHOWN]]
    enlarged = triptychs(*columns).repeat_interleave(ENLARGED, 2).repeat_interleave(ENLARGED, 3)
    write_atomically(asked.triptychs, to_png(enlarged, columns=len(columns)))
    print(f"{asked.triptychs}: source, {', '.join(run.name for run in finished)}, real image")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("presets", nargs="*", choices=[*_PRESETS, []], metavar="PRESET")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dataset", default="edges:mnist")
    parser.add_argument("--epochs", type=int, help="in place of each preset's own")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, help="test pairs [as `gencore evaluate`]")
    parser.add_argument("--triptychs", type=Path)
    asked = parser.parse_args()
    bring_extractors(original_name(asked.dataset), asked.home)
    settings = ["--dataset", asked.dataset, *(["--epochs", asked.epochs] if asked.epochs else [])]
    measuring = ["--samples", asked.samples] if asked.samples else []
    print(f"{asked.dataset}, {devices.describe(torch.device('cpu'))}, torch {torch.__version__}, 1 thread")
    print(f"| preset | finished | {' | '.join(COLUMNS)} |\n|{' --- |' * (len(COLUMNS) + 2)}")
    presets, first = asked.presets or HEADLINE, None
    for preset in presets:
        found = [
            measured(run_of(asked, preset, seed), preset, seed, settings, measuring)
            for seed in range(FIRST_SEED, FIRST_SEED + asked.seeds)
        ]
        first = first or next((one for one in found if one), None)
        print(row(preset, found, COLUMNS), flush=True)
    if first is None:
        return
    print(*rows_without_model(first), sep="\n")
    if asked.triptychs:
        write_triptychs(asked, presets)


if __name__ == "__main__":
    main()
