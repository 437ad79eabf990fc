"""Run folders for tests of pages, written with the engine's own types. Made up: never shown to users."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from gencore.config.datasets import DATASETS
from gencore.config.options import PRESETS, DatasetName, RunConfig
from gencore.store import events, results
from gencore.store.files import write_atomically
from gencore.store.results import Metric, Origin, Results
from gencore.store.runs import Run, run

STEPS_PER_EPOCH = 12
BLUR = {"residual": 400.0, "plain": 300.0, "mixer": 200.0}
"""How far a blur is from real images by each extractor, as a multiple of the floor."""
STARTED_AT = 1_790_000_000.0


@lru_cache
def _digits() -> np.ndarray:
    """The bundled digits as uint8 (10, n, 28, 28), a row a class."""
    data = load_digits()
    by_class = [data.images[data.target == digit][:100] for digit in range(10)]
    return np.stack(
        [
            [
                np.asarray(
                    Image.fromarray((image * 15.9).astype(np.uint8)).resize(
                        (28, 28), Image.Resampling.BICUBIC
                    )
                )
                for image in rows
            ]
            for rows in by_class
        ]
    )


def sheet(noise: float, ordered: bool, seed: int) -> bytes:
    """A gapless 10 × 10 PNG of real digits, drowned in `noise` (0 to 1)."""
    rng = np.random.default_rng(seed)
    digits = _digits()
    classes = np.repeat(np.arange(10), 10) if ordered else rng.integers(10, size=100)
    pictures = digits[classes, rng.integers(100, size=100)].astype(float)
    pictures = (1 - noise) * pictures + noise * rng.uniform(0, 255, pictures.shape)
    grid = pictures.reshape(10, 10, 28, 28).swapaxes(1, 2).reshape(280, 280)
    content = io.BytesIO()
    Image.fromarray(grid.clip(0, 255).astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


def _strip() -> bytes:
    """A gapless row of five pictures, from a real 3 to a real 8."""
    three, eight = (_digits()[digit, 0].astype(float) for digit in DATASETS["digits"].morph)
    content = io.BytesIO()
    row = np.concatenate([(1 - t) * three + t * eight for t in np.linspace(0, 1, 5)], axis=1)
    Image.fromarray(row.astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


def config(preset: str, dataset: DatasetName = "digits", epochs: int = 4) -> RunConfig:
    plan = PRESETS[preset]
    return plan.model_copy(
        update={
            "data": plan.data.model_copy(update={"dataset": dataset}),
            "training": plan.training.model_copy(update={"epochs": epochs}),
        }
    )


def seeded(preset: str, seed: int, dataset: DatasetName = "digits") -> RunConfig:
    plan = config(preset, dataset)
    return plan.model_copy(update={"training": plan.training.model_copy(update={"seed": seed})})


def trained(
    folder: Path, name: str, plan: RunConfig, until: float = 1.0, end: str | None = "finished"
) -> Run:
    """A run with `until` of its epochs in its log, and an end or (None) none."""
    made = run(name, folder)
    made.create(plan)
    made.log_path.write_text(f"training {name}\nepoch 1\nepoch 2\n")
    total = plan.training.epochs * STEPS_PER_EPOCH
    players = (
        {"discriminator": 700_000, "generator": 1_300_000}
        if plan.model.family == "gan"
        else {plan.model.family: 900_000}
    )
    _log(
        made,
        events.Started(
            time=STARTED_AT, total_steps=total, steps_per_epoch=STEPS_PER_EPOCH, device="cpu", threads=2,
            precision="float32", parameters=players, versions={"torch": "2.15.0"},
        ),
    )  # fmt: skip
    for step in range(1, int(until * total) + 1):
        _step(made, plan, players, step)
    if end:
        _log(
            made,
            events.Ended(
                status=end, reason=f"{end} <b>after</b> *all* steps", step=int(until * total),
                seconds=total * 0.4, peak_memory_mib=640, time=STARTED_AT + total,
            ),
        )  # fmt: skip
    return made


def _log(made: Run, event: events.Event) -> None:
    events.append(made.events_path, event)


def _step(made: Run, plan: RunConfig, players: dict[str, int], step: int) -> None:
    rng = np.random.default_rng(step)
    at = {"time": STARTED_AT + step, "step": step, "epoch": step / STEPS_PER_EPOCH}
    losses = {player: 2 * math.exp(-step / 30) + 0.1 * rng.random() for player in players}
    norms = {player: 1 + rng.random() for player in players}
    _log(
        made,
        events.Progress(
            **at,
            seconds=step * 0.4,
            images_per_second=300 + 10 * rng.random(),
            losses=losses,
            gradient_norms=norms,
        ),
    )
    if step % STEPS_PER_EPOCH == 0 or step == 1:
        file = f"sheets/step-{step:08d}.png"
        ordered = bool(getattr(plan.model, "conditional", False))
        write_atomically(made.results / file, sheet(math.exp(-step / 12), ordered, seed=len(made.name)))
        _log(made, events.Sheet(**at, file=file))
        _log(
            made,
            events.QuickDistance(
                **at, fd=300 * math.exp(-step / 15) + 6, samples=2000, extractor_digest="0" * 64
            ),
        )
        _log(made, events.Saved(time=at["time"], step=step, file="step.safetensors"))


def measured(folder: Path, name: str, plan: RunConfig, goodness: float, kind: str = "shipped") -> Run:
    """A finished run with samples and results; `goodness` from 0 (noise) to 1 (as real)."""
    made = trained(folder, name, plan)
    ordered = bool(getattr(plan.model, "conditional", False))
    write_atomically(made.results / "samples.png", sheet(0.4 * (1 - goodness), ordered, seed=len(name)))
    write_atomically(made.results / "morph.png", _strip())
    origin = Origin(
        kind=kind, command=f"gencore evaluate {name}", device="cpu", threads=2,
        versions={"torch": "2.15.0"}, unix_time=STARTED_AT,
    )  # fmt: skip
    over_floor = {name: blur ** (1 - goodness) for name, blur in BLUR.items()}  # so that realism is goodness
    metrics = {
        "fd": Metric(value=2 * over_floor["residual"], floor=2.0, samples=10_000),
        "fd_of_blur": Metric(value=2 * BLUR["residual"]),
        "fd_over_floor": _over_extractors(over_floor),
        "blur_over_floor": _over_extractors(BLUR),
        "precision": Metric(value=0.95 * goodness**0.3, floor=0.95, samples=10_000),
        "recall": Metric(value=0.94 * goodness**0.5, floor=0.94, samples=10_000),
        "coverage": Metric(value=0.96 * goodness**0.6, floor=0.96, samples=10_000),
        "class_total_variation": Metric(value=0.1 * (1 - goodness), samples=10_000),
        "authentic_share": Metric(value=0.54, floor=0.55, samples=2000),
        "conditional_accuracy": Metric(value=0.98)
        if ordered
        else Metric(value=None, reason="the model is not *conditional*"),
        "training_seconds": Metric(value=200 / goodness, unit="s", measured_in="training"),
        "samples_per_second_100": Metric(value=9000 * (1 - goodness) + 20, unit="1/s"),
    }
    if plan.model.family == "ddpm":
        metrics["training_seconds"] = Metric(
            value=None, reason="left out to show <b>a</b> dash", measured_in="training"
        )
    results.save(
        made.results_path,
        Results(
            run=name, label=plan.label, dataset=plan.data.dataset, seed=plan.training.seed,
            origins={"training": origin, "evaluation": origin}, checkpoint_digest="0" * 64,
            extractor="features-digits", extractor_digest="1" * 64, reference="digits test split",
            sampler="direct", metrics=metrics, class_names=[str(digit) for digit in range(10)],
            class_shares=[0.1] * 10,
        ),
    )  # fmt: skip
    return made


def _over_extractors(ratios: dict[str, float]) -> Metric:
    mean = math.prod(ratios.values()) ** (1 / len(ratios))
    return Metric(value=mean, floor=1.0, samples=10_000, by_extractor=ratios)


GOODNESS = {"vae": 0.62, "gan": 0.8, "cgan": 0.9, "ddpm": 0.95}


def four(folder: Path, dataset: DatasetName = "mnist") -> list[Run]:
    """The four headline models, measured."""
    return [
        measured(folder, f"{dataset}-{preset}", config(preset, dataset), good)
        for preset, good in GOODNESS.items()
    ]
