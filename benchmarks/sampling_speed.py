"""Images per second of the DDPM preset's sampler and of diffusers' DDPMPipeline (1000 steps, similar U-Net).

python benchmarks/sampling_speed.py [--device auto] [--steps 10] [--images 100] [--repeats 3]

Both networks are untrained: speed does not depend on weights. A few of the pipeline's 1000 equal steps are
timed, and the rest is extrapolated. Every repetition times both in turn; prints the median ratio and its
spread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import diffusers
import torch

from gencore import devices
from gencore.config.datasets import DATASETS
from gencore.config.options import PRESETS
from gencore.models import build
from gencore.models.base import GenerativeModel
from gencore.sampling.generate import generate

TIMED_STEPS = 10
STEPS = 1000


def seconds(work: Callable[[], object], device: torch.device) -> float:
    devices.synchronise(device)
    start = time.perf_counter()
    work()
    devices.synchronise(device)
    return time.perf_counter() - start


def their_unet() -> Any:  # diffusers' classes are made lazily, without types
    """diffusers' own U-Net for 28x28 images, about as large as ours."""
    return diffusers.UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(32, 64, 96),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
    )


def their_pipeline(device: torch.device) -> Any:
    """diffusers' pipeline of 1000 ancestral steps around that U-Net."""
    pipeline: Any = diffusers.DDPMPipeline(their_unet(), diffusers.DDPMScheduler(STEPS))
    pipeline = pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def parameters(network: torch.nn.Module) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    device, n = devices.pick(arguments.device), arguments.images
    dtype = devices.precision("auto", device)
    config = PRESETS["ddpm"].model.model_copy(update={"sampling_steps": arguments.steps})
    ours = build(config, DATASETS["mnist"]).eval().requires_grad_(False).to(device)
    assert isinstance(ours, GenerativeModel)
    ours.to(memory_format=torch.channels_last)
    theirs = their_pipeline(device)
    print(
        f"{devices.describe(device)}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"diffusers {diffusers.__version__}, {n} images"
    )
    print(f"ours {parameters(ours):.2f}M parameters, {ours.sampling}, {str(dtype).removeprefix('torch.')}")
    print(
        f"diffusers {parameters(theirs.unet):.2f}M parameters, {STEPS} steps, float32, "
        f"extrapolated from {TIMED_STEPS}"
    )
    rates: list[tuple[float, float]] = []
    for repeat in range(arguments.repeats + 1):
        own = n / seconds(lambda: generate(ours, n, None, 0, dtype), device)
        foreign = n / (
            seconds(lambda: theirs(n, num_inference_steps=TIMED_STEPS, output_type="np"), device)
            * STEPS
            / TIMED_STEPS
        )
        if repeat:  # the first is the warm-up
            rates.append((own, foreign))
    ratios = [own / foreign for own, foreign in rates]
    print(
        f"ours {statistics.median(own for own, _ in rates):.1f} images/s, "
        f"diffusers {statistics.median(foreign for _, foreign in rates):.4f} images/s"
    )
    print(f"ratio {statistics.median(ratios):.0f} ({min(ratios):.0f}–{max(ratios):.0f})")


if __name__ == "__main__":
    main()
