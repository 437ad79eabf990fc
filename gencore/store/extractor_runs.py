"""The runs that hold the feature extractors of a data set, by name."""

from __future__ import annotations

from pathlib import Path

from gencore.config.datasets import DatasetName, original_name
from gencore.config.options import EXTRACTORS
from gencore.store import runs
from gencore.store.runs import Run

FIRST = next(iter(EXTRACTORS))
"""The extractor that all metrics are measured with; the others give distances."""
_PREFIX = "features-"


def features_run(dataset: DatasetName, folder: Path | None = None, extractor: str = FIRST) -> Run:
    """The run that holds (or will hold) an extractor of `dataset`; pairs share those of their original."""
    return runs.run(
        f"{_PREFIX}{original_name(dataset)}" + ("" if extractor == FIRST else f"-{extractor}"), folder
    )


def is_extractor(name: str) -> bool:
    """Whether the run of this name is a feature extractor."""
    return name.startswith(_PREFIX)
