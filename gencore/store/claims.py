"""The claim of one process on a folder: that of a run in training or evaluation, or of a study at work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from pydantic import ValidationError

from gencore.store.files import UnreadableError, read_file, write_atomically
from gencore.store.processes import ClaimingProcess


class BusyError(ValueError):
    """Another process holds the folder."""


@dataclass(frozen=True)
class Claim:
    """Who holds `folder`, and whether the holder was asked to stop."""

    folder: Path

    @property
    def lock_path(self) -> Path:
        """Locked while the folder is held; the system lets go even after kill -9."""
        return self.folder / ".lock"

    @property
    def process_path(self) -> Path:
        """Which process holds it."""
        return self.folder / "process.json"

    @property
    def stop_path(self) -> Path:
        """There while the process that holds it has been asked to stop."""
        return self.folder / "stop-requested"

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the folder for this process. Raises BusyError where another one does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.lock_path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BusyError(f"another process holds {self.folder}") from None
        try:
            self.stop_path.unlink(missing_ok=True)
            write_atomically(self.process_path, ClaimingProcess.this().model_dump_json().encode())
            yield
        finally:
            self.process_path.unlink(missing_ok=True)
            self.stop_path.unlink(missing_ok=True)
            lock.release()

    def process(self) -> psutil.Process | None:
        """The process that holds the folder now; None where there is none on this machine."""
        try:
            return ClaimingProcess.model_validate_json(read_file(self.process_path)).find()
        except (FileNotFoundError, UnreadableError, ValidationError):
            return None

    @property
    def is_stopping(self) -> bool:
        """Whether the holder was asked to stop."""
        return self.stop_path.exists()

    def mark_as_stopping(self) -> bool:
        """Have `is_stopping` hold from now on. Returns False where the mark was there before."""
        try:
            self.stop_path.open("x").close()
        except FileExistsError:
            return False
        except OSError:  # on a full disk no mark is made; a signal still counts
            pass
        return True
