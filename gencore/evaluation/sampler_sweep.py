"""What a diffusion model's samplers cost and give: Fréchet distance against steps and seconds.

`gencore steps RUN` writes `steps.json` beside the run's results. Every point draws the same noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field

from gencore import devices
from gencore.config.options import Sampler
from gencore.evaluation.real_data import RealData
from gencore.evaluation.real_images import default_samples
from gencore.evaluation.records import Shares
from gencore.metrics.frechet import frechet_distance, moments, sample_size_warning
from gencore.models.base import SamplesInSteps
from gencore.models.load import load_model
from gencore.sampling.generate import generate
from gencore.store import results
from gencore.store.results import Origin
from gencore.store.runs import Run

SAMPLERS: tuple[Sampler, ...] = ("dpm-solver++", "ddim")
COUNTS = (2, 5, 10, 20, 50)
SAMPLES = 2000


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SweepPoint(_Record):
    """One sampler at one number of steps."""

    sampler: Sampler
    steps: int
    network_evaluations: int = Field(description="Passes of the network an image takes.")
    fd: float
    seconds_per_image: float = Field(description="Of drawing all samples once, in batches of 500.")
    origin: Origin


class SamplerSweep(_Record):
    """All points of one run; each is of the same weights, extractor, noise and sample count."""

    schema_version: int = 1
    run: str
    checkpoint_digest: str
    extractor_digest: str
    samples: int
    seed: int
    floor: float = Field(description="fd of as many random training images, of classes in the same shares.")
    warning: str | None
    points: list[SweepPoint]

    def is_like(self, other: SamplerSweep) -> bool:
        """Whether the points of both may stand in one curve."""
        return all(
            getattr(self, name) == getattr(other, name)
            for name in ("checkpoint_digest", "extractor_digest", "samples", "seed")
        )


def measure(
    run: Run,
    device: torch.device,
    samplers: Sequence[Sampler] = SAMPLERS,
    counts: Sequence[int] = (),
    samples: int | None = None,
    seed: int = 0,
    data_folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> SamplerSweep:
    """Measure each sampler at each count and write steps.json after every point; points of other counts stay.

    Without `counts`, those of COUNTS that the model can take are measured, or what else it takes.
    The ancestral sampler `ddpm` always takes T steps, so it gives one point. `samples` is SAMPLES where not
    given, fewer for a small training split. Raises ValueError where `run` is no diffusion model,
    MissingFeaturesError, DataError.
    """
    config = run.config()
    model, checkpoint = load_model(run, device)
    if not isinstance(model, SamplesInSteps):
        raise ValueError(
            f"{run.name} is a {config.label} and draws in one step; name a run of a diffusion model"
        )
    wanted = _wanted(model, samplers, counts or usual_counts(model.step_counts))
    data = RealData.load(config.dataset_spec, device, run.home, data_folder)
    extractor, real = data.first.extractor, moments(data.first.test.features)
    samples = samples or min(SAMPLES, default_samples(len(data.train.images)))
    shares: Shares | None = "uniform" if model.conditional else None
    dtype = devices.precision(config.training.precision, device)
    curve = SamplerSweep(
        run=run.name,
        checkpoint_digest=checkpoint.digest,
        extractor_digest=extractor.digest,
        samples=samples,
        seed=seed,
        floor=data.first.floors(samples, shares, manifold=False)["fd"],
        warning=sample_size_warning(min(samples, len(data.test.images)), len(real.mean)),
        points=[],
    )
    path = run.results / "steps.json"
    if path.exists() and (before := results.load(path, SamplerSweep)).is_like(curve):
        curve = curve.model_copy(
            update={"points": [p for p in before.points if (p.sampler, p.steps) not in wanted]}
        )
    for sampler, steps in wanted:
        say(f"{sampler}, {steps} steps")
        model, _ = load_model(run, device, changes={"sampler": sampler, "sampling_steps": steps})
        labels = torch.arange(samples, device=device) % data.classes if model.conditional else None
        generate(model, 1, labels, seed, dtype)  # warm-up
        devices.synchronise(device)
        start = time.perf_counter()
        images = generate(model, samples, labels, seed, dtype)
        devices.synchronise(device)
        point = SweepPoint(
            sampler=sampler,
            steps=steps,
            network_evaluations=model.network_evaluations,
            seconds_per_image=(time.perf_counter() - start) / samples,
            fd=frechet_distance(moments(extractor(images).features), real),
            origin=devices.origin_here(
                device, ["steps", run.name, "--samplers", sampler, "--counts", str(steps)]
            ),
        )
        points = sorted([*curve.points, point], key=lambda p: (p.sampler, p.steps))
        curve = curve.model_copy(update={"points": points})
        results.save(path, curve)
    return curve


def usual_counts(possible: range) -> list[int]:
    """COUNTS as far as they are `possible`, or all that are where none of them is."""
    return [steps for steps in COUNTS if steps in possible] or list(possible)


def load(run: Run) -> SamplerSweep | None:
    """What was measured of `run`, or None. Raises UnreadableError."""
    path = run.results / "steps.json"
    return results.load(path, SamplerSweep) if path.exists() else None


def _wanted(
    model: SamplesInSteps, samplers: Sequence[Sampler], counts: Sequence[int]
) -> list[tuple[Sampler, int]]:
    """Every (sampler, steps) once, after refusing what the model cannot do."""
    least, most = model.step_counts[0], model.step_counts[-1]
    for steps in counts:
        if steps not in model.step_counts:
            why = "which it is distilled for" if least == most else "the length of this model's noising chain"
            raise ValueError(f"--counts has {steps}; use {least} to {most}, {why}")
    available = [sampler for sampler in samplers if sampler in model.samplers] or list(model.samplers)
    pairs = [(sampler, most if sampler == "ddpm" else steps) for sampler in available for steps in counts]
    return list(dict.fromkeys(pairs))
