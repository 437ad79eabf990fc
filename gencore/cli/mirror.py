"""The command that writes event logs for other libraries' viewers."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from gencore.cli.common import DONE
from gencore.reports.sinks import SINKS
from gencore.store import runs

_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Write the event logs of runs for TensorBoard, MLflow or Weights & Biases (offline)."""

    names: Annotated[Positional[tuple[str, ...]], tyro.conf.arg(metavar="RUN...")]
    to: str = "tensorboard"
    """tensorboard, mlflow or wandb; each is a library to install."""
    folder: Path | None = None
    """Folder to write to [mirrors/ and the library's name, beside results/]."""
    follow: bool = False
    """Go on until no process works on the runs any more."""
    output_dir: Path | None = None
    """Folder of results/ and checkpoints/ [$GENCORE_HOME, else the repository]."""

    def __call__(self) -> int:
        """Run the command; returns the exit code. Raises ValueError, FileNotFoundError."""
        from gencore.reports.mirror import Mirror as LogMirror

        if not self.names:
            raise ValueError("no run is named; `gencore runs` lists them")
        found = [runs.run(name, self.output_dir) for name in dict.fromkeys(self.names)]
        for run in found:
            run.config()
        folder = self.folder or (self.output_dir or runs.home()) / "mirrors" / self.to
        with ExitStack() as opened:
            mirrors = []
            for run in found:
                mirrors.append(LogMirror(run, self.to, folder))
                opened.callback(mirrors[-1].close)
            while any([mirror.update() for mirror in mirrors]) and self.follow:
                time.sleep(_SECONDS)
        names = ", ".join(run.name for run in found)
        print(f"{names} in {folder}; `{SINKS[self.to].viewer.format(folder=folder)}`")
        return DONE
