"""What commands share: where things lie and run, exit codes, what they check and print alike."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gencore import results, runs, tables
from gencore.runs import Run

if TYPE_CHECKING:  # commands that need no torch start without it
    import torch


DONE, FAILED, BAD_INPUT, DIVERGED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things lie and run."""

    output_dir: Path | None = None
    """Folder of results/ and checkpoints/ [$GENCORE_HOME, else the repository]."""
    data_dir: Path | None = None
    """Folder of the data sets [$GENCORE_DATA, else data/]."""
    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int | None = None
    """CPU threads [all]."""

    @property
    def folder(self) -> Path:
        return self.output_dir or runs.home()

    def pick_device(self) -> torch.device:
        import torch

        from gencore import devices

        if self.threads is not None:
            if self.threads < 1:
                raise ValueError(f"--threads is {self.threads}; use 1 or more")
            torch.set_num_threads(self.threads)
        try:
            return devices.pick(self.device)
        except RuntimeError:
            raise ValueError(f"--device is {self.device!r}; use auto, cpu or cuda") from None


def check_samples(samples: int | None) -> None:
    if samples is not None and not 6 <= samples <= 1_000_000:  # five neighbours of each
        raise ValueError(f"--samples is {samples}; use 6 to 1000000 (10000 for a figure to publish)")


def changes_of(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def evaluate_run(
    run: Run,
    places: Places,
    samples: int | None = None,
    seed: int = 0,
    changes: dict[str, object] | None = None,
    groups: tuple[results.MetricGroup, ...] = results.DEFAULT_GROUPS,
    spaces: tuple[results.FeatureSpace, ...] = ("classifier",),
) -> results.Results:
    device = places.pick_device()
    from gencore.evaluation import evaluate

    with run.claim():
        return evaluate(
            run, device, samples, seed, changes, places.data_dir, lambda text: say(f"{run.name}: {text}"), groups, spaces
        )


def print_results(found: list[results.Results], as_json: bool) -> None:
    if as_json:
        print(json.dumps([json.loads(one.model_dump_json()) for one in found], indent=1, allow_nan=False))
    else:
        tables.show_results(found)
