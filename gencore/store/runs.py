"""A run on disk: its name, its files, whether it lives, and how to stop it.

Status is never stored: it follows from the last event and from whether the process that claimed the run is
still the same process (its id together with its start time).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from filelock import FileLock, Timeout
from pydantic import BaseModel, Field

from gencore import events, results
from gencore.config import RunConfig
from gencore.files import write_atomically

Status = Literal["new", "running", "evaluating", "finished", "stopped", "diverged", "failed", "died", "unreadable"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOCK = ".lock"
_RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}


def home() -> Path:
    """The folder that holds `results/` and `checkpoints/`: $GENCORE_HOME, else the repository, else here."""
    if given := os.environ.get("GENCORE_HOME"):
        return Path(given)
    repository = Path(__file__).resolve().parent.parent
    return repository if (repository / "pyproject.toml").exists() else Path.cwd()


class _Process(BaseModel):
    """Who claimed a run: an id alone could have been given to a stranger since."""

    pid: int = Field(gt=0, lt=2**31)
    started: float

    @classmethod
    def this(cls) -> _Process:
        return cls(pid=os.getpid(), started=psutil.Process().create_time())

    def find(self) -> psutil.Process | None:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) < 0.5 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


class RunExistsError(ValueError):
    """The name is taken."""


class RunBusyError(ValueError):
    """Another process is training or measuring this run."""


@dataclass(frozen=True)
class Run:
    """Paths and state of one run. Construct through `run(name)`, which checks the name."""

    name: str
    results: Path
    checkpoints: Path

    @property
    def config_path(self) -> Path:
        return self.results / "config.json"

    @property
    def events_path(self) -> Path:
        return self.results / "events.jsonl"

    @property
    def results_path(self) -> Path:
        return self.results / "results.json"

    @property
    def weights_path(self) -> Path | None:
        """The weights that stand for the run: final ones, else those of its newest state; None before either."""
        final = self.checkpoints / "final.safetensors"
        return final if final.exists() else max(self.checkpoints.glob("step-*.safetensors"), default=None)

    @property
    def log_path(self) -> Path:
        """What a detached training printed."""
        return self.results / "log.txt"

    @property
    def is_shipped(self) -> bool:
        """Whether the run came with the product and was not trained here (`benchmarks/ship.py` leaves the mark)."""
        return (self.results / "shipped").exists()

    @property
    def _process_path(self) -> Path:
        return self.results / "process.json"

    @property
    def exists(self) -> bool:
        return self.config_path.exists()

    def config(self) -> RunConfig:
        """Raises FileNotFoundError naming the run, or UnreadableError."""
        if not self.exists:
            raise FileNotFoundError(f"no run named {self.name} in {self.results.parent}; `gencore runs` lists them")
        return results.load(self.config_path, RunConfig)

    def load_results(self) -> results.Results | None:
        """What `evaluate` wrote, None before that. Raises UnreadableError."""
        return results.load(self.results_path, results.Results) if self.results_path.exists() else None

    def create(self, config: RunConfig) -> None:
        """Take the name and write the config; of several processes, the one that holds the claim.

        Raises RunExistsError, or OSError where the folder is not writable.
        """
        if self.exists:
            raise RunExistsError(f"a run named {self.name} exists; use --resume, --overwrite or another --name")
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        results.save(self.config_path, config)

    def clear(self) -> None:
        """Remove what an earlier training left, to train anew; for the process that holds the claim.

        The lock and the claim stay, and the log, which may be what this very process prints to.
        """
        if self.checkpoints.exists():
            shutil.rmtree(self.checkpoints)
        for path in self.results.iterdir():
            if path.name not in {_LOCK, self._process_path.name, self.log_path.name}:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the run for this process; the system lets go of the lock even after kill -9.

        Raises RunBusyError where another process holds it.
        """
        self.results.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.results / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunBusyError(f"another process is training or measuring run {self.name}") from None
        try:
            write_atomically(self._process_path, _Process.this().model_dump_json().encode())
            for torn in self.checkpoints.glob(".*.partial"):  # of a process killed in mid-save
                torn.unlink()
            yield
        finally:
            self._process_path.unlink(missing_ok=True)
            lock.release()

    def process(self) -> psutil.Process | None:
        """The process that is training or measuring this run now."""
        try:
            return results.load(self._process_path, _Process).find()
        except (FileNotFoundError, results.UnreadableError):
            return None

    def status(self) -> Status:
        newest = events.last(self.events_path)
        if self.process():
            return "evaluating" if isinstance(newest, events.Ended) and newest.status == "finished" else "running"
        try:
            self.config()
        except (results.UnreadableError, OSError):
            return "unreadable"
        if newest is None:
            return "new"
        return newest.status if isinstance(newest, events.Ended) else "died"

    def stop(self, patience_seconds: float = 10.0) -> bool:
        """End the training or measuring: asked first (a training saves a checkpoint), made to after `patience_seconds`.

        Returns False where nothing was running.
        """
        process = self.process()
        if process is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [*process.children(recursive=True), process]
            process.terminate()
            survivors = _wait_for_end(family, patience_seconds)
            for survivor in survivors:
                with contextlib.suppress(psutil.NoSuchProcess):
                    survivor.kill()
            _wait_for_end(survivors, 2)
        return True


def _wait_for_end(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those still alive after at most `seconds`. A zombie has ended, whether or not its parent ever asks for it."""
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


def run(name: str, folder: Path | None = None) -> Run:
    """The run called `name` under `folder` (default: `home()`), whether it exists yet or not.

    Raises ValueError for a name that is not 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or
    digit, is reserved by an operating system, or leads out of the folder.
    """
    if not _NAME.fullmatch(name) or name.endswith(".") or name.split(".")[0].lower() in _RESERVED:
        shown = repr(name if len(name) <= 64 else name[:61] + "...")
        raise ValueError(
            f"run name {shown} is not allowed; use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
        )
    root = (folder or home()).resolve()
    for kind in ("results", "checkpoints"):
        if (root / kind / name).resolve() != root / kind / name:
            raise ValueError(f"run name {name!r} leads out of {root / kind}; remove the link of that name")
    return Run(name, root / "results" / name, root / "checkpoints" / name)


def all_runs(folder: Path | None = None) -> list[Run]:
    """Every folder with a config, newest first; a broken config counts (its status says so)."""
    found = []
    for config in (folder or home()).glob("results/*/config.json"):
        try:
            found.append((config.stat().st_mtime, run(config.parent.name, folder)))
        except (ValueError, OSError) as error:  # a folder that is no run of ours: named, and passed over
            print(f"passed over {config.parent}: {error}", file=sys.stderr)
    return [one for _, one in sorted(found, key=lambda pair: pair[0], reverse=True)]
