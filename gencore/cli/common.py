"""What commands share: where things lie and run, exit codes, what they check and print alike."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from pydantic import BaseModel, ConfigDict, Field, create_model

from gencore.cli import tables
from gencore.config.families import sampling_options, translates
from gencore.metrics.catalog import (
    DEFAULT_GROUPS,
    TRANSLATION_GROUPS,
    TRANSLATION_SPACES,
    FeatureSpace,
    MetricGroup,
)
from gencore.store import results, runs
from gencore.store.runs import Run

if TYPE_CHECKING:  # commands that need no torch start without it
    import torch


DONE, FAILED, BAD_INPUT, DIVERGED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
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
        """The folder that holds results/ and checkpoints/."""
        return self.output_dir or runs.home()

    def pick_device(self) -> torch.device:
        """The device asked for, with --threads applied. Raises ValueError for an unknown one."""
        import torch

        from gencore import devices

        if self.threads is not None:
            if self.threads < 1:
                raise ValueError(f"--threads is {self.threads}; use 1 or more")
            torch.set_num_threads(self.threads)
        return devices.pick(self.device)


class SamplingChanges(BaseModel):
    """Sampling options to use in place of those that the run was trained with.

    The fields are made from the table of families, by flag; None leaves an option as it is.
    """

    model_config = ConfigDict(frozen=True)

    def by_field(self) -> dict[str, object]:
        """The changes by the name of the field in the model's config."""
        return {
            options[0][0].field: value
            for flag, options in sampling_options().items()
            if (value := getattr(self, flag)) is not None
        }


def no_changes() -> SamplingChanges:
    """Sample as trained; its class has an option for each sampling option of any family."""
    fields: dict[str, Any] = {}
    for flag, options in sampling_options().items():
        option, family = options[0]
        field = family.config.model_fields[option.field]
        labels = [variant.label for _, family in options for variant in family.variants]
        about = f"{field.description} [as trained; {', '.join(labels)}]"
        fields[flag] = (Optional[field.annotation], Field(None, description=about))  # noqa: UP045  # a runtime type
    return create_model("SamplingChanges", __base__=SamplingChanges, **fields)()


def check_samples(samples: int | None) -> None:
    """Raises ValueError for a number of images that metrics cannot be computed from."""
    if samples is not None and not 6 <= samples <= 1_000_000:  # five neighbours of each
        raise ValueError(f"--samples is {samples}; use 6 to 1000000 (10000 for a figure to publish)")


def say(text: str) -> None:
    """Print `text` to standard error, so that standard output holds results alone."""
    print(text, file=sys.stderr, flush=True)


def groups_of(
    run: Run, groups: tuple[MetricGroup, ...], spaces: tuple[FeatureSpace, ...] = ("classifier",)
) -> tuple[MetricGroup, ...]:
    """The groups to measure of `run`: those asked for, or its model's usual ones.

    Raises ValueError for a group or features that do not apply to its model."""
    if not translates(run.config().model):
        if "translation" in groups:
            raise ValueError(
                f"run {run.name} generates images without a source, so it has no translation to measure; use "
                f"other groups ({', '.join(DEFAULT_GROUPS)})"
            )
        return groups or DEFAULT_GROUPS
    if others := set(groups) - set(TRANSLATION_GROUPS):
        raise ValueError(
            f"run {run.name} translates images, of which {', '.join(sorted(others))} is not measured; its "
            f"groups are {', '.join(TRANSLATION_GROUPS)}"
        )
    if other_spaces := set(spaces) - set(TRANSLATION_SPACES):
        raise ValueError(
            f"run {run.name} translates images, which are not measured in {', '.join(sorted(other_spaces))} "
            f"features; use {' or '.join(TRANSLATION_SPACES)}"
        )
    return groups or TRANSLATION_GROUPS


def evaluate_run(
    run: Run,
    common: CommonOptions,
    samples: int | None = None,
    seed: int = 0,
    changes: dict[str, object] | None = None,
    groups: tuple[MetricGroup, ...] = (),
    spaces: tuple[FeatureSpace, ...] = ("classifier",),
) -> results.Results:
    """Measure `run` as `gencore.evaluation.evaluate` does, or `.translation` a model that translates, while
    no other process trains or measures it. Raises as these and `groups_of`."""
    groups = groups_of(run, groups, spaces)
    device = common.pick_device()
    from gencore.evaluation.evaluate import evaluate
    from gencore.evaluation.translation import evaluate_translation

    measure = evaluate_translation if translates(run.config().model) else evaluate
    with run.claim():
        return measure(
            run,
            device,
            samples,
            seed,
            changes,
            common.data_dir,
            lambda text: say(f"{run.name}: {text}"),
            groups,
            spaces,
        )


def print_results(found: list[results.Results], as_json: bool) -> None:
    """Print results as strict JSON or as a table."""
    if as_json:
        print(json.dumps([json.loads(one.model_dump_json()) for one in found], indent=1, allow_nan=False))
    else:
        tables.show_results(found)
