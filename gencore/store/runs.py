"""A run on disk: its name, its files, whether it lives, and how to stop it.

Status is never stored: it follows from the last event and from whether the process that claimed the run is
still the same process (its id together with when it started).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from gencore.config.families import family_of
from gencore.config.options import RunConfig
from gencore.store import events
from gencore.store.claims import BusyError, Claim
from gencore.store.files import UnreadableError
from gencore.store.processes import wait_for_end
from gencore.store.results import Results, load, save

Status = Literal[
    "new",
    "running",
    "stopping",
    "evaluating",
    "finished",
    "stopped",
    "diverged",
    "failed",
    "died",
    "unreadable",
]


class State(NamedTuple):
    """What a run is doing, and why it is unreadable where it is."""

    status: Status
    reason: str | None = None


BUDGET_MINUTES = (1, 3, 10, 30)
"""Minutes of a device's work after which a training keeps its averaged weights, to compare models at equal
budgets."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}


def undescribed(config: RunConfig) -> str:
    """What is wrong with a run's config that does not describe its data."""
    return f"its data set {config.data.dataset} is no published one, and own_data does not describe it"


def home() -> Path:
    """The folder that holds `results/` and `checkpoints/`: $GENCORE_HOME, else the repository, else here."""
    if given := os.environ.get("GENCORE_HOME"):
        return Path(given)
    repository = Path(__file__).resolve().parents[2]
    return repository if (repository / "pyproject.toml").exists() else Path.cwd()


def comparisons_folder(folder: Path | None = None) -> Path:
    """Where comparisons over seeds are kept, one JSON file each; no run can take this name."""
    return (folder or home()) / "results" / "_comparisons"


def studies_folder(folder: Path | None = None) -> Path:
    """Where studies keep their records, a folder each; no run can take this name."""
    return (folder or home()) / "results" / "_studies"


class RunExistsError(ValueError):
    """The name is taken."""


class RunBusyError(BusyError):
    """Another process is training or measuring this run."""


class NotARunError(ValueError):
    """A folder holds files that are no run's; they are never removed."""


@dataclass(frozen=True)
class Run:
    """Paths and state of one run. Construct through `run(name)`, which checks the name."""

    name: str
    results: Path
    checkpoints: Path

    @property
    def home(self) -> Path:
        """The folder that holds `results/` and `checkpoints/`."""
        return self.results.parent.parent

    @property
    def config_path(self) -> Path:
        """What the run was asked to do."""
        return self.results / "config.json"

    @property
    def events_path(self) -> Path:
        """What happened in the training; see `gencore.store.events`."""
        return self.results / "events.jsonl"

    @property
    def results_path(self) -> Path:
        """What `evaluate` measured."""
        return self.results / "results.json"

    @property
    def weights_path(self) -> Path | None:
        """The weights of the run: final ones, else those of its newest state; None before either."""
        final = self.checkpoints / "final.safetensors"
        return final if final.exists() else max(self.checkpoints.glob("step-*.safetensors"), default=None)

    def budget_path(self, minutes: int) -> Path:
        """The averaged weights as they were after so many of BUDGET_MINUTES, where training took longer."""
        return self.checkpoints / f"after-{minutes}-minutes.safetensors"

    @property
    def log_path(self) -> Path:
        """What a detached training printed."""
        return self.results / "log.txt"

    @property
    def is_shipped(self) -> bool:
        """Whether the run came with the product, not trained here (`benchmarks/ship.py` leaves the mark)."""
        return (self.results / "shipped").exists()

    @property
    def _claim(self) -> Claim:
        return Claim(self.results)

    @property
    def exists(self) -> bool:
        """Whether the name is taken by a run: its folder holds a config."""
        return self.config_path.exists()

    def config(self) -> RunConfig:
        """What the run was asked to do. Raises FileNotFoundError, or UnreadableError."""
        if not self.exists:
            raise FileNotFoundError(
                f"no run named {self.name} in {self.results.parent}; `gencore runs` lists them"
            )
        config = load(self.config_path, RunConfig)
        if not config.describes_data:
            raise UnreadableError(undescribed(config))
        return config

    def load_results(self) -> Results | None:
        """What `evaluate` wrote, None before that. Raises UnreadableError."""
        return load(self.results_path, Results) if self.results_path.exists() else None

    def create(self, config: RunConfig) -> None:
        """Take the name and write the config; of several processes, the one that holds the claim.

        Raises RunExistsError, NotARunError, or OSError where the folder is not writable.
        """
        if self.exists:
            raise RunExistsError(
                f"a run named {self.name} exists; use --resume, --overwrite or another --name"
            )
        self.refuse_foreign_files()
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        save(self.config_path, config)

    def refuse_foreign_files(self) -> None:
        """Raises NotARunError where a folder of this name holds files, but no run's config."""
        if self.exists:
            return
        for folder in (self.results, self.checkpoints):
            for path in folder.iterdir() if folder.is_dir() else ():
                if path.name not in self._kept_names and not path.name.endswith(".partial"):
                    raise NotARunError(
                        f"{folder} is not of a run: it holds {path.name}, and {self.results} no config.json; "
                        "use another --name, or move it"
                    )

    @property
    def _kept_names(self) -> set[str]:
        """Files in a run's folder that do not come from its training: lock, claim, mark, and printed log."""
        claim = self._claim
        return {
            claim.lock_path.name,
            claim.process_path.name,
            claim.stop_path.name,
            self.log_path.name,
        }

    def clear(self) -> None:
        """Remove what an earlier training left, to train anew; for the process that holds the claim.

        The lock and the claim stay, and the log, which may be what this very process prints to. Raises
        NotARunError where the folders are not of a run, OSError where something cannot be removed.
        """
        self.refuse_foreign_files()
        if self.checkpoints.exists():
            shutil.rmtree(self.checkpoints)
        # the config last: without it, a folder that was cleared by half would be no run's
        for path in sorted(self.results.iterdir(), key=lambda path: path == self.config_path):
            if path.name not in self._kept_names:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def delete(self) -> None:
        """Remove all that the run has on disk.

        Raises NotARunError where the folders are not of a run, RunBusyError, OSError where something cannot
        be removed.
        """
        self.refuse_foreign_files()
        with self.claim():
            self.clear()
            shutil.rmtree(self.results)

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the run for this process; the system lets go of the lock even after kill -9.

        Raises RunBusyError where another process holds it.
        """
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(self._claim.hold())
            except BusyError:
                raise RunBusyError(f"another process is training or measuring run {self.name}") from None
            for torn in self.checkpoints.glob(".*.partial"):  # of a process killed in mid-save
                torn.unlink()
            yield

    def process(self) -> psutil.Process | None:
        """The process that is training or measuring this run now."""
        return self._claim.process()

    def status(self) -> Status:
        """What the run is doing; of a run that cannot be read, that."""
        return self.state().status

    def state(self) -> State:
        """What the run is doing; where its files cannot be read, why not. Raises nothing."""
        try:
            return State(self._status())
        except Exception as error:  # the boundary of one run: whatever its files hold, listings go on
            return State("unreadable", str(error) or type(error).__name__)

    def _status(self) -> Status:
        newest = events.last(self.events_path)
        if self.process():
            if self._claim.is_stopping:
                return "stopping"
            has_finished = isinstance(newest, events.Ended) and newest.status == "finished"
            return "evaluating" if has_finished else "running"
        is_trained = family_of(self.config().model).is_trained
        if newest is None:
            return "new" if is_trained else "finished"
        return newest.status if isinstance(newest, events.Ended) else "died"

    def mark_as_stopping(self) -> bool:
        """Have `status` say `stopping` from now on. Returns False where the run was marked before."""
        return self._claim.mark_as_stopping()

    def request_stop(self) -> bool:
        """Ask the training or measuring to end, and return at once; a training saves a checkpoint first.

        Asking again does no harm. Returns False where nothing was running.
        """
        process = self.process()
        if process is None:
            return False
        if self.mark_as_stopping():  # a second signal would end it without a checkpoint
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        return True

    def stop(self, patience_seconds: float = 10.0) -> bool:
        """End the training or measuring: asked first (`request_stop`), made to after `patience_seconds`.

        Returns False where nothing was running.
        """
        process = self.process()
        if process is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [*process.children(recursive=True), process]
            self.request_stop()
            survivors = wait_for_end(family, patience_seconds)
            for survivor in survivors:
                with contextlib.suppress(psutil.NoSuchProcess):
                    survivor.kill()
            wait_for_end(survivors, 2)
        return True


def run(name: str, folder: Path | None = None) -> Run:
    """The run called `name` under `folder` (default: `home()`), whether it exists yet or not.

    Raises ValueError for a name that is not 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter
    or digit, is reserved by an operating system, or leads out of the folder.
    """
    if not _NAME.fullmatch(name) or name.endswith(".") or name.split(".")[0].lower() in _RESERVED:
        shown = repr(name if len(name) <= 64 else name[:61] + "...")
        raise ValueError(
            f"run name {shown} is not allowed; use 1 to 64 letters, digits, '.', '_' or '-', "
            "starting with a letter or digit"
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
        if config.parent in (comparisons_folder(folder), studies_folder(folder)):
            continue
        try:
            found.append((config.stat().st_mtime, run(config.parent.name, folder)))
        except (ValueError, OSError) as error:  # a folder that is no run of ours: named, and passed over
            print(f"passed over {config.parent}: {error}", file=sys.stderr)
    return [one for _, one in sorted(found, key=lambda pair: pair[0], reverse=True)]
