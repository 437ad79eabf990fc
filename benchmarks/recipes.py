"""Recipes of the four models before and now, side by side: each is trained alike and measured as it learns.

    python benchmarks/recipes.py [--epochs 3] [--samples 2000] [--threads 1] [--picture FILE] [NAME …]

A recipe is a preset with changes; without names, all of RECIPES are trained. Prints a Markdown row for each
as soon as it is measured: after each epoch fd ÷ floor (the geometric mean over the data set's extractors) of
images from the averaged weights with the processor seconds of training, then the share of malformed images.
--picture writes a PNG with 100 samples of each, captioned, two rows of sheets.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw, ImageFont

from gencore import devices
from gencore.config.datasets import DATASETS
from gencore.config.options import PRESETS, RunConfig
from gencore.data.batches import Batches
from gencore.evaluation.distances import Scales
from gencore.evaluation.real_data import RealData
from gencore.evaluation.records import Shares
from gencore.models.base import GenerativeModel
from gencore.sampling.generate import generate
from gencore.sampling.sheets import draw_sheet
from gencore.store import runs
from gencore.training.loop import learning_rate_factor
from gencore.training.step import State

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.sampler_settings import malformed  # noqa: E402

SEED, MARGIN, CAPTION = 42, 8, 24
RECIPES: dict[str, tuple[str, dict[str, dict[str, object]]]] = {
    "ddpm: as before": ("ddpm-plain", {}),
    "ddpm: Muon": ("ddpm-plain", {"training": {"optimizer": "muon"}}),
    "ddpm: 100 clusters": ("ddpm-plain", {"model": {"clusters": 100}}),
    "ddpm: 100 clusters, Muon": ("ddpm", {"model": {"guidance": 1.0, "spacing": "trailing"}}),
    "ddpm: 100 clusters, Muon, guidance": ("ddpm", {}),
    "ddpm: labels, Muon, guidance": ("cddpm", {}),
    "gan: as before": ("gan-plain", {}),
    "gan: folded, higher rates": ("gan", {"model": {"clusters": 0}}),
    "gan: 100 clusters as well": ("gan", {}),
    "cgan: as before": (
        "cgan",
        {
            "model": {
                "network": "conv",
                "generator_learning_rate": 2e-4,
                "discriminator_learning_rate": 2e-4,
            }
        },
    ),
    "cgan: folded, higher rates": ("cgan", {}),
    "vae: as before": (
        "vae-elbo",
        {
            "data": {"batch_size": 128},
            "model": {"width": 64, "depth": 2, "learning_rate": 1e-3, "mixture_components": 100},
            "training": {"schedule": "constant", "optimizer": "adam"},
        },
    ),
    "vae: ELBO": ("vae-elbo", {}),
    "vae": ("vae", {}),
}
"""By name: the preset, and the fields of its sections that differ."""


def config_of(name: str, epochs: int) -> RunConfig:
    preset, changes = RECIPES[name]
    given = PRESETS[preset].model_dump()
    for section, fields in changes.items():
        given[section] |= fields
    given["training"]["epochs"] = epochs
    return RunConfig.model_validate(given)


class Point(NamedTuple):
    """How good a model was when it had learned so long."""

    seconds: float
    """Of the processor, in training."""
    fd_over_floor: float
    malformed: float
    """Share of images that the first extractor recognises with less than 99 % probability."""


def trained(config: RunConfig, real: RealData, samples: int) -> tuple[State, list[Point]]:
    """The whole training, measured after each epoch; measuring takes no training time."""
    state = State.fresh(config, real.train, real.train.images.device)
    batches = Batches(real.train, config.data.batch_size, config.training.seed)
    total = config.total_steps(batches.steps_per_epoch)
    points: list[Point] = []
    seconds, start = 0.0, time.process_time()
    while state.step < total:
        factor = learning_rate_factor(config.training.schedule, state.step, total)
        state.advance(batches.batch(state.step), factor)
        if state.step % config.training.progress_every == 0:
            state.read_window()
        if state.step % batches.steps_per_epoch == 0:
            seconds += time.process_time() - start
            state.fit_prior(real.train)
            points.append(Point(seconds, *measured(state, real, samples)))
            start = time.process_time()
    return state, points


def measured(state: State, real: RealData, samples: int) -> tuple[float, float]:
    """fd ÷ floor and share of malformed images, of images from the averaged weights."""
    model = state.average
    assert isinstance(model, GenerativeModel)
    shares: Shares | None = "test" if model.conditional else None
    labels = real.labels(shares, samples, SEED) if shares else None
    images = generate(model, samples, labels, SEED, state.dtype)
    found = Scales.of(real, samples, shares).metric([images]).value
    assert found is not None, "a mean of finite ratios"
    return found, malformed(real.first.extractor(images))


def sheet(state: State, caption: str) -> Image.Image:
    """100 samples under their caption."""
    assert isinstance(state.average, GenerativeModel)
    samples = Image.open(io.BytesIO(draw_sheet(state.average, SEED, state.dtype)))
    captioned = Image.new("RGB", (samples.width + MARGIN, samples.height + CAPTION), "white")
    ImageDraw.Draw(captioned).text((0, 4), caption, "black", font=ImageFont.load_default(13))
    captioned.paste(samples, (0, CAPTION))
    return captioned


def side_by_side(sheets: Sequence[Image.Image]) -> Image.Image:
    """Two rows of sheets of one size."""
    width, height = sheets[0].size
    columns = (len(sheets) + 1) // 2
    joined = Image.new("RGB", (columns * width, 2 * height), "white")
    for i, one in enumerate(sheets):
        joined.paste(one, (i % columns * width, i // columns * height))
    return joined


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*RECIPES, []], metavar="NAME")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device = devices.pick()
    real = RealData.load(DATASETS["mnist"], device, runs.home(), None)
    here = f"{devices.describe(device)}, torch {torch.__version__}"
    print(f"{here}, {asked.threads} threads, {asked.samples} images")
    columns = [f"after epoch {epoch + 1}" for epoch in range(asked.epochs)]
    print(f"| recipe | {' | '.join(columns)} | malformed |\n|{' --- |' * (asked.epochs + 2)}")
    training_images = real.train.images[: asked.samples]  # MNIST's are in no order
    print(f"| *real images* |{' |' * asked.epochs} {malformed(real.first.extractor(training_images)):.1%} |")
    sheets = []
    for name in asked.names or RECIPES:
        state, points = trained(config_of(name, asked.epochs), real, asked.samples)
        course = " | ".join(f"{point.fd_over_floor:.3g} ({point.seconds:.0f} s)" for point in points)
        print(f"| {name} | {course} | {points[-1].malformed:.1%} |", flush=True)
        sheets.append(sheet(state, f"{name}, {asked.epochs} epochs"))
        if asked.picture:
            side_by_side(sheets).save(asked.picture, optimize=True)


if __name__ == "__main__":
    main()
