"""Whether a data set is the published one: checksums of archives, of unpacked files, of loaded tensors."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gencore.data.published import Archive, Published

if TYPE_CHECKING:  # checksums of files need no torch
    from torch import Tensor

_WHAT_TO_DO = "delete it and run again to unpack or download it"


class DataError(ValueError):
    """A data set cannot be used; the message names the file or folder and what to do."""


def reason_of(error: Exception) -> str:
    """An error in one line, for use in another one's message."""
    return (str(error).strip() or repr(error)).splitlines()[0]


class UnverifiedDataWarning(UserWarning):
    """A file could not be compared with the published one; the message says what would allow it."""


def check_archive(path: Path, archive: Archive) -> None:
    """Raises DataError unless the file at `path` has the archive's published MD5.

    torchvision would overwrite a damaged archive by a download, or report a network error. A matching
    checksum also rules out truncated archives and decompression bombs.
    """
    stat = path.stat()
    md5 = _md5(path, stat.st_size, stat.st_mtime_ns)
    if md5 != archive.md5:
        raise DataError(
            f"{path} is damaged: its MD5 is {md5}, expected {archive.md5}; "
            "delete it and run again to download it, or put the original there"
        )


def expected_sha256(files: Published, file: str, folder: Path) -> str | None:
    """The SHA-256 that `file`, one of those unpacked, must have; None where it is not known.

    It is known where the table has it, or where `folder` also has the archive, whose MD5 the table has: then
    the archive's content is hashed, once a process. Raises DataError where that archive is damaged.
    """
    if files.sha256:
        return files.sha256[files.unpacked.index(file)]
    for archive in files.archives:
        path = folder / archive.path
        if path.is_file() and (path.suffix == ".zip" or archive.path == f"{file}.gz"):
            check_archive(path, archive)
            stat = path.stat()
            return _sha256_in_archive(path, Path(file).name, stat.st_size, stat.st_mtime_ns)
    return None


def refuse_file(path: Path, sha256: str, expected: str) -> NoReturn:
    """Raises the DataError of an unpacked file whose SHA-256 is not the published one."""
    raise DataError(
        f"{path} is not the published file: its SHA-256 is {sha256}, expected {expected}; {_WHAT_TO_DO}"
    )


def digest_of_tensors(*tensors: Tensor) -> str:
    """The SHA-256 over shapes, types and contents of tensors on any device, in hexadecimal."""
    total = hashlib.sha256()
    for x in tensors:
        total.update(f"{x.dtype} {tuple(x.shape)}\n".encode())
        total.update(x.contiguous().cpu().numpy().data)
    return total.hexdigest()


@lru_cache(maxsize=32)
def _md5(path: Path, _size: int, _mtime_ns: int) -> str:
    """The MD5 of a file that has not changed since it had this size and time of modification."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@lru_cache(maxsize=32)
def _sha256_in_archive(path: Path, name: str, _size: int, _mtime_ns: int) -> str:
    """The SHA-256 of the file called `name` in an archive that has not changed since."""
    with _unpacked_stream(path, name) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _unpacked_stream(path: Path, name: str) -> Iterator[gzip.GzipFile]:
    """`name` as unpacked from a .gz that holds it alone, or from a .zip of .gz files (EMNIST)."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            (member,) = (member for member in archive.namelist() if Path(member).name == f"{name}.gz")
            with archive.open(member) as packed, gzip.open(packed) as stream:
                yield stream
    else:
        with gzip.open(path) as stream:
            yield stream
