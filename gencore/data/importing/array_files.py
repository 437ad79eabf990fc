"""Images and labels in IDX files and NPZ arrays: which is which, and which labels are of which images."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from gencore.data.arrays import MOST_IMAGES, ByteStream, idx_shape, npy_shape, read_idx, read_npy
from gencore.data.importing.archives import refuse_packing
from gencore.data.importing.entries import Entry, kind_of_head
from gencore.data.importing.label_files import LabelFile, as_labels, labels_in_order
from gencore.data.importing.limits import LONGEST_SIDE, MOST_ARRAYS
from gencore.data.importing.names import count, listed, natural_key, printable
from gencore.data.importing.parts import Parts, says_part
from gencore.data.importing.pile import Item, Pile
from gencore.data.verification import DataError, reason_of

_IMAGE_WORDS = {"images", "image", "imgs", "img", "x", "data", "samples"}
_LABEL_WORDS = {"labels", "label", "y", "targets", "target", "classes"}


@dataclass(frozen=True)
class _Array:
    """An array that may be read: `name` is its file and, in an NPZ, its name there."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]

    @property
    def part_name(self) -> str:
        """The innermost part of its path that names a split."""
        return next((part for part in reversed(PurePosixPath(self.name).parts) if says_part(part)), "")


def add_arrays(
    entries: Sequence[Entry], labels: LabelFile | None, pile: Pile, say: Callable[[str], None]
) -> None:
    """Adds the images of IDX and NPZ files, with the labels that belong to them. Raises DataError."""
    images, label_arrays = [], []
    for entry in sorted(entries, key=lambda entry: natural_key(entry.name)):
        more_images, more_labels = _of_npz(entry) if _is_npz(entry) else _of_idx(entry, pile)
        images += more_images
        label_arrays += more_labels
    if not images:
        raise DataError(
            f"{listed([entry.name for entry in entries])}: labels without images; add the images' file"
        )
    if len(images) + len(label_arrays) > MOST_ARRAYS:
        raise DataError(f"there are {len(images) + len(label_arrays)} arrays; at most {MOST_ARRAYS} are read")
    if labels is not None and len(images) > 1:
        raise DataError(
            f"{labels.path} cannot label {count(len(images), 'array')} of images "
            f"({listed([x.name for x in images])}); name one file of images, or put label files beside them"
        )
    parts = Parts(array.part_name for array in images)
    pile.has_part = parts.given
    pile.notes += parts.notes
    owned = {} if labels else _paired(images, label_arrays, parts, pile)
    for array in images:
        say(f"reading {printable(array.name)}")
        values = _as_images(array.read(), array.name)
        known: Sequence[str | None] = [None] * len(values)
        if labels is not None:
            known = labels_in_order(labels, len(values), printable(array.name))
        elif array.name in owned:
            known = as_labels(owned[array.name].read(), printable(owned[array.name].name))
        part = parts.of(array.part_name) if parts.given else None
        if parts.given and part is None:
            part = "train"
            pile.notes.append(f"{printable(array.name)} names no split; its images count as training images.")
        for index, (image, label) in enumerate(zip(values, known, strict=True)):
            pile.add(
                Item(f"{array.name}[{index}]", label, part), Image.fromarray(np.ascontiguousarray(image))
            )


def _is_npz(entry: Entry) -> bool:
    with _refusing(entry, "NPZ"), entry.open() as file:
        return kind_of_head(file.read(4)) == "zip"


def _of_idx(entry: Entry, pile: Pile) -> tuple[list[_Array], list[_Array]]:
    """The images or the labels of an IDX file, by its header."""
    name = printable(entry.name)
    with _idx_stream(entry) as file:
        shape = idx_shape(file, name)
    array = _Array(entry.name, shape, partial(_read_idx, entry))
    if len(shape) == 2:
        pile.notes.append(
            f"{name} has the shape {shape}, which is neither images nor labels, and was left out."
        )
        return [], []
    return ([], [array]) if len(shape) == 1 else ([array], [])


def _of_npz(entry: Entry) -> tuple[list[_Array], list[_Array]]:
    """The arrays of an NPZ that hold images and labels, by their names, or the only array as images."""
    arrays = {}
    with _npz(entry) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as file:
                shape = npy_shape(file, printable(f"{entry.name}/{name}"))
            arrays[name] = _Array(f"{entry.name}/{name}", shape, partial(_read_npz, entry, member.filename))
    words = {name: set(re.split(r"[^a-z]+", name.lower())) for name in arrays}
    labels = [name for name in arrays if words[name] & _LABEL_WORDS]
    images = [name for name in arrays if words[name] & _IMAGE_WORDS and name not in labels]
    if not images and len(arrays) == 1:
        images, labels = [*arrays], []
    if not images:
        raise DataError(
            f"{printable(entry.name)} holds {listed([*arrays]) or 'nothing'}; call the arrays images "
            "and labels, or x_train, y_train, x_test and y_test"
        )
    return [arrays[name] for name in images], [arrays[name] for name in labels]


def _read_idx(entry: Entry) -> np.ndarray:
    with _idx_stream(entry) as file:
        return read_idx(file, printable(entry.name))


def _read_npz(entry: Entry, member: str) -> np.ndarray:
    with _npz(entry) as archive, archive.open(member) as file:
        return read_npy(file, printable(f"{entry.name}/{member}"))


@contextmanager
def _idx_stream(entry: Entry) -> Iterator[ByteStream]:
    with _refusing(entry, "IDX"):
        with entry.open() as file:
            is_packed = file.read(2) == b"\x1f\x8b"
        with entry.open() as file:
            if is_packed:
                with gzip.open(file) as unpacked:
                    yield unpacked
            else:
                yield file


@contextmanager
def _npz(entry: Entry) -> Iterator[zipfile.ZipFile]:
    with _refusing(entry, "NPZ"), entry.open() as file, zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            refuse_packing(member, printable(entry.name))
        yield archive


@contextmanager
def _refusing(entry: Entry, kind: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # zipfile and gzip raise errors of many kinds for damaged files
        raise DataError(f"{printable(entry.name)} cannot be read as {kind}: {reason_of(error)}") from error


def _paired(images: list[_Array], labels: list[_Array], parts: Parts, pile: Pile) -> dict[str, _Array]:
    """The labels of each array of images: as many, of the same split, and with the name that is most alike.

    Raises DataError where some images have none, or two are alike.
    """
    fitting = [
        (SequenceMatcher(None, x.name, y.name).ratio(), x, y)
        for x in images
        for y in labels
        if x.shape[0] == y.shape[0] and parts.of(x.part_name) == parts.of(y.part_name)
    ]
    owned: dict[str, _Array] = {}
    taken: dict[str, float] = {}
    for likeness, x, y in sorted(fitting, key=lambda fit: -fit[0]):
        settled = [taken[array.name] for array in (owned.get(x.name), y) if array and array.name in taken]
        if settled and max(settled) > likeness:
            continue
        if settled:
            raise DataError(
                f"it is not clear which labels belong to {printable(x.name)}; name them alike, as in "
                "train-images and train-labels"
            )
        owned[x.name] = y
        taken[y.name] = likeness
    for x in images:
        if labels and x.name not in owned:
            raise DataError(
                f"{printable(x.name)} holds {count(x.shape[0], 'image')}, and no labels fit: "
                f"{listed([f'{y.name} holds {y.shape[0]}' for y in labels])}; add the missing file or "
                "remove one"
            )
    if unused := [y.name for y in labels if y.name not in taken]:
        pile.notes.append(f"Labels that fit no images were left out: {listed(unused)}.")
    return owned


def _as_images(values: np.ndarray, name: str) -> np.ndarray:
    """uint8 (N, H, W) or (N, H, W, 3) of arrays with channels first, last or absent. Raises DataError."""
    if values.ndim == 4 and values.shape[3] not in (1, 3) and values.shape[1] in (1, 3):
        values = values.transpose(0, 2, 3, 1)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    is_fit = values.ndim == 3 or (values.ndim == 4 and values.shape[3] == 3)
    if values.dtype != np.uint8 or not is_fit or not values.size or max(values.shape[1:3]) > LONGEST_SIDE:
        raise DataError(
            f"{printable(name)} holds {values.dtype} of shape {values.shape}; expected uint8 (N, H, W), "
            f"(N, H, W, 3) or (N, 3, H, W), pixels 0 to 255, sides of 1 to {LONGEST_SIDE:,}"
        )
    if len(values) > MOST_IMAGES:
        raise DataError(f"{printable(name)} holds {len(values):,} images; at most {MOST_IMAGES:,} are read")
    return values
