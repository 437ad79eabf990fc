"""What several tests of the engine call by name: tiny configs, a command line's outcome, a training in this
process.
"""

from __future__ import annotations

import json
import subprocess
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from gencore.config.datasets import DATASETS, DatasetSpec
from gencore.config.families import family_of
from gencore.config.options import (
    PRESETS,
    DataConfig,
    DDPMConfig,
    GANConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    VAEConfig,
)
from gencore.data.registry import find
from gencore.data.sources import ImageData, load
from gencore.latent.traversal import LatentSpace
from gencore.models import build
from gencore.store import events
from gencore.store.events import Event
from gencore.store.results import Metric, Origin, Results
from gencore.store.runs import Run
from gencore.training.loop import train

STEPS_PER_EPOCH = 4
TINY: dict[str, ModelConfig] = {
    "vae": VAEConfig(network="mlp", latent_dim=4),
    "cgan": GANConfig(width=8, latent_dim=8, conditional=True, real_label=0.9),
    "ddpm": DDPMConfig(width=16, timesteps=20, sampling_steps=2),
}
TRAINER = textwrap.dedent(
    """
    import signal, sys, time
    from gencore.store import events, runs
    from gencore.config.options import PRESETS
    name = sys.argv[sys.argv.index("--name") + 1]
    mine = runs.run(name)
    if "broken" in name:
        sys.exit("no such data set")
    if not mine.exists:
        mine.create(PRESETS["vae"])
    with mine.claim():
        events.append(mine.events_path, events.Started(
            total_steps=100, steps_per_epoch=10, device="cpu", threads=2, precision="float32", parameters={},
            versions={}))
        stopped = []
        signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
        print("ready; arguments:", sys.argv[1:], flush=True)
        while not stopped:
            time.sleep(0.02)
        events.append(mine.events_path, events.Ended(
            status="stopped", reason="SIGTERM", step=5, seconds=1, peak_memory_mib=1))
    """
)
"""A stand-in for `gencore train` that claims its run, as the engine does, and needs no torch."""
QUIET = {"fd_every": 0, "sheets": 0, "precision": "float32"}


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on standard error; fails where there is a traceback or a second line."""
        assert "Traceback" not in self.err, self.err
        lines = self.err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("gencore: "), self.err
        return lines[0]

    @property
    def json(self) -> object:
        """Standard output as strict JSON."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(self.out, parse_constant=refuse)


def latent_space(family: str, deviation: float, **changes: object) -> LatentSpace:
    """That of a tiny model of the digits whose weights are random, of this standard deviation."""
    torch.manual_seed(0)
    model = build(TINY[family].model_copy(update=changes), DATASETS["digits"]).eval().requires_grad_(False)
    for x in model.averaged.parameters():
        torch.nn.init.normal_(x, 0, deviation, generator=torch.Generator().manual_seed(1))
    return LatentSpace(model, torch.float32)


def suited(model: ModelConfig, spec: DatasetSpec) -> DatasetSpec:
    """`spec`; as pairs with grey sources where `model` translates."""
    if family_of(model).task != "translation":
        return spec
    return spec.model_copy(update={"name": f"edges:{spec.name}", "source_channels": 1})


def suited_data(model: ModelConfig, data: ImageData) -> ImageData:
    """`data`, grey; with negatives of its images as sources where `model` translates."""
    spec = suited(model, data.spec)
    return replace(data, spec=spec, sources=255 - data.images if spec.is_paired else None)


def pairs_of(dataset: str, n: int | None = None) -> ImageData:
    """The first `n` training images of a data set, or all, each with its edges as its source."""
    pairs = load(find(f"edges:{dataset}"), "train")
    assert pairs.sources is not None
    return replace(pairs, images=pairs.images[:n], labels=pairs.labels[:n], sources=pairs.sources[:n])


def tiny_config(family: str, **training: object) -> RunConfig:
    """A config of `family` that trains in moments: STEPS_PER_EPOCH steps an epoch on `few_digits`."""
    settings = TrainingConfig(
        **QUIET | {"epochs": 4, "progress_every": 3, "checkpoint_every": 1000} | training
    )
    return RunConfig(data=DataConfig(dataset="digits", batch_size=16), model=TINY[family], training=settings)


def small_presets() -> dict[str, RunConfig]:
    """The presets, small, plain and conditional where their family is either.

    Those that then differ in nothing but their name come once, under the first."""
    found: dict[RunConfig, str] = {}
    for name, config in PRESETS.items():
        has_labels = "conditional" in type(config.model).model_fields
        for conditional in (False, True) if has_labels else (False,):
            found.setdefault(_small(config, conditional), name + ", conditional" * conditional)
    return {name: config for config, name in found.items()}


def _small(config: RunConfig, conditional: bool) -> RunConfig:
    """`config` with few channels; what no code asks for, such as rates, is alike in all."""
    has_condition = config.model.is_conditional or config.model.number_of_clusters
    model = {
        "width": 16,
        "latent_dim": 16,
        "mixture_components": 5,
        "sampling_steps": 3,
        "conditional": conditional,
        "clusters": 12 if has_condition and not conditional else 0,
        "real_label": 1.0,
        "beta": 1.0,
    }
    model |= dict.fromkeys(("learning_rate", "generator_learning_rate", "discriminator_learning_rate"), 1e-3)
    given = config.model.model_dump()
    training = TrainingConfig(optimizer=config.training.optimizer, clip_norm=config.training.clip_norm)
    return RunConfig(
        data=config.data.model_copy(update={"batch_size": 12}),
        model=type(config.model).model_validate(
            given | {key: value for key, value in model.items() if key in given}
        ),
        training=training,
    )


def record(one: Run, data: ImageData, resume: bool = False, stop_at: int | None = None) -> list[Event]:
    """Train `one` in this process as the command line does, its events logged; asked to stop after `stop_at`
    steps.
    """
    steps = iter(range(stop_at - 1)) if stop_at else iter(int, 1)
    seen = []
    with one.claim():
        events.repair(one.events_path)
        for event in train(
            one,
            torch.device("cpu"),
            resume,
            lambda: None if next(steps, None) is not None else "enough",
            data=data,
        ):
            events.append(one.events_path, event)
            seen.append(event)
    return seen


def wait_until(
    true: Callable[[], bool], process: subprocess.Popen[str] | None = None, seconds: float = 120
) -> None:
    """Returns once `true()`; fails after `seconds`, or when `process` ends before."""
    deadline = time.monotonic() + seconds
    while not true():
        assert process is None or process.poll() is None, (
            f"ended with {process.returncode}: {process.stderr.read()}"
        )
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def at_rest(read: Callable[[], object], apart: float = 0.5) -> object:
    """What `read()` says once it says the same twice, `apart` seconds from each other: what moves has come to
    rest.
    """
    now = read()

    def still() -> bool:
        nonlocal now
        time.sleep(apart)
        before, now = now, read()
        return now == before

    wait_until(still)
    return now


def made_origin(command: str) -> Origin:
    return Origin(
        kind="measured", command=command, device="cpu", threads=1, versions={"torch": "2"}, unix_time=1.5
    )


def made_results(
    label: str = "VAE", *, seed: int = 42, extractor_digest: str = "1" * 64, **metrics: Metric | float
) -> Results:
    """Results of a run that never was; a metric may be given as its bare value."""
    origin = made_origin("gencore evaluate x")
    return Results(
        run="x",
        label=label,
        dataset="digits",
        seed=seed,
        origins={"evaluation": origin},
        checkpoint_digest="0" * 64,
        extractor="e",
        extractor_digest=extractor_digest,
        reference="test split",
        sampler="z from N(0, I)",
        metrics={
            name: Metric(value=given) if isinstance(given, float) else given
            for name, given in metrics.items()
        },
        class_names=["0", "1"],
        class_shares=[0.25, 0.75],
    )
