"""Data sets as tensors, downloaded and unpacked first where they are not on disk.

Nothing on disk is trusted: archives must have their published MD5 before they are opened, unpacked files
the header, length and SHA-256 of the published ones. torchvision downloads and unpacks in a temporary
folder; only whole files are moved from there into place, so interrupted and concurrent runs do not harm
each other.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import struct
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, get_args
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor

from gencore.config.datasets import DatasetSpec
from gencore.data import own
from gencore.data.filters import sources_of
from gencore.data.own import Split
from gencore.data.published import PUBLISHED
from gencore.data.registry import data_folder
from gencore.data.verification import (
    DataError,
    UnverifiedDataWarning,
    check_archive,
    digest_of_tensors,
    expected_sha256,
    refuse_file,
)
from gencore.store.results import Origin

SPLITS: tuple[Split, ...] = get_args(Split)

_WAYS_OUT = "name another folder with --data-dir or GENCORE_DATA, or use --dataset digits, which is bundled"


@dataclass(frozen=True, eq=False)
class ImageData:
    """One split of a data set, on one device."""

    images: Tensor
    """uint8 (N, C, H, W)"""
    labels: Tensor
    """int64 (N,)"""
    spec: DatasetSpec
    sources: Tensor | None = None
    """uint8 (N, source_channels, H, W): what each image is to be made from; None where images come alone"""

    def to(self, device: torch.device | str) -> ImageData:
        """The same data on `device`."""
        sources = None if self.sources is None else self.sources.to(device)
        return replace(self, images=self.images.to(device), labels=self.labels.to(device), sources=sources)

    def for_batches(self, device: torch.device | str) -> ImageData:
        """The same data for batches on `device`: pairs of `own.MAPPED_FROM` bytes stay where they are."""
        size = self.images.nbytes + (0 if self.sources is None else self.sources.nbytes)
        if self.spec.is_paired and size >= own.MAPPED_FROM:
            return replace(self, labels=self.labels.to(device))
        return self.to(device)

    @cached_property
    def alone(self) -> ImageData:
        """The images without their sources, as the data set that a filter was applied to."""
        return replace(self, spec=self.spec.original, sources=None) if self.spec.is_paired else self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of images, labels and sources as loaded: the same on every device. Makes the host wait for
        a GPU."""
        paired = () if self.sources is None else (self.sources,)
        return digest_of_tensors(self.images, self.labels, *paired)


def load(spec: DatasetSpec, split: Split, folder: Path | None = None) -> ImageData:
    """The whole split, on the CPU, from `folder` (default: `data_folder()`); downloaded there where missing.

    Raises DataError for files that are damaged, not the published ones, missing without a network, or in a
    folder that cannot be read or written, and for a set of one's own that has changed. Issues an
    UnverifiedDataWarning for files whose published checksum is not known.
    """
    folder = folder or data_folder()
    if spec.filter_id:
        original = load(spec.original, split, folder)
        return replace(original, spec=spec, sources=sources_of(spec.filter_id, original.images))
    try:
        if spec.is_own:
            stored = own.load(spec, split, folder)
            sources = None if stored.sources is None else torch.from_numpy(stored.sources)
            images, labels = torch.from_numpy(stored.images), torch.from_numpy(stored.labels)
            return ImageData(images, labels, spec, sources)
        if not all((folder / path).exists() for path in PUBLISHED[spec.name].unpacked):
            _obtain(spec, folder)
        images, labels = _READERS[spec.name](spec, split, folder)
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} cannot be read or written ({error.strerror or error}); {_WAYS_OUT}"
        ) from error
    return ImageData(images, labels, spec)


def with_digests(origin: Origin, data: Mapping[Split, ImageData]) -> Origin:
    """The origin of figures of these splits, with the digest of each."""
    return origin.model_copy(
        update={"data_digests": {split: images.digest for split, images in data.items()}}
    )


def _obtain(spec: DatasetSpec, folder: Path) -> None:
    """Put all unpacked files into `folder`, from the archives there or from the network."""
    files = PUBLISHED[spec.name]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as staging:
        for archive in files.archives:
            if (folder / archive.path).exists():
                check_archive(folder / archive.path, archive)
                copy = Path(staging, archive.path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / archive.path, copy)
        try:
            _torchvision_set(spec)(staging, download=True)
        except (URLError, RuntimeError, HTTPException, ConnectionError, TimeoutError) as error:
            reason = (str(error).strip() or repr(error)).splitlines()[-1]
            raise DataError(
                f"{spec.title} is not complete in {folder} and cannot be downloaded ({reason}).\n"
                f"Put {', '.join(archive.path for archive in files.archives)} there; {_WAYS_OUT}"
            ) from error
        for path in (*(archive.path for archive in files.archives), *files.unpacked):
            if not (folder / path).exists():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(staging, path), folder / path)


_TORCHVISION_SETS: dict[str, tuple[str, dict[str, str]]] = {
    "mnist": ("MNIST", {}),
    "fashion-mnist": ("FashionMNIST", {}),
    "kmnist": ("KMNIST", {}),
    "emnist-digits": ("EMNIST", {"split": "digits"}),
    "cifar10": ("CIFAR10", {}),
}


def _torchvision_set(spec: DatasetSpec) -> Callable[..., Any]:
    """The torchvision class of the data set, which downloads from $GENCORE_DATA_MIRROR where that is set.

    A mirror is a data folder served over HTTP: it has each archive at the path that its table gives.
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
        url = f"{mirror.rstrip('/')}/{PUBLISHED[spec.name].archives[0].path}"
        # torchvision names the data's folder after the class, so the subclass keeps the name
        kind = type(class_name, (kind,), {"url": url, "mirrors": [url.rpartition("/")[0] + "/"]})
    return partial(kind, **options)


def _read_idx_pair(spec: DatasetSpec, split: Split, folder: Path) -> tuple[Tensor, Tensor]:
    count = spec.train_count if split == "train" else spec.test_count
    unpacked = PUBLISHED[spec.name].unpacked
    images_path, labels_path = unpacked[:2] if split == "train" else unpacked[2:]
    images = _read_idx(spec, images_path, folder, (count, spec.size, spec.size))
    labels = _read_idx(spec, labels_path, folder, (count,)).long()
    if labels.max() >= spec.classes:
        raise DataError(
            f"{folder / labels_path} is damaged: it holds label {labels.max()}, expected 0 to "
            f"{spec.classes - 1}; delete it and run again to unpack or download it"
        )
    return images[:, None], labels  # (N, 1, H, W), (N,)


def _read_idx(spec: DatasetSpec, file: str, folder: Path, shape: tuple[int, ...]) -> Tensor:
    """The uint8 tensor of this shape in an IDX file (MNIST's own format), after comparing its SHA-256."""
    path = folder / file
    header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)  # 8: unsigned bytes
    expected_length = len(header) + math.prod(shape)
    with path.open("rb") as opened:
        start, length = opened.read(len(header)), os.fstat(opened.fileno()).st_size
    if start != header or length != expected_length:
        raise DataError(
            f"{path} is damaged: {length} bytes that begin with {start.hex(' ') or 'nothing'}, "
            f"expected {expected_length} that begin with {header.hex(' ')}; "
            "delete it and run again to unpack or download it"
        )
    values = np.fromfile(path, np.uint8, offset=len(header))
    # The bytes in memory are hashed, so that what is checked is what is used.
    digest = hashlib.sha256(header)
    digest.update(values.data)
    files = PUBLISHED[spec.name]
    expected = expected_sha256(files, file, folder)
    if expected is None:
        warnings.warn(
            f"{path} is not verified: {spec.title} has published checksums of archives only; put "
            f"{' or '.join(archive.path for archive in files.archives)} into {folder}, or delete the file "
            f"to download it (its SHA-256 is {digest.hexdigest()})",
            UnverifiedDataWarning,
            stacklevel=2,
        )
    elif digest.hexdigest() != expected:
        refuse_file(path, digest.hexdigest(), expected)
    return torch.from_numpy(values).view(shape)


def _read_emnist(spec: DatasetSpec, split: Split, folder: Path) -> tuple[Tensor, Tensor]:
    images, labels = _read_idx_pair(spec, split, folder)
    return images.transpose(2, 3).contiguous(), labels  # published column by column


def _read_cifar10(spec: DatasetSpec, split: Split, folder: Path) -> tuple[Tensor, Tensor]:
    try:  # torchvision compares each file with its published MD5 before it unpickles it
        data = _torchvision_set(spec)(folder, train=split == "train")
    except RuntimeError as error:
        damaged = (folder / PUBLISHED[spec.name].unpacked[0]).parent
        raise DataError(
            f"{damaged} is damaged: a file has another MD5 than published; "
            "delete that folder and run again to unpack or download it"
        ) from error
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()  # (N, H, W, C) → (N, C, H, W)
    return images, torch.tensor(data.targets)


def _read_digits(spec: DatasetSpec, split: Split, _folder: Path) -> tuple[Tensor, Tensor]:
    """scikit-learn's 8x8 digits, enlarged; the same shuffled, stratified split each time."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bundled = load_digits()
    pixels, classes = bundled.images.astype(np.uint8), bundled.target.astype(np.uint8)
    sha256 = hashlib.sha256(pixels.tobytes() + classes.tobytes()).hexdigest()
    (expected,) = PUBLISHED[spec.name].sha256
    if sha256 != expected:
        raise DataError(
            f"scikit-learn's digits are not the published ones: their SHA-256 is {sha256}, expected "
            f"{expected}; run `pip install --force-reinstall scikit-learn`"
        )
    train, test = train_test_split(
        np.arange(len(bundled.target)), train_size=spec.train_count, stratify=bundled.target, random_state=0
    )
    chosen = train if split == "train" else test
    small = torch.from_numpy(pixels[chosen]).float()[:, None] * (255 / 16)  # (N, 1, 8, 8), 0..16 → 0..255
    images = torch.nn.functional.interpolate(small, size=(spec.size, spec.size), mode="bilinear")
    return images.round().to(torch.uint8), torch.from_numpy(bundled.target[chosen])


_READERS: dict[str, Callable[[DatasetSpec, Split, Path], tuple[Tensor, Tensor]]] = {
    "mnist": _read_idx_pair,
    "fashion-mnist": _read_idx_pair,
    "kmnist": _read_idx_pair,
    "emnist-digits": _read_emnist,
    "cifar10": _read_cifar10,
    "digits": _read_digits,
}
