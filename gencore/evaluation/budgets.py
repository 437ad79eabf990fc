"""Quality at equal budgets: a training's averaged weights as they were after 1, 3, 10 and 30 minutes of work.

`gencore budgets RUN` writes `budgets.json` beside the run's results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from gencore import devices
from gencore.data.sources import with_digests
from gencore.evaluation.distances import Scales
from gencore.evaluation.real_data import RealData
from gencore.evaluation.real_images import default_samples
from gencore.evaluation.records import BUDGETS_FILE, BudgetPoint, Budgets, Shares
from gencore.metrics.scale import geometric_mean
from gencore.models.load import load_model
from gencore.sampling.generate import generate
from gencore.store import events, results
from gencore.store.events import Ended, Saved, Started
from gencore.store.runs import BUDGET_MINUTES, Run
from gencore.training.summary import seconds_at

SAMPLES = 5000


def measure(
    run: Run,
    device: torch.device,
    samples: int | None = None,
    seed: int = 0,
    data_folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Budgets:
    """Measure the weights that `run` kept at each budget, and its final ones; SAMPLES images each or fewer.

    Raises ValueError where the training has not finished or its log lacks when weights were kept,
    MissingFeaturesError, CheckpointError, DataError.
    """
    config = run.config()
    history = events.without_void(events.tail(run.events_path).events)
    started = next((e for e in reversed(history) if isinstance(e, Started)), None)
    if started is None or not isinstance(history[-1], Ended) or history[-1].status != "finished":
        raise ValueError(f"the training of {run.name} has not finished; wait for it, or resume it")
    real = RealData.load(config.dataset_spec, device, run.home, data_folder)
    samples = samples or min(SAMPLES, default_samples(len(real.train.images)))
    shares: Shares | None = "test" if config.model.is_conditional else None
    scales = Scales.of(real, samples, shares)
    labels = real.labels(shares, samples, seed) if shares else None
    dtype = devices.precision(config.training.precision, device)
    origin = with_digests(
        devices.origin_here(device, ["budgets", run.name, "--samples", str(samples), "--seed", str(seed)]),
        real.splits,
    )
    points = []
    for path, step, seconds in _kept(run, history, history[-1]):
        say(f"weights after {seconds:,.0f} s")
        model, _ = load_model(run, device, path=path)
        found = scales.metric([generate(model, samples, labels, seed, dtype)])
        assert found.value is not None, "a mean of finite ratios"
        points.append(
            BudgetPoint(
                device_seconds=seconds,
                step=step,
                fd_over_floor=found.value,
                by_extractor=found.by_extractor,
                origin=origin,
            )
        )
    measured = Budgets(
        run=run.name,
        samples=samples,
        seed=seed,
        device=started.device,
        threads=started.threads,
        blur_over_floor=geometric_mean([scale.blur for scale in scales.by_extractor.values()]),
        points=points,
    )
    results.save(run.results / BUDGETS_FILE, measured)
    return measured


def _kept(run: Run, history: list[events.Event], ended: Ended) -> Iterator[tuple[Path | None, int, float]]:
    """Weights, step and device seconds of each budget that the training reached, and of its end."""
    steps = {event.file: event.step for event in history if isinstance(event, Saved)}
    for minutes in BUDGET_MINUTES:
        path = run.budget_path(minutes)
        if path.name in steps and path.exists():
            step = steps[path.name]
            if (seconds := seconds_at(step, history)) is not None:
                yield path, step, seconds
    yield None, ended.step, events.device_seconds(ended)
