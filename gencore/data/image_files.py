"""Images from a file or a folder, of whatever origin, checked before they are used."""

from __future__ import annotations

import gzip
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from gencore.config.datasets import DatasetSpec
from gencore.data.arrays import IDX_START, MOST_IMAGES, read_idx, read_npy
from gencore.data.verification import digest_of_tensors

_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}


class ImageSet(NamedTuple):
    """Images, with the class that each is meant to show where that is known."""

    images: Tensor  # (N, C, H, W) uint8
    labels: Tensor | None  # (N,) int64

    @property
    def digest(self) -> str:
        """SHA-256 of images and labels."""
        none = torch.empty(0, dtype=torch.int64)
        return digest_of_tensors(self.images, none if self.labels is None else self.labels)


def read_images(path: Path, spec: DatasetSpec, labels: Path | None = None) -> ImageSet:
    """Images in the form of the data set `spec`, with labels from `labels` or from beside them.

    `path` is an NPZ (`images`, or its only array; `labels`), an IDX file, plain or .gz, or a folder of
    pictures, whose sub-folders, if there are any, are named like the classes or by their numbers. `labels`
    is an .npy, .csv or .txt of one class number an image, or an IDX file. Raises ValueError that names the
    file and what was expected.
    """
    if not path.exists():
        raise ValueError(f"{path} does not exist; name an .npz, an IDX file or a folder of pictures")
    if path.is_dir():
        arrays, found = _from_folder(path, spec)
    elif path.suffix == ".npz":
        arrays, found = _from_npz(path)
    else:
        arrays, found = _idx(path), None
    images = _in_form(arrays, spec, path)
    if labels is not None:
        found = _labels(labels)
    return ImageSet(images, None if found is None else _valid(found, len(images), spec, labels or path))


def _from_npz(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            others = [name for name in members if name != "labels"]
            name = "images" if "images" in members else others[0] if len(others) == 1 else None
            if name is None:
                raise ValueError(f"it holds {', '.join(others) or 'nothing'}; call the array `images`")
            with archive.open(members[name]) as file:
                images = read_npy(file, members[name])
            if "labels" not in members:
                return images, None
            with archive.open(members["labels"]) as file:
                return images, read_npy(file, members["labels"])
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as NPZ: {error}") from error


def _idx(path: Path) -> np.ndarray:
    """The unsigned bytes in an IDX file, gzipped or not."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            if not file.peek(len(IDX_START)).startswith(IDX_START):
                raise ValueError(f"{path} is no IDX file of unsigned bytes, no .npz and no folder")
            return read_idx(file, path)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as IDX: {error}") from error


def _from_folder(path: Path, spec: DatasetSpec) -> tuple[np.ndarray, np.ndarray | None]:
    """The pictures of a folder in the order of their names; labels where they lie in sub-folders."""
    folders = sorted(inside for inside in path.iterdir() if inside.is_dir() and not inside.is_symlink())
    groups = [(_class_of(folder.name, spec, path), folder) for folder in folders] or [(-1, path)]
    found = [(label, picture) for label, folder in groups for picture in _pictures(folder)]
    if not found:
        raise ValueError(f"{path} holds no pictures ({', '.join(sorted(_PICTURES))})")
    if len(found) > MOST_IMAGES:
        raise ValueError(f"{path} holds {len(found)} pictures; at most {MOST_IMAGES} are read")
    arrays = np.stack([_picture(picture, spec) for _, picture in found])
    return arrays, np.array([label for label, _ in found]) if folders else None


def _pictures(folder: Path) -> Iterator[Path]:
    return iter(sorted(file for file in folder.iterdir() if file.suffix.lower() in _PICTURES))


def _class_of(name: str, spec: DatasetSpec, path: Path) -> int:
    try:
        return spec.class_index(name)
    except ValueError as error:
        raise ValueError(f"{path} has a folder that is not named like a class: {error}") from error


def _picture(path: Path, spec: DatasetSpec) -> np.ndarray:
    """A picture (H, W) or (H, W, 3); its size is looked at before it is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                if picture.size != (spec.size, spec.size):
                    raise ValueError(
                        f"{path} has {picture.size[0]} x {picture.size[1]} pixels; {spec.title} has "
                        f"{spec.size} x {spec.size}, so resize the pictures first"
                    )
                if picture.mode.startswith(("I", "F")):
                    raise ValueError(f"{path} has more than 8 bits a pixel; save it with 8")
                return np.array(picture.convert("L" if spec.channels == 1 else "RGB"))
    except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{path} is no picture that can be read: {error}") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is refused: {error}") from error


def _in_form(arrays: np.ndarray, spec: DatasetSpec, path: Path) -> Tensor:
    """(N, C, H, W) uint8 of (N, H, W), (N, H, W, C) or (N, C, H, W)."""
    c, size = spec.channels, spec.size
    forms = [(size, size, c), (c, size, size)] + ([(size, size)] if c == 1 else [])
    if arrays.dtype != np.uint8 or arrays.shape[1:] not in forms or not len(arrays):
        raise ValueError(
            f"{path} holds {arrays.dtype} of shape {arrays.shape}; expected uint8 (N, {size}, {size}"
            f"{', 3' if c > 1 else ''}), pixels 0 to 255, N at least 1"
        )
    if len(arrays) > MOST_IMAGES:
        raise ValueError(f"{path} holds {len(arrays)} images; at most {MOST_IMAGES} are read")
    images = torch.from_numpy(np.ascontiguousarray(arrays))
    if images.ndim == 3:
        return images[:, None]
    return images if arrays.shape[1:] == (c, size, size) else images.permute(0, 3, 1, 2).contiguous()


def _labels(path: Path) -> np.ndarray:
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        if path.suffix in {".csv", ".txt"}:
            return np.loadtxt(path, delimiter=",", dtype=np.int64, ndmin=1)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as one class number an image: {error}") from error
    return _idx(path)


def _valid(labels: np.ndarray, n: int, spec: DatasetSpec, path: Path) -> Tensor:
    classes = spec.classes
    whole = np.issubdtype(labels.dtype, np.integer)
    if labels.shape != (n,) or not whole or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"{path} gives labels of shape {labels.shape} and {labels.dtype}; expected {n} integers "
            f"from 0 to {classes - 1}"
        )
    return torch.from_numpy(labels.astype(np.int64))
