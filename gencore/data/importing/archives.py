"""The files in ZIP and TAR archives, without unpacking them to where their names say.

Refused by name: members that lead out of the archive, links, devices, and members that unpack to more than
the limits (decompression bombs).
"""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from gencore.data.arrays import MOST_BYTES
from gencore.data.importing.entries import Entry, Kind, is_hidden, member_path
from gencore.data.importing.limits import MOST_FILES, MOST_UNPACKED_BYTES, MOST_XZ_MEMORY
from gencore.data.importing.names import printable
from gencore.data.verification import DataError, reason_of

_CHUNK = 2**20
_LONGEST_TAR_HEADER = 2**20
_PACKED_BY = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}  # LZMA has no limit of memory


@contextmanager
def zip_entries(path: Path) -> Iterator[tuple[Entry, ...]]:
    """The files of a ZIP archive, which can be opened while the context lasts. Raises DataError."""
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # zipfile raises errors of many kinds for damaged archives
        raise DataError(f"{path} cannot be read as a ZIP archive: {reason_of(error)}") from error
    with archive:
        sizes = _Sizes(path)
        entries = []
        for member in archive.infolist():
            if member.is_dir():
                continue
            _refuse_unless_file(
                stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG), member.filename, path
            )
            refuse_packing(member, path)
            name = member_path(member.filename, path)
            sizes.add(member.filename, member.file_size)
            if not is_hidden(name):
                entries.append(Entry(str(name), member.file_size, partial(archive.open, member)))
        yield tuple(entries)


@contextmanager
def unpacked(path: Path, kind: Kind) -> Iterator[IO[bytes]]:
    """A TAR archive as it is, or unpacked into a temporary file that goes with the context.

    Raises DataError.
    """
    with path.open("rb") as packed:
        if kind == "tar":
            yield packed
            return
        with tempfile.TemporaryFile() as plain:
            size = 0
            try:
                for chunk in _gunzipped(packed) if kind == "gzip" else _unxzipped(packed):
                    size += len(chunk)
                    if size > MOST_UNPACKED_BYTES:
                        raise DataError(
                            f"{path} unpacks to more than {MOST_UNPACKED_BYTES:,} bytes; split it"
                        )
                    plain.write(chunk)
            except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
                raise DataError(f"{path} cannot be unpacked: {error}; pack it again") from error
            plain.seek(0)
            yield plain


def tar_entries(plain: IO[bytes], path: Path) -> tuple[Entry, ...]:
    """The files of an unpacked TAR archive, which can be opened while `plain` is open. Raises DataError."""
    sizes = _Sizes(path)
    entries = []
    for member in _tar_members(plain, path):
        if member.isdir():
            continue
        _refuse_unless_file(member.isreg() and not member.issparse(), member.name, path)
        name = member_path(member.name, path)
        sizes.add(member.name, member.size)
        if not is_hidden(name):
            start = partial(_Member, plain, member.offset_data, member.size)
            entries.append(Entry(str(name), member.size, partial(_buffered, start)))
    return tuple(entries)


def refuse_packing(member: zipfile.ZipInfo, archive: object) -> None:
    """Raises DataError for a member that is encrypted or packed by an uncommon method."""
    if member.flag_bits & 1 or member.compress_type not in _PACKED_BY:
        raise DataError(
            f"{archive}: {printable(member.filename)} is encrypted or packed by another method than deflate; "
            "pack it again without a password"
        )


class _Sizes:
    """The sizes that an archive's members claim, checked one by one."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._members = 0
        self._bytes = 0

    def add(self, name: str, size: int) -> None:
        self._members += 1
        self._bytes += size
        if self._members > MOST_FILES:
            raise DataError(
                f"{self._archive} has more than {MOST_FILES:,} members; at most that many are read"
            )
        if size > MOST_BYTES + _CHUNK or self._bytes > MOST_UNPACKED_BYTES:
            raise DataError(
                f"{self._archive}: {printable(name)} unpacks to {size:,} bytes, with those before it "
                f"to {self._bytes:,}; at most {MOST_BYTES:,} and {MOST_UNPACKED_BYTES:,} are read"
            )


def _refuse_unless_file(is_file: bool, name: str, archive: Path) -> None:
    if not is_file:
        raise DataError(
            f"{archive}: {printable(name)} is a link, a device or another special member; "
            "pack the files themselves"
        )


def _gunzipped(packed: IO[bytes]) -> Iterator[bytes]:
    with gzip.open(packed) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _unxzipped(packed: IO[bytes]) -> Iterator[bytes]:
    """Like `lzma.open`, which has no limit of memory."""
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_XZ_MEMORY)
    while not unpacker.eof:
        given = packed.read(_CHUNK) if unpacker.needs_input else b""
        if unpacker.needs_input and not given:
            raise EOFError("it ends too early")
        yield unpacker.decompress(given, _CHUNK)
    if (unpacker.unused_data + packed.read(_CHUNK)).strip(b"\0"):
        raise lzma.LZMAError("it has more than one xz stream")


def _tar_members(plain: IO[bytes], path: Path) -> Iterable[tarfile.TarInfo]:
    try:
        with tarfile.open(fileobj=_Headers(plain), mode="r:") as archive:
            yield from archive
            end = archive.offset
    except Exception as error:  # tarfile raises errors of many kinds for damaged archives
        raise DataError(f"{path} cannot be read as a TAR archive: {reason_of(error)}") from error
    plain.seek(end)
    if plain.read(tarfile.BLOCKSIZE).strip(b"\0"):  # tarfile takes a damaged header for the end
        raise DataError(f"{path} is damaged at byte {end:,}; pack it again")


class _Headers(io.RawIOBase):
    """A TAR archive as tarfile may read it to list the members: no header may claim much memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_TAR_HEADER:
            raise ValueError(f"a header claims {size} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class _Member(io.RawIOBase):
    """The bytes of one member of an unpacked TAR archive."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        content = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def _buffered(start: partial[_Member]) -> IO[bytes]:
    return io.BufferedReader(start())
