"""Weights and states on disk: safetensors with a SHA-256 in their own header, never pickles.

A file appears whole or not at all. What is damaged, foreign or hostile is refused by name before any of it is used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from gencore.files import write_atomically

_MAX_HEADER_BYTES = 4 * 2**20  # ours are tens of kilobytes; a hostile one could claim gigabytes


class CheckpointError(ValueError):
    """The file is no checkpoint that can be trusted; the message names it and says why."""


@dataclass(frozen=True)
class Checkpoint:
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    digest: str
    """SHA-256 over metadata, names, types, shapes and data."""

    def section(self, prefix: str) -> dict[str, Tensor]:
        """The tensors called `prefix.…`, by what follows the dot."""
        return {k.removeprefix(f"{prefix}."): v for k, v in self.tensors.items() if k.startswith(f"{prefix}.")}


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Write and return the digest. Raises OSError as the system reports it; the old file then stays as it was."""
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    digest = _digest(content, metadata)
    write_atomically(path, serialise(content, {**metadata, "sha256": digest}))
    return digest


def load_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in `path`, its SHA-256 verified. Raises CheckpointError, or FileNotFoundError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        if size < 8 or header_bytes > min(size - 8, _MAX_HEADER_BYTES) or file.read(1) != b"{":
            raise CheckpointError(f"{path} is not a checkpoint: it is no safetensors file, or it was cut short")
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = dict(opened.metadata() or {})
            claimed = metadata.pop("sha256", None)
            if claimed is None:  # asked before any data is read: a foreign file may be of any size
                raise CheckpointError(f"{path} carries no SHA-256; it was not written by gencore")
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}
    except CheckpointError:
        raise
    except (SafetensorError, ValueError, RuntimeError) as error:  # RuntimeError: too large to map into memory
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if _digest(tensors, metadata) != claimed:
        raise CheckpointError(f"{path} is damaged: its SHA-256 does not match its content")
    return Checkpoint(tensors, metadata, claimed)


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    sha = hashlib.sha256(json.dumps(dict(sorted(metadata.items()))).encode())
    for name, tensor in sorted(tensors.items()):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.flatten().view(torch.uint8).numpy().data if tensor.numel() else b"")
    return sha.hexdigest()
