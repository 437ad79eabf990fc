"""The files of the published data sets, with their published checksums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Archive(NamedTuple):
    """A file as its publisher offers it: its path in the data folder, and its published MD5."""

    path: str
    md5: str


@dataclass(frozen=True)
class Published:
    """The files of one published data set. Paths are relative to the data folder, in torchvision's layout."""

    archives: tuple[Archive, ...] = ()
    unpacked: tuple[str, ...] = ()
    """What is read. IDX sets: train images, train labels, test images, test labels."""
    sha256: tuple[str, ...] = ()
    """Of each unpacked file, of bundled data; empty where only the archives have a published checksum."""


_IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def _mnist_like(folder: str, md5: tuple[str, ...], sha256: tuple[str, ...] = ()) -> Published:
    """A set published as MNIST's four gzipped IDX files.

    `md5` has the checksums of the gzipped files, `sha256` those of the unpacked ones.
    """
    unpacked = tuple(f"{folder}/raw/{file}" for file in _IDX_NAMES)
    archives = tuple(Archive(f"{path}.gz", checksum) for path, checksum in zip(unpacked, md5, strict=True))
    return Published(archives, unpacked, sha256)


PUBLISHED: dict[str, Published] = {
    "mnist": _mnist_like(
        "MNIST",
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
    "fashion-mnist": _mnist_like(
        "FashionMNIST",
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    "kmnist": _mnist_like(
        "KMNIST",
        (
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    ),
    "emnist-digits": Published(
        (Archive("EMNIST/raw/gzip.zip", "58c8d27c78d21e728a6bc7b3cc06412e"),),
        tuple(f"EMNIST/raw/emnist-digits-{file.replace('t10k', 'test')}" for file in _IDX_NAMES),
    ),
    "cifar10": Published(
        (Archive("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),),
        tuple(
            f"cifar-10-batches-py/{file}"
            for file in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
        ),
    ),
    "digits": Published(sha256=("87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826",)),
}
"""The files of the published data sets by name."""
