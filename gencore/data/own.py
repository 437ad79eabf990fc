"""Data sets of one's own: a folder each in the data folder, with packed images and what they are.

`own/<name>/dataset.json` describes the set, `own/<name>/images.safetensors` holds its images. Nothing else is
read: the pictures that they were made of may go.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from gencore.config.datasets import DatasetSpec
from gencore.data.importing.options import ImportOptions
from gencore.data.importing.report import ImportReport
from gencore.data.verification import DataError
from gencore.store import results
from gencore.store.files import UnreadableError, read_file

if TYPE_CHECKING:  # listing needs no arrays
    import numpy as np

Split = Literal["train", "test"]
MAPPED_FROM = 2**30
"""Bytes of a set from which its images are not read into memory: each batch comes from the file."""


class Arrays(NamedTuple):
    """One split of a set, in memory or mapped from its file, which writing to it does not change."""

    images: np.ndarray  # uint8 (N, C, H, W)
    labels: np.ndarray  # int64 (N,)
    sources: np.ndarray | None  # uint8 (N, source channels, H, W), of pairs


class OwnDataset(BaseModel):
    """One set of one's own; `dataset.json` beside its images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    spec: DatasetSpec
    source: str = Field(description="Name of the file or folder that the pictures were read from.")
    options: ImportOptions
    report: ImportReport
    unix_time: float = Field(description="When it was added.")


def folder_of(name: str, data_folder: Path) -> Path:
    """Where the set of that name lies, or would."""
    return data_folder / "own" / name


def load(spec: DatasetSpec, split: Split, data_folder: Path) -> Arrays:
    """A split of the set that `spec` describes, mapped where the set has MAPPED_FROM bytes.

    Of pairs that a filter makes, the images that it is applied to.

    Raises DataError where the set is not there, is damaged, or is another than when `spec` was written."""
    spec = spec.original
    folder = folder_of(spec.name, data_folder)
    path = folder / "images.safetensors"
    try:
        stored = results.load(folder / "dataset.json", OwnDataset)
        content = None if path.stat().st_size >= MAPPED_FROM else read_file(path)
    except FileNotFoundError as error:
        raise DataError(
            f"{spec.title} is not in {folder.parent}; add it again with "
            f"`gencore data add PATH --name {spec.name}`, or name its data folder with --data-dir"
        ) from error
    except UnreadableError as error:
        raise DataError(f"{error}; add the data set again") from error
    if stored.spec != spec:
        raise DataError(
            f"{spec.title} has changed: {'; '.join(_differences(spec, stored.spec))}; models and classifiers "
            "of the former set do not fit it, so train them again with --overwrite, or add the new set under "
            "another name"
        )
    if (_sha256_of(path) if content is None else hashlib.sha256(content).hexdigest()) != spec.digest:
        raise DataError(f"{path} is damaged; add the data set again")
    if content is None:
        arrays = _mapped(path)
    else:
        from safetensors.numpy import load as unpack

        arrays = unpack(content)
    sources = arrays[f"{split}_sources"] if spec.is_paired else None
    return Arrays(arrays[f"{split}_images"], arrays[f"{split}_labels"], sources)


def _sha256_of(path: Path) -> str:
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=32)
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    """Of a large file that has not changed since it had this size and time of modification."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mapped(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, which has been compared with its digest, mapped copy-on-write.

    The format: the length of a JSON header in 8 bytes, the header, and the arrays, each at its offsets."""
    import numpy as np

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    types = {"U8": np.uint8, "I64": np.int64}
    return {
        name: np.memmap(
            path, types[one["dtype"]], "c", 8 + length + one["data_offsets"][0], tuple(one["shape"])
        )
        for name, one in header.items()
        if name != "__metadata__"
    }


def _differences(then: DatasetSpec, now: DatasetSpec) -> Iterator[str]:
    for name, value in then:
        if (other := getattr(now, name)) != value:
            yield "other classes" if name == "class_names" else f"{name} was {value}, is {other}"


def find(name: str, data_folder: Path) -> DatasetSpec | None:
    """The set of that name; None where there is none. Raises UnreadableError."""
    path = folder_of(name, data_folder) / "dataset.json"
    return results.load(path, OwnDataset).spec if path.is_file() else None


def listed(data_folder: Path) -> dict[str, OwnDataset | UnreadableError]:
    """Every set of one's own by name, or what is wrong with it."""
    found: dict[str, OwnDataset | UnreadableError] = {}
    for path in sorted(folder_of("", data_folder).glob("*/dataset.json")):
        try:
            found[path.parent.name] = results.load(path, OwnDataset)
        except UnreadableError as error:
            found[path.parent.name] = error
    return found


def readable(data_folder: Path) -> list[OwnDataset]:
    """The sets of one's own whose description can be read."""
    return [one for one in listed(data_folder).values() if isinstance(one, OwnDataset)]


def remove(name: str, data_folder: Path) -> None:
    """Delete a set of one's own. Raises ValueError where there is none of that name."""
    folder = folder_of(name, data_folder)
    if name not in listed(data_folder):
        raise ValueError(f"there is no data set of your own named {name}; `gencore data list` lists them")
    shutil.rmtree(folder)
