"""The data sets by name: what they hold and which files they are made of.

Imports no torch, so forms and lists can show the table at no cost.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from gencore.config.options import DatasetName
from gencore.store import runs

Availability = Literal["bundled", "on disk", "would be downloaded"]


class Archive(NamedTuple):
    """A file as its publisher offers it: its path in the data folder, and its published MD5."""

    path: str
    md5: str


@dataclass(frozen=True)
class DatasetSpec:
    """Facts about one data set. Paths are relative to the data folder, in torchvision's layout."""

    name: DatasetName
    title: str
    channels: int
    size: int
    """Height and width in pixels."""
    class_names: tuple[str, ...]
    train_count: int
    test_count: int
    archives: tuple[Archive, ...] = ()
    unpacked: tuple[str, ...] = ()
    """What is read. IDX sets: train images, train labels, test images, test labels."""
    native_size: int | None = None
    """Height and width before the images were enlarged; None where they were not."""
    sha256: tuple[str, ...] = ()
    """Of each unpacked file, of bundled data; empty where only the archives have a published checksum."""

    @property
    def needs_download(self) -> bool:
        """Whether the files come from the network unless they are already on disk."""
        return bool(self.archives)


_DIGITS = tuple("0123456789")
_IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def _mnist_like(
    name: DatasetName,
    title: str,
    folder: str,
    class_names: tuple[str, ...],
    md5: tuple[str, ...],
    sha256: tuple[str, ...] = (),
) -> DatasetSpec:
    """A set published as MNIST's four gzipped IDX files, with MNIST's shapes.

    `md5` has the checksums of the gzipped files, `sha256` those of the unpacked ones.
    """
    unpacked = tuple(f"{folder}/raw/{file}" for file in _IDX_NAMES)
    archives = tuple(Archive(f"{path}.gz", checksum) for path, checksum in zip(unpacked, md5, strict=True))
    return DatasetSpec(name, title, 1, 28, class_names, 60_000, 10_000, archives, unpacked, sha256=sha256)


_SPECS = (
    _mnist_like(
        "mnist",
        "MNIST",
        "MNIST",
        _DIGITS,
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    _mnist_like(
        "fashion-mnist",
        "Fashion-MNIST",
        "FashionMNIST",
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    _mnist_like(
        "kmnist",
        "KMNIST",
        "KMNIST",
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        (
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    ),
    DatasetSpec(
        "emnist-digits",
        "EMNIST digits",
        1,
        28,
        _DIGITS,
        240_000,
        40_000,
        (Archive("EMNIST/raw/gzip.zip", "58c8d27c78d21e728a6bc7b3cc06412e"),),
        tuple(f"EMNIST/raw/emnist-digits-{file.replace('t10k', 'test')}" for file in _IDX_NAMES),
    ),
    DatasetSpec(
        "cifar10",
        "CIFAR-10",
        3,
        32,
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        50_000,
        10_000,
        (Archive("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),),
        tuple(
            f"cifar-10-batches-py/{file}"
            for file in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
        ),
    ),
    DatasetSpec(
        "digits",
        "scikit-learn digits",
        1,
        28,
        _DIGITS,
        1_500,
        297,
        native_size=8,
        sha256=("87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826",),
    ),
)

DATASETS: dict[DatasetName, DatasetSpec] = {spec.name: spec for spec in _SPECS}
MORPH = (3, 8)
"""The two classes that every evaluated model is interpolated between: digits that share many strokes."""


def data_folder() -> Path:
    """The folder that holds the data sets: $GENCORE_DATA, else `data/` in the home folder of the runs."""
    given = os.environ.get("GENCORE_DATA")
    return Path(given) if given else runs.home() / "data"


def availability(name: DatasetName, folder: Path | None = None) -> Availability:
    """Whether the files are in `folder` (default: `data_folder()`). Looks at names only."""
    spec = DATASETS[name]
    if not spec.needs_download:
        return "bundled"
    folder = folder or data_folder()
    for paths in (spec.unpacked, [archive.path for archive in spec.archives]):
        if all((folder / path).is_file() for path in paths):
            return "on disk"
    return "would be downloaded"
