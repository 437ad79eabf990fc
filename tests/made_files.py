"""Files that tests make: pictures, IDX, NPZ, whole and false."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def as_idx(array: np.ndarray, kind: int = 8) -> bytes:
    """LeCun's format: two zeros, the type, the number of axes, their lengths, the values."""
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def picture(array: np.ndarray, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, kind)
    return content.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG of this size without its pixels: some 60 bytes that unpack to width x height."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def huge_npz(path: Path) -> Path:
    """An NPZ whose array claims a terabyte and holds nothing."""
    header = io.BytesIO()
    claimed = {"descr": "|u1", "fortran_order": False, "shape": (1_300_000_000, 28, 28)}
    np.lib.format.write_array_header_1_0(header, claimed)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", header.getvalue())
    return path
