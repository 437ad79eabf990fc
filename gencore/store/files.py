"""Files that are whole or absent: write beside the target, fsync, rename over it. Reads never hang."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from io import BufferedReader
from pathlib import Path

_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # these two not everywhere


class UnreadableError(ValueError):
    """A file is not what it should be; the message names it and says why."""


def open_file(path: Path) -> BufferedReader:
    """`path` opened for reading, where it is an ordinary file.

    Raises FileNotFoundError, or UnreadableError for anything else: what may not be read, a folder, a pipe
    (which would never answer), a device (which would never end).
    """
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:  # a parent is a file, so nothing can be here
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from error
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableError(f"{path} cannot be read: it is not an ordinary file")
    return os.fdopen(descriptor, "rb")


def read_file(path: Path) -> bytes:
    """The content of the ordinary file at `path`. Raises as `open_file` does."""
    with open_file(path) as file:
        return file.read()


def write_atomically(path: Path, content: bytes) -> None:
    """The file at `path` holds all of `content`, or stays what it was and no temporary is left.

    The temporary lies in the target's own folder, so the rename never crosses a file system.
    Raises OSError as the system reports it (disk full, folder not writable), naming the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes it private; a run is meant to be read by the dashboard
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a failed write knows only its descriptor
            error.filename = str(path)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut, where the system can.

    Windows opens no folder, some network file systems sync none.
    """
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
                raise
        finally:
            os.close(descriptor)
