"""Weights and states on disk: safetensors with a SHA-256 in their own header, never pickles.

A file appears whole or not at all. What is damaged, foreign or hostile is refused by name before it is used.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from gencore.store.files import UnreadableError, open_file, write_atomically

_MAX_HEADER_BYTES = 2 * 2**20  # ours are tens of kilobytes; a hostile one could claim gigabytes
_MAX_BYTES_PER_ELEMENT = 16  # float32 weights, their average, two moments of Adam
_MAX_OTHER_BYTES = 16 * 2**20  # random state, figures not read yet, the header
_CHUNK_BYTES = 2**20
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
Shapes = Mapping[str, Sequence[int]]
"""Shape by name of tensor."""


class CheckpointError(ValueError):
    """The file is no checkpoint that can be trusted; the message names it and says why."""


class MisfitError(CheckpointError):
    """The file is too large, or its tensors have not the names and shapes of what was to be loaded."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds, its digest verified."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    digest: str
    """SHA-256 over metadata, names, types, shapes and data."""

    def section(self, prefix: str) -> dict[str, Tensor]:
        """The tensors called `prefix.…`, by what follows the dot."""
        return {
            k.removeprefix(f"{prefix}."): v for k, v in self.tensors.items() if k.startswith(f"{prefix}.")
        }


class _Stored(NamedTuple):
    """A tensor in a file, as its header has it."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    offset: int
    """In the file, in bytes."""
    size: int
    """In bytes."""


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Write, and return the digest. Raises OSError as the system reports it; the old file then stays."""
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    described = ((name, tensor.dtype, tuple(tensor.shape)) for name, tensor in sorted(content.items()))
    data = ([_bytes_of(tensor)] for _, tensor in sorted(content.items()))
    digest = _digest(metadata, described, data)
    write_atomically(path, serialise(content, {**metadata, "sha256": digest}))
    return digest


def shapes_of(sections: Mapping[str, Mapping[str, Tensor]]) -> Shapes:
    """What `load_checkpoint` may expect of a file that holds these state dicts by section."""
    return {
        f"{section}.{name}": tuple(tensor.shape)
        for section, tensors in sections.items()
        for name, tensor in tensors.items()
    }


def load_checkpoint(path: Path, expected: Shapes | None = None) -> Checkpoint:
    """The checkpoint in `path`, its SHA-256 verified.

    With `expected`, a file is refused before its data are read where it is too large, or where a section (the
    part of a name before the dot) of these tensors has one of another name or shape. Expected tensors may be
    absent, and other sections present: a file may hold the average alone, or a state to resume from. Data are
    read twice: to be hashed in pieces, and then to be kept. Raises MisfitError, CheckpointError, or
    FileNotFoundError.
    """
    try:
        opened_file = open_file(path)
    except UnreadableError as error:
        raise CheckpointError(str(error)) from error
    with opened_file as file:
        stored = _read_header(path, file)
        try:
            with safe_open(path, framework="pt") as opened:
                _check_not_replaced(path, file)
                metadata = dict(opened.metadata() or {})
                claimed = metadata.pop("sha256", None)
                if claimed is None:  # asked before any data is read: a foreign file may be of any size
                    raise CheckpointError(f"{path} carries no SHA-256; it was not written by gencore")
                if expected is not None:
                    _check_fits(path, stored, expected)
                described = ((one.name, one.dtype, one.shape) for one in stored)
                if _digest(metadata, described, (_pieces(file, one) for one in stored)) != claimed:
                    raise CheckpointError(f"{path} is damaged: its SHA-256 does not match its content")
                tensors = {one.name: opened.get_tensor(one.name) for one in stored}
        except CheckpointError:
            raise
        except (
            SafetensorError,
            ValueError,
            RuntimeError,
        ) as error:  # RuntimeError: too large to map into memory
            raise CheckpointError(f"{path} is damaged: {error}") from error
    return Checkpoint(tensors, metadata, claimed)


def _read_header(path: Path, file: BufferedReader) -> list[_Stored]:
    """The tensors in the file, by name. Raises CheckpointError; safetensors checks that sizes fit."""
    size = os.fstat(file.fileno()).st_size
    header_bytes = int.from_bytes(file.read(8), "little")
    if size < 8 or header_bytes > min(size - 8, _MAX_HEADER_BYTES) or file.peek(1)[:1] != b"{":
        raise CheckpointError(f"{path} is not a checkpoint: it is no safetensors file, or it was cut short")
    try:
        header = json.loads(file.read(header_bytes))
        header.pop("__metadata__", None)
        return [
            _Stored(
                name,
                _DTYPES[entry["dtype"]],
                tuple(entry["shape"]),
                8 + header_bytes + entry["data_offsets"][0],
                entry["data_offsets"][1] - entry["data_offsets"][0],
            )
            for name, entry in sorted(header.items())
        ]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: its header cannot be read ({error})") from error


def _check_not_replaced(path: Path, file: BufferedReader) -> None:
    """Raises CheckpointError where `path`, opened since, is no longer the file that `file` reads."""
    if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
        raise CheckpointError(f"{path} was replaced while it was read; try again")


def _check_fits(path: Path, stored: Iterable[_Stored], expected: Shapes) -> None:
    """Raises MisfitError where size, names or shapes are not those of what is to be loaded."""
    most = _MAX_BYTES_PER_ELEMENT * sum(map(math.prod, expected.values())) + _MAX_OTHER_BYTES
    if (size := path.stat().st_size) > most:
        raise MisfitError(f"{path} has {size} bytes; at most {most} are expected")
    sections = {name.partition(".")[0] for name in expected}
    for one in stored:
        if one.name.partition(".")[0] not in sections:
            continue
        if one.name not in expected:
            raise MisfitError(f"{path} holds {one.name}, which the model does not have")
        if one.shape != tuple(expected[one.name]):
            raise MisfitError(
                f"{one.name} in {path} has shape {one.shape}, expected {tuple(expected[one.name])}"
            )


def _bytes_of(tensor: Tensor) -> memoryview:
    return tensor.flatten().view(torch.uint8).numpy().data if tensor.numel() else memoryview(b"")


def _pieces(file: BufferedReader, one: _Stored) -> Iterator[bytes]:
    """The bytes of a tensor in the file, in pieces that fit into memory."""
    file.seek(one.offset)
    left = one.size
    while left > 0 and (piece := file.read(min(left, _CHUNK_BYTES))):
        left -= len(piece)
        yield piece


def _digest(
    metadata: Mapping[str, str],
    described: Iterable[tuple[str, torch.dtype, tuple[int, ...]]],
    data: Iterable[Iterable[bytes | memoryview]],
) -> str:
    """SHA-256 over metadata, and over name, type, shape and data of each tensor, in the order of names."""
    sha = hashlib.sha256(json.dumps(dict(sorted(metadata.items()))).encode())
    for (name, dtype, shape), pieces in zip(described, data, strict=True):
        sha.update(f"{name} {dtype} {shape}".encode())
        for piece in pieces:
            sha.update(piece)
    return sha.hexdigest()
