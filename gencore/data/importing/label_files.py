"""The file after `--labels`: `file,label` rows, one label a line, an IDX file or an .npy."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from gencore.data.arrays import IDX_START, MOST_IMAGES, read_idx, read_npy
from gencore.data.importing.limits import MOST_LABEL_BYTES
from gencore.data.importing.names import count, listed, natural_key, printable
from gencore.data.verification import DataError

_HEADERS = {"label", "labels", "class", "target", "y"}


@dataclass(frozen=True)
class LabelFile:
    """Labels by file name where `files` is given, else in order."""

    path: Path
    labels: tuple[str, ...]
    files: tuple[str, ...] | None = None


def read_label_file(path: Path) -> LabelFile:
    """Reads labels. Raises DataError."""
    if not path.is_file():
        raise DataError(f"{path} does not exist or is no file; name the file that holds the labels")
    if path.stat().st_size > MOST_LABEL_BYTES:
        raise DataError(f"{path} has more than {MOST_LABEL_BYTES:,} bytes, which is too much for labels")
    with path.open("rb") as file:
        start = file.read(6)
        file.seek(0)
        if start.startswith(IDX_START):
            return LabelFile(path, as_labels(read_idx(file, path), path))
        if start.startswith(b"\x1f\x8b"):
            with gzip.open(file) as unpacked:
                return LabelFile(path, as_labels(read_idx(unpacked, path), path))
        if start == b"\x93NUMPY":
            return LabelFile(path, as_labels(read_npy(file, path), path))
        return _of_text(file.read(), path)


def as_labels(values: np.ndarray, name: object) -> tuple[str, ...]:
    """The labels in an array (N,) or (N, 1) of integers or strings. Raises DataError."""
    flat = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1 or flat.dtype.kind not in "iuSU":
        raise DataError(
            f"{name} holds {values.dtype} of shape {values.shape}; expected one integer or string an image"
        )
    if flat.size > MOST_IMAGES:
        raise DataError(f"{name} holds {flat.size:,} labels; at most {MOST_IMAGES:,} are read")
    try:
        known = [
            v.decode(errors="backslashreplace") if isinstance(v, bytes) else str(v) for v in flat.tolist()
        ]
    except ValueError as error:  # a string with numbers that are no characters
        raise DataError(f"{name} cannot be read as labels: {error}") from error
    return tuple(known)


def labels_in_order(found: LabelFile, n: int, what: str) -> tuple[str, ...]:
    """One label for each of the `n` images in `what`. Raises DataError where the numbers differ."""
    labels = found.labels
    if found.files is not None:
        raise DataError(
            f"{found.path} gives labels by file name; {what} has no file names, so give one a line"
        )
    if len(labels) == n + 1 and labels[0].lower() in _HEADERS:
        return labels[1:]
    if len(labels) != n:
        raise DataError(f"{found.path} holds {count(len(labels), 'label')}; {what} holds {count(n, 'image')}")
    return labels


def labels_of_files(found: LabelFile, names: Sequence[str], source: Path) -> tuple[dict[str, str], list[str]]:
    """The label of each of these files that has one, and notes on rows without a file.

    A row names a file by its path, the end of its path, or its name, each also without suffix. Labels in
    order belong to the files in the order of their names. Raises DataError for what is ambiguous.
    """
    if found.files is None:
        in_order = sorted(names)
        if in_order != sorted(names, key=natural_key):
            raise DataError(
                f"{found.path} gives labels in the order of file names, but the files of {source} have two "
                "orders (img10 before or after img2?); give rows of file,label"
            )
        return dict(zip(in_order, labels_in_order(found, len(names), str(source)), strict=True)), []
    owners = _files_by_reference(names, {_normal(reference) for reference in found.files})
    labels: dict[str, str] = {}
    lost = []
    for number, (reference, label) in enumerate(zip(found.files, found.labels, strict=True)):
        owner = owners.get(_normal(reference), [])
        if len(owner) > 1:
            raise DataError(
                f"{found.path} names {printable(reference)}, which fits {listed(owner)}; give their paths"
            )
        if not owner:
            if number:  # the first row may be a header
                lost.append(reference)
        elif labels.setdefault(owner[0], label) != label:
            raise DataError(
                f"{found.path} labels {printable(owner[0])} both {printable(labels[owner[0]])} and "
                f"{printable(label)}; leave one"
            )
    if not labels:
        raise DataError(f"{found.path} names no file of {source}; it begins with {listed(found.files[:3])}")
    note = f"{count(len(lost), 'row')} of {found.path.name} named no picture: {listed(lost)}."
    return labels, [note] if lost else []


def _of_text(content: bytes, path: Path) -> LabelFile:
    try:
        text = content.decode("utf-8-sig")
        reader = islice(csv.reader(io.StringIO(text, newline=""), strict=True), MOST_IMAGES + 2)
        rows = [[cell.strip() for cell in row] for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as labels: {error}") from error
    if len(rows) > MOST_IMAGES + 1:  # one for a header
        raise DataError(f"{path} has more than {MOST_IMAGES:,} rows; at most that many are read")
    rows = [row for row in rows if any(row)]
    widths = sorted({len(row) for row in rows})
    if not rows or widths not in ([1], [2]) or not all(row[-1] for row in rows):
        raise DataError(
            f"{path} has rows of {', '.join(map(str, widths)) or 'no'} columns; expected file,label in each "
            "row, or one label a line"
        )
    labels = tuple(row[-1] for row in rows)
    return LabelFile(path, labels, tuple(row[0] for row in rows) if widths == [2] else None)


def _files_by_reference(names: Sequence[str], references: set[str]) -> dict[str, list[str]]:
    """The files that each of these references may mean; a whole path means that file alone."""
    owners: dict[str, list[str]] = {}
    for name in names:
        parts = PurePosixPath(name).parts
        ends = [PurePosixPath(*parts[first:]) for first in range(len(parts))]
        for reference in references.intersection(map(str, [*ends, *(end.with_suffix("") for end in ends)])):
            owners.setdefault(reference, []).append(name)
    return owners | {name: [name] for name in references.intersection(names)}


def _normal(reference: str) -> str:
    return str(PurePosixPath(reference.replace("\\", "/")))
