"""Files that tests make, whole and false, and what holds of every data set read from them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from gencore.data.importing.report import Imported, ImportReport


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


def assert_is_sound(found: Imported) -> None:
    """What holds of every data set that was read."""
    n = len(found.images)
    assert found.images.dtype == np.uint8 and found.images.ndim == 4 and found.images.shape[1] in (1, 3)
    assert found.labels.dtype == np.int64 and found.labels.shape == (n,)
    assert found.is_test.dtype == bool and found.is_test.shape == (n,)
    assert found.report.test == found.is_test.sum() and found.report.train == (~found.is_test).sum()
    assert found.report.train and found.report.test
    assert len({image.tobytes() for image in found.images}) == n
    classes = len(found.class_names)
    assert classes != 1 and found.labels.min() >= 0 and found.labels.max() < max(classes, 1)
    assert set(found.labels[found.is_test]) <= set(found.labels[~found.is_test])
    assert [c.name for c in found.report.classes] == list(found.class_names)
    if classes:
        assert [c.train for c in found.report.classes] == np.bincount(found.labels[~found.is_test]).tolist()
    assert ImportReport.model_validate_json(found.report.model_dump_json()) == found.report
