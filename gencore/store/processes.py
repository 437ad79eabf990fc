"""Which process holds a run, and whether it is still the same one; ends of processes."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import psutil
from pydantic import BaseModel, Field


class ClaimingProcess(BaseModel):
    """Who claimed a run: an id alone could belong to another process by now.

    On Linux a process is known by the boot and by the clock tick since then at which it started, which no
    change of the wall clock touches. Elsewhere, and in claims written before this was recorded, by the time
    it started.
    """

    pid: int = Field(gt=0, lt=2**31)
    started: float = Field(description="Unix time in seconds.")
    boot: str | None = Field(None, description="Linux's id of the boot.")
    ticks: int | None = Field(None, description="Clock ticks from the boot to the start of the process.")

    @classmethod
    def this(cls) -> ClaimingProcess:
        """This process."""
        pid = os.getpid()
        return cls(
            pid=pid, started=psutil.Process().create_time(), boot=_boot_id(), ticks=_ticks_at_start(pid)
        )

    def find(self) -> psutil.Process | None:
        """The process, where it is still running."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if self._is_same(process) and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def _is_same(self, process: psutil.Process) -> bool:
        if self.boot is None or self.ticks is None:
            return abs(process.create_time() - self.started) < 0.5
        return (self.boot, self.ticks) == (_boot_id(), _ticks_at_start(self.pid))


def _boot_id() -> str | None:
    """An id that is new with every boot; None where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _ticks_at_start(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat (proc_pid_stat(5)); None where the system or the process is not there."""
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(
        content[content.rindex(b")") + 1 :].split()[19]
    )  # the name before may hold blanks and brackets


def wait_for_end(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those still alive after at most `seconds`. A zombie has ended, even if nobody waits for it."""
    deadline = time.monotonic() + seconds
    while alive := [p for p in processes if p.is_running() and not _is_zombie(p)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return alive


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
