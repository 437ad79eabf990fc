"""A source as a list of files that can be opened, wherever they lie; the kind of each by its first bytes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from gencore.data.arrays import IDX_START
from gencore.data.importing.names import printable
from gencore.data.verification import DataError

Kind = Literal["picture", "idx", "zip", "gzip", "xz", "tar", "other"]

PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
_PICTURE_STARTS = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF87a", b"GIF89a"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF and BigTIFF
    *(b"P%d%c" % (kind, space) for kind in range(1, 7) for space in b" \t\r\n"),  # PBM, PGM, PPM
)
HEAD = 512
"""How many bytes tell a file's kind; TAR is recognised late in its first header."""


@dataclass(frozen=True)
class Entry:
    """A file of a source. `name` is its path in the source, with `/` between its parts."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]

    @property
    def path(self) -> PurePosixPath:
        """Its path in the source."""
        return PurePosixPath(self.name)


def entry_of_file(path: Path, name: str) -> Entry:
    """A file on disk. Raises OSError."""
    return Entry(name, path.stat(follow_symlinks=False).st_size, partial(_opened, path))


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


@dataclass(frozen=True)
class Source:
    """The files of a folder or an archive, or one file alone, without hidden ones."""

    path: Path
    container: str
    """`folder`, `ZIP archive`, `TAR archive` or `file`"""
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def kind_of_head(head: bytes) -> Kind:
    """The kind of a file that begins with `head`."""
    if head.startswith(_PICTURE_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "picture"
    if head.startswith(IDX_START):
        return "idx"
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    return "tar" if head[257:262] == b"ustar" else "other"


def kind_of(entry: Entry) -> Kind:
    """The kind of a file by its first bytes: `idx` also for packed IDX, `other` if it cannot be opened."""
    try:
        with entry.open() as file:
            kind = kind_of_head(file.read(HEAD))
        return "idx" if kind == "gzip" and head_of_gzip(entry).startswith(IDX_START) else kind
    except (
        Exception
    ):  # zipfile raises errors of many kinds; what should be a picture is then named as unreadable
        return "other"


def head_of_gzip(entry: Entry) -> bytes:
    """The first bytes of what a .gz holds; none where it is damaged."""
    try:
        with entry.open() as file, gzip.open(file) as unpacked:
            return unpacked.read(HEAD)
    except (OSError, EOFError, zlib.error):
        return b""


def is_hidden(path: PurePosixPath) -> bool:
    """Whether a file is hidden or lies in a hidden folder (as macOS adds to archives)."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def member_path(name: str, archive: Path) -> PurePosixPath:
    """The path of an archive's member. Raises DataError where it leads out of the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    has_drive = bool(path.parts) and path.parts[0].endswith(":")
    if path.is_absolute() or has_drive or ".." in path.parts or not path.parts:
        raise DataError(
            f"{archive} has a member {printable(name)}, whose path leads out of the archive or is empty; "
            "pack the pictures again, with relative paths"
        )
    return path
