"""Images that were made elsewhere, measured as a model's are: `gencore measure`.

They make a run of their own, so that every table, page and report shows them next to the models.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from gencore import devices
from gencore.config.datasets import DatasetSpec
from gencore.config.model_sections import ImagesConfig
from gencore.config.options import RunConfig
from gencore.data.image_files import ImageSet
from gencore.data.sources import with_digests
from gencore.evaluation.evaluate import DEFAULT_SPACES, as_results, measured_groups
from gencore.evaluation.real_data import RealData
from gencore.evaluation.suite import EvaluatedModel
from gencore.metrics.catalog import DEFAULT_GROUPS
from gencore.sampling.sheets import SHEET_IMAGES, to_png
from gencore.store import results
from gencore.store.files import write_atomically
from gencore.store.results import Results
from gencore.store.runs import Run


def images_config(found: ImageSet, spec: DatasetSpec, source: str) -> RunConfig:
    """The config of a run that holds these images."""
    return RunConfig(
        model=ImagesConfig(
            source=source,
            digest=found.digest,
            count=len(found.images),
            conditional=found.labels is not None,
        ),
    ).on(spec)


def measure_images(
    run: Run,
    config: RunConfig,
    found: ImageSet,
    device: torch.device,
    command: list[str],
    data_folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Results:
    """Make or replace `run`, whose claim the caller holds, and write what was measured of its images.

    Raises MissingFeaturesError, DataError, ValueError; then nothing is written."""
    real = RealData.load(config.dataset_spec, device, run.home, data_folder)
    labels = None if found.labels is None else found.labels.to(device)
    evaluated = EvaluatedModel.of_images(found.images.to(device), labels, real)
    metrics = measured_groups(evaluated, DEFAULT_GROUPS, DEFAULT_SPACES, say)
    origin = with_digests(devices.origin_here(device, command), real.splits)
    digest = config.model.model_dump()["digest"]
    measured = as_results(run.name, config, digest, evaluated, {"evaluation": origin}, metrics)
    if run.exists:
        run.clear()
    run.create(config)
    write_atomically(run.results / "samples.png", to_png(found.images[:SHEET_IMAGES]))
    results.save(run.results_path, measured)
    return measured
