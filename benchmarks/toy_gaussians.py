"""Modes that four adversarial losses cover: a ring of 8 and a grid of 25 Gaussians in the plane.

    python benchmarks/toy_gaussians.py [--seeds 5] [--picture FILE]

Losses, gradient penalty and spectral norm are the package's: a point (2,) is an image (2, 1, 1). The loop is
plain: Adam, rates that fall to 0, an averaged generator, from which 2,500 points are counted as by Srivastava
et al. (2017). Prints a Markdown table: mean and range over the seeds, and processor seconds of a training on
one thread. --picture writes a PNG of the points of seed 0. docs/gan_variants.md has both.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gencore import devices
from gencore.config.options import AdversarialLoss
from gencore.models.adversarial import LOSSES, gradient_penalty
from gencore.networks import spectral

POINTS, STEPS, BATCH, LATENT, WIDTH = 2500, 10_000, 128, 2, 128
BETAS, EMA_DECAY = (0.0, 0.9), 0.99
NEAR = 3.0
"""Standard deviations from the nearest centre within which a point is of high quality."""
LEAST_SHARE = 0.2
"""What a covered mode has at least of its fair share of all points."""
PANEL, CAPTION, SHARPNESS = 300, 24, 2
HIGH_QUALITY, OTHER = "#0072B2", "#D55E00"
PICTURED_SEED = 0


class Mixture(NamedTuple):
    """Gaussians of equal weight and one standard deviation."""

    name: str
    centres: Tensor
    """(K, 2)."""
    std: float = 0.1

    def draw(self, n: int, rng: Generator) -> Tensor:
        """n points (n, 2)."""
        modes = torch.randint(len(self.centres), (n,), generator=rng)
        return self.centres[modes] + self.std * torch.randn(n, 2, generator=rng)


def ring() -> Mixture:
    """8 centres on a circle of radius 2."""
    angles = torch.arange(8) * (2 * math.pi / 8)
    return Mixture("ring of 8", 2 * torch.stack([angles.cos(), angles.sin()], dim=1))


def grid() -> Mixture:
    """5 × 5 centres, 2 apart."""
    side = torch.arange(-4.0, 5.0, 2.0)
    return Mixture("grid of 25", torch.cartesian_prod(side, side))


class Recipe(NamedTuple):
    """A loss with its penalty and rates, the same for both mixtures."""

    name: str
    loss: AdversarialLoss
    generator_rate: float
    discriminator_rate: float
    penalty: float = 0.0
    """Weight λ of the two-sided gradient penalty."""
    spectral_norm: bool = False
    """Of the discriminator."""


RECIPES = (
    Recipe("BCE", "bce", 1e-3, 1e-3),
    Recipe("hinge", "hinge", 1e-3, 1e-3),
    Recipe("WGAN-GP", "wasserstein", 2e-3, 6e-3, penalty=0.1),
    Recipe("SN-WGAN-GP", "wasserstein", 2e-3, 6e-3, penalty=0.1, spectral_norm=True),
)


class Coverage(NamedTuple):
    """What points have of a mixture."""

    modes: int
    high_quality: float
    """Share of all points."""


def is_high_quality(points: Tensor, mixture: Mixture) -> Tensor:
    """Whether each of the points (N, 2) is within three standard deviations of a centre: (N,)."""
    return torch.cdist(points, mixture.centres).amin(dim=1) <= NEAR * mixture.std


def coverage(points: Tensor, mixture: Mixture) -> Coverage:
    """Modes covered by points (N, 2), and their share of high quality (Srivastava et al. 2017).

    There a mode counts that is nearest to one point of high quality; here, to a fifth of N / K of them."""
    near = is_high_quality(points, mixture)
    nearest = torch.cdist(points[near], mixture.centres).argmin(dim=1)
    counts = nearest.bincount(minlength=len(mixture.centres))
    least = LEAST_SHARE * len(points) / len(mixture.centres)
    return Coverage(int((counts >= least).sum()), near.float().mean().item())


def perceptron(inputs: int, outputs: int) -> nn.Sequential:
    """Two hidden layers with ReLU: (B, inputs) -> (B, outputs)."""
    first, second, last = nn.Linear(inputs, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, outputs)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)


class Player:
    """A network, and Adam with a rate that falls linearly to 0."""

    def __init__(self, network: nn.Module, rate: float) -> None:
        self.network, self.rate = network, rate
        self.adam = torch.optim.Adam(network.parameters(), rate, BETAS, fused=True)

    def learn(self, loss: Tensor, step: int) -> None:
        """One step down the gradient of `loss`."""
        self.adam.param_groups[0]["lr"] = self.rate * (1 - step / STEPS)
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()


def trained(recipe: Recipe, mixture: Mixture, seed: int) -> Callable[[int, Generator], Tensor]:
    """Train a GAN on points of `mixture`; a function of n and a generator that draws n points (n, 2)."""
    torch.manual_seed(seed)  # of the weights
    rng = Generator().manual_seed(seed)
    networks = perceptron(LATENT, 2), perceptron(2, 1)
    if recipe.spectral_norm:
        spectral.normalise(networks[1])
    generator = Player(networks[0], recipe.generator_rate)
    discriminator = Player(networks[1], recipe.discriminator_rate)
    average = AveragedModel(generator.network, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY))
    losses, no_condition = LOSSES[recipe.loss], torch.empty(0)

    def generate(network: nn.Module, n: int, rng: Generator) -> Tensor:
        return network(torch.randn(n, LATENT, generator=rng))[..., None, None]  # (n, 2, 1, 1)

    def discriminate(x: Tensor, condition: Tensor) -> Tensor:
        return discriminator.network(x.flatten(1)).squeeze(1)

    for step in range(STEPS):
        real = mixture.draw(BATCH, rng)[..., None, None]  # (B, 2, 1, 1)
        fake = generate(generator.network, BATCH, rng)
        with parametrize.cached():  # one power iteration of the spectral norm a turn
            outputs = discriminate(torch.cat([real, fake.detach()]), no_condition)
            loss = losses.discriminator(outputs[:BATCH], outputs[BATCH:], 1.0)
            if recipe.penalty:
                penalty = gradient_penalty(discriminate, real, fake.detach(), no_condition, rng)
                loss = loss + recipe.penalty * penalty
        discriminator.learn(loss, step)
        discriminator.network.requires_grad_(False)
        generator.learn(losses.generator(discriminate(fake, no_condition)), step)
        discriminator.network.requires_grad_(True)
        average.update_parameters(generator.network)

    @torch.no_grad()
    def draw(n: int, rng: Generator) -> Tensor:
        return generate(average, n, rng).flatten(1)

    return draw


class Outcome(NamedTuple):
    """Points (2500, 2) of one seed, and the processor seconds of the training that they took."""

    points: Tensor
    seconds: float


def outcome(recipe: Recipe | None, mixture: Mixture, seed: int) -> Outcome:
    """Of a training; without a recipe, of real points."""
    start = time.process_time()
    draw = trained(recipe, mixture, seed) if recipe else mixture.draw
    seconds = time.process_time() - start
    return Outcome(draw(POINTS, Generator().manual_seed(1000 + seed)), seconds)


def row(name: str, mixture: Mixture, outcomes: Sequence[Outcome]) -> str:
    """A line of the table."""
    found = [coverage(one.points, mixture) for one in outcomes]
    modes, shares = [one.modes for one in found], [one.high_quality for one in found]
    seconds = sum(one.seconds for one in outcomes) / len(outcomes)
    covered = f"{sum(modes) / len(modes):.1f} ({min(modes)} to {max(modes)})"
    near = f"{sum(shares) / len(shares):.0%} ({min(shares):.0%} to {max(shares):.0%})"
    return f"| {mixture.name} | {name} | {covered} | {near} | {seconds:.0f} |"


def panel(name: str, mixture: Mixture, points: Tensor) -> Image.Image:
    """Points (N, 2) under a caption, those of high quality in another colour."""
    side = PANEL * SHARPNESS
    reach = 1.35 * mixture.centres.abs().max()
    drawn = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(drawn)
    places = ((points / reach).clamp(-1, 1) * torch.tensor([1, -1]) + 1) * (side / 2)
    for (x, y), near in zip(places.tolist(), is_high_quality(points, mixture).tolist(), strict=True):
        draw.circle((x, y), 1.5, fill=HIGH_QUALITY if near else OTHER)
    modes, share = coverage(points, mixture)
    captioned = Image.new("RGB", (PANEL, PANEL + CAPTION), "white")
    text = f"{name}: {modes} of {len(mixture.centres)} modes, {share:.0%}"
    ImageDraw.Draw(captioned).text((8, 6), text, "black", font=ImageFont.load_default(13))
    captioned.paste(drawn.resize((PANEL, PANEL), Image.Resampling.LANCZOS), (0, CAPTION))
    return captioned


def joined(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Panels of one size in rows."""
    whole = Image.new("RGB", (len(rows[0]) * PANEL, len(rows) * (PANEL + CAPTION)), "white")
    for i, panels in enumerate(rows):
        for j, one in enumerate(panels):
            whole.paste(one, (j * PANEL, i * (PANEL + CAPTION)))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    if asked.seeds < 1:
        parser.error(f"--seeds is {asked.seeds}; give 1 or more")
    torch.set_num_threads(1)
    here = f"{devices.describe(torch.device('cpu'))}, torch {torch.__version__}, 1 thread"
    print(f"{here}; {STEPS} steps of {BATCH} points, {asked.seeds} seeds\n")
    print(f"| data | loss | modes | high quality | seconds |\n|{' --- |' * 5}")
    pictures = []
    for mixture in (ring(), grid()):
        panels = []
        for recipe in (None, *RECIPES):
            name = recipe.name if recipe else "*real*"
            outcomes = [outcome(recipe, mixture, seed) for seed in range(asked.seeds)]
            print(row(name, mixture, outcomes), flush=True)
            panels.append(panel(name.strip("*"), mixture, outcomes[PICTURED_SEED].points))
        pictures.append(panels)
    if asked.picture:
        joined(pictures).save(asked.picture, optimize=True)


if __name__ == "__main__":
    main()
