"""Recipes of a model side by side: each is trained alike and measured in the classifier's features.

    python benchmarks/recipes.py [--epochs 3] [--samples 5000] [--threads 1] [--sheets FOLDER] [NAME …]

A recipe is a preset with changes; without names, all of RECIPES are trained. Prints a row for each as soon as
it is measured: the training's process seconds, and the Fréchet distance of the averaged weights to the test
split beside its floor at as many training images. --sheets writes 100 samples of each as a PNG.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from gencore import devices
from gencore.config.options import PRESETS, RunConfig
from gencore.data.batches import Batches
from gencore.data.sources import load
from gencore.metrics.frechet import frechet_distance, moments
from gencore.models.base import GenerativeModel
from gencore.models.feature_extractor import FeatureExtractor, load_extractor
from gencore.sampling.generate import generate
from gencore.sampling.sheets import draw_sheet
from gencore.training.loop import learning_rate_factor
from gencore.training.step import State

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


def trained(config: RunConfig, device: torch.device) -> tuple[State, float]:
    """The state after the whole training, and its process seconds."""
    data = load(config.data.dataset, "train").to(device)
    state = State.fresh(config, data, device)
    batches = Batches(data, config.data.batch_size, config.training.seed)
    total, start = config.total_steps(batches.steps_per_epoch), time.process_time()
    while state.step < total:
        factor = learning_rate_factor(config.training.schedule, state.step, total)
        state.advance(batches.batch(state.step), factor)
        if state.step % config.training.progress_every == 0:
            state.read_window()
    state.fit_prior(data)
    return state, time.process_time() - start


def distance(images: torch.Tensor, reference: torch.Tensor, extractor: FeatureExtractor) -> float:
    ours, real = (torch.cat([extractor(x).features for x in y.split(1000)]) for y in (images, reference))
    return frechet_distance(moments(ours), moments(real))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*RECIPES, []], metavar="NAME")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheets", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device = devices.pick()
    print(
        f"{devices.describe(device)}, {asked.threads} threads, {asked.epochs} epochs, {asked.samples} samples"
    )
    for name in asked.names or RECIPES:
        config = config_of(name, asked.epochs)
        extractor, test = load_extractor(config.data.dataset, device), load(config.data.dataset, "test")
        state, seconds = trained(config, device)
        model = state.average
        assert isinstance(model, GenerativeModel)
        labels = torch.arange(asked.samples, device=device) % 10 if model.conditional else None
        images = generate(model, asked.samples, labels, config.training.seed, state.dtype)
        floor = distance(load(config.data.dataset, "train").images[: asked.samples], test.images, extractor)
        fd = distance(images, test.images, extractor)
        print(f"{name:28} fd {fd:7.2f}  floor {floor:.2f}  {seconds:6.0f} s of processor time", flush=True)
        if asked.sheets:
            asked.sheets.mkdir(parents=True, exist_ok=True)
            stem = name.replace(": ", "-").replace(", ", "-").replace(" ", "-")
            (asked.sheets / f"{stem}.png").write_bytes(draw_sheet(model, config.training.seed, state.dtype))


if __name__ == "__main__":
    main()
