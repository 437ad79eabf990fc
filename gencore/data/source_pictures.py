"""Pictures of any size as sources of a translation model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gencore.config.datasets import DatasetSpec
from gencore.data.importing.entries import Entry, entry_of_file
from gencore.data.importing.pictures import UnreadableError, read_picture, to_square


def read_sources(paths: Sequence[Path], spec: DatasetSpec) -> Tensor:
    """The pictures as sources of the pairs `spec`: uint8 (N, source_channels, size, size).

    Each is cut to the square in the middle, scaled (bicubic, antialiased) and made grey or coloured as the
    set's sources are. Raises ValueError that names the file which cannot be read and says why."""
    return torch.stack([_source(path, spec) for path in paths])


def read_square(entry: Entry, channels: int, size: int) -> Tensor:
    """The square in the middle of a picture, scaled: uint8 (channels, size, size), one or three channels.

    Raises UnreadableError."""
    picture = read_picture(entry).image
    pixels = to_square(picture.convert("L" if channels == 1 else "RGB"), size, "crop")
    channels_last = np.atleast_3d(pixels)  # grey pixels of a colour picture have one channel here
    return torch.from_numpy(channels_last.copy()).permute(2, 0, 1).expand(channels, -1, -1)


def _source(path: Path, spec: DatasetSpec) -> Tensor:
    try:
        return read_square(entry_of_file(path, path.name), spec.source_channels, spec.size)
    except FileNotFoundError as error:
        raise ValueError(f"{path} does not exist; name a picture") from error
    except UnreadableError as error:
        raise ValueError(f"{path} cannot be read as a picture: {error}") from error
