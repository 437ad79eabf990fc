"""IDX and NPY arrays from any stream. An array that claims more than is there, or than is allowed, is refused
before memory is taken for it. Imports no torch.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from typing import Protocol

import numpy as np
from numpy.lib import format as npy

from gencore.data.verification import DataError, reason_of

MOST_IMAGES = 1_000_000
MOST_BYTES = 4 * 2**30
IDX_START = b"\0\0\x08"
"""The first three bytes of an IDX file of unsigned bytes (LeCun's format)."""
_CHUNK = 2**20
_LONGEST_NPY_HEADER = 2**16


class ByteStream(Protocol):
    """What bytes can be read from: a file, a member of an archive, an unpacked .gz."""

    def read(self, size: int = -1, /) -> bytes:
        """The next `size` bytes, fewer at the end."""


def read_idx(file: ByteStream, name: object) -> np.ndarray:
    """The unsigned bytes in an IDX file of one to four axes, writable. `name` is for messages.

    Raises DataError.
    """
    try:
        shape = idx_shape(file, name)
        size = math.prod(shape)
        refuse_too_large(size, name)
        content = _at_most(file, size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} cannot be read as IDX: {error}") from error
    if len(content) != size:
        raise DataError(f"{name} holds {len(content)} bytes or more after its header, which claims {size}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def idx_shape(file: ByteStream, name: object) -> tuple[int, ...]:
    """The shape that the header of an IDX file claims; leaves `file` after the header. Raises DataError."""
    start = file.read(4)
    if len(start) < 4 or start[:3] != IDX_START:
        raise DataError(f"{name} is no IDX file of unsigned bytes")
    if not 1 <= start[3] <= 4:
        raise DataError(f"{name} cannot be read as IDX: it has {start[3]} axes, expected one to four")
    lengths = file.read(4 * start[3])
    if len(lengths) != 4 * start[3]:
        raise DataError(f"{name} cannot be read as IDX: it ends within its header")
    return struct.unpack(f">{start[3]}I", lengths)


def read_npy(file: ByteStream, name: object) -> np.ndarray:
    """The array in an NPY file or a member of an NPZ. Raises DataError, also for Python objects (pickles)."""
    start = io.BytesIO(file.read(_LONGEST_NPY_HEADER))
    shape, fortran_order, dtype = _npy_header(start, name)
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which can run code when they are read; save numbers")
    size = math.prod(shape) * dtype.itemsize
    refuse_too_large(size, name)
    content = bytearray(start.read())
    content += _at_most(file, max(size + 1 - len(content), 0))
    if len(content) != size:
        raise DataError(f"{name} holds {len(content)} bytes or more after its header, which claims {size}")
    try:
        return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")
    except (ValueError, OverflowError) as error:
        raise DataError(f"{name} cannot be read as an array: {error}") from error


def npy_shape(file: ByteStream, name: object) -> tuple[int, ...]:
    """The shape that the header of an NPY file claims. Raises DataError."""
    return _npy_header(io.BytesIO(file.read(_LONGEST_NPY_HEADER)), name)[0]


def refuse_too_large(size: int, name: object) -> None:
    """Raises DataError where an array claims more than `MOST_BYTES`."""
    if size > MOST_BYTES:
        raise DataError(f"{name} claims {size} bytes; at most {MOST_BYTES} are read")


def _npy_header(file: ByteStream, name: object) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read(file)
    except Exception as error:  # the header is a Python expression, so its faults are of many kinds
        raise DataError(f"{name} cannot be read as an array: {reason_of(error)}") from error
    if min(shape, default=0) < 0:
        raise DataError(f"{name} cannot be read as an array: its header claims the shape {shape}")
    return shape, fortran_order, dtype


def _at_most(file: ByteStream, size: int) -> bytearray:
    """Up to `size` bytes. Memory grows with what the file has, whatever `size` is."""
    content = bytearray()
    while len(content) < size and (chunk := file.read(min(_CHUNK, size - len(content)))):
        content += chunk
    return content
