"""Fréchet distance of a diffusion run by guidance, spacing of the timesteps and number of steps.

    python benchmarks/sampler_settings.py [--run mnist-ddpm] [--steps 5 10 20 50] [--samples 3000]
        [--seeds 0 1 2] [--threads 2]

Prints a row for each setting: network evaluations an image, the distance to the test split in the features of
the data set's classifier, and the share of images that the classifier recognises with less than 99 %
probability (malformed), with the same two figures of real training images first. Means over the sampling
seeds, and the range of the distance: which clusters or classes are drawn how often moves it, so that one seed
says little. All settings draw the same noise.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from itertools import product

import torch
from torch import Tensor

from gencore import devices
from gencore.data.sources import load
from gencore.metrics.frechet import frechet_distance, moments
from gencore.models.base import GenerativeModel
from gencore.models.feature_extractor import Extracted, load_extractor
from gencore.models.load import load_model
from gencore.sampling.generate import generate
from gencore.store import runs

CERTAIN = 0.99
GUIDANCE = (
    {"guidance": 1.0},
    {"guidance": 1.3, "guidance_most_noise": 0.995},
    {"guidance": 1.3},
    {"guidance": 2.0},
)
SPACINGS = ("trailing", "mixed")
STEPS = (5, 10, 20, 50)
FULL_SWEEP = GUIDANCE[:2]
"""Of these, all steps that are asked for are measured; of the others, the run's own."""


def malformed(extracted: Extracted) -> float:
    return float((extracted.logits.softmax(1).amax(1) < CERTAIN).float().mean())


def drawn(model: GenerativeModel, labels: Tensor | None, n: int, dtype: torch.dtype, seed: int) -> Tensor:
    return generate(model, n, labels, seed, dtype)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", default="mnist-ddpm")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    run, device = runs.run(asked.run), devices.pick()
    config = run.config()
    spec, own_steps = config.dataset_spec, getattr(config.model, "sampling_steps", STEPS[1])
    extractor = load_extractor(spec, device, run.home)
    real = moments(extractor(load(spec, "test").images.to(device)).features)

    def figures(draw: Callable[[int], Tensor]) -> str:
        """Of the images that `draw` gives by seed."""
        every = [extractor(draw(seed)) for seed in asked.seeds]
        distances = [frechet_distance(moments(one.features), real) for one in every]
        share = 100 * statistics.fmean(malformed(one) for one in every)
        spread = f"({min(distances):.2f} to {max(distances):.2f})"
        return f"fd {statistics.fmean(distances):6.2f} {spread:16}  malformed {share:5.1f} %"

    train = load(spec, "train")

    def real_images(seed: int) -> Tensor:
        order = torch.randperm(len(train.images), generator=torch.Generator().manual_seed(seed))
        return train.images[order[: asked.samples]].to(device)

    print(f"{devices.describe(device)}, {asked.threads} threads, {run.name}, {asked.samples} images")
    print(f"{'real training images':60} {figures(real_images)}")
    for guidance, spacing, steps in product(GUIDANCE, SPACINGS, asked.steps):
        if guidance not in FULL_SWEEP and steps != own_steps:
            continue
        changes: dict[str, object] = {**guidance, "spacing": spacing, "sampling_steps": steps}
        model, _ = load_model(run, device, changes={"guidance_most_noise": 1.0} | changes)
        labels = torch.arange(asked.samples) % train.spec.classes if model.conditional else None
        dtype = devices.precision(config.training.precision, device)
        figured = figures(partial(drawn, model, labels, asked.samples, dtype))
        scale, most = guidance["guidance"], guidance.get("guidance_most_noise", 1.0)
        setting = f"guidance {scale:g} below {100 * most:g} % noise, {spacing}, {steps} steps"
        print(f"{setting:48} {model.network_evaluations:3} passes  {figured}", flush=True)


if __name__ == "__main__":
    main()
