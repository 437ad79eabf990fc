"""Files are whole or absent, whatever happens to the writer."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gencore.store.files import UnreadableError, read_file, write_atomically


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writing a file past `size` bytes fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_holds_what_was_written_last_and_others_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "file"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_disk_full_in_mid_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with largest_file(10_000), pytest.raises(OSError) as failure:
        write_atomically(path, bytes(1_000_000))
    assert failure.value.errno == errno.EFBIG and failure.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_is_a_folder_is_an_error_that_leaves_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (target / "inhabited").mkdir(parents=True)
    with pytest.raises(OSError):
        write_atomically(target, b"x")
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(OSError):
        write_atomically(tmp_path / "file" / "below", b"x")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_only_an_ordinary_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "file") == read_file(tmp_path / "link") == b"content"
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(UnreadableError, match=f"{path} cannot be read: it is not an ordinary file"):
            read_file(path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UnreadableError, match="loop cannot be read: Too many levels of symbolic links"):
        read_file(tmp_path / "loop")
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "absent")


WITHOUT_FOLDERS = """
import os, sys
from pathlib import Path
sys.modules["resource"] = None
real = os.open
def no_folders(path, *given, **named):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return real(path, *given, **named)
os.open = no_folders
import gencore.devices
from gencore.store.files import write_atomically
write_atomically(Path(sys.argv[1]), b"written")
"""


def test_a_system_that_opens_no_folders_and_has_no_resource_module_writes_all_the_same(
    tmp_path: Path,
) -> None:
    """As on Windows; in a process of its own, for it changes os.open."""
    subprocess.run([sys.executable, "-c", WITHOUT_FOLDERS, tmp_path / "file"], check=True)
    assert (tmp_path / "file").read_bytes() == b"written"
