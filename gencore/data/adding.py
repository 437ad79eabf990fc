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
_CLUSTERED_SIZE = 16
"""Side, about, at which the images of pairs are clustered."""


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
    arrays = {"images": imported.images, "labels": labels}
    if imported.sources is not None:
        arrays["sources"] = imported.sources
    content = save(
        {
            f"{split}_{kind}": array[chosen]
            for split, chosen in (("train", ~test), ("test", test))
            for kind, array in arrays.items()
        }
    )
    _, channels, size, _ = imported.images.shape
    added = OwnDataset(
        spec=DatasetSpec(
            name=name,
            title=title or name,
            channels=channels,
            source_channels=0 if imported.sources is None else imported.sources.shape[1],
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
    images, size = imported.images, imported.images.shape[2]
    if imported.sources is not None:  # principal components of all pixels of large ones take hours
        images = _averaged(images, max(1, round(size / _CLUSTERED_SIZE)))
    pixels = images.reshape(len(images), -1).astype(np.float32) / 127.5 - 1
    train = pixels[~imported.is_test]
    k = max(2, min(MOST_CLUSTERS, len(train) // IMAGES_PER_CLUSTER))
    return k_means(train, k, seed=0).of(pixels), tuple(f"cluster {number + 1}" for number in range(k))


def _averaged(images: np.ndarray, factor: int) -> np.ndarray:
    """Images (N, C, S, S) uint8, each square of `factor` pixels a side as its mean, without the rest."""
    n, channels, size, _ = images.shape
    side = size // factor
    cut = images[:, :, : side * factor, : side * factor]
    squares = cut.reshape(n, channels, side, factor, side, factor)
    return squares.mean((3, 5), dtype=np.float32).round().astype(np.uint8)
