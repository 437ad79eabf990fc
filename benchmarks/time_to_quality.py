"""Fréchet distance against training seconds: the DDPM preset, and what a user would write instead.

    python benchmarks/time_to_quality.py [--seconds 60 180] [--samples 500] [--threads 1] [NAME …]

Every recipe trains for the same processor seconds on MNIST, and is measured at each of --seconds, which costs
no training time: samples in 20 steps of DDIM (the preset by its own sampler) against the test split. The
others are the U-Nets of diffusers and of lucidrains (`pip install denoising-diffusion-pytorch`; left out
without it), of like size, and this project's own U-Net, each in a plain loop: a DataLoader, float32, the
noise predicted at uniform timesteps, AdamW at 1e-4 as in diffusers' tutorial on unconditional generation.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import diffusers
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from gencore import devices
from gencore.config.datasets import DATASETS
from gencore.config.options import PRESETS
from gencore.data.batches import Batches, dequantise, quantise
from gencore.data.sources import ImageData, load
from gencore.metrics.frechet import frechet_distance, moments
from gencore.models.base import GenerativeModel
from gencore.models.diffusion.samplers import ddim_sample
from gencore.models.diffusion.schedules import linear_schedule
from gencore.models.feature_extractor import load_extractor
from gencore.networks.unet import UNet
from gencore.sampling.generate import generate
from gencore.training.step import State

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.sampling_speed import their_unet  # noqa: E402

BATCH, SEED, STEPS = 128, 42, 20
Recipe = tuple[Callable[[], None], Callable[[int], Tensor]]
"""One training step, and n samples as uint8 (n, C, H, W)."""


def preset(data: ImageData) -> Recipe:
    """The DDPM preset as `gencore train ddpm` trains it, its learning rate constant: no end is known."""
    config = PRESETS["ddpm"]
    state = State.fresh(config, data, torch.device("cpu"))
    batches = Batches(data, BATCH, SEED)

    def step() -> None:
        state.advance(batches.batch(state.step), 1.0)
        if state.step % config.training.progress_every == 0:
            state.read_window()

    def sample(n: int) -> Tensor:
        assert isinstance(state.average, GenerativeModel)
        return generate(state.average, n, None, SEED, state.dtype)

    return step, sample


def plain_loop(network: nn.Module, predict: Callable[[Tensor, Tensor], Tensor], data: ImageData) -> Recipe:
    """A loop around a network whose `predict` gives the noise in x_t at t (B,)."""
    schedule = linear_schedule(1000, 1e-4, 0.02)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)
    images = TensorDataset(dequantise(data.images))
    batches = _endless(DataLoader(images, BATCH, shuffle=True, drop_last=True))

    def step() -> None:
        [x_0] = next(batches)
        eps, t = torch.randn_like(x_0), torch.randint(1000, (len(x_0),))
        alpha, sigma = schedule.at(t, 4)
        loss = F.mse_loss(predict(alpha * x_0 + sigma * eps, t), eps)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    @torch.no_grad()
    def sample(n: int) -> Tensor:
        x_T = torch.randn(n, *data.images.shape[1:], generator=Generator().manual_seed(SEED))

        def eps_model(x_t: Tensor, t: float) -> Tensor:
            return predict(x_t, torch.full((len(x_t),), int(t)))

        return torch.cat([quantise(ddim_sample(eps_model, x, schedule, STEPS)) for x in x_T.split(100)])

    return step, sample


def _endless(loader: DataLoader[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
    while True:
        yield from loader


def of_diffusers(data: ImageData) -> Recipe:
    """The U-Net of diffusers, in a size like the preset's."""
    network = their_unet()
    return plain_loop(network, lambda x_t, t: network(x_t, t).sample, data)


def of_lucidrains(data: ImageData) -> Recipe:
    """The U-Net of denoising-diffusion-pytorch, in a size like the preset's."""
    from denoising_diffusion_pytorch import Unet

    network = Unet(24, dim_mults=(1, 2, 4), channels=1)
    return plain_loop(network, network, data)


def own_network(data: ImageData) -> Recipe:
    """This project's U-Net in the plain loop."""
    network = UNet(1, 28, 64)
    return plain_loop(network, network, data)


RECIPES: dict[str, Callable[[ImageData], Recipe]] = {
    "gencore train ddpm": preset,
    "the same U-Net, plain loop": own_network,
    "diffusers' U-Net, plain loop": of_diffusers,
}
if importlib.util.find_spec("denoising_diffusion_pytorch"):
    RECIPES["lucidrains' U-Net, plain loop"] = of_lucidrains


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*RECIPES, []], metavar="NAME")
    parser.add_argument("--seconds", type=float, nargs="+", default=[60, 180])
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    cpu = torch.device("cpu")
    spec = DATASETS["mnist"]
    extractor = load_extractor(spec, cpu)
    data, test = load(spec, "train"), load(spec, "test").images
    real = moments(torch.cat([extractor(images).features for images in test.split(1000)]))

    def distance(images: Tensor) -> float:
        return frechet_distance(moments(extractor(images).features), real)

    floor = distance(data.images[: asked.samples])
    print(f"{devices.describe(cpu)}, {asked.threads} threads, torch {torch.__version__}, ", end="")
    print(f"diffusers {diffusers.__version__}; fd of {asked.samples} real images: {floor:.1f}")
    for name in asked.names or RECIPES:
        torch.manual_seed(SEED)
        step, sample = RECIPES[name](data)
        trained, steps = 0.0, 0
        for until in sorted(asked.seconds):
            while trained < until:
                start = time.process_time()
                step()
                trained, steps = trained + time.process_time() - start, steps + 1
            fd = distance(sample(asked.samples))
            print(f"{name:30} {until:5.0f} s  {steps * BATCH:8,} images  fd {fd:7.1f}", flush=True)


if __name__ == "__main__":
    main()
