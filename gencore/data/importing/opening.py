"""A path to its files: of a folder, a ZIP or TAR archive, or one file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from gencore.data.arrays import IDX_START
from gencore.data.importing.archives import tar_entries, unpacked, zip_entries
from gencore.data.importing.entries import (
    HEAD,
    Entry,
    Source,
    entry_of_file,
    head_of_gzip,
    is_hidden,
    kind_of_head,
)
from gencore.data.importing.limits import MOST_FILES
from gencore.data.importing.names import count, printable
from gencore.data.verification import DataError

_EXPECTED = "a folder of pictures, a ZIP or TAR archive of them, an IDX file or an NPZ"


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The files at `path`; those of an archive can be opened while the context lasts. Raises DataError."""
    if path.is_dir():
        yield _folder(path)
        return
    if not path.is_file():
        wrong = "is no file and no folder" if path.exists() else "does not exist"
        raise DataError(f"{path} {wrong}; name {_EXPECTED}")
    alone = entry_of_file(path.resolve(), path.name)
    with path.open("rb") as file:
        head = file.read(HEAD)
    kind = kind_of_head(head)
    if kind == "gzip" and head_of_gzip(alone).startswith(IDX_START):
        kind = "idx"
    if kind == "picture":
        raise DataError(f"{path} is one picture; name a folder of them")
    if kind == "other":
        raise DataError(f"{path} begins with {head[:8].hex(' ') or 'nothing'}; expected {_EXPECTED}")
    if kind == "idx":
        yield Source(path, "file", (alone,))
    elif kind == "zip":
        with zip_entries(path) as entries:
            is_npz = bool(entries) and all(entry.name.endswith(".npy") for entry in entries)
            yield Source(path, "file", (alone,)) if is_npz else Source(path, "ZIP archive", entries)
    else:
        with unpacked(path, kind) as plain:
            yield Source(path, "TAR archive", tar_entries(plain, path))


def _folder(path: Path) -> Source:
    """All files below `path`. Links that stay inside are left out: their targets are read where they lie."""
    root = os.path.realpath(path)
    entries: list[Entry] = []
    links = seen = 0
    waiting = [root]
    while waiting:
        for found in _scanned(waiting.pop(), path):
            seen += 1
            if seen > MOST_FILES:
                raise DataError(f"{path} holds more than {MOST_FILES:,} files; at most that many are read")
            name = PurePosixPath(found.path).relative_to(root)
            if is_hidden(name):
                continue
            if found.is_symlink():
                _refuse_leading_out(found.path, root)
                links += 1
            elif found.is_dir(follow_symlinks=False):
                waiting.append(found.path)
            elif found.is_file(follow_symlinks=False):
                entries.append(entry_of_file(Path(found.path), str(name)))
    what = f"{count(links, 'symbolic link')} to places inside the folder {'was' if links == 1 else 'were'}"
    notes = (f"{what} not followed; the files there are read where they lie.",) if links else ()
    return Source(path, "folder", tuple(sorted(entries, key=lambda entry: entry.name)), notes)


def _scanned(folder: str, root: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError as error:
        raise DataError(f"{folder} in {root} cannot be listed: {error.strerror or error}") from error


def _refuse_leading_out(link: str, root: str) -> None:
    target = os.path.realpath(link)
    if os.path.commonpath([target, root]) != root:
        raise DataError(
            f"{printable(link)} is a symbolic link that leads out of the folder, to {printable(target)}; "
            "put a copy of the files in its place, or remove it"
        )
