"""Runs the trials of a study by Ray Tune, on this machine or on a cluster, and goes on where it was left.

Nothing of Ray's is needed to go on: a trial's state is that of its run. Ray is loaded by `require` only.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from gencore.analysis.time_estimate import steps_per_epoch
from gencore.store.claims import BusyError
from gencore.store.runs import RunBusyError
from gencore.studies.plan import Trial, base_config, trials_at
from gencore.studies.points import point
from gencore.studies.records import StudyRecord, TrialState
from gencore.studies.statistics import find_winner
from gencore.studies.study import QUICK_FD, Study

if TYPE_CHECKING:
    from ray.tune import TuneConfig
    from ray.tune.schedulers import TrialScheduler

INSTALL = "pip install -r requirements-study.txt"
_OBJECT_STORE_BYTES = 100 * 2**20  # nothing large passes through Ray
_SECONDS_TO_LET_GO = 60.0
_RAYS_FOLDER = "ray"
"""What Ray keeps of a fit, in the study's folder: every node must reach it; removed in the end."""
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # what happened is in the runs' own logs
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C stops trials in order, as below
    "RAY_AIR_NEW_OUTPUT": "0",
}
_LOCAL_ENVIRONMENT = {
    # despite its name on every system: the node's address is 127.0.0.1, so Ray listens nowhere else
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # for other users of this machine; by default Ray would leave one in the home folder
    "RAY_AUTH_MODE": "token",
}
_TOKEN = "RAY_AUTH_TOKEN"


@dataclass(frozen=True)
class Machines:
    """Where trials run."""

    address: str | None = None
    """Of a Ray cluster; None for this machine."""
    device: str = "auto"
    data_folder: Path | None = None


def require(study: Study, address: str | None = None) -> None:
    """Load Ray, set to run `study` at `address`: Ray reads its settings when it is loaded, and only then.

    Raises ValueError where Ray, or Optuna for a study that needs it, is not installed."""
    os.environ.update(_ENVIRONMENT)
    if address is None:
        os.environ.update(_LOCAL_ENVIRONMENT)
        os.environ.setdefault(_TOKEN, secrets.token_hex(32))
    try:
        import ray.tune  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"studies are run by Ray Tune, which is not installed ({error}); {INSTALL}"
        ) from error
    if study.search.method == "tpe":
        try:
            import optuna  # noqa: F401
        except ImportError as error:
            raise ValueError(f"search by tpe needs Optuna, which is not installed; {INSTALL}") from error


def trials_at_once(study: Study, cores: int | None = None) -> int:
    """How many trials of `study` so many cores (default: this machine's) train side by side."""
    return max(1, (cores or os.cpu_count() or 1) // study.threads)


def drive(record: StudyRecord, machines: Machines, say: Callable[[str], None]) -> list[TrialState]:
    """Run what is left of a study, then confirm the best point of a search; returns all trials' states.

    A signal stops it in order: each trial saves a checkpoint. Raises BusyError where another process drives
    it, RunBusyError where one trains a trial, ValueError where Ray is absent or cannot be reached."""
    study = record.study()
    require(study, machines.address)
    if record.claim.process():
        raise BusyError(
            f"another process runs study {record.name}; `gencore study stop {record.name}` ends it"
        )
    with record.claim.hold(), _signals(record):
        _wait_for_trials(record)
        with _ray(record, machines) as cores:
            session = _Session(record, study, machines, cores, say)
            session.search()
            if not record.claim.is_stopping:
                session.confirm()
    return record.states()


class _Session:
    """One process's work on a study."""

    def __init__(
        self, record: StudyRecord, study: Study, machines: Machines, cores: int, say: Callable[[str], None]
    ) -> None:
        self.record, self.study, self.machines, self.cores, self.say = record, study, machines, cores, say
        self.base = base_config(study, machines.data_folder)

    def search(self) -> None:
        """The trials by which points are compared."""
        if self.study.search.method == "tpe":
            self._train_chosen()
            return
        states = [state for state in self.record.states() if state.trial.phase == "search"]
        if any(not state.is_settled for state in states):
            # ASHA compares with all trials, so it is told of those before
            told = self.study.scheduler == "asha"
            self._train([one for one in states if told or not one.is_settled], self._scheduler())

    def confirm(self) -> None:
        """Train the best point of a search on fresh seeds, without cuts."""
        winner = find_winner(self.study, self.record.states())
        if winner is None or not self.study.confirmation_seeds:
            return
        known = self.record.trials()
        if all(trial.phase == "search" for trial in known):
            first = max(self.study.seeds) + 1
            fresh = range(first, first + self.study.confirmation_seeds)
            at = point(self.study, self.base, winner.point)
            for trial in trials_at(self.study, self.base, at, fresh, "confirmation", len(known)):
                self.record.refuse_foreign_run(trial)
                self.record.save(trial)
            self.say(f"{winner.title} leads; it is trained again on fresh seeds ({len(fresh)})")
        states = [state for state in self.record.states() if state.trial.phase == "confirmation"]
        if left := [state for state in states if not state.is_settled]:
            self._train(left, None)

    def _train(self, states: Sequence[TrialState], scheduler: TrialScheduler | None) -> None:
        """Known trials, in their order; of those that are settled, only what they reported."""
        from ray import tune

        configs = [self._config(one.trial, replay=one.is_settled) for one in states]
        settings = tune.TuneConfig(
            scheduler=scheduler,
            metric=QUICK_FD,
            mode="min",
            max_concurrent_trials=None if self.machines.address else self._at_once,
        )
        self._fit({"work": tune.grid_search(configs)}, settings)

    def _train_chosen(self) -> None:
        """The trials of a search that learns."""
        from ray import tune

        from gencore.studies.tpe import PointChooser
        from gencore.studies.tuning import ChosenTrials

        chooser = PointChooser(self.record, self.machines.data_folder)
        searcher = ChosenTrials(chooser, lambda trial: {"work": self._config(trial)}, self._at_once)
        settings = tune.TuneConfig(
            search_alg=searcher, scheduler=self._scheduler(), metric=QUICK_FD, mode="min", num_samples=-1
        )
        self._fit({}, settings)

    def _fit(self, space: dict[str, object], settings: TuneConfig) -> None:
        """Have Tune train until no trial is left or the study is asked to stop."""
        from ray import tune

        from gencore.studies import tuning

        tuner = tune.Tuner(
            tuning.trainable(self.study),
            param_space=space,
            tune_config=settings,
            run_config=tune.RunConfig(
                name=f"fit-{time.time_ns()}",
                storage_path=str(self.record.folder / _RAYS_FOLDER),
                stop=tuning.StopWithTheStudy(self.record),
                failure_config=tune.FailureConfig(max_failures=self.study.retries),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[tuning.Announcer(self.say)],
                verbose=0,
            ),
        )
        with _logging_to(self.record.log_path) as log, contextlib.redirect_stdout(log):
            tuner.fit()

    @property
    def _at_once(self) -> int:
        """Trials for which there are cores."""
        return trials_at_once(self.study, self.cores)

    def _config(self, trial: Trial, replay: bool = False) -> dict[str, object]:
        folder = self.machines.data_folder
        return {
            "study": self.study.name,
            "home": str(self.record.home),
            "trial": trial.name,
            "replay": replay,
            "threads": self.study.threads,
            "device": self.machines.device,
            "data_folder": str(folder.resolve()) if folder else None,
        }

    def _scheduler(self) -> TrialScheduler | None:
        if self.study.scheduler != "asha":
            return None
        from ray.tune.schedulers import ASHAScheduler

        passes = steps_per_epoch(self.base)
        known = [trial.epochs for trial in self.record.trials()]
        longest = max([self.base.total_steps(passes) / passes, *known])
        return ASHAScheduler(
            time_attr="epoch",
            max_t=math.ceil(longest) - 1,  # at the end, a cut would save nothing
            grace_period=self.study.asha_first_epoch,
            reduction_factor=self.study.asha_factor,
            stop_last_trials=False,
        )


@contextlib.contextmanager
def _ray(record: StudyRecord, machines: Machines) -> Iterator[int]:
    """Ray, connected to the cluster or started here for as long as this lasts; yields the number of cores.

    Here it listens on 127.0.0.1 only, without its dashboard. Raises ValueError for an address where no
    cluster answers."""
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    temporary = tempfile.mkdtemp(prefix="gencore-ray-")  # short: it holds sockets, whose paths are bounded
    shutil.rmtree(record.folder / _RAYS_FOLDER, ignore_errors=True)
    try:
        if machines.address is not None:
            try:
                ray.init(address=machines.address, **quiet)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise ValueError(
                    f"no Ray cluster answers at {machines.address} ({str(error).splitlines()[0]}); start one "
                    "with `ray start --head`, or leave out --address"
                ) from error
        else:
            ray.init(
                address="local",
                include_dashboard=False,
                num_cpus=os.cpu_count(),
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=temporary,
                **quiet,
            )
        yield int(ray.cluster_resources().get("CPU", 1))
    finally:
        ray.shutdown()
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(record.folder / _RAYS_FOLDER, ignore_errors=True)


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[TextIO]:
    """What Ray logs goes to `path`, which is yielded open, and not to the terminal."""
    logger = logging.getLogger("ray")
    before = logger.handlers[:]
    with path.open("a", buffering=1) as log:
        logger.handlers = [logging.StreamHandler(log)]
        try:
            yield log
        finally:
            logger.handlers = before


@contextlib.contextmanager
def _signals(record: StudyRecord) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask the study to stop; a second one ends this process at once."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def note(number: int, frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        record.claim.mark_as_stopping()

    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_trials(record: StudyRecord) -> None:
    """Return once no process trains a trial: those of a killed study end when they notice.

    Raises RunBusyError where one goes on."""
    deadline = time.monotonic() + _SECONDS_TO_LET_GO
    while busy := _busy(record.trials(), record):
        if time.monotonic() > deadline:
            raise RunBusyError(f"another process is training {', '.join(busy)}; `gencore stop` ends it")
        time.sleep(0.2)


def _busy(trials: Sequence[Trial], record: StudyRecord) -> list[str]:
    return [trial.name for trial in trials if record.run_of(trial).process()]
