"""Data sets as tensors, downloaded and unpacked first where they are not at hand.

What lies on disk is doubted: archives are held against their published MD5 before anything opens them,
unpacked files against the header and length that the data set must have. torchvision downloads and unpacks
in a folder of its own; only whole files are moved from there into place, so a run that is cut short harms
no later one, and two at once do not harm each other.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor

from gencore.config import DatasetName
from gencore.data.registry import DATASETS, Archive, DatasetSpec, data_folder

Split = Literal["train", "test"]

_WAYS_OUT = "name another folder with --data-dir or GENCORE_DATA, or use --dataset digits, which is bundled"


class DataError(ValueError):
    """A data set cannot be had; the message names the file or folder and the ways out."""


@dataclass(frozen=True, eq=False)
class ImageData:
    """One split of a data set, on one device."""

    images: Tensor
    """uint8 (N, C, H, W)"""
    labels: Tensor
    """int64 (N,)"""
    spec: DatasetSpec

    def to(self, device: torch.device | str) -> ImageData:
        """The same data on `device`."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


def load(name: DatasetName, split: Split, folder: Path | None = None) -> ImageData:
    """The whole split, on the CPU, from `folder` (default: `data_folder()`); downloaded there if need be.

    Raises DataError for files that are damaged, missing without a network, or in a folder that is of no use.
    """
    spec = DATASETS[name]
    folder = folder or data_folder()
    try:
        if not all((folder / path).exists() for path in spec.unpacked):
            _obtain(spec, folder)
        images, labels = _READERS[name](spec, split, folder)
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} cannot be read or written ({error.strerror or error}); {_WAYS_OUT}"
        ) from error
    return ImageData(images, labels, spec)


def _obtain(spec: DatasetSpec, folder: Path) -> None:
    """All of `spec.unpacked` lies in `folder`, from the archives there or from the network."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as staging:
        for archive in spec.archives:
            if (folder / archive.path).exists():
                _check_archive(folder / archive.path, archive)
                copy = Path(staging, archive.path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / archive.path, copy)
        try:
            _torchvision_set(spec)(staging, download=True)
        except (URLError, RuntimeError, HTTPException, ConnectionError, TimeoutError) as error:
            reason = (str(error).strip() or repr(error)).splitlines()[-1]
            raise DataError(
                f"{spec.title} is not complete in {folder} and cannot be downloaded ({reason}).\n"
                f"Put {', '.join(archive.path for archive in spec.archives)} there; {_WAYS_OUT}"
            ) from error
        for path in (*(archive.path for archive in spec.archives), *spec.unpacked):
            if not (folder / path).exists():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(staging, path), folder / path)


def _check_archive(path: Path, archive: Archive) -> None:
    # torchvision would overwrite a damaged archive by a download, or blame the network; and a checksum that
    # fits is what rules out truncated archives and decompression bombs.
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 != archive.md5:
        raise DataError(
            f"{path} is damaged: its MD5 is {md5}, expected {archive.md5}; "
            "delete it and run again to download it, or put the original there"
        )


_TORCHVISION_SETS: dict[DatasetName, tuple[str, dict[str, str]]] = {
    "mnist": ("MNIST", {}),
    "fashion-mnist": ("FashionMNIST", {}),
    "kmnist": ("KMNIST", {}),
    "emnist-digits": ("EMNIST", {"split": "digits"}),
    "cifar10": ("CIFAR10", {}),
}


def _torchvision_set(spec: DatasetSpec) -> Callable[..., Any]:
    """torchvision's class for the data set, told to download from $GENCORE_DATA_MIRROR where that is set.

    A mirror is a data folder served over HTTP: it has each archive at the path that `spec.archives` gives.
    """
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:  # RuntimeError: operator torchvision::nms does not exist
        raise DataError(
            f"torch and torchvision are builds that do not fit together ({error}); "
            "run `pip install --force-reinstall torch torchvision`"
        ) from error
    class_name, options = _TORCHVISION_SETS[spec.name]
    kind = getattr(datasets, class_name)
    if mirror := os.environ.get("GENCORE_DATA_MIRROR"):
        url = f"{mirror.rstrip('/')}/{spec.archives[0].path}"
        # torchvision names the data's folder after the class, so the subclass keeps the name
        kind = type(class_name, (kind,), {"url": url, "mirrors": [url.rpartition("/")[0] + "/"]})
    return partial(kind, **options)


def _read_idx_pair(spec: DatasetSpec, split: Split, folder: Path) -> tuple[Tensor, Tensor]:
    count = spec.train_count if split == "train" else spec.test_count
    images_path, labels_path = spec.unpacked[:2] if split == "train" else spec.unpacked[2:]
    images = _read_idx(folder / images_path, (count, spec.size, spec.size))
    labels = _read_idx(folder / labels_path, (count,)).long()
    if labels.max() >= len(spec.class_names):
        raise DataError(
            f"{folder / labels_path} is damaged: it holds label {labels.max()}, expected 0 to "
            f"{len(spec.class_names) - 1}; delete it and run again to unpack or download it"
        )
    return images[:, None], labels  # (N, 1, H, W), (N,)


def _read_idx(path: Path, shape: tuple[int, ...]) -> Tensor:
    """The uint8 tensor in an IDX file (MNIST's own format), which must have exactly this shape."""
    header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)  # 8: unsigned bytes
    expected = len(header) + math.prod(shape)
    with path.open("rb") as file:
        start, length = file.read(len(header)), os.fstat(file.fileno()).st_size
    if start != header or length != expected:
        raise DataError(
            f"{path} is damaged: {length} bytes that begin with {start.hex(' ') or 'nothing'}, "
            f"expected {expected} that begin with {header.hex(' ')}; "
            "delete it and run again to unpack or download it"
        )
    return torch.from_numpy(np.fromfile(path, np.uint8, offset=len(header))).view(shape)


def _read_emnist(spec: DatasetSpec, split: Split, folder: Path) -> tuple[Tensor, Tensor]:
    images, labels = _read_idx_pair(spec, split, folder)
    return images.transpose(2, 3).contiguous(), labels  # published column by column


def _read_cifar10(spec: DatasetSpec, split: Split, folder: Path) -> tuple[Tensor, Tensor]:
    try:  # torchvision holds each file against its MD5 before it unpickles it
        data = _torchvision_set(spec)(folder, train=split == "train")
    except RuntimeError as error:
        raise DataError(
            f"{(folder / spec.unpacked[0]).parent} is damaged: a file has another MD5 than published; "
            "delete that folder and run again to unpack or download it"
        ) from error
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()  # (N, H, W, C) → (N, C, H, W)
    return images, torch.tensor(data.targets)


def _read_digits(spec: DatasetSpec, split: Split, _folder: Path) -> tuple[Tensor, Tensor]:
    """scikit-learn's 8x8 digits, enlarged; the same shuffled, stratified split each time."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bundled = load_digits()
    train, test = train_test_split(
        np.arange(len(bundled.target)), train_size=spec.train_count, stratify=bundled.target, random_state=0
    )
    chosen = train if split == "train" else test
    small = torch.from_numpy(bundled.images[chosen]).float()[:, None] * (
        255 / 16
    )  # (N, 1, 8, 8), 0..16 → 0..255
    images = torch.nn.functional.interpolate(small, size=(spec.size, spec.size), mode="bilinear")
    return images.round().to(torch.uint8), torch.from_numpy(bundled.target[chosen])


_READERS: dict[DatasetName, Callable[[DatasetSpec, Split, Path], tuple[Tensor, Tensor]]] = {
    "mnist": _read_idx_pair,
    "fashion-mnist": _read_idx_pair,
    "kmnist": _read_idx_pair,
    "emnist-digits": _read_emnist,
    "cifar10": _read_cifar10,
    "digits": _read_digits,
}
