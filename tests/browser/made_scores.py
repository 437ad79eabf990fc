"""Further metrics for made runs, so that they have all four scores; stability takes three seeds."""

from __future__ import annotations

from pathlib import Path

from made_runs import GOODNESS, measured, seeded

from gencore.config.options import DatasetName
from gencore.store import results
from gencore.store.results import Metric
from gencore.store.runs import Run


def scored(made: Run, hits: float, samples_per_second: float = 20_000.0) -> Run:
    """`made` with stability, control and cost in its results; `hits` from .1 (chance) to .99 (as real
    images).
    """
    further = {
        "fd_last_over_best": Metric(value=0.9),
        "gradient_spike_share": Metric(value=0.002),
        "training_finite": Metric(value=1.0),
        "worst_within_class_variance": Metric(value=0.8),
        "control_hit_rate": Metric(value=hits, floor=0.99, unit="by a probe on the latent"),
        "control_chance": Metric(value=0.1),
        "control_coverage": Metric(value=0.5 * hits, floor=0.9),
        "seconds_to_blur": Metric(value=120.0, unit="s"),
        "samples_per_second_1000": Metric(value=samples_per_second, unit="1/s"),
        "peak_memory_mib": Metric(value=900.0),
    }
    measured = made.load_results()
    results.save(made.results_path, measured.model_copy(update={"metrics": measured.metrics | further}))
    return made


def all_scored(folder: Path, seeds: int = 3, dataset: DatasetName = "digits") -> None:
    """The four models on these many seeds with all four scores; the DDPM draws best and slowest."""
    for preset, goodness in GOODNESS.items():
        for seed in range(42, 42 + seeds):
            name = f"{dataset}-{preset}" if seed == 42 else f"{dataset}-{preset}-{seed}"
            made = measured(folder, name, seeded(preset, seed, dataset), goodness - 0.01 * (seed - 42))
            scored(made, goodness, samples_per_second=5.0 if preset == "ddpm" else 20_000.0)
