"""Where a run's event log can be written besides: TensorBoard, MLflow, Weights & Biases, by their libraries.

Each library is optional and loaded when it is asked for. Nothing is sent anywhere: all write into a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from gencore.config import commands
from gencore.config.options import RunConfig
from gencore.store.events import Ended

PROJECT = "gencore"


class Sink(Protocol):
    """One run, as one library keeps it."""

    def scalars(self, values: Mapping[str, float], step: int, time: float) -> None:
        """Figures at `step`, logged at the Unix `time`."""

    def picture(self, path: Path, step: int, time: float) -> None:
        """The sample sheet in the PNG `path`."""

    def close(self, ended: Ended | None) -> None:
        """Write what is left; `ended` is how the training ended, None where it has not."""


class _TensorBoard:
    """Event files in FOLDER/RUN; what an earlier call wrote there is hidden by the newer file."""

    def __init__(self, run: str, options: Mapping[str, object], folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        make_writer: Any = SummaryWriter  # typed as if its file were never opened
        self._writer = make_writer(str(folder / run), purge_step=0, flush_secs=2)
        known = {name: value if isinstance(value, _PLAIN) else str(value) for name, value in options.items()}
        for summary in hparams(known, {}):
            self._writer.file_writer.add_summary(summary)

    def scalars(self, values: Mapping[str, float], step: int, time: float) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step, time)

    def picture(self, path: Path, step: int, time: float) -> None:
        with Image.open(path) as sheet:
            pixels = np.asarray(sheet.convert("RGB"))  # (height, width, 3)
        self._writer.add_image("samples", pixels, step, time, dataformats="HWC")

    def close(self, ended: Ended | None) -> None:
        if ended is not None:
            self._writer.add_text("end", f"{ended.status}: {ended.reason}", ended.step, ended.time)
        self._writer.close()


class _MLflow:
    """A run of the experiment `gencore` in FOLDER/mlflow.db, with pictures in FOLDER/artifacts."""

    _ENDS = {"finished": "FINISHED", "stopped": "KILLED", "diverged": "FAILED", "failed": "FAILED"}

    def __init__(self, run: str, options: Mapping[str, object], folder: Path) -> None:
        mlflow: Any = import_module("mlflow")
        folder.mkdir(parents=True, exist_ok=True)
        client = mlflow.MlflowClient(f"sqlite:///{(folder / 'mlflow.db').resolve()}")
        known = client.get_experiment_by_name(PROJECT)
        artifacts = (folder / "artifacts").resolve().as_uri()
        experiment = known.experiment_id if known else client.create_experiment(PROJECT, artifacts)
        self._client, self._id = client, client.create_run(experiment, run_name=run).info.run_id
        parameter = mlflow.entities.Param
        client.log_batch(self._id, params=[parameter(key, str(value)) for key, value in options.items()])
        self._metric = mlflow.entities.Metric

    def scalars(self, values: Mapping[str, float], step: int, time: float) -> None:
        found = [self._metric(name, value, int(1000 * time), step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=found)

    def picture(self, path: Path, step: int, time: float) -> None:
        self._client.log_artifact(self._id, str(path), "samples")

    def close(self, ended: Ended | None) -> None:
        if ended is not None:
            self._client.set_tag(self._id, "end", f"{ended.status}: {ended.reason}")
            self._client.set_terminated(self._id, self._ENDS[ended.status])


class _WeightsAndBiases:
    """An offline run of the project `gencore` in FOLDER/wandb, which `wandb sync` can send."""

    def __init__(self, run: str, options: Mapping[str, object], folder: Path) -> None:
        self._wandb: Any = import_module("wandb")
        folder.mkdir(parents=True, exist_ok=True)
        quiet = self._wandb.Settings(silent=True, x_disable_stats=True, console="off")
        self._run = self._wandb.init(
            project=PROJECT,
            name=run,
            config=dict(options),
            dir=str(folder),
            mode="offline",
            settings=quiet,
            reinit="create_new",
        )

    def scalars(self, values: Mapping[str, float], step: int, time: float) -> None:
        self._run.log({**values, "unix time": time}, step=step)

    def picture(self, path: Path, step: int, time: float) -> None:
        self._run.log({"samples": self._wandb.Image(str(path))}, step=step)

    def close(self, ended: Ended | None) -> None:
        if ended is not None:
            self._run.summary["end"] = f"{ended.status}: {ended.reason}"
        self._run.finish(exit_code=0 if ended is None or ended.status == "finished" else 1)


_PLAIN = (bool, int, float, str)


class Library(NamedTuple):
    """A library that shows trainings."""

    package: str
    """To install."""
    make: Callable[[str, Mapping[str, object], Path], Sink]
    viewer: str
    """The command that opens, or sends, what is in {folder}."""


SINKS = {
    "tensorboard": Library("tensorboard", _TensorBoard, "tensorboard --logdir {folder}"),
    "mlflow": Library("mlflow", _MLflow, "mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db"),
    "wandb": Library("wandb", _WeightsAndBiases, "wandb sync --sync-all {folder}/wandb"),
}
"""By the name that `gencore mirror --to` takes."""


def open_sink(library: str, run: str, config: RunConfig, folder: Path) -> Sink:
    """A new sink for `run` in `folder`. Raises ValueError for an unknown library, or one that is absent."""
    if library not in SINKS:
        raise ValueError(f"there is no sink {library!r}; use {', '.join(SINKS)}")
    asked = SINKS[library]
    try:
        import_module(asked.package)
    except ImportError as error:
        raise ValueError(f"{library} is not installed ({error}); pip install {asked.package}") from error
    options = {option.name: option.value for option in commands.options(config)}
    return asked.make(run, {"label": config.label, **options}, folder)
