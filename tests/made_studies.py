"""Studies for tests of pages and records, written with the engine's own types. Made up, not for users."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from gencore.store import events
from gencore.store.events import Ended, EndStatus, Progress, QuickDistance, Started
from gencore.studies import plan, records, study
from gencore.studies.plan import Trial
from gencore.studies.records import CUT, StudyRecord

LARGE = """
name: large
about: Which learning rate, beta1 and width suit a small DCGAN on the digits.
base: {preset: dcgan, dataset: digits, options: {epochs: 30}}
axes:
  learning rate:
    options: [generator_learning_rate, discriminator_learning_rate]
    values: [5.0e-5, 1.0e-4, 2.0e-4, 4.0e-4, 8.0e-4]
  beta1: [0.0, 0.3, 0.5, 0.7, 0.9]
  width: [16, 32, 64, 96]
scheduler: asha
seeds: 2
"""
"""200 trials."""


def begun(home: Path, text: str) -> StudyRecord:
    """A study of which no trial has begun."""
    asked = study.parse(text)
    record = records.record(asked.name, home)
    record.create(text.encode(), plan.expand(asked))
    return record


def start(record: StudyRecord, trial: Trial, distances: Sequence[float | None]) -> None:
    """Give the trial a run that has come so far, with one quick distance an epoch."""
    run = record.run_of(trial)
    if not run.exists:
        run.create(trial.config)
    log = run.events_path
    started = Started(
        total_steps=3,
        steps_per_epoch=1,
        device="cpu",
        threads=1,
        precision="float32",
        parameters={},
        versions={},
    )
    events.append(log, started)
    for epoch, fd in enumerate(distances, start=1):
        at = {"step": epoch, "epoch": epoch}
        events.append(
            log, Progress(**at, seconds=epoch, images_per_second=1.0, losses={"loss": 1.0}, gradient_norms={})
        )
        events.append(log, QuickDistance(**at, fd=fd, samples=256, extractor_digest="1"))


def end(
    record: StudyRecord,
    trial: Trial,
    distances: Sequence[float | None],
    status: EndStatus = "finished",
    reason: str = "all steps done",
) -> None:
    """Give the trial a run with this log."""
    start(record, trial, distances)
    step = len(distances)
    ended = Ended(status=status, reason=reason, step=step, seconds=9.0, peak_memory_mib=1.0)
    events.append(record.run_of(trial).events_path, ended)


def large(home: Path) -> StudyRecord:
    """A study of 200 trials of up to 30 distances, of which many were cut and a few diverged."""
    record = begun(home, LARGE)
    rng = random.Random(0)
    for trial in record.trials():
        rate, beta1 = float(str(trial.point["learning rate"])), float(str(trial.point["beta1"]))
        level = 4 * (1 + abs(rate / 2e-4 - 1)) * (1 + beta1) * rng.lognormvariate(0, 0.1)
        curve = [level * (1 + 20 / epoch) for epoch in range(1, 31)]
        if beta1 == 0.9 and rate > 5e-4:
            end(record, trial, [*curve[:3], None], "diverged", "the loss is not finite at step 4")
        elif level > 9:
            end(record, trial, curve[:3], "stopped", f"{CUT} after epoch 3")
        else:
            end(record, trial, curve)
    return record
