"""Imported images become a data set of one's own.

Images without labels are put into k-means clusters, which stand in for classes wherever an evaluation needs
some.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from gencore.config.datasets import DATASETS, DatasetSpec
from gencore.config.options import EXTRACTORS
from gencore.data.clusters import k_means
from gencore.data.importing.options import ImportOptions
from gencore.data.importing.report import Imported
from gencore.data.own import OwnDataset, folder_of
from gencore.store import results
from gencore.store.files import write_atomically

MOST_CLUSTERS, IMAGES_PER_CLUSTER = 10, 20
"""Of images without labels: clusters that stand in for classes, and training images for each at least."""


def refuse(name: str) -> None:
    """Raises ValueError for a name that a set of one's own cannot have."""
    if ":" in name:
        raise ValueError(f"{name} names a filter, which is for data sets that are there; leave out ':'")
    if name in DATASETS:
        raise ValueError(f"{name} is a published data set; choose another name")
    if (end := name.rpartition("-")[2]) in EXTRACTORS:
        raise ValueError(f"{name} ends in {end}, as the runs of feature extractors do; choose another name")


def add(
    imported: Imported, name: str, source: str, options: ImportOptions, data_folder: Path, title: str = ""
) -> OwnDataset:
    """Store `imported` as a data set of one's own, in place of one of that name.

    Raises ValueError for a name that is not allowed, OSError."""
    refuse(name)
    test, labels, class_names = imported.is_test, imported.labels, imported.class_names
    if not class_names:
        labels, class_names = _clusters(imported)
    content = save(
        {
            "train_images": imported.images[~test],
            "train_labels": labels[~test],
            "test_images": imported.images[test],
            "test_labels": labels[test],
        }
    )
    _, channels, size, _ = imported.images.shape
    added = OwnDataset(
        spec=DatasetSpec(
            name=name,
            title=title or name,
            channels=channels,
            size=size,
            class_names=class_names,
            is_labelled=bool(imported.class_names),
            train_count=int((~test).sum()),
            test_count=int(test.sum()),
            digest=hashlib.sha256(content).hexdigest(),
        ),
        source=source,
        options=options,
        report=imported.report,
        unix_time=time.time(),
    )
    folder = folder_of(name, data_folder)
    write_atomically(folder / "images.safetensors", content)
    results.save(folder / "dataset.json", added)
    return added


def _clusters(imported: Imported) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels (N,) and names of clusters that stand in for classes, found in the training images."""
    pixels = imported.images.reshape(len(imported.images), -1).astype(np.float32) / 127.5 - 1
    train = pixels[~imported.is_test]
    k = max(2, min(MOST_CLUSTERS, len(train) // IMAGES_PER_CLUSTER))
    return k_means(train, k, seed=0).of(pixels), tuple(f"cluster {number + 1}" for number in range(k))
